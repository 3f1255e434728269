"""The beginning of a text, cut where no secret can be cut in two.

Secrets are hidden after a view has cut its texts, and a rule does not know the first half of a secret. So a text is cut
between two words, or at a quote: no secret that a rule knows goes on behind such a place.
"""

from __future__ import annotations

LONGEST_WORD = 1000
"""The number of characters in which a place between two words is looked for."""

_ENDS = " \n\t\r\"'<>"


def cut(text: str, limit: int | None) -> tuple[str, int]:
    """Return the beginning of a text, and the number of the characters that were cut. No limit cuts nothing."""
    if limit is None or len(text) <= limit:
        return text, 0
    at = max(text.rfind(end, max(0, limit - LONGEST_WORD), limit + 1) for end in _ENDS)
    end = at if at > 0 else limit
    return text[:end], len(text) - end


def beginning(text: str, limit: int) -> str:
    """Return the beginning of a text."""
    return cut(text, limit)[0]
