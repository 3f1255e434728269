"""Long-term memory by Mem0: its platform, or its open-source library.

`provider.py` is what an agent is given. `scope.py` says whose memories are meant, `memories.py` how the two editions
and their versions are spoken to, `platform.py` keeps the platform's clients, `texts.py` decides what is searched, shown
and learnt, and `failures.py` says what went wrong.
"""

import importlib.util
import logging
import os
import sys

from recuerda.errors import MissingExtraError

# Mem0 is only looked for: importing it takes a second, makes a folder, and with its telemetry on starts to send.
if importlib.util.find_spec("mem0") is None:
    raise MissingExtraError(module="recuerda.mem0", extra="mem0")

if "MEM0_TELEMETRY" not in os.environ:
    os.environ["MEM0_TELEMETRY"] = "False"
    if "mem0.memory.telemetry" in sys.modules:
        logging.getLogger("recuerda").warning(
            "mem0 was imported before recuerda.mem0, and sends telemetry: import recuerda.mem0 first, or set "
            "MEM0_TELEMETRY to False (or to True, if you want it)"
        )

from recuerda.mem0.provider import Mem0Provider

__all__ = ["Mem0Provider"]
