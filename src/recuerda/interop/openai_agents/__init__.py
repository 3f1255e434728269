"""A session of the OpenAI Agents SDK on any storage.

Needs the extra `openai-agents`:

    session = RecuerdaSession("riker", "sqlite:///memory.db")
    result = await Runner.run(agent, "My name is Riker.", session=session)
"""

import importlib.util

from recuerda.errors import MissingExtraError

if importlib.util.find_spec("agents") is None:
    raise MissingExtraError(module="recuerda.interop.openai_agents", extra="openai-agents")

from recuerda.interop.openai_agents.session import RecuerdaSession

__all__ = ["RecuerdaSession"]
