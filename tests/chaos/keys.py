"""Two encrypting keys, of which one is current. Each process may have another current key."""

from __future__ import annotations

KEYS = {"old": bytes(16), "new": bytes(range(16))}


class TwoKeys:
    """A source of two keys. Assign to `name` to change the current key.

    Args:
        held: the names of the keys that the source has.
        current: the name of the current key.
    """

    def __init__(self, *, held: tuple[str, ...] = ("old", "new"), current: str = "old") -> None:
        self.name = current
        self._held = held

    def current(self, user_id: str | None) -> str:
        """Return the name of the current key, which is every user's."""
        return self.name

    def key(self, key_id: str) -> bytes | None:
        """Return a key by its name; None if the source does not have it."""
        return KEYS[key_id] if key_id in self._held else None
