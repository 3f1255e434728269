"""The public surface: what is not in `__all__` does not exist, and what is in it is documented."""

import ast
import importlib
import inspect
import pydoc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import recuerda

SOURCE = Path(recuerda.__file__).parent

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
    public = [name for name in dir(recuerda) if not name.startswith("_")]
    assert [name for name in public if not inspect.ismodule(getattr(recuerda, name))] == sorted(PUBLIC)


def imported_for_type_checkers() -> dict[str, str]:
    """Return the names that `recuerda/__init__.py` imports for type checkers and editors, with their modules."""
    tree = ast.parse(SOURCE.joinpath("__init__.py").read_text(encoding="utf-8"))
    checked = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in checked for node in block.body if isinstance(node, ast.ImportFrom)]
    return {name.name: str(node.module) for node in imports for name in node.names if name.asname is None}


def test_type_checkers_and_running_programs_find_each_name_in_the_same_module() -> None:
    homes: dict[str, str] = vars(recuerda)["_HOMES"]
    assert imported_for_type_checkers() == homes
    assert sorted(homes) == sorted(recuerda.__all__)


def test_a_name_is_what_its_module_defines_and_is_imported_once() -> None:
    homes: dict[str, str] = vars(recuerda)["_HOMES"]
    for name, module in homes.items():
        assert getattr(recuerda, name) is getattr(importlib.import_module(module), name), name
        assert name in vars(recuerda)


def test_no_module_of_the_package_imports_a_name_from_the_top() -> None:
    """Such an import would load parts that the module does not need, or go round in a circle."""
    found = [
        f"{path.relative_to(SOURCE)}: {name.name}"
        for path in sorted(SOURCE.rglob("*.py"))
        if "recuerda" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.module == "recuerda"
        for name in node.names
        if name.name in {*PUBLIC, "*"}
    ]
    assert found == []


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


def printed_by(code: str) -> list[str]:
    """Return the words that a program prints in a process of its own."""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()


def loaded_by(code: str) -> set[str]:
    """Return the names of the top-level modules that a program loads."""
    return set(printed_by(f"import sys; {code}; print(*{{name.partition('.')[0] for name in sys.modules}})"))


def test_importing_the_package_alone_imports_no_other_module_of_it() -> None:
    code = "import recuerda, sys; print(*(name for name in sys.modules if name.startswith(('recuerda', 'msgspec'))))"
    assert printed_by(code) == ["recuerda"]


def test_importing_every_name_loads_nothing_heavy() -> None:
    assert not HEAVY & loaded_by("from recuerda import *")


def test_importing_every_name_loads_no_module_that_few_programs_need() -> None:
    """These modules of the standard library take a tenth of the whole import."""
    few = {"hashlib", "json", "random", "unicodedata"}
    assert not few & (loaded_by("from recuerda import *") - loaded_by("import asyncio, msgspec"))


def test_a_star_imports_every_name() -> None:
    assert printed_by(
        "before = set(globals()); from recuerda import *; print(*sorted(set(globals()) - before - {'before'}))"
    ) == sorted(PUBLIC)


def test_a_part_of_the_package_is_there_without_an_import_of_its_own() -> None:
    for part in ("agent", "errors", "messages", "providers", "storage", "threads", "window"):
        assert printed_by(f"import recuerda; print(recuerda.{part}.__name__)") == [f"recuerda.{part}"]


def test_a_technology_has_to_be_imported() -> None:
    assert printed_by("import recuerda; print(hasattr(recuerda, 'sqlite'))") == ["False"]


def test_an_unknown_name_is_answered_with_a_similar_one() -> None:
    code = "import recuerda; recuerda.AgentThraed"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1] == (
        "AttributeError: module 'recuerda' has no attribute 'AgentThraed'. Did you mean: 'AgentThread'?"
    )


def test_many_os_threads_may_use_names_for_the_first_time_at_once() -> None:
    code = """
import random, recuerda, threading
names, found, start = list(recuerda.__all__), {}, threading.Barrier(8)
def use(number):
    start.wait()
    for name in random.Random(number).sample(names, len(names)):
        found.setdefault(name, []).append(getattr(recuerda, name))
workers = [threading.Thread(target=use, args=(number,)) for number in range(8)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print(*(name for name in names if len(found[name]) == 8 and len(set(map(id, found[name]))) == 1))
"""
    assert printed_by(code) == recuerda.__all__


def test_the_command_line_imports_the_memories_only_when_a_command_needs_them() -> None:
    code = "import recuerda.cli.app, sys; print(*(name for name in sys.modules if name.startswith('recuerda.recall')))"
    assert printed_by(code) == []
