"""The public surface: what is not in `__all__` does not exist, and what is in it is documented."""

import importlib
import inspect
import pydoc
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import recuerda

PUBLIC = [
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

HOMES = {
    "recuerda.agent": [
        "Agent",
        "AgentResponse",
        "AgentResponseStream",
        "AgentResponseUpdate",
        "ApprovalEvent",
        "CallDecision",
        "ChatClient",
        "ChatModel",
        "ChatRequest",
        "ChatResponse",
        "ChatUpdate",
        "ContentEvent",
        "EarlierTurns",
        "FunctionTool",
        "OutputRejectedEvent",
        "OutputSchema",
        "Part",
        "PartTokens",
        "PendingCall",
        "PendingPage",
        "PendingTurn",
        "ProviderReport",
        "ReasoningEvent",
        "Refusal",
        "RunContext",
        "RunEvent",
        "RunHooks",
        "RunPreview",
        "Summarizer",
        "TextEvent",
        "Titler",
        "ToolCallEvent",
        "ToolResultEvent",
        "TurnCommittedEvent",
        "UsageLimits",
        "tool",
    ],
    "recuerda.providers": ["Context", "ContextProvider", "Deferred", "Embedder", "QuestionEmbedder", "Reranker"],
    "recuerda.threads": ["AgentThread", "ChatMessageStore", "ChatMessageStoreProtocol", "StoredTurn", "TurnReference"],
    "recuerda.window": [
        "Change",
        "ContextWindow",
        "LeftOut",
        "MessageReport",
        "Summary",
        "TextEncoding",
        "TokenCounter",
        "TurnReport",
        "WindowReport",
        "decode_summary",
        "encode_summary",
        "group_turns",
        "mend",
    ],
    "recuerda.storage": [
        "Appended",
        "Blob",
        "Clock",
        "Draft",
        "DraftInfo",
        "DraftPage",
        "DraftStep",
        "Erasure",
        "Expected",
        "Follower",
        "Forgotten",
        "Guard",
        "Lease",
        "LeaseInfo",
        "ListedThreads",
        "MemoryStorage",
        "NewBodies",
        "NewRecord",
        "NewTurn",
        "ReadQuery",
        "Storage",
        "ThreadChanges",
        "ThreadFilter",
        "ThreadInfo",
        "ThreadLog",
        "ThreadPage",
        "ThreadParent",
        "ThreadSlice",
        "TurnRecord",
        "UndoneTurn",
        "UserStorage",
        "Version",
        "check_state",
        "check_user",
        "first_drafts",
        "list_infos",
        "look_through",
        "matching",
        "open_storage",
        "system_clock",
    ],
    "recuerda.formats": [
        "READABLE",
        "WRITABLE",
        "Arrival",
        "Departure",
        "MovedThread",
        "MovedTurn",
        "import_threads",
        "read",
        "stored_thread",
        "write",
    ],
    "recuerda.copying": ["Copied", "copy_thread", "copy_threads"],
    "recuerda.retention": ["Retained", "RetentionPolicy"],
    "recuerda.messages": [
        "ChatMessage",
        "Content",
        "DataContent",
        "FunctionCallContent",
        "FunctionResultContent",
        "HostedFileContent",
        "RefusalContent",
        "TextContent",
        "TextReasoningContent",
        "Turn",
        "TurnRuns",
        "UnknownContent",
        "UriContent",
        "Usage",
        "UsageContent",
        "decode_turn",
        "encode_turn",
    ],
    "recuerda.azure_ai_search": ["AzureAISearchProvider", "SearchHit", "SearchMode"],
    "recuerda.cosmos": ["CosmosStorage"],
    "recuerda.encryption": ["EncryptedStorage", "KeyRing", "Keys", "UserKeys"],
    "recuerda.fastembed": ["FastEmbedEmbedder", "FastEmbedReranker"],
    "recuerda.file": ["FileStorage"],
    "recuerda.mem0": ["Mem0Provider"],
    "recuerda.offline": ["OfflineChatClient", "OfflineNotesClient"],
    "recuerda.openai": ["OpenAIChatClient", "OpenAIEmbedder", "OpenAIResponsesClient", "ServiceReranker"],
    "recuerda.postgres": ["PostgresStorage"],
    "recuerda.recall": [
        "Fact",
        "FactExtractor",
        "ForgottenTurns",
        "FoundThread",
        "IndexStats",
        "Memory",
        "MemoryPage",
        "MemoryReport",
        "Passage",
        "Progress",
        "Reason",
        "RecallIndex",
        "RecallProvider",
        "SQLiteRecallIndex",
        "ScorePart",
        "ThreadSearch",
    ],
    "recuerda.recall.postgres": ["PostgresRecallIndex"],
    "recuerda.redis": [
        "RedisChatMessageStore",
        "RedisMemory",
        "RedisProvider",
        "RedisStorage",
        "import_legacy_list",
    ],
    "recuerda.sqlite": ["SQLiteStorage"],
    "recuerda.server": [
        "Limits",
        "Listening",
        "RecallSettings",
        "ServerSettings",
        "TenantKeys",
        "Upstream",
        "create_app",
        "read_keys",
        "serve",
    ],
    "recuerda.studio": ["StudioSettings", "create_studio"],
    "recuerda.testing": [
        "BlobContract",
        "DraftListContract",
        "LeaseContract",
        "RewriteContract",
        "Dropped",
        "Failure",
        "RecordedRequest",
        "Reply",
        "Usage",
        "ScriptExhausted",
        "ScriptedChatClient",
        "ScriptedOpenAIServer",
        "StorageContract",
        "ToolCall",
        "call",
    ],
    "recuerda.testing.conversation_contract": [
        "ConversationAdapter",
        "ConversationContract",
        "DurableContract",
        "DurableRetryContract",
        "LimitContract",
        "PairContract",
        "Part",
        "Pause",
        "RetryContract",
    ],
    "recuerda.testing.openai_server": [
        "Dropped",
        "Failure",
        "RecordedRequest",
        "Reply",
        "Usage",
        "ScriptedOpenAIServer",
        "ToolCall",
    ],
    "recuerda.testing.scripted": ["ScriptExhausted", "ScriptedAnswer", "ScriptedChatClient", "call"],
    "recuerda.testing.storage_contract": [
        "BlobContract",
        "DraftListContract",
        "LeaseContract",
        "RewriteContract",
        "StorageContract",
    ],
    "recuerda.testing.strategies": [
        "contents",
        "json_objects",
        "json_values",
        "messages",
        "thread_ids",
        "turns",
        "unknown_contents",
        "usages",
    ],
}
"""The public names of each package below the top; a program imports them from here and from no module inside."""

HEAVY = {
    "openai",
    "httpx",
    "pydantic",
    "redis",
    "psycopg",
    "azure",
    "typer",
    "rich",
    "starlette",
    "sqlite3",
    "hypothesis",
}


def test_the_public_names_are_these() -> None:
    assert sorted(recuerda.__all__) == sorted(PUBLIC)


def test_the_public_names_are_listed_in_order_and_once() -> None:
    assert recuerda.__all__ == sorted(set(recuerda.__all__))


def test_no_other_name_looks_public() -> None:
    names = {name for name, value in vars(recuerda).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert names == set(PUBLIC)


def test_the_public_names_of_each_package_are_these() -> None:
    named = {package: sorted(importlib.import_module(package).__all__) for package in HOMES}
    assert named == {package: sorted(names) for package, names in HOMES.items()}


def test_every_public_name_is_documented() -> None:
    assert [name for name in PUBLIC if not (getattr(recuerda, name).__doc__ or "").strip()] == []


def public_members() -> Iterator[tuple[str, Any]]:
    for name in PUBLIC:
        value = getattr(recuerda, name)
        if not inspect.isclass(value):
            continue
        for member, found in inspect.getmembers(value):
            is_ours = (getattr(found, "__module__", None) or "recuerda").startswith("recuerda")
            if not member.startswith("_") and (inspect.isroutine(found) or isinstance(found, property)) and is_ours:
                yield f"{name}.{member}", found


def test_every_public_method_is_documented() -> None:
    assert [name for name, member in public_members() if not inspect.getdoc(member)] == []


def test_help_describes_each_package() -> None:
    for package in ("recuerda", *HOMES):
        assert package in pydoc.render_doc(importlib.import_module(package)), package


def test_every_error_of_the_package_is_public_and_has_one_root() -> None:
    from recuerda import errors

    own = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert own <= set(PUBLIC)
    assert all(issubclass(getattr(errors, name), recuerda.RecuerdaError) for name in own)


def loaded_by(modules: str) -> set[str]:
    """Return the names of the top-level modules that an import loads."""
    code = f"import sys, {modules}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not HEAVY & loaded_by("recuerda")


def test_importing_the_package_loads_no_module_that_few_programs_need() -> None:
    """These modules of the standard library take a tenth of the whole import."""
    assert not {"hashlib", "json", "random", "unicodedata"} & (loaded_by("recuerda") - loaded_by("asyncio, msgspec"))
