"""LangGraph's memory on any storage: `RecuerdaSaver` keeps a graph's checkpoints, `RecuerdaStore` keeps its items.

`records.py` has the form of a record, `values.py` and `messages.py` turn values and messages into JSON and back.
`log.py` finds the checkpoints in a thread's records, `states.py` finds out what a checkpoint changed, `tail.py` keeps
the newest state of a thread in step with its storage, and `forgetting.py` deletes single checkpoints.
"""

import importlib.util

from recuerda.errors import MissingExtraError

if importlib.util.find_spec("langgraph") is None:
    raise MissingExtraError(module="recuerda.interop.langgraph", extra="langgraph")

from recuerda.interop.langgraph.saver import RecuerdaSaver
from recuerda.interop.langgraph.store import RecuerdaStore

__all__ = ["RecuerdaSaver", "RecuerdaStore"]
