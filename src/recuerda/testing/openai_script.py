"""The answers of a scripted OpenAI-compatible server.

A script is a queue of answers: a `Reply` of the model, a `Failure` of the service, or a connection that is `Dropped`.
Answers are frozen data, so that a test reads like the conversation that it plays. This module knows no protocol: the
module of an endpoint writes answers in the endpoint's format.
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
    "ScriptEntry",
    "ToolCall",
    "Usage",
]

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
JSONObject: TypeAlias = "dict[str, JSON]"


@dataclass(frozen=True)
class ToolCall:
    """A function call in a `Reply`.

    Attributes:
        name: the function's name.
        arguments: the arguments. A string is sent unchanged, so that a test can send invalid JSON.
        id: the id of the call; None for an id that no other call of the server has.
    """

    name: str
    arguments: Mapping[str, object] | str = field(default_factory=dict[str, object])
    id: str | None = None


@dataclass(frozen=True)
class Usage:
    """The token usage that a reply reports.

    The input tokens include `cached_tokens`, and the output tokens include `reasoning_tokens`.
    """

    input_tokens: int = 20
    output_tokens: int = 10
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class Reply:
    """An answer of the model.

    Attributes:
        text: the text; it may be empty when there are tool calls or a refusal.
        tool_calls: the function calls.
        refusal: the text of a refusal; None for no refusal.
        reasoning: the reasoning; None for no reasoning. The chat completions endpoint sends it as `reasoning_content`,
            as DeepSeek and vLLM do. The Responses endpoint sends it as the summary of a reasoning item.
        usage: the token usage; None to report none, as some compatible servers do.
        finish_reason: the reason why the answer ends; None for "tool_calls" or "stop". The Responses endpoint sends an
            incomplete response for "length" and "content_filter", and a failed response for "failed".
        items: more output items for the Responses endpoint, which come before the text.
        delay_s: the seconds before the answer starts.
        chunk_delay_s: the seconds before each chunk of a stream. Both waits end at once when the client goes away.
    """

    text: str = ""
    tool_calls: Sequence[ToolCall] = ()
    refusal: str | None = None
    reasoning: str | None = None
    usage: Usage | None = Usage()
    finish_reason: str | None = None
    items: Sequence[JSONObject] = ()
    delay_s: float = 0
    chunk_delay_s: float = 0


@dataclass(frozen=True)
class Failure:
    """An error of the service, which is sent in OpenAI's error shape.

    The official client retries the statuses 408, 409, 429 and 5xx. With the header `retry-after-ms: 1` it retries at
    once, and with `x-should-retry: false` it does not retry.
    """

    status: int = 500
    message: str = "The server had an error while processing your request."
    code: str | None = None
    type: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Dropped:
    """A connection that closes before an answer or in the middle of one.

    Attributes:
        after_chunks: the number of chunks of a stream that are sent before the connection closes. It closes before the
            stream's end mark in any case. If the number is 0, or the request does not ask for a stream, it closes
            before the first byte.
        reply: the answer that is sent in part.
        is_kept: True if a service that keeps the conversation still completes the answer and keeps it.
    """

    after_chunks: int = 0
    reply: Reply = Reply("This reply never reaches its end.")
    is_kept: bool = False


@dataclass(frozen=True)
class RecordedRequest:
    """A request that reached the server, even if the server refused it. The names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: JSONObject

    @property
    def messages(self) -> list[JSONObject]:
        """The messages of a chat request, or the input items of a request for a response; empty if it has neither."""
        given = self.body.get("messages", self.body.get("input", []))
        return [{"role": "user", "content": given}] if isinstance(given, str) else cast("list[JSONObject]", given)

    @property
    def last_text(self) -> str:
        """The text of the last message, with its text parts joined; empty if there is none."""
        content = self.messages[-1].get("content") if self.messages else None
        if isinstance(content, str):
            return content
        parts = cast("list[JSONObject]", content or [])
        return "".join(str(part["text"]) for part in parts if "text" in part)


Answer: TypeAlias = str | Reply | Failure | Dropped
"""One answer of a script; a string is a `Reply` with that text."""

ScriptEntry: TypeAlias = Answer | Callable[[RecordedRequest], Answer]
"""An answer, or a function that makes one from the request."""
