"""Encrypted files of turns: what the other storage sees of them, other keys, and values that were moved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.errors import DecryptionError
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.operations import NO_GUARD
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import Blob, NewTurn
from recuerda.testing.storage_contract.blobs import CAT, DOG, EMPTY, with_blobs

ONE, TWO = b"1" * 32, b"2" * 32
BOTH = {"k1": ONE, "k2": TWO}


@pytest.fixture
async def inner() -> AsyncIterator[MemoryStorage]:
    async with MemoryStorage() as inner:
        yield inner


def encrypted(inner: MemoryStorage, current: str = "k1") -> EncryptedStorage:
    return EncryptedStorage(inner, KeyRing(BOTH, current=current))


async def test_neither_bytes_nor_digests_are_on_the_disk(tmp_path: Path) -> None:
    async with EncryptedStorage(SQLiteStorage(tmp_path / "threads.db"), KeyRing({"k1": ONE}, current="k1")) as storage:
        await storage.append("a", with_blobs(CAT, DOG))
        written = b"".join(_contents(tmp_path))
    for part in (CAT.data, DOG.data, CAT.digest.encode(), bytes.fromhex(CAT.digest)):
        assert part not in written


async def test_equal_files_have_one_name_in_a_thread_and_two_in_two_threads(inner: MemoryStorage) -> None:
    storage = encrypted(inner)
    for thread in ("a", "a", "b"):
        await storage.append(thread, with_blobs(CAT))
    of_a = [record.blobs for record in (await inner.read("a")).records]
    of_b = [record.blobs for record in (await inner.read("b")).records]
    assert of_a[0] == of_a[1] != of_b[0]
    assert (CAT.digest,) not in (*of_a, *of_b)


async def test_a_rotation_encrypts_blobs_too_and_merges_what_two_keys_wrote(inner: MemoryStorage) -> None:
    await encrypted(inner).append_all("a", [with_blobs(CAT, DOG), with_blobs(EMPTY), with_blobs()])
    newer = encrypted(inner, "k2")
    await newer.append("a", with_blobs(CAT))
    before = await newer.read("a", blobs=None)
    assert len((await inner.read("a", blobs=None)).blobs) == 4
    assert await newer.read_blobs("a", [CAT.digest, DOG.digest, "0" * 64]) == {
        CAT.digest: CAT.data,
        DOG.digest: DOG.data,
    }
    assert await newer.rotate("a") == 3
    assert len((await inner.read("a", blobs=None)).blobs) == 3
    after = await EncryptedStorage(inner, KeyRing({"k2": TWO}, current="k2")).read("a", blobs=None)
    assert [replace(record, body=b"") for record in after.records] == [
        replace(record, body=b"") for record in before.records
    ]
    assert after.blobs == before.blobs
    assert await newer.rotate("a") == 0


async def test_a_rewritten_body_keeps_its_blobs(inner: MemoryStorage) -> None:
    storage = encrypted(inner)
    await storage.append_all("a", [with_blobs(CAT), with_blobs(DOG), NewTurn(body=b"plain", message_count=1)])
    await storage.rewrite("a", {1: b"one", 2: b"two", 3: b"three"})
    found = await storage.read("a", blobs=None)
    assert [(record.body, record.blobs) for record in found.records] == [
        (b"one", (CAT.digest,)),
        (b"two", (DOG.digest,)),
        (b"three", ()),
    ]
    assert len(found.blobs) == 2


async def test_a_blob_that_was_moved_to_another_place_is_not_opened(inner: MemoryStorage) -> None:
    storage = encrypted(inner)
    await storage.append("a", with_blobs(CAT))
    await storage.append("a", with_blobs(DOG))
    (cat,), (dog,) = [record.blobs for record in (await inner.read("a")).records]
    data = (await inner.read_blobs("a", [dog]))[dog]
    await inner._replace_blob("a", cat, Blob(cat, data), NO_GUARD)  # pyright: ignore[reportPrivateUsage]  # as an attacker
    with pytest.raises(DecryptionError):
        await storage.read_blobs("a", [CAT.digest])
    assert await storage.read_blobs("a", [DOG.digest]) == {DOG.digest: DOG.data}


def _contents(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.iterdir()]
