"""Encrypted blobs: their names, and the digests of a turn's blobs.

The other storage must not see the digest of a file: whoever has a file could look which threads hold it. So a blob gets
a name there instead, an HMAC of the thread's id and the digest with a key that is made from the encrypting key. Equal
files of one thread have one name, so the file is kept once; equal files of two threads have two names. A turn's digests
stand before its body, encrypted together with it, so that a reader knows which name is which digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from recuerda.encryption.keys import Keys
from recuerda.encryption.sealing import Sealer, opened, place_of, record_place
from recuerda.storage.operations import NewRecord
from recuerda.storage.records import Blob, TurnRecord

_DIGEST_BYTES = 32


def with_digests(digests: Iterable[str], body: bytes) -> bytes:
    """Return a turn's body behind the digests of its blobs."""
    return b"".join([*map(bytes.fromhex, digests), body])


def sealed_blobs(thread_id: str, record: NewRecord, seal: Sealer) -> tuple[Blob, ...]:
    """Return a record's blobs for the other storage."""
    return tuple(sealed_blob(thread_id, blob, seal) for blob in record.blobs)


def sealed_blob(thread_id: str, blob: Blob, seal: Sealer) -> Blob:
    """Return a blob for the other storage: its name, and its encrypted bytes."""
    return Blob(seal.name(_place(thread_id, blob.digest)), seal(blob.data, _place(thread_id, blob.digest)))


def name_of(thread_id: str, digest: str, seal: Sealer) -> str:
    """Return the name that a blob has under a key."""
    return seal.name(_place(thread_id, digest))


def opened_record(keys: Keys, thread_id: str, record: TurnRecord) -> TurnRecord:
    """Return an encrypted record with its body and the digests of its blobs.

    Raises:
        DecryptionError: the key is missing, or the record was changed or moved.
    """
    value = opened(keys, record.body, thread_id, record_place(thread_id, record), record.number)
    if not record.blobs:
        return replace(record, body=value)
    end = _DIGEST_BYTES * len(record.blobs)
    digests = tuple(value[at : at + _DIGEST_BYTES].hex() for at in range(0, end, _DIGEST_BYTES))
    return replace(record, body=value[end:], blobs=digests)


def opened_blobs(
    keys: Keys, thread_id: str, blobs: Mapping[str, bytes], digests: Mapping[str, str]
) -> dict[str, bytes]:
    """Return the bytes of encrypted blobs by their digests.

    Args:
        keys: the source of the keys.
        thread_id: the thread.
        blobs: the encrypted bytes by their names.
        digests: the digests by the names.

    Raises:
        DecryptionError: a key is missing, or a blob was changed or moved.
    """
    return {
        digests[name]: opened(keys, data, thread_id, _place(thread_id, digests[name])) for name, data in blobs.items()
    }


def digests_by_name(sealed: Iterable[TurnRecord], read: Iterable[TurnRecord]) -> dict[str, str]:
    """Return the digests of blobs by their names, from the same records before and after their opening."""
    pairs = [pair for one, other in zip(sealed, read, strict=True) for pair in zip(one.blobs, other.blobs, strict=True)]
    return dict(pairs)


def _place(thread_id: str, digest: str) -> bytes:
    return place_of(thread_id, f"blob {digest}")
