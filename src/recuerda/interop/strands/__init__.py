"""Sessions of Strands Agents on any storage.

Needs the extra `strands`:

    agent = Agent(session_manager=RecuerdaSessionManager("riker", "sqlite:///memory.db"))
    agent("My name is Riker.")
"""

import importlib.util

from recuerda.errors import MissingExtraError

if importlib.util.find_spec("strands") is None:
    raise MissingExtraError(module="recuerda.interop.strands", extra="strands")

from recuerda.interop.strands.manager import RecuerdaSessionManager
from recuerda.interop.strands.repository import RecuerdaSessionRepository
from recuerda.interop.strands.snapshots import RecuerdaSnapshotStorage

__all__ = ["RecuerdaSessionManager", "RecuerdaSessionRepository", "RecuerdaSnapshotStorage"]
