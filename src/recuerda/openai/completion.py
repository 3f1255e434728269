"""The fields of chat completions and their chunks that recuerda reads, from the SDK's objects or from JSON.

Neither the SDK nor a compatible server promises any field, so every field may be missing. A field of the wrong type
makes the completion unreadable. A whole completion has messages and a chunk has deltas; both are read into the same
types, so that one reader (`reader.py`) understands both.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from recuerda.messages.message import Usage


class FunctionPiece(msgspec.Struct, frozen=True):
    """A function's name and its arguments, or a fragment of them."""

    name: str | None = None
    arguments: str | None = None


class CallPiece(msgspec.Struct, frozen=True):
    """A call of a function, or a fragment of a call."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionPiece | None = None


class MessagePiece(msgspec.Struct, frozen=True):
    """A message, or the part of a message that a chunk adds.

    DeepSeek calls the reasoning `reasoning_content`; other services call it `reasoning`.
    """

    content: str | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[CallPiece] | None = None

    @property
    def thought(self) -> str:
        """The readable reasoning; empty if there is none."""
        found = (self.reasoning_content, self.reasoning)
        return next((text for text in found if isinstance(text, str) and text), "")


class Choice(msgspec.Struct, frozen=True):
    """One of the answers. A request asks for one answer only."""

    delta: MessagePiece | None = None
    message: MessagePiece | None = None
    finish_reason: str | None = None


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


_decoder = msgspec.json.Decoder(Completion)


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
        return msgspec.convert(json.loads(data), Completion)
