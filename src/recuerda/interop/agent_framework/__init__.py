"""The history, the sessions and the context of Agent Framework's agents, on any storage.

Needs the extra `agent-framework`:

    history = RecuerdaHistoryProvider("sqlite:///memory.db")
    agent = Agent(client, context_providers=[history])
    await agent.run("My name is Riker.", session=agent.create_session(session_id="riker"))
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from recuerda.errors import MissingExtraError

if importlib.util.find_spec("agent_framework") is None:
    raise MissingExtraError(module="recuerda.interop.agent_framework", extra="agent-framework")

from recuerda.interop.agent_framework.context import RecuerdaContextProvider
from recuerda.interop.agent_framework.history import RecuerdaHistoryProvider

if TYPE_CHECKING:
    from recuerda.interop.agent_framework.sessions import RecuerdaSessionStore

__all__ = ["RecuerdaContextProvider", "RecuerdaHistoryProvider", "RecuerdaSessionStore"]


def __getattr__(name: str) -> Any:
    """Import the session store when it is used: the framework warns that session stores are experimental."""
    if name != "RecuerdaSessionStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from recuerda.interop.agent_framework.sessions import RecuerdaSessionStore

    return RecuerdaSessionStore
