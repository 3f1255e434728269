"""Counting tokens: exactly, or by an estimate that learns.

Exact counts come from `tiktoken`, where it is installed and its encoding is on this machine already; nothing is ever
downloaded. Otherwise texts are estimated by their size, and the estimate calibrates itself on the usage that the model
reports: languages and tokenizers differ by a factor of several. What is counted for a text never changes (only the
factor does, in coarse steps), so that counts can be kept and summed up.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from math import ceil
from statistics import median
from typing import NamedTuple, Protocol

from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    UriContent,
    Usage,
)
from recuerda.window.encodings import TextEncoding, find_encoding

TOKENS_PER_MESSAGE = 4
"""What a message costs besides its text, about, in every chat format."""

BYTES_PER_TOKEN = 4
"""A usual figure for English text, and closer for other scripts than a count of characters would be."""

TOKENS_PER_FILE = 1000
"""What an image or file is counted as: services differ by a factor of ten either way."""

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_EIGHTHS = 8
_LEAST_FACTOR, _LARGEST_FACTOR = 0.25, 8.0
_LEAST_TEXT = 100
_LEAST_REPORTS, _KEPT_REPORTS = 3, 15
_PIECE = 50_000


class Size(NamedTuple):
    """What messages cost: a fixed number of tokens, and the text's tokens before calibration."""

    fixed: int
    text: int


class ToolSchema(Protocol):
    """What is sent of a tool, and so has to be counted."""

    @property
    def name(self) -> str:
        """How the model calls it."""
        ...

    @property
    def description(self) -> str:
        """What it does, for the model."""
        ...

    @property
    def parameters(self) -> object:
        """The JSON schema of its arguments."""
        ...


class TokenCounter:
    """Count tokens: exactly where that is possible offline, else by an estimate that learns from the model's reports.

    Args:
        encoding: an encoding of `tiktoken` or anything with its `encode_ordinary`, or an encoding's name. A name whose
            file is not on this machine gives estimates.
        model_id: the model; of OpenAI's models the encoding is known.

    Raises:
        ConfigurationError: tiktoken is installed and knows no encoding of that name.
    """

    def __init__(self, encoding: TextEncoding | str | None = None, *, model_id: str | None = None) -> None:
        self._given = encoding
        self._encoding = find_encoding(encoding, model_id)
        self._eighths = _EIGHTHS
        self._reports: deque[float] = deque(maxlen=_KEPT_REPORTS)
        self._asked = 0
        self._by_model: dict[str, TokenCounter] = {}

    @property
    def is_exact(self) -> bool:
        """True when texts are counted with the model's own encoding."""
        return self._encoding is not None

    @property
    def factor(self) -> float:
        """By what the estimates are multiplied: learnt from reports, in steps of an eighth; 1.0 at first."""
        return self._eighths / _EIGHTHS

    def for_model(self, model_id: str | None) -> TokenCounter:
        """Return the counter of one model, always the same one: models calibrate apart from each other."""
        if model_id is None:
            return self
        if model_id not in self._by_model:
            self._by_model[model_id] = TokenCounter(self._given, model_id=model_id)
        return self._by_model[model_id]

    def count(
        self, messages: Iterable[ChatMessage] = (), *, instructions: str | None = None, tools: Iterable[ToolSchema] = ()
    ) -> int:
        """Return the tokens of a request, or of parts of it."""
        return self.tokens(self.measure(messages, instructions=instructions, tools=tools))

    def measure(
        self, messages: Iterable[ChatMessage] = (), *, instructions: str | None = None, tools: Iterable[ToolSchema] = ()
    ) -> Size:
        """Return what a request, or parts of it, cost before calibration."""
        fixed = text = 0
        for message in messages:
            more = self._measure_message(message)
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
        """Return a text's tokens before calibration."""
        if self._encoding is None:
            size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
            return -(-size // BYTES_PER_TOKEN)
        if len(text) <= _PIECE:
            return len(self._encoding.encode_ordinary(text))
        # Encodings take more than their share of time for one huge piece of text.
        return sum(len(self._encoding.encode_ordinary(text[i : i + _PIECE])) for i in range(0, len(text), _PIECE))

    def tokens(self, size: Size) -> int:
        """Return the tokens of what was measured."""
        return size.fixed + -(-size.text * self._eighths // _EIGHTHS)

    def wants_report(self) -> bool:
        """Say whether to measure the next request and `observe` it: each one at first, and then every eighth."""
        self._asked += 1
        return not self.is_exact and (len(self._reports) < _KEPT_REPORTS or self._asked % _EIGHTHS == 0)

    def observe(self, estimated: Size, reported: Usage | int | None) -> None:
        """Learn from what a model says that a request cost.

        One report changes nothing: the median of the last fifteen does, when it is above the factor or two steps below
        it. So a report that is wrong, or a service that counts nothing, does no harm, and the window stays where it is.
        An exact counter has nothing to learn.

        Args:
            estimated: what `measure` gave for that request.
            reported: its usage, or its input tokens; None for an unknown one.
        """
        tokens = reported.input_tokens if isinstance(reported, Usage) else reported
        if self.is_exact or tokens is None or estimated.text < _LEAST_TEXT:
            return
        ratio = (tokens - estimated.fixed) / estimated.text
        if not _LEAST_FACTOR <= ratio <= _LARGEST_FACTOR:
            return
        self._reports.append(ratio)
        typical = median(self._reports)
        is_outside = typical > self.factor or typical < self.factor - 2 / _EIGHTHS
        if len(self._reports) >= _LEAST_REPORTS and is_outside:
            self._eighths = ceil(typical * _EIGHTHS)

    def _measure_message(self, message: ChatMessage) -> Size:
        if isinstance(message.content, str):
            return Size(TOKENS_PER_MESSAGE, self.measure_text(message.content))
        fixed = text = results = 0
        for part in message.content:
            results += isinstance(part, FunctionResultContent)
            fixed += _is_file(part) * TOKENS_PER_FILE
            text += self.measure_text(_text_of(part))
        # In most formats every result is a message of its own.
        return Size(fixed + TOKENS_PER_MESSAGE * max(1, results), text)


def estimate_tokens(message: ChatMessage) -> int:
    """Return about how many tokens a message costs: one per four bytes, four for the message itself."""
    return ESTIMATES.count([message])


def has_files(messages: Iterable[ChatMessage]) -> bool:
    """Say whether there are images or files, of which nobody can tell what they cost."""
    return any(_is_file(part) for message in messages if type(message.content) is not str for part in message.contents)


def as_text(value: object) -> str:
    """Return a result or arguments as the text that the model is shown, or nearly so."""
    if isinstance(value, str):
        return value
    try:
        return _JSON.encode(value)
    except (TypeError, ValueError):
        return str(value)


def _is_file(part: AnyContent) -> bool:
    return isinstance(part, DataContent) or (isinstance(part, UriContent) and part.media_type.startswith("image/"))


def _text_of(part: AnyContent) -> str:
    """Return what is sent of a part as text. Reasoning, usage and unknown parts of earlier turns are not sent."""
    match part:
        case TextContent():
            return part.text
        case FunctionCallContent():
            return part.name + as_text(part.arguments)
        case FunctionResultContent():
            return as_text(part.result)
        case RefusalContent():
            return part.refusal
        case UriContent():
            return part.uri
        case _:
            return ""


ESTIMATES = TokenCounter()
"""Plain estimates, which nothing calibrates."""
