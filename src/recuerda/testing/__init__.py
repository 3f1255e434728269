"""Test tools of recuerda, for the tests of programs that build on it.

`ScriptedChatClient` and `ScriptedOpenAIServer` stand in for a model and give the answers that a test wrote for them.
`StorageContract` checks a storage. `recuerda.testing.conversation_contract` checks the conversation store of any
framework. `recuerda.testing.strategies` has hypothesis strategies for messages and turns.

Each name is imported when a program first asks for it. `ScriptedChatClient` needs nothing but recuerda; the server, the
contract and the strategies need `pip install "recuerda[testing]"`.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recuerda.testing.openai_script import Dropped, Failure, RecordedRequest, Reply, ToolCall, Usage
    from recuerda.testing.openai_server import ScriptedOpenAIServer
    from recuerda.testing.scripted import ScriptedChatClient, ScriptExhausted, call
    from recuerda.testing.storage_contract import (
        BlobContract,
        DraftListContract,
        LeaseContract,
        RewriteContract,
        StorageContract,
    )

__all__ = [
    "BlobContract",
    "DraftListContract",
    "Dropped",
    "Failure",
    "LeaseContract",
    "RecordedRequest",
    "Reply",
    "RewriteContract",
    "ScriptExhausted",
    "ScriptedChatClient",
    "ScriptedOpenAIServer",
    "StorageContract",
    "ToolCall",
    "Usage",
    "call",
]

_MODULES = {
    "recuerda.testing.openai_script": ("Dropped", "Failure", "RecordedRequest", "Reply", "Usage", "ToolCall"),
    "recuerda.testing.openai_server": ("ScriptedOpenAIServer",),
    "recuerda.testing.scripted": ("ScriptExhausted", "ScriptedChatClient", "call"),
    "recuerda.testing.storage_contract": (
        "BlobContract",
        "DraftListContract",
        "LeaseContract",
        "RewriteContract",
        "StorageContract",
    ),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
