"""recuerda: durable conversation memory for LLM agents.

This module holds the names that most programs need. Each technology has its own module, named as its extra:
`recuerda.openai`, `recuerda.sqlite`, `recuerda.file` and others. `open_storage` and `create_agent(storage=…)` find a
storage by its URL.

A name is imported when a program first uses it, so a program waits only for the parts that it uses. A new name goes
into all three lists below: the imports for type checkers and editors, `__all__`, and the table for a running program.
A module inside the package imports a name from the module that defines it, and never from here.
"""

from importlib import import_module as _import_module
from sys import modules as _modules
from threading import RLock as _RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recuerda.agent.agent import Agent
    from recuerda.agent.chat import ChatModel, ChatRequest, ChatResponse, ChatUpdate, OutputSchema
    from recuerda.agent.client import ChatClient
    from recuerda.agent.decisions import CallDecision
    from recuerda.agent.hooks import RunHooks
    from recuerda.agent.response import AgentResponse, AgentResponseUpdate, PendingCall, PendingPage, PendingTurn
    from recuerda.agent.run_context import RunContext
    from recuerda.agent.stream import AgentResponseStream
    from recuerda.agent.summarizer import Summarizer
    from recuerda.agent.titler import Titler
    from recuerda.agent.tools import FunctionTool, tool
    from recuerda.agent.usage_limits import UsageLimits
    from recuerda.errors import (
        AlreadyDecided,
        ChatClientError,
        ConfigurationError,
        CorruptTurn,
        DecryptionError,
        DraftConflict,
        EmbedderError,
        EncodeError,
        InvalidInput,
        MissingExtraError,
        OutputError,
        OutputRefused,
        ProviderError,
        RecuerdaError,
        RerankerError,
        RunLimitError,
        ServiceThreadNotFound,
        StateError,
        StorageBusy,
        StorageError,
        StorageFull,
        StorageReadOnly,
        StorageUnavailable,
        ThreadConflict,
        ThreadDiverged,
        ThreadNotFound,
        ThreadOwnershipError,
        ToolOutcomeUnknown,
        TurnDropped,
        TurnGone,
        TurnPending,
        UsageLimitExceeded,
    )
    from recuerda.messages.message import (
        ChatMessage,
        Content,
        DataContent,
        FunctionCallContent,
        FunctionResultContent,
        HostedFileContent,
        RefusalContent,
        TextContent,
        TextReasoningContent,
        Turn,
        UnknownContent,
        UriContent,
        Usage,
        UsageContent,
    )
    from recuerda.providers.context import Context, ContextProvider
    from recuerda.providers.embedding import Embedder
    from recuerda.providers.reranking import Reranker
    from recuerda.storage.contract import Storage
    from recuerda.storage.operations import Appended, ThreadSlice
    from recuerda.storage.ram import MemoryStorage
    from recuerda.storage.records import NewTurn, TurnRecord
    from recuerda.storage.registry import open_storage
    from recuerda.storage.thread_info import ThreadInfo, ThreadPage, ThreadParent, Version
    from recuerda.threads.history import StoredTurn
    from recuerda.threads.protocol import ChatMessageStoreProtocol
    from recuerda.threads.store import ChatMessageStore
    from recuerda.threads.thread import AgentThread
    from recuerda.window.summary import Summary
    from recuerda.window.tokens import TokenCounter
    from recuerda.window.window import ContextWindow

__all__ = [
    "Agent",
    "AgentResponse",
    "AgentResponseStream",
    "AgentResponseUpdate",
    "AgentThread",
    "AlreadyDecided",
    "Appended",
    "CallDecision",
    "ChatClient",
    "ChatClientError",
    "ChatMessage",
    "ChatMessageStore",
    "ChatMessageStoreProtocol",
    "ChatModel",
    "ChatRequest",
    "ChatResponse",
    "ChatUpdate",
    "ConfigurationError",
    "Content",
    "Context",
    "ContextProvider",
    "ContextWindow",
    "CorruptTurn",
    "DataContent",
    "DecryptionError",
    "DraftConflict",
    "Embedder",
    "EmbedderError",
    "EncodeError",
    "FunctionCallContent",
    "FunctionResultContent",
    "FunctionTool",
    "HostedFileContent",
    "InvalidInput",
    "MemoryStorage",
    "MissingExtraError",
    "NewTurn",
    "OutputError",
    "OutputRefused",
    "OutputSchema",
    "PendingCall",
    "PendingPage",
    "PendingTurn",
    "ProviderError",
    "RecuerdaError",
    "RefusalContent",
    "Reranker",
    "RerankerError",
    "RunContext",
    "RunHooks",
    "RunLimitError",
    "ServiceThreadNotFound",
    "StateError",
    "Storage",
    "StorageBusy",
    "StorageError",
    "StorageFull",
    "StorageReadOnly",
    "StorageUnavailable",
    "StoredTurn",
    "Summarizer",
    "Summary",
    "TextContent",
    "TextReasoningContent",
    "ThreadConflict",
    "ThreadDiverged",
    "ThreadInfo",
    "ThreadNotFound",
    "ThreadOwnershipError",
    "ThreadPage",
    "ThreadParent",
    "ThreadSlice",
    "Titler",
    "TokenCounter",
    "ToolOutcomeUnknown",
    "Turn",
    "TurnDropped",
    "TurnGone",
    "TurnPending",
    "TurnRecord",
    "UnknownContent",
    "UriContent",
    "Usage",
    "UsageContent",
    "UsageLimitExceeded",
    "UsageLimits",
    "Version",
    "open_storage",
    "tool",
]

