"""What a scripted OpenAI-compatible server is told to answer.

A script is a queue of answers: a `Reply` of the model, a `Failure` of the service, or a connection that is `Dropped`.
They are plain frozen data, so that a test reads as the conversation that it plays. How an answer looks on the wire
belongs to the endpoint's own module; this one knows no protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

__all__ = [
    "JSON",
    "Answer",
    "Dropped",
    "Failure",
    "JSONObject",
    "RecordedRequest",
    "Reply",
    "ReplyUsage",
    "ScriptEntry",
    "ToolCall",
]

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
JSONObject: TypeAlias = "dict[str, JSON]"


@dataclass(frozen=True)
class ToolCall:
    """A call of a function tool.

    `arguments` is encoded as JSON; a string is sent as it is, so that a test can send arguments that don't parse.
    Without an `id` the call gets one that no other call of the server has.
    """

    name: str
    arguments: Mapping[str, object] | str = field(default_factory=dict[str, object])
    id: str | None = None


@dataclass(frozen=True)
class ReplyUsage:
    """The tokens that a reply reports. `cached_tokens` are part of the input, `reasoning_tokens` of the output."""

    input_tokens: int = 20
    output_tokens: int = 10
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class Reply:
    """An answer of the model.

    `text` may be empty when there are tool calls or a refusal. `reasoning` is sent as `reasoning_content`, as DeepSeek
    and vLLM do; by Responses as the summary of a reasoning item. `items` are more output items of Responses, which come
    before the text. `usage=None` reports none, as some compatible servers do. `finish_reason=None` is "tool_calls" or
    "stop"; Responses answers "length" and "content_filter" with an incomplete response, and "failed" with a failed one.
    The answer starts after `delay_s` seconds; a stream also waits `chunk_delay_s` before each of its chunks. Both waits
    end at once when the client goes away.
    """

    text: str = ""
    tool_calls: Sequence[ToolCall] = ()
    refusal: str | None = None
    reasoning: str | None = None
    usage: ReplyUsage | None = ReplyUsage()
    finish_reason: str | None = None
    items: Sequence[JSONObject] = ()
    delay_s: float = 0
    chunk_delay_s: float = 0


@dataclass(frozen=True)
class Failure:
    """An error of the service, in OpenAI's error shape.

    The official client retries 408, 409, 429 and 5xx by itself. The header `retry-after-ms: 1` makes it retry at once,
    `x-should-retry: false` keeps it from retrying.
    """

    status: int = 500
    message: str = "The server had an error while processing your request."
    code: str | None = None
    type: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Dropped:
    """A connection that closes instead of an answer, or in the middle of one.

    With `after_chunks=0`, or when the request didn't ask for a stream, it closes before the first byte. Otherwise it
    closes after that many chunks of `reply`, and at the latest before the end mark of the stream. With `is_kept=True`,
    a service that holds the conversation finishes the answer for itself, and keeps it.
    """

    after_chunks: int = 0
    reply: Reply = Reply("This reply never reaches its end.")
    is_kept: bool = False


@dataclass(frozen=True)
class RecordedRequest:
    """A request as it reached the server, refused ones included. Header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: JSONObject

    @property
    def messages(self) -> list[JSONObject]:
        """The messages of a chat request, or the input items of Responses; an empty list when it has none."""
        given = self.body.get("messages", self.body.get("input", []))
        return [{"role": "user", "content": given}] if isinstance(given, str) else cast("list[JSONObject]", given)

    @property
    def last_text(self) -> str:
        """The text of the last message, its text parts joined; empty when there is none."""
        content = self.messages[-1].get("content") if self.messages else None
        if isinstance(content, str):
            return content
        parts = cast("list[JSONObject]", content or [])
        return "".join(str(part["text"]) for part in parts if "text" in part)


Answer: TypeAlias = str | Reply | Failure | Dropped
"""One answer of a script; a string is a `Reply` with that text."""

ScriptEntry: TypeAlias = Answer | Callable[[RecordedRequest], Answer]
"""An answer, or a function that makes one from the request."""
