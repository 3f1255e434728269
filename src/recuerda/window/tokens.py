"""The count of tokens: exact with an encoding, otherwise an estimate that learns.

The application gives an encoding of `tiktoken`, or any function that counts the tokens of a text. This module downloads
nothing, because an application that only wants to count may be offline. Without an encoding, texts are estimated by
their size. The estimate calibrates itself with the usage that the model reports, because the number of tokens
in the same number of bytes depends on the language and the tokenizer. The size counted for a text never changes. Only
the factor changes, in coarse steps, so sizes can be kept and added up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from math import ceil
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec

from recuerda.errors import ConfigurationError
from recuerda.messages.message import (
    FILES,
    AnyContent,
    ChatMessage,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    Usage,
)
from recuerda.window.file_tokens import file_tokens

TOKENS_PER_MESSAGE = 4
"""The approximate number of tokens that a message costs in addition to its text, in every chat format."""

BYTES_PER_TOKEN = 4
"""The usual number of bytes per token in English text. For other scripts, bytes are closer to tokens than characters
are."""

_EIGHTHS = 8
_LEAST_FACTOR, _LARGEST_FACTOR = 0.25, 8.0
_LEAST_TEXT = 100
_LEAST_REPORTS, _KEPT_REPORTS = 3, 15
_PIECE = 50_000


@runtime_checkable
class TextEncoding(Protocol):
    """An encoding of texts as tokens. `tiktoken.Encoding` is one."""

    def encode_ordinary(self, text: str, /) -> Sequence[int]:
        """Return the tokens of a text. No part of the text is read as a special token."""
        ...


CountText: TypeAlias = Callable[[str], int]
"""A function that returns the number of tokens in a text."""


class Size(msgspec.Struct, frozen=True, gc=False):
    """The cost of messages: a fixed number of tokens, and the tokens of the text before calibration."""

    fixed: int
    text: int


class ToolSchema(Protocol):
    """The parts of a tool that are sent to the model and therefore counted."""

    @property
    def name(self) -> str:
        """The name by which the model calls the tool."""
        ...

    @property
    def description(self) -> str:
        """The description that the model reads."""
        ...

    @property
    def parameters(self) -> object:
        """The JSON schema of the tool's arguments."""
        ...


class ContextRoom(msgspec.Struct, frozen=True):
    """The room that a run keeps for the context of a provider.

    Attributes:
        tokens: the largest number of tokens.
        counter: counts the tokens as the window does.
    """

    tokens: int
    counter: TokenCounter

    def count(self, messages: Iterable[ChatMessage]) -> int:
        """Return the tokens of messages."""
        return self.counter.count(messages)