if not TYPE_CHECKING:  # a checker that saw `__getattr__` would believe in every name
    _HOMES = {
        "Agent": "recuerda.agent.agent",
        "AgentResponse": "recuerda.agent.response",
        "AgentResponseStream": "recuerda.agent.stream",
        "AgentResponseUpdate": "recuerda.agent.response",
        "AgentThread": "recuerda.threads.thread",
        "AlreadyDecided": "recuerda.errors",
        "Appended": "recuerda.storage.operations",
        "CallDecision": "recuerda.agent.decisions",
        "ChatClient": "recuerda.agent.client",
        "ChatClientError": "recuerda.errors",
        "ChatMessage": "recuerda.messages.message",
        "ChatMessageStore": "recuerda.threads.store",
        "ChatMessageStoreProtocol": "recuerda.threads.protocol",
        "ChatModel": "recuerda.agent.chat",
        "ChatRequest": "recuerda.agent.chat",
        "ChatResponse": "recuerda.agent.chat",
        "ChatUpdate": "recuerda.agent.chat",
        "ConfigurationError": "recuerda.errors",
        "Content": "recuerda.messages.message",
        "Context": "recuerda.providers.context",
        "ContextProvider": "recuerda.providers.context",
        "ContextWindow": "recuerda.window.window",
        "CorruptTurn": "recuerda.errors",
        "DataContent": "recuerda.messages.message",
        "DecryptionError": "recuerda.errors",
        "DraftConflict": "recuerda.errors",
        "Embedder": "recuerda.providers.embedding",
        "EmbedderError": "recuerda.errors",
        "EncodeError": "recuerda.errors",
        "FunctionCallContent": "recuerda.messages.message",
        "FunctionResultContent": "recuerda.messages.message",
        "FunctionTool": "recuerda.agent.tools",
        "HostedFileContent": "recuerda.messages.message",
        "InvalidInput": "recuerda.errors",
        "MemoryStorage": "recuerda.storage.ram",
        "MissingExtraError": "recuerda.errors",
        "NewTurn": "recuerda.storage.records",
        "OutputError": "recuerda.errors",
        "OutputRefused": "recuerda.errors",
        "OutputSchema": "recuerda.agent.chat",
        "PendingCall": "recuerda.agent.response",
        "PendingPage": "recuerda.agent.response",
        "PendingTurn": "recuerda.agent.response",
        "ProviderError": "recuerda.errors",
        "RecuerdaError": "recuerda.errors",
        "RefusalContent": "recuerda.messages.message",
        "Reranker": "recuerda.providers.reranking",
        "RerankerError": "recuerda.errors",
        "RunContext": "recuerda.agent.run_context",
        "RunHooks": "recuerda.agent.hooks",
        "RunLimitError": "recuerda.errors",
        "ServiceThreadNotFound": "recuerda.errors",
        "StateError": "recuerda.errors",
        "Storage": "recuerda.storage.contract",
        "StorageBusy": "recuerda.errors",
        "StorageError": "recuerda.errors",
        "StorageFull": "recuerda.errors",
        "StorageReadOnly": "recuerda.errors",
        "StorageUnavailable": "recuerda.errors",
        "StoredTurn": "recuerda.threads.history",
        "Summarizer": "recuerda.agent.summarizer",
        "Summary": "recuerda.window.summary",
        "TextContent": "recuerda.messages.message",
        "TextReasoningContent": "recuerda.messages.message",
        "ThreadConflict": "recuerda.errors",
        "ThreadDiverged": "recuerda.errors",
        "ThreadInfo": "recuerda.storage.thread_info",
        "ThreadNotFound": "recuerda.errors",
        "ThreadOwnershipError": "recuerda.errors",
        "ThreadPage": "recuerda.storage.thread_info",
        "ThreadParent": "recuerda.storage.thread_info",
        "ThreadSlice": "recuerda.storage.operations",
        "Titler": "recuerda.agent.titler",
        "TokenCounter": "recuerda.window.tokens",
        "ToolOutcomeUnknown": "recuerda.errors",
        "Turn": "recuerda.messages.message",
        "TurnDropped": "recuerda.errors",
        "TurnGone": "recuerda.errors",
        "TurnPending": "recuerda.errors",
        "TurnRecord": "recuerda.storage.records",
        "UnknownContent": "recuerda.messages.message",
        "UriContent": "recuerda.messages.message",
        "Usage": "recuerda.messages.message",
        "UsageContent": "recuerda.messages.message",
        "UsageLimitExceeded": "recuerda.errors",
        "UsageLimits": "recuerda.agent.usage_limits",
        "Version": "recuerda.storage.thread_info",
        "open_storage": "recuerda.storage.registry",
        "tool": "recuerda.agent.tools",
    }
    """The module that defines each name."""

    _PARTS = frozenset(module.split(".")[1] for module in _HOMES.values())
    """The modules and packages that `import recuerda` makes available as well, such as `recuerda.errors`."""

    # Two threads that import different modules of one package at the same time may see each other's unfinished modules.
    _lock = _RLock()

    def __getattr__(name: str) -> object:
        """Import a name that is used for the first time. Afterwards it is an ordinary name of this module."""
        if name in _PARTS:
            with _lock:
                return _import_module(f"recuerda.{name}")
        if name not in _HOMES:
            # Python suggests a similar name if the error says which object has no such name.
            reason = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(reason, name=name, obj=_modules[__name__])
        with _lock:
            value = globals()[name] = getattr(_import_module(_HOMES[name]), name)
        return value

    def __dir__() -> list[str]:
        """Return the names that are imported already, and those that are imported when they are used."""
        return sorted({*globals(), *_HOMES, *_PARTS} - {"TYPE_CHECKING"})
