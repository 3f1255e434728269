r"""Text that any storage and service accepts.

JSON can carry half a character: `"\ud83d"` is one of the two surrogates of an emoji. Some servers cut text between the
halves and send them in two chunks of a stream. Two halves that belong together are joined. A half without its partner
becomes U+FFFD, so that an answer is never lost because it cannot be encoded.
"""

from __future__ import annotations

from typing import Any, cast

_FIRST_HALVES = ("\ud800", "\udbff")


def mend_text(text: str) -> str:
    """Return the text with its surrogate pairs joined and each lone surrogate replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class TextMender:
    """Repairs a text that arrives in fragments: the first half of a pair is held back until the second half arrives."""

    def __init__(self) -> None:
        self._waiting = ""

    def take(self, fragment: str) -> str:
        """Return the text that is complete so far, which may be empty."""
        text, self._waiting = self._waiting + fragment, ""
        if text and _FIRST_HALVES[0] <= text[-1] <= _FIRST_HALVES[1]:
            text, self._waiting = text[:-1], text[-1]
        return mend_text(text)

    def end(self) -> str:
        """Return the rest: U+FFFD for a half that was held back, otherwise an empty text."""
        waiting, self._waiting = self._waiting, ""
        return mend_text(waiting)


def mend_json(value: Any) -> Any:
    """Return a JSON value with all its texts and names mended."""
    if isinstance(value, str):
        return mend_text(value)
    if isinstance(value, list):
        return [mend_json(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {mend_text(name): mend_json(item) for name, item in cast("dict[str, Any]", value).items()}
    return value
