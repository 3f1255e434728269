"""What recuerda tests itself with, for the tests of those who build on it.

A scripted chat client and a scripted OpenAI-compatible server stand in for models, `StorageContract` checks a storage,
and `strategies` has hypothesis strategies for messages. Each is imported when it is asked for: the client needs nothing
but recuerda, the others what `pip install "recuerda[testing]"` brings.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recuerda.testing.openai_server import ScriptedOpenAIServer
    from recuerda.testing.scripted import ScriptedChatClient
    from recuerda.testing.storage_contract import StorageContract

__all__ = ["ScriptedChatClient", "ScriptedOpenAIServer", "StorageContract"]

_MODULES = {
    "ScriptedChatClient": "recuerda.testing.scripted",
    "ScriptedOpenAIServer": "recuerda.testing.openai_server",
    "StorageContract": "recuerda.testing.storage_contract",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
