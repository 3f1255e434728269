"""Every name that recuerda gives to a span, an attribute or a metric. No other module has such a name.

The names are those of OpenTelemetry's semantic conventions in version 1.41.1, which is the last version with the
conventions for generative AI in it. The names of the work on memories are those of the repository
semantic-conventions-genai, which has these conventions since then, in the state of pull request 140
(https://github.com/open-telemetry/semantic-conventions-genai/pull/140). The names that begin with `recuerda.` are our
own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CONVENTIONS: Final = "1.41.1"
"""The version of the semantic conventions."""

SCHEMA_URL: Final[str] = f"https://opentelemetry.io/schemas/{CONVENTIONS}"
SCOPE: Final = "recuerda"

# -- operations, which are the names of spans ------------------------------------------------------------------------

INVOKE_AGENT: Final = "invoke_agent"
CHAT: Final = "chat"
EXECUTE_TOOL: Final = "execute_tool"
APPEND: Final = "append"
SEARCH_MEMORY: Final = "search_memory"
"""The other operations on memories are the values of `_observing.MemoryOperation`, which are the conventions' names."""

STORAGE_OPERATIONS: Final[Mapping[str, str]] = {
    "append to": APPEND,
    "read": "read",
    "undo": "undo",
    "trim": "trim",
    "summarize": "summarize",
    "list": "list_threads",
    "update": "update_thread",
    "delete": "delete_thread",
    "rewrite": "rewrite",
    "save a draft of": "save_draft",
    "load the draft of": "load_draft",
    "drop the draft of": "drop_draft",
    "list the drafts of": "list_drafts",
    "lease": "take_lease",
    "release the lease of": "release_lease",
    "list the leases of": "list_leases",
    "clean up": "clean_up",
    "close": "close",
}
"""The names of a storage's operations, by the words for them in error messages."""

STORAGES: Final[Mapping[str, str]] = {
    "memory": "recuerda.memory",
    "file": "recuerda.file",
    "sqlite": "sqlite",
    "redis": "redis",
    "postgresql": "postgresql",
    "cosmos": "azure.cosmosdb",
    "encrypted": "recuerda.encrypted",
}
"""The values of `db.system.name` by the kinds of storages. A storage of your own has its kind as the value."""


def system_of(kind: str) -> str:
    """Return the value of `db.system.name` for a kind of storage."""
    return STORAGES.get(kind, kind)


# -- attributes of the conventions -------------------------------------------------------------------------------------

OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
SYSTEM: Final = "gen_ai.system"
"""The name that `gen_ai.provider.name` had up to version 1.36. It is left out if only the newest names are wanted."""

AGENT_NAME: Final = "gen_ai.agent.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
OUTPUT_TYPE: Final = "gen_ai.output.type"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_OPTIONS: Final[Mapping[str, str]] = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
}
"""The attributes of a request's options, by the names that services give to these options."""

RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - a name, not a secret
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
TOOL_TYPE: Final = "gen_ai.tool.type"
MEMORY_STORE_ID: Final = "gen_ai.memory.store.id"
MEMORY_RECORD_ID: Final = "gen_ai.memory.record.id"
MEMORY_RECORD_COUNT: Final = "gen_ai.memory.record.count"
DB_SYSTEM: Final = "db.system.name"
DB_OPERATION: Final = "db.operation.name"
HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"
URL_SCHEME: Final = "url.scheme"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"

# -- attributes with contents, which are recorded only if that is switched on ------------------------------------------

INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
MEMORY_QUERY: Final = "gen_ai.memory.query.text"
MEMORY_RECORDS: Final = "gen_ai.memory.records"

# -- our own attributes ------------------------------------------------------------------------------------------------

TURN_ID: Final = "recuerda.turn.id"
TURN_REVISION: Final = "recuerda.turn.revision"
TURN_OUTCOME: Final = "recuerda.turn.outcome"
RUN_TRIPS: Final = "recuerda.run.trips"
WINDOW_PART: Final = "recuerda.window.part"
WINDOW_SENT: Final = "recuerda.window.messages.sent"
WINDOW_LEFT_OUT: Final = "recuerda.window.messages.left_out"
LEASE_WAIT: Final = "recuerda.lease.wait"

COMMITTED: Final = "committed"
REPLAYED: Final = "replayed"
CONFLICT: Final = "conflict"
PENDING: Final = "pending"
"""A turn that waits for the approval of a call. Only the span of a run has this outcome."""

SENT: Final = "sent"
LEFT_OUT: Final = "left_out"

# -- metrics -----------------------------------------------------------------------------------------------------------

OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105 - a name, not a secret
FIRST_CHUNK_DURATION: Final = "gen_ai.client.operation.time_to_first_chunk"
DB_DURATION: Final = "db.client.operation.duration"
SERVER_DURATION: Final = "http.server.request.duration"
TURNS: Final = "recuerda.turns"
TRIPS: Final = "recuerda.run.trips"
WINDOW_TOKENS: Final = "recuerda.window.tokens"
RECALL_HITS: Final = "recuerda.recall.hits"
DRAFTS_OPEN: Final = "recuerda.drafts.open"
DRAFTS_AGE: Final = "recuerda.drafts.age"
LEASE_WAITS: Final = "recuerda.lease.wait.duration"

OPERATION_S: Final[tuple[float, ...]] = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
)
"""The bounds that the conventions give for the durations of calls of models."""

TOKENS: Final[tuple[int, ...]] = tuple(4**power for power in range(14))
"""The bounds that the conventions give for numbers of tokens: 1, 4, 16, … 67,108,864."""

DB_S: Final[tuple[float, ...]] = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""The bounds that the conventions give for the durations of operations of databases."""

HTTP_S: Final[tuple[float, ...]] = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The bounds that the conventions give for the durations of requests of a server."""

COUNTS: Final[tuple[float, ...]] = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 89.0)
"""The bounds for small numbers, such as the memories that a search has found."""
