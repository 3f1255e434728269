"""The sources of keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from recuerda.errors import ConfigurationError


class Keys(Protocol):
    """A source of keys. Use `KeyRing` or `UserKeys`, or implement it over a key service."""

    def current(self, user_id: str | None) -> str:
        """Return the id of the key for new values in a user's threads; None stands for threads without a user."""
        ...

    def key(self, key_id: str) -> bytes | None:
        """Return the key's 16, 24 or 32 bytes, or None when no key has this id any more."""
        ...


class KeyRing:
    """A few keys for all threads. The current key encrypts new values, and each key opens the values that it encrypted.

    Args:
        keys: the keys by their ids. An id has up to 255 bytes; a key has 16, 24 or 32 secret bytes, such as
            `secrets.token_bytes(32)`.
        current: the id of the key that encrypts new values.
    """

    def __init__(self, keys: Mapping[str, bytes], *, current: str) -> None:
        if current not in keys:
            raise ConfigurationError(f"the current key {current!r} is not among the keys")
        for key_id, key in keys.items():
            check_key(key_id, key)
        self._keys = dict(keys)
        self._current = current

    def __repr__(self) -> str:
        return f"KeyRing({sorted(self._keys)}, current={self._current!r})"

    def current(self, user_id: str | None) -> str:
        return self._current

    def key(self, key_id: str) -> bytes | None:
        return self._keys.get(key_id)


class UserKeys:
    """One key for each user. Deleting a user's key erases everything that it encrypted.

    Args:
        keys: the keys by their user ids. The mapping is read for each value, so a deletion takes effect at once.
        shared: the key for threads without a user. If None, writing such threads is refused.
    """

    def __init__(self, keys: Mapping[str, bytes], *, shared: bytes | None = None) -> None:
        self._keys = keys
        self._shared = shared

    def __repr__(self) -> str:
        return "UserKeys(…)"

    def current(self, user_id: str | None) -> str:
        return "shared" if user_id is None else f"user:{user_id}"

    def key(self, key_id: str) -> bytes | None:
        return self._shared if key_id == "shared" else self._keys.get(key_id.removeprefix("user:"))


def check_key(key_id: str, key: bytes) -> None:
    """Check that a key and its id can be used.

    Raises:
        ConfigurationError: the id or the key has a wrong length.
    """
    if not 1 <= len(key_id.encode()) <= 255:
        raise ConfigurationError(f"a key id must have 1 to 255 bytes, not {len(key_id.encode())}")
    if len(key) not in (16, 24, 32):
        raise ConfigurationError(f"the key {key_id!r} has {len(key)} bytes, and AES needs 16, 24 or 32")
