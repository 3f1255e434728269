"""Shortened tool results: a mark replaces a result of an older turn, and the results of a long turn are cut.

Every call keeps a result. Arguments are never cut, because they would no longer be JSON. A mark says how much was left
out, so the model knows that it can call the tool again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from recuerda.messages.message import AnyContent, ChatMessage, FunctionResultContent, with_contents
from recuerda.window.tokens import Size, TokenCounter, as_text

LONGEST_KEPT = 100
"""The length in characters up to which a result is never cut, because a mark would hardly be shorter."""

_CUTS = (1.0, 0.85, 0.7, 0.5, 0.25)


def elided(messages: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
    """Return the messages with a mark in place of each long result. Without a long result, return the same object."""
    changed = tuple(_with_results(message, _marked) for message in messages)
    return messages if all(map(_is_same, changed, messages)) else changed


def fitted(messages: Sequence[ChatMessage], counter: TokenCounter, *, max_tokens: int) -> Sequence[ChatMessage]:
    """Return a turn's messages, shortened as far as possible until they fit. If they fit, return the same object.

    The longest results are cut to the same length. If even marks would be too long, whole rounds of calls and results
    are left out, the oldest first. The words of the user and the model always stay.
    """
    if counter.count(messages) <= max_tokens:
        return messages
    return _cut(_without_rounds(messages, counter, max_tokens), counter, max_tokens)


def _without_rounds(messages: Sequence[ChatMessage], counter: TokenCounter, max_tokens: int) -> Sequence[ChatMessage]:
    """Leave out the oldest rounds until the other rounds would fit with a mark in place of each result."""
    costs = [counter.count([_with_results(message, _marked)]) for message in messages]
    total = sum(costs)
    left_out: set[int] = set()
    for start, end in rounds_of(messages):
        if total <= max_tokens:
            break
        left_out.update(range(start, end))
        total -= sum(costs[start:end])
    return [message for index, message in enumerate(messages) if index not in left_out]


def rounds_of(messages: Sequence[ChatMessage]) -> list[tuple[int, int]]:
    """Return the start and the end of each round of calls and results, the oldest first."""
    rounds: list[tuple[int, int]] = []
    for start, message in enumerate(messages):
        if message.role == "assistant" and message.function_calls:
            end = start + 1
            while end < len(messages) and messages[end].role == "tool":
                end += 1
            rounds.append((start, end))
    return rounds


def _cut(messages: Sequence[ChatMessage], counter: TokenCounter, max_tokens: int) -> Sequence[ChatMessage]:
    texts = [
        as_text(part.result)
        for message in messages
        for part in message.contents
        if isinstance(part, FunctionResultContent)
    ]
    sizes = [counter.tokens(Size(0, counter.measure_text(text))) for text in texts]
    others = counter.count(messages) - sum(sizes)
    longest = _longest(sizes, max_tokens - others)
    for share in _CUTS:
        # Tokens are spread unevenly in a text, so the first cut may be too little.
        cut = _cut_to(messages, counter, int(longest * share))
        if counter.count(cut) <= max_tokens:
            return cut
    return [_with_results(message, _marked) for message in messages]


def _longest(sizes: Sequence[int], available: int) -> int:
    """Return the length to which all longer results must be cut so that the results fit."""
    rest = available
    for count, size in enumerate(sorted(sizes), start=0):
        share = rest // (len(sizes) - count)
        if size > share:
            return max(0, share)
        rest -= size
    return max(sizes, default=0)


def _cut_to(messages: Sequence[ChatMessage], counter: TokenCounter, longest: int) -> list[ChatMessage]:
    def cut(result: FunctionResultContent) -> FunctionResultContent:
        text = as_text(result.result)
        size = counter.tokens(Size(0, counter.measure_text(text)))
        return result if size <= longest else _shortened(result, text, kept=len(text) * longest // size)

    return [_with_results(message, cut) for message in messages]


def _shortened(result: FunctionResultContent, text: str, *, kept: int) -> FunctionResultContent:
    kept -= LONGEST_KEPT  # for the mark
    if kept < LONGEST_KEPT:
        return _marked(result)
    head, tail = kept - kept // 3, kept // 3
    mark = f"[… shortened: {len(text) - kept:,} of {len(text):,} characters left out …]"
    return _with_text(result, f"{text[:head]}\n{mark}\n{text[-tail:]}")


def _marked(result: FunctionResultContent) -> FunctionResultContent:
    text = as_text(result.result)
    return result if len(text) <= LONGEST_KEPT else _with_text(result, f"[… {len(text):,} characters left out …]")


def _with_text(result: FunctionResultContent, text: str) -> FunctionResultContent:
    return msgspec.structs.replace(result, result=text, parts=())


def _with_results(
    message: ChatMessage, change: Callable[[FunctionResultContent], FunctionResultContent]
) -> ChatMessage:
    if type(message.content) is str:
        return message
    parts: list[AnyContent] = [
        change(part) if isinstance(part, FunctionResultContent) else part for part in message.contents
    ]
    if all(map(_is_same, parts, message.contents)):
        return message
    return with_contents(message, parts)


def _is_same(one: object, other: object) -> bool:
    return one is other
