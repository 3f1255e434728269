"""Long-term memory by Mem0: its platform, or its open-source library.

`provider.py` has the provider for an agent. `scope.py` defines the owner of memories, `memories.py` calls the two
editions in their versions, `platform.py` manages the platform's clients, `texts.py` decides which texts are searched
for, shown and learned, and `failures.py` translates errors.
"""

import importlib.util
import logging
import os
import sys

from recuerda._events import fields
from recuerda.errors import MissingExtraError

# This only looks for Mem0 and does not import it. The import takes a second, creates a folder, and starts Mem0's
# telemetry.
if importlib.util.find_spec("mem0") is None:
    raise MissingExtraError(module="recuerda.mem0", extra="mem0")

# Mem0 imports fastembed if it is installed, and with it ONNX Runtime, which has telemetry of its own.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
if "MEM0_TELEMETRY" not in os.environ:
    os.environ["MEM0_TELEMETRY"] = "False"
    if "mem0.memory.telemetry" in sys.modules:
        logging.getLogger("recuerda.mem0").warning(
            "mem0 was imported before recuerda.mem0, so it sends telemetry; import recuerda.mem0 first, or set "
            "MEM0_TELEMETRY to False (or to True, if you want telemetry)",
            extra=fields("mem0_telemetry_on"),
        )

from recuerda.mem0.provider import Mem0Provider

__all__ = ["Mem0Provider"]
