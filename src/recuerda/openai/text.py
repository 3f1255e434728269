r"""Text that any storage and service accepts.

JSON can carry half a character: `"\ud83d"` is one of the two surrogates of an emoji. Some servers cut there, and send
the halves in two chunks of a stream. Halves that belong together are joined; one that stays alone becomes U+FFFD, so
that an answer which was paid for is never lost because it cannot be encoded.
"""

from __future__ import annotations

from typing import Any, cast

_FIRST_HALVES = ("\ud800", "\udbff")


def mend_text(text: str) -> str:
    """Return the text with its surrogate pairs joined, and U+FFFD for each half that is alone."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class TextMender:
    """Mend a text that comes in fragments: the first half of a pair waits for the second."""

    def __init__(self) -> None:
        self._waiting = ""

    def take(self, fragment: str) -> str:
        """Return what can be said by now; it may be empty."""
        text, self._waiting = self._waiting + fragment, ""
        if text and _FIRST_HALVES[0] <= text[-1] <= _FIRST_HALVES[1]:
            text, self._waiting = text[:-1], text[-1]
        return mend_text(text)

    def end(self) -> str:
        """Return what is left: empty, or U+FFFD for a half whose other half never came."""
        waiting, self._waiting = self._waiting, ""
        return mend_text(waiting)


def mend_json(value: Any) -> Any:
    """Return a JSON value with all its texts mended, the names included."""
    if isinstance(value, str):
        return mend_text(value)
    if isinstance(value, list):
        return [mend_json(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {mend_text(name): mend_json(item) for name, item in cast("dict[str, Any]", value).items()}
    return value
