"""recuerda: durable conversation memory for LLM agents.

This module holds the names that most programs need. Each technology has its own module, named as its extra:
`recuerda.openai`, `recuerda.sqlite`, `recuerda.file` and others. `open_storage` and `create_agent(storage=…)` find a
storage by its URL.
"""

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
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import (
    Appended,
    NewTurn,
    ThreadInfo,
    ThreadPage,
    ThreadParent,
    ThreadSlice,
    TurnRecord,
    Version,
)
from recuerda.storage.registry import open_storage
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
