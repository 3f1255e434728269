"""A chat store of LlamaIndex on any storage.

Needs the extra `llama-index`:

    store = RecuerdaChatStore("sqlite:///memory.db")
    memory = Memory.from_defaults(session_id="riker", chat_store=store)
    await agent.run("My name is Riker.", memory=memory)
"""

import importlib.util

from recuerda.errors import MissingExtraError

if importlib.util.find_spec("llama_index") is None or importlib.util.find_spec("llama_index.core") is None:
    raise MissingExtraError(module="recuerda.interop.llama_index", extra="llama-index")

from recuerda.interop.llama_index.store import RecuerdaChatStore

__all__ = ["RecuerdaChatStore"]
