"""A storage backend for the memory of CrewAI on any storage.

Needs the extra `crewai`:

    memory = Memory(storage=RecuerdaStorageBackend("sqlite:///memory.db", "ship"))
    crew = Crew(agents=[...], tasks=[...], memory=memory)
"""

import importlib.util

from recuerda.errors import MissingExtraError

if importlib.util.find_spec("crewai") is None:
    raise MissingExtraError(module="recuerda.interop.crewai", extra="crewai")

from recuerda.interop.crewai.backend import RecuerdaStorageBackend

__all__ = ["RecuerdaStorageBackend"]
