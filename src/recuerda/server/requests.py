"""The requests that the service accepts, and how they are checked.

Unknown fields are ignored, because a client may be newer than the server. A known field must have the right type.
Otherwise the request is refused, and the error names the path of the first value that does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast

import msgspec
from msgspec import Meta

from recuerda.server.faults import ApiFault, bad_request

T = TypeVar("T")

MAX_ITEMS = 20
"""The largest number of items that one request may add to a conversation."""

MAX_PARTS = 4000
"""The largest number of parts, such as texts and images, that the items of one request may have together."""

MAX_METADATA = 16
"""The largest number of keys in the metadata of a conversation or a response."""

_AT_PATH = re.compile(r"^(?P<problem>.*) - at `(?:key` in `)?\$?\.?(?P<path>.*)`$", re.DOTALL)

Item: TypeAlias = dict[str, Any]
Metadata: TypeAlias = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=MAX_METADATA)
]
_Tokens: TypeAlias = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Includable: TypeAlias = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
_Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]


class CreateConversation(msgspec.Struct, frozen=True):
    """`POST /v1/conversations`."""

    items: Annotated[list[Item], Meta(max_length=MAX_ITEMS)] | None = None
    metadata: Metadata | None = None


class UpdateConversation(msgspec.Struct, frozen=True):
    """`POST /v1/conversations/{conversation_id}`."""

    metadata: Metadata | None


class CreateItems(msgspec.Struct, frozen=True):
    """`POST /v1/conversations/{conversation_id}/items`."""

    items: Annotated[list[Item], Meta(min_length=1, max_length=MAX_ITEMS)]


class ConversationReference(msgspec.Struct, frozen=True):
    """A conversation that a request names by an object instead of a string."""

    id: str


class FunctionTool(msgspec.Struct, frozen=True):
    """A function that the client runs."""

    type: Literal["function"]
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionChoice(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    """The choice that makes the model call one function."""

    name: _Name
    namespace: str | None = None


class AllowedTools(msgspec.Struct, frozen=True, tag_field="type", tag="allowed_tools"):
    """The choice that lets the model call only some of the tools, or makes it call one of them."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[Item], Meta(min_length=1, max_length=1024)]


class TextFormat(msgspec.Struct, frozen=True):
    """The format of the answer's text: free text, any JSON object, or JSON that follows a schema.

    A format with a name and no schema is the format of this name in the responses before.
    """

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class TextSettings(msgspec.Struct, frozen=True):
    """The format and the verbosity of the answer's text."""

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningSettings(msgspec.Struct, frozen=True):
    """The effort that a reasoning model should make, and whether its reasoning is given as a summary.

    `generate_summary` is the older name of `summary`.
    """

    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class CreateResponse(msgspec.Struct, frozen=True):
    """`POST /v1/responses`."""

    input: str | list[Item] | None = None
    model: _Name | None = None
    instructions: str | None = None
    conversation: str | ConversationReference | None = None
    previous_response_id: str | None = None
    include: list[_Includable] | None = None
    store: bool | None = None
    stream: bool | None = None
    tools: Annotated[list[Item], Meta(max_length=1024)] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | AllowedTools | None = None
    parallel_tool_calls: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    max_output_tokens: _Tokens | None = None
    text: TextSettings | None = None
    reasoning: ReasoningSettings | None = None
    metadata: Metadata | None = None
    background: bool | None = None
    prompt: None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None

    @property
    def conversation_id(self) -> str | None:
        """The id of the conversation, whether the request gives a string or an object."""
        given = self.conversation
        return given.id if isinstance(given, ConversationReference) else given

    @property
    def is_kept(self) -> bool:
        """True if the answer's items are kept. In a conversation they are kept even with `store=False`."""
        return self.store is not False or self.conversation is not None


class ChatRequest(msgspec.Struct, frozen=True):
    """`POST /v1/chat/completions`; the model's server checks the rest, so values stay in their JSON text."""

    messages: list[dict[str, msgspec.Raw]]
    model: str | msgspec.UnsetType | None = msgspec.UNSET
    stream: bool | None = None


class EmbeddingsRequest(msgspec.Struct, frozen=True):
    """`POST /v1/embeddings`; the model's server checks the rest."""

    input: Any
    model: str | msgspec.UnsetType | None = msgspec.UNSET


class ListQuery(msgspec.Struct, frozen=True):
    """The query of a list: the page, its length and its order."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"


class UploadFields(
    msgspec.Struct, frozen=True, rename={"anchor": "expires_after[anchor]", "seconds": "expires_after[seconds]"}
):
    """`POST /v1/files`: the fields of the form beside the file."""

    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
    anchor: Literal["created_at"] | None = None
    seconds: Annotated[int, Meta(ge=3600, le=2_592_000)] | None = None


class FileListQuery(msgspec.Struct, frozen=True):
    """The query of a list of files: the page, its length, its order and the purpose of its files."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    order: Literal["asc", "desc"] = "desc"
    purpose: str | None = None


class RetrieveQuery(msgspec.Struct, frozen=True):
    """The query of a response: whether to stream its events, and the number of the last event that has arrived."""

    stream: bool = False
    starting_after: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None


def parse_body(body: bytes, shape: type[T]) -> T:
    """Return a request's body as a value of a type.

    Raises:
        ApiFault: the body is not JSON, or a value has the wrong type; the error names its path.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except msgspec.ValidationError as error:
        raise _misfit(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_request("We could not parse the JSON body of your request.") from None


def parse_query(query: dict[str, str]) -> ListQuery:
    """Return the query of a list, without unknown parameters."""
    known = {name: value for name, value in query.items() if name in ListQuery.__struct_fields__}
    return convert(known, ListQuery, strict=False)


def convert(value: object, shape: type[T], *, at: str = "", strict: bool = True) -> T:
    """Return a part of a request as a value of a type. `at` is the part's path, for error messages."""
    try:
        return msgspec.convert(value, shape, strict=strict)
    except msgspec.ValidationError as error:
        raise _misfit(error, at) from None


def check_parts(items: Sequence[Item], *, at: str) -> None:
    """Check that the items of a request do not have too many parts. `at` is the path of the items.

    Raises:
        ApiFault: they have too many.
    """
    values = [value for item in items for value in item.values()]
    count = sum(len(cast("list[object]", value)) for value in values if isinstance(value, list))
    if count > MAX_PARTS:
        raise bad_request(f"Invalid '{at}': {count} parts are too many; the limit is {MAX_PARTS}.", param=at)


def _misfit(error: msgspec.ValidationError, at: str = "") -> ApiFault:
    found = _AT_PATH.match(str(error))
    problem, path = (found["problem"], found["path"].partition("[...]")[0]) if found else (str(error), "")
    if missing := re.search(r"missing required field `(\w+)`", problem):
        path = f"{path}.{missing[1]}".strip(".")
        param = _joined(at, path)
        return bad_request(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    param = _joined(at, path) or None
    where = f" for '{param}'" if param else ""
    return bad_request(f"Invalid value{where}: {problem}.", param=param, code="invalid_value")


def _joined(at: str, path: str) -> str:
    """Return the path of a value, from the path of the whole and the path inside it."""
    return f"{at}{path}" if path.startswith("[") else f"{at}.{path}".strip(".")
