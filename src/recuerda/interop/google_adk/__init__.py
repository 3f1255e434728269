"""Sessions and memory of Google's Agent Development Kit (ADK) on any storage.

Needs the extra `google-adk`:

    sessions = RecuerdaSessionService("sqlite:///memory.db")
    runner = Runner(app_name="ship", agent=agent, session_service=sessions)
"""

import importlib.util

from recuerda.errors import MissingExtraError

try:
    _is_there = importlib.util.find_spec("google.adk") is not None
except ModuleNotFoundError:  # There is not even the namespace package `google`.
    _is_there = False
if not _is_there:
    raise MissingExtraError(module="recuerda.interop.google_adk", extra="google-adk")

from recuerda.interop.google_adk.memory import RecuerdaMemoryService
from recuerda.interop.google_adk.sessions import RecuerdaSessionService

__all__ = ["RecuerdaMemoryService", "RecuerdaSessionService"]
