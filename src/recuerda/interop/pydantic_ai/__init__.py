"""A conversation store of Pydantic AI on any storage.

Needs the extra `pydantic-ai`:

    store = RecuerdaConversationStore("sqlite:///memory.db")
    conversation = await store.load("riker") or Conversation(conversation_id="riker")
    await store.save(await agent.run("My name is Riker.", conversation=conversation))
"""

import importlib.util

from recuerda.errors import MissingExtraError

if importlib.util.find_spec("pydantic_ai") is None:
    raise MissingExtraError(module="recuerda.interop.pydantic_ai", extra="pydantic-ai")

from recuerda.interop.pydantic_ai.store import RecuerdaConversationStore

__all__ = ["RecuerdaConversationStore"]
