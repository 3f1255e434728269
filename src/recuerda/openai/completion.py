"""The fields of chat completions and their chunks that recuerda reads, from the SDK's objects or from JSON.

Neither the SDK nor a compatible server promises any field, so every field may be missing. A field of the wrong type
makes the completion unreadable. A whole completion has messages and a chunk has deltas; both are read into the same
types, so that one reader (`reader.py`) understands both.
"""

from __future__ import annotations

import json
from typing import Any, cast

import msgspec

from recuerda.json_value import JsonObject
from recuerda.messages.message import Usage
from recuerda.openai.odd_values import mended


class FunctionPiece(msgspec.Struct, frozen=True):
    """A function's name and its arguments, or a fragment of them. Some servers send an object instead of its text."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None

    @property
    def arguments_text(self) -> str:
        """The arguments as JSON text; empty if there are none."""
        given = self.arguments
        return msgspec.json.encode(given).decode() if isinstance(given, dict) else given or ""


class CallPiece(msgspec.Struct, frozen=True):
    """A call of a function, or a fragment of a call."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionPiece | None = None


class MessagePiece(msgspec.Struct, frozen=True):
    """A message, or the part of a message that a chunk adds.

    DeepSeek calls the reasoning `reasoning_content`; other services call it `reasoning`. Mistral and some gateways send
    the content as a list of parts: texts, and reasoning as parts of the type "thinking".
    """

    content: str | list[str | dict[str, Any]] | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[CallPiece] | None = None
    function_call: FunctionPiece | None = None

    @property
    def calls(self) -> list[CallPiece]:
        """The calls, or the single call that servers send which only know the older name."""
        if self.tool_calls or self.function_call is None:
            return self.tool_calls or []
        return [CallPiece(index=0, function=self.function_call)]

    @property
    def thought(self) -> str:
        """The readable reasoning; empty if there is none."""
        found = (self.reasoning_content, self.reasoning)
        named = next((text for text in found if isinstance(text, str) and text), "")
        if named or not isinstance(self.content, list):
            return named
        return "".join(_text_of(part.get("thinking")) for part in self.content if isinstance(part, dict))

    @property
    def text(self) -> str:
        """The text; empty if there is none."""
        return _text_of(self.content)

    @property
    def citations(self) -> list[JsonObject]:
        """The citations of web pages. Only completions from JSON have them; see `_CitedMessage`."""
        return []


def _citation(annotation: JsonObject) -> JsonObject | None:
    """Return an annotation as OpenAI's Responses have it; None for one that cites no web page."""
    nested = annotation.get("url_citation")
    fields = nested if isinstance(nested, dict) else annotation
    url, title = fields.get("url"), fields.get("title")
    if annotation.get("type") != "url_citation" or not isinstance(url, str):
        return None
    places: JsonObject = {}
    for name in ("start_index", "end_index"):
        place = fields.get(name)
        places[name] = place if isinstance(place, int) else 0
    return {"type": "url_citation", "url": url, "title": title if isinstance(title, str) else url, **places}


def _text_of(content: object) -> str:
    """Return the text of a content, which is a text or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") if isinstance(part, dict) else part for part in cast("list[str | JsonObject]", content)]
    return "".join(text for text in texts if isinstance(text, str))


class Choice(msgspec.Struct, frozen=True):
    """One of the answers. A request asks for one answer only, and a server that sends more of them numbers them."""

    index: int | None = None
    delta: MessagePiece | None = None
    message: MessagePiece | None = None
    finish_reason: str | None = None
    logprobs: Any = None

    @property
    def text_logprobs(self) -> list[Any]:
        """The log probabilities of the text's tokens, as the service sends them; empty if it sends none."""
        given = cast("JsonObject", self.logprobs) if isinstance(self.logprobs, dict) else {}
        content = given.get("content")
        return content if isinstance(content, list) else []


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Tokens(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class Completion(msgspec.Struct, frozen=True):
    """A chat completion, or a chunk of one."""

    id: str | None = None
    choices: list[Choice] | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: _Tokens | None = None
    error: Any = None

    @property
    def choice(self) -> Choice | None:
        """The first answer; None if the completion has no part of it."""
        if not self.choices:
            return None
        first = self.choices[0]
        return first if not first.index else next((choice for choice in self.choices if not choice.index), None)

    @property
    def token_usage(self) -> Usage | None:
        """The token usage that the service reports; None if it reports none."""
        given = self.usage
        if given is None:
            return None
        inputs, outputs = given.prompt_tokens_details or _Details(), given.completion_tokens_details or _Details()
        input_tokens, output_tokens = given.prompt_tokens or 0, given.completion_tokens or 0
        return Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            total_tokens=given.total_tokens or input_tokens + output_tokens,
            cached_input_tokens=inputs.cached_tokens or 0,
            reasoning_tokens=outputs.reasoning_tokens or 0,
        )


class _CitedMessage(MessagePiece, frozen=True):
    """A message with annotations. The SDK's objects are not asked for them, because most of them lack the field."""

    annotations: Any = None

    @property
    def citations(self) -> list[JsonObject]:
        """The citations of web pages, each with `url`, `title`, `start_index` and `end_index`; empty if there are none.

        OpenAI and OpenRouter have the fields in `url_citation`; other services have them in the annotation itself.
        """
        given = cast("list[object]", self.annotations) if isinstance(self.annotations, list) else []
        return [found for each in given if isinstance(each, dict) and (found := _citation(cast("JsonObject", each)))]


class _CitedChoice(Choice, frozen=True):
    delta: _CitedMessage | None = None
    message: _CitedMessage | None = None


class _CitedCompletion(Completion, frozen=True):
    choices: list[_CitedChoice] | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # it is only read


_decoder = msgspec.json.Decoder(_CitedCompletion)


def read_completion(completion: object) -> Completion:
    """Return the fields of a completion or a chunk that the SDK made.

    Raises:
        msgspec.ValidationError: a field has the wrong type.
    """
    return msgspec.convert(completion, Completion, from_attributes=True)


def decode_completion(data: bytes) -> Completion:
    """Return a completion or a chunk from its JSON.

    Raises:
        ValueError: the data is not JSON, or a field has the wrong type.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # JSON may hold half of a surrogate pair: servers send one when they cut a text between the two halves.
        return msgspec.convert(mended(json.loads(data)), _CitedCompletion)
