"""recuerda: durable conversation memory for LLM agents.

The names here are the ones that most programs need. Each technology has a module of its own, named as its extra:
`recuerda.openai`, `recuerda.sqlite`, `recuerda.file`, …; `open_storage` and `create_agent(storage=…)` find them by URL.
"""

from recuerda.agent import Agent
from recuerda.chat import ChatModel, ChatRequest, ChatResponse, ChatUpdate
from recuerda.client import ChatClient
from recuerda.context import Context, ContextProvider
from recuerda.embedding import Embedder
from recuerda.errors import (
    ChatClientError,
    ConfigurationError,
    CorruptTurn,
    DecryptionError,
    DraftConflict,
    EmbedderError,
    EncodeError,
    InvalidInput,
    MissingExtraError,
    ProviderError,
    RecuerdaError,
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
    TurnPending,
)
from recuerda.history import StoredTurn
from recuerda.memory_storage import MemoryStorage
from recuerda.messages import (
    ChatMessage,
    Content,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    Turn,
    UnknownContent,
    UriContent,
    Usage,
    UsageContent,
)
from recuerda.records import Appended, NewTurn, ThreadInfo, ThreadPage, ThreadSlice, TurnRecord
from recuerda.registry import open_storage
from recuerda.response import AgentResponse, AgentResponseUpdate, PendingCall, PendingTurn
from recuerda.storage import Storage
from recuerda.store import ChatMessageStore, ChatMessageStoreProtocol
from recuerda.stream import AgentResponseStream
from recuerda.summarizer import Summarizer
from recuerda.summary import Summary
from recuerda.thread import AgentThread
from recuerda.tokens import TokenCounter
from recuerda.tools import FunctionTool, tool
from recuerda.window import ContextWindow

__all__ = [
    "Agent",
    "AgentResponse",
    "AgentResponseStream",
    "AgentResponseUpdate",
    "AgentThread",
    "Appended",
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
    "InvalidInput",
    "MemoryStorage",
    "MissingExtraError",
    "NewTurn",
    "PendingCall",
    "PendingTurn",
    "ProviderError",
    "RecuerdaError",
    "RefusalContent",
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
    "ThreadSlice",
    "TokenCounter",
    "ToolOutcomeUnknown",
    "Turn",
    "TurnPending",
    "TurnRecord",
    "UnknownContent",
    "UriContent",
    "Usage",
    "UsageContent",
    "open_storage",
    "tool",
]