class TokenCounter:
    """Count the tokens of texts and messages: exactly with an encoding, otherwise by an estimate.

    The estimate learns from the usage that the model reports.

    Args:
        encoding: the model's encoding, such as `tiktoken.get_encoding("o200k_base")`, or a function that returns the
            number of tokens in a text. If None, tokens are estimated.

    Raises:
        ConfigurationError: `encoding` is neither an encoding nor a function.
    """

    def __init__(self, encoding: TextEncoding | CountText | None = None) -> None:
        self._count_text = None if encoding is None else _count_with(encoding)
        self._model_id: str | None = None
        self._eighths = _EIGHTHS
        self._reports: deque[float] = deque(maxlen=_KEPT_REPORTS)
        self._asked = 0
        self._by_model: dict[str, TokenCounter] = {}

    @property
    def is_exact(self) -> bool:
        """True when texts are counted with an encoding."""
        return self._count_text is not None

    @property
    def factor(self) -> float:
        """The factor by which estimates are multiplied. It starts at 1.0 and learns from reports, in steps of 1/8."""
        return self._eighths / _EIGHTHS

    def for_model(self, model_id: str | None) -> TokenCounter:
        """Return the counter for one model.

        Each model has its own counter, because estimates are calibrated separately, and models count images in
        different ways.
        """
        if model_id is None or model_id == self._model_id:
            return self
        if model_id not in self._by_model:
            counter = self._by_model[model_id] = TokenCounter(self._count_text)
            counter._model_id = model_id
        return self._by_model[model_id]

    def count(
        self, messages: Iterable[ChatMessage] = (), *, instructions: str | None = None, tools: Iterable[ToolSchema] = ()
    ) -> int:
        """Return the number of tokens in a request, or in parts of one."""
        return self.tokens(self.measure(messages, instructions=instructions, tools=tools))

    def measure(
        self, messages: Iterable[ChatMessage] = (), *, instructions: str | None = None, tools: Iterable[ToolSchema] = ()
    ) -> Size:
        """Return the size of a request, or of parts of one, before calibration."""
        fixed = text = 0
        for message in messages:
            if isinstance(message.content, str):  # most messages are one text
                fixed += TOKENS_PER_MESSAGE
                text += self.measure_text(message.content)
            else:
                more = self._measure_parts(message.content)
                fixed += more.fixed
                text += more.text
        if instructions:
            fixed += TOKENS_PER_MESSAGE
            text += self.measure_text(instructions)
        for tool in tools:
            fixed += TOKENS_PER_MESSAGE
            text += self.measure_text(tool.name) + self.measure_text(tool.description)
            text += self.measure_text(as_text(tool.parameters))
        return Size(fixed, text)

    def measure_text(self, text: str) -> int:
        """Return the number of tokens in a text, before calibration."""
        if self._count_text is None:
            size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
            return -(-size // BYTES_PER_TOKEN)
        if len(text) <= _PIECE:
            return self._count_text(text)
        # The time that an encoding takes grows faster than the text.
        return sum(self._count_text(text[start : start + _PIECE]) for start in range(0, len(text), _PIECE))

    def tokens(self, size: Size) -> int:
        """Return the number of tokens for a measured size, after calibration."""
        return size.fixed + -(-size.text * self._eighths // _EIGHTHS)

    def wants_report(self) -> bool:
        """Return whether to measure and `observe` the next request: at first every request, later every eighth."""
        self._asked += 1
        return not self.is_exact and (len(self._reports) < _KEPT_REPORTS or self._asked % _EIGHTHS == 0)

    def observe(self, estimated: Size, reported: Usage | int | None) -> None:
        """Learn from the number of tokens that a model reports for a request.

        One report alone changes nothing. The factor changes if the median of the last fifteen reports is above it, or
        two steps below it. So a wrong report, or a service without reports, does no harm, and the window keeps its
        start. An exact counter learns nothing.

        Args:
            estimated: the size that `measure` returned for the request.
            reported: the request's usage, or its number of input tokens; None if it is unknown.
        """
        tokens = reported.input_tokens if isinstance(reported, Usage) else reported
        if self.is_exact or tokens is None or estimated.text < _LEAST_TEXT:
            return
        ratio = (tokens - estimated.fixed) / estimated.text
        if not _LEAST_FACTOR <= ratio <= _LARGEST_FACTOR:
            return
        from statistics import median  # imported with the first report, because it is heavier than all windows

        self._reports.append(ratio)
        typical = median(self._reports)
        is_outside = typical > self.factor or typical < self.factor - 2 / _EIGHTHS
        if len(self._reports) >= _LEAST_REPORTS and is_outside:
            self._eighths = ceil(typical * _EIGHTHS)

    def _measure_parts(self, parts: Iterable[AnyContent]) -> Size:
        fixed = text = results = 0
        for part in parts:
            results += isinstance(part, FunctionResultContent)
            fixed += self._measure_files(part)
            text += self.measure_text(_text_of(part))
        # In most formats, each result is sent as a message of its own.
        return Size(fixed + TOKENS_PER_MESSAGE * max(1, results), text)

    def _measure_files(self, part: AnyContent) -> int:
        """Return the tokens of a file, or of the files in a result."""
        if isinstance(part, FILES):
            return file_tokens(part, self._model_id)
        if isinstance(part, FunctionResultContent):
            return sum(file_tokens(one, self._model_id) for one in part.parts if isinstance(one, FILES))
        return 0


def estimate_tokens(message: ChatMessage) -> int:
    """Return an estimate of a message's tokens: one for every four bytes of text, and four for the message itself."""
    return ESTIMATES.count([message])


def as_text(value: object) -> str:
    """Return a tool's result or arguments as text, almost exactly as the model sees it."""
    if isinstance(value, str):
        return value
    import json  # compiles regular expressions, which a program without limits of tokens does not need

    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError):
        return str(value)


def _count_with(encoding: TextEncoding | CountText) -> CountText:
    if isinstance(encoding, TextEncoding):
        return lambda text: len(encoding.encode_ordinary(text))
    if callable(encoding):
        return encoding
    raise ConfigurationError(
        f"encoding must be an encoding or a function that counts a text's tokens, not {encoding!r}: "
        'give tiktoken.get_encoding("o200k_base"), for example'
    )


def _text_of(part: AnyContent) -> str:
    """Return the text that is sent for a part. Reasoning, usage and unknown parts of earlier turns are not sent."""
    match part:
        case TextContent():
            return part.text
        case FunctionCallContent():
            return part.name + as_text(part.arguments)
        case FunctionResultContent():
            return as_text(part.result)
        case RefusalContent():
            return part.refusal
        case _:
            return ""


ESTIMATES = TokenCounter()
"""A counter that only estimates and is never calibrated."""
