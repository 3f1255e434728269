"""Bearer keys and their holders, such as tenants or users.

A key is 256 random bits. A file holds only its SHA-256, from which the key cannot be recovered. A key that a client
sends is looked up by a keyed hash of its digest, under a secret of this process. So the time of a look-up does not
reveal how close a guess is.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Generic, TypeVar

_Holder = TypeVar("_Holder")

_DIGEST = re.compile(r"sha256:(?P<hex>[0-9a-f]{64})")


class BearerKeys(Generic[_Holder]):
    """The keys that a service accepts.

    Args:
        digests: the holder of each key, by the key's SHA-256 in hexadecimal. A holder may have several keys.
    """

    def __init__(self, digests: Mapping[str, _Holder]) -> None:
        self._secret = secrets.token_bytes(32)
        self._holders = {self._hidden(digest): (digest, holder) for digest, holder in digests.items()}

    def __len__(self) -> int:
        return len(self._holders)

    @property
    def holders(self) -> list[_Holder]:
        """The holder of each key."""
        return [holder for _, holder in self._holders.values()]

    def holder_of(self, key: str) -> _Holder | None:
        """Return the holder of a key that a client sent; None when nobody has this key."""
        digest = digest_of(key)
        found = self._holders.get(self._hidden(digest))
        return found[1] if found is not None and hmac.compare_digest(found[0], digest) else None

    def _hidden(self, digest: str) -> bytes:
        return hmac.digest(self._secret, digest.encode(), "sha256")


def new_key() -> str:
    """Return a new random key."""
    return f"rk-{secrets.token_urlsafe(32)}"


def digest_of(key: str) -> str:
    """Return the SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def written_digest(key: str) -> str:
    """Return the form in which a file names a key."""
    return f"sha256:{digest_of(key)}"


def read_digest(value: object) -> str | None:
    """Return the digest of a key that a file names, in hexadecimal; None if the value has another form."""
    found = _DIGEST.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else found["hex"]
