"""Encrypted values: their bytes, and the places to which they are bound.

A value is encrypted with AES-GCM and a random nonce. It starts with the id of its key, and it is bound to a place, so a
value that was moved elsewhere cannot be opened.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os

from recuerda.encryption.keys import Keys, check_key
from recuerda.errors import ConfigurationError, DecryptionError, MissingExtraError
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import SEAL, TurnRecord

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    raise MissingExtraError(module="recuerda.encryption", extra="encryption") from None

NONCE_BYTES = 12

SEAL_BYTES = len(SEAL) + 1 + 255 + NONCE_BYTES + 16
"""The largest number of bytes that encryption adds to a value, with the longest id of a key and AES-GCM's tag."""


class Sealer:
    """Encrypts values with one key."""

    def __init__(self, key_id: str, key: bytes) -> None:
        check_key(key_id, key)
        self.key_id = key_id
        self._head = SEAL + bytes([len(key_id.encode())]) + key_id.encode()
        self._cipher = AESGCM(key)
        self._naming_key = hmac.digest(key, b"recuerda: names of blobs", "sha256")

    def __call__(self, value: bytes, place: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return self._head + nonce + self._cipher.encrypt(nonce, value, place)

    def name(self, place: bytes) -> str:
        """Return a name for a blob, as 64 hexadecimal digits. Only the key shows to which place it belongs."""
        return hmac.digest(self._naming_key, place, "sha256").hex()


def sealer_of(keys: Keys, user_id: str | None) -> Sealer:
    """Return the sealer for new values in a user's threads.

    Raises:
        ConfigurationError: the current key is missing.
    """
    key_id = keys.current(user_id)
    key = keys.key(key_id)
    if key is None:
        raise ConfigurationError(
            f"there is no key {key_id!r} to encrypt with: add it to the keys. Nothing was written."
        )
    return Sealer(key_id, key)


def opened(keys: Keys, body: bytes, thread_id: str, place: bytes, number: int | None = None) -> bytes:
    """Return the value that was encrypted for a place.

    Raises:
        DecryptionError: the key is missing, or the value was changed or moved. `number` is the record's number for it.
    """
    key_id = key_id_of(body)
    if key_id is None:
        raise DecryptionError(thread_id, number, "it is not encrypted, or it is damaged")
    key = keys.key(key_id)
    if key is None:
        raise DecryptionError(thread_id, number, f"its key {key_id!r} is missing")
    start = len(SEAL) + 1 + body[len(SEAL)]
    nonce, sealed = body[start : start + NONCE_BYTES], body[start + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, sealed, place)
    except (InvalidTag, ValueError):
        raise DecryptionError(thread_id, number, f"the key {key_id!r} does not open it") from None


def place_of(thread_id: str, place: int | str) -> bytes:
    """Return the place to which a value is bound.

    The length of the id is part of it, so that two places are never the same.
    """
    encoded = thread_id.encode()
    return b"%d:%b:%b" % (len(encoded), encoded, str(place).encode())


def record_place(thread_id: str, record: TurnRecord) -> bytes:
    """Return the place to which a record's body is bound.

    The kind is part of it, so a summary cannot stand in for a turn. So is the number of blobs, by which the digests
    before the body are told from the body.
    """
    if record.blobs:
        return place_of(thread_id, f"{record.number} with {len(record.blobs)} blobs")
    if record.kind == "turn":
        return place_of(thread_id, record.number)
    return place_of(thread_id, f"{record.kind} {record.number} {record.target}")


def step_place(thread_id: str, step: DraftStep) -> bytes:
    """Return the place to which a draft step's body is bound."""
    return place_of(thread_id, f"{step.turn_id}/{step.number}")


def key_id_of(body: bytes) -> str | None:
    """Return the id of the key of an encrypted value; None if the value is not encrypted."""
    start = len(SEAL) + 1
    if not body.startswith(SEAL) or len(body) <= start:
        return None
    return body[start : start + body[len(SEAL)]].decode(errors="replace")


def to_bytes(text: str) -> bytes:
    """Return an encrypted value that was kept as text; an empty one if the text is none."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""  # This is not an encrypted value, so it cannot be opened.


def to_text(sealed: bytes) -> str:
    """Return an encrypted value as text, for a place that keeps no bytes."""
    return base64.b64encode(sealed).decode()
