"""The limit on the size of an answer, so that no answer floods the context of a model.

Tokens are estimated from bytes, as `recuerda.window` does it for an unknown model. The structured form of an answer is
measured, because it is longer than the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from recuerda.window.tokens import BYTES_PER_TOKEN

_Item = TypeVar("_Item", bound=msgspec.Struct)

MAX_TOKENS = 4_000
"""The default size of the largest answer."""

LEAST_TOKENS = 200
MAX_NAME = 60
"""The largest number of characters of a speaker's name. A longer name is cut, as in the quotes of a recall."""

CUT = "…"


def fitting(items: Iterable[_Item], max_tokens: int, *, shorten: Callable[[_Item, int], _Item]) -> list[_Item]:
    """Return the first items that together cost at most this number of tokens, and at least one item.

    Args:
        items: the items, the most important first.
        max_tokens: the limit.
        shorten: returns an item with at most this number of characters of text. The first item is shortened until it
            fits, if it is too long alone.
    """
    left = max_tokens * BYTES_PER_TOKEN
    fit: list[_Item] = []
    for item in items:
        size = len(msgspec.json.encode(item))
        if size > left and not fit:
            return [shortened(item, max_tokens, shorten=shorten)]
        if size > left:
            break
        left -= size
        fit.append(item)
    return fit


def shortened(item: _Item, max_tokens: int, *, shorten: Callable[[_Item, int], _Item]) -> _Item:
    """Return an item that costs at most this number of tokens. Its text is shortened only as far as this needs.

    A character costs up to six bytes, so the number of characters says little about the cost.
    """
    limit = max_tokens * BYTES_PER_TOKEN
    if len(msgspec.json.encode(item)) <= limit:
        return item
    characters = limit
    while characters > 1:
        characters = characters * 3 // 4
        short = shorten(item, characters)
        if len(msgspec.json.encode(short)) <= limit:
            return short
    return shorten(item, 1)


def cut_text(text: str, max_characters: int) -> tuple[str, bool]:
    """Return the beginning of a text, and whether anything was cut off."""
    if len(text) <= max_characters:
        return text, False
    return text[: max(1, max_characters - 1)] + CUT, True


def cut_texts(texts: Sequence[str], max_characters: int) -> list[tuple[str, bool]]:
    """Return the beginnings of texts that together have at most this number of characters, each with a fair share."""
    share = max(1, max_characters // max(1, len(texts)))
    return [cut_text(text, share) for text in texts]
