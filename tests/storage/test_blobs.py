"""The bytes of files on every storage that keeps them."""

import asyncio
import os
from pathlib import Path

import pytest

from recuerda.copying import copy_thread
from recuerda.errors import ThreadConflict
from recuerda.file import FileStorage, folder
from recuerda.file.backup import back_up, is_replaceable
from recuerda.file.disk import Disk
from recuerda.storage.contract import Storage
from recuerda.storage.operations import NO_GUARD, Guard
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import Blob
from recuerda.testing.storage_contract import BlobContract
from recuerda.testing.storage_contract.blobs import CAT, DOG, EMPTY, with_blobs
from tests.storage.matrix import STORAGES


class TestBlobs(BlobContract):
    @pytest.fixture
    def another(self, another: Storage) -> Storage:
        return another  # conftest's second handle, instead of the same object


async def test_blobs_of_a_killed_append_are_never_read_and_go_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FileStorage(tmp_path) as storage:
        await storage.append("a", with_blobs(DOG))
        with monkeypatch.context() as patch:
            patch.setattr(folder, "add_records", _killed)
            with pytest.raises(KeyboardInterrupt):
                await storage.append("a", with_blobs(CAT))
        assert len(_blob_files(tmp_path)) == 2
        assert await storage.read_blobs("a", [CAT.digest, DOG.digest]) == {DOG.digest: DOG.data}
        await storage.append("a", with_blobs(EMPTY))
        assert sorted(path.name for path in _blob_files(tmp_path)) == sorted([DOG.digest, EMPTY.digest])


async def test_blobs_of_an_append_that_was_killed_after_its_line_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FileStorage(tmp_path) as storage:
        with monkeypatch.context() as patch:
            patch.setattr(folder, "finish_blobs", _killed)
            with pytest.raises(KeyboardInterrupt):
                await storage.append("a", with_blobs(CAT))
        for _ in range(2):
            assert (await storage.read("a", blobs=None)).blobs[CAT.digest] == CAT.data
            assert await storage.read_blobs("a", [CAT.digest]) == {CAT.digest: CAT.data}
            await storage.append("a", with_blobs(DOG))
        assert sorted(path.name for path in _blob_files(tmp_path)) == sorted([CAT.digest, DOG.digest])


async def test_a_clean_up_removes_blobs_that_no_turn_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FileStorage(tmp_path) as storage:
        await storage.append("a", with_blobs(DOG))
        await storage.append("a", with_blobs(CAT))
        await storage.append("b", with_blobs(CAT))
        with monkeypatch.context() as patch:
            patch.setattr(folder, "sweep_blobs", _killed)
            with pytest.raises(KeyboardInterrupt):
                await storage.undo("a")
        _delete_log_of_b(tmp_path)
        assert len(_blob_files(tmp_path)) == 3
        await storage.erase_user("nobody")
        assert [path.name for path in _blob_files(tmp_path)] == [DOG.digest]


async def test_a_killed_deletion_leaves_no_turn_without_its_blobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FileStorage(tmp_path) as storage:
        for thread in "ab":
            await storage.append(thread, with_blobs(CAT), user_id="ana")
        for victim, name in ((Disk, "unlink"), (folder, "remove_blobs")):
            with monkeypatch.context() as patch:
                patch.setattr(victim, name, _killed)
                with pytest.raises(KeyboardInterrupt):
                    await storage.delete("a")
            found = await storage.read("a", blobs=None)
            assert {digest for record in found.records for digest in record.blobs} == found.blobs.keys()
        assert len(_blob_files(tmp_path)) == 2
        # The next erasure of the user finds another thread, and removes the blobs of the killed deletion too.
        assert (await storage.erase_user("ana")).threads == 1
        assert _blob_files(tmp_path) == []


@pytest.mark.parametrize("step", ["recuerda.file.blobs._write", "recuerda.file.folder.write_names"])
async def test_a_killed_replacement_of_a_blob_leaves_the_blob_that_the_thread_held(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FileStorage(tmp_path) as storage:
        await storage.append("a", with_blobs(CAT, DOG))
        with monkeypatch.context() as patch:
            patch.setattr(step, _killed)
            with pytest.raises(KeyboardInterrupt):
                await _replaced(storage, DOG.digest, CAT)
        assert (await storage.read("a", blobs=None)).blobs == {CAT.digest: CAT.data, DOG.digest: DOG.data}
        assert await _replaced(storage, DOG.digest, CAT)
        assert (await storage.read("a", blobs=None)).blobs == {CAT.digest: CAT.data}


async def test_a_backup_of_a_folder_has_the_blobs(tmp_path: Path) -> None:
    async with FileStorage(tmp_path / "threads") as storage:
        await storage.append("a", with_blobs(CAT))
    back_up(tmp_path / "threads", tmp_path / "copy", progress=lambda _done, _all: None)
    assert is_replaceable(tmp_path / "copy")
    async with FileStorage(tmp_path / "copy") as copy:
        assert (await copy.read("a", blobs=None)).blobs == {CAT.digest: CAT.data}


def _killed(*_args: object, **_options: object) -> None:
    raise KeyboardInterrupt


def _delete_log_of_b(path: Path) -> None:
    next(path.glob("b-*.jsonl")).unlink()


async def _replaced(storage: Storage, digest: str, blob: Blob, guard: Guard = NO_GUARD) -> bool:
    # The hook has no public method: only a storage around the storage calls it.
    return await storage._replace_blob("a", digest, blob, guard)  # pyright: ignore[reportPrivateUsage]  # as said


def _blob_files(path: Path) -> list[Path]:
    return list(path.glob("*.blobs/*"))


async def test_a_blob_is_replaced_in_every_turn_that_names_it(storage: Storage, another: Storage) -> None:
    await storage.append_all("a", [with_blobs(CAT), with_blobs(DOG, CAT), with_blobs(EMPTY, CAT)])
    assert not await _replaced(storage, "0" * 64, DOG)
    with pytest.raises(ThreadConflict):
        await _replaced(storage, CAT.digest, EMPTY, Guard(revision=2))
    new = Blob("1" * 64, b"encrypted")
    assert await _replaced(another, CAT.digest, new, Guard(revision=3))
    found = await storage.read("a", blobs=None)
    names = [(new.digest,), (DOG.digest, new.digest), (EMPTY.digest, new.digest)]
    assert [record.blobs for record in found.records] == names
    assert found.blobs == {blob.digest: blob.data for blob in (new, DOG, EMPTY)}
    # The thread already holds the new name, and then the old name itself.
    for old, new_data in ((new.digest, b"merged"), (DOG.digest, b"again")):
        assert await _replaced(storage, old, Blob(DOG.digest, new_data))
        found = await another.read("a", blobs=None)
        assert [record.blobs for record in found.records] == [(DOG.digest,), (DOG.digest,), (EMPTY.digest, DOG.digest)]
        assert found.blobs == {DOG.digest: new_data, EMPTY.digest: b""}
    await storage.trim("a", keep_turns=1)
    await storage.undo("a")
    assert await storage.read_blobs("a", [DOG.digest, EMPTY.digest, CAT.digest, new.digest]) == {}


async def test_a_copy_has_the_blobs_and_goes_on_where_it_broke_off(storage: Storage) -> None:
    async with MemoryStorage() as source:
        pictures = [Blob.of(b"picture %d" % i) for i in range(20)]
        await source.append_all("a", [with_blobs(*pictures[i : i + 3], CAT, id=f"t{i}") for i in range(18)])
        first = (await source.read("a")).records[0]
        await storage.append("a", first.as_new_turn(await source.read_blobs("a", first.blobs)))
        copied = await copy_thread(source, storage, "a")
        original, copy = await source.read("a", blobs=None), await storage.read("a", blobs=None)
        assert (copied.problem, copied.added) == (None, 17)
        assert [record.blobs for record in copy.records] == [record.blobs for record in original.records]
        assert copy.blobs == original.blobs


async def test_a_copy_of_a_thread_that_lost_a_blob_says_so(storage: Storage) -> None:
    async with MemoryStorage() as source:
        await source.append("a", with_blobs(CAT))
        source._logs["a"].blobs.clear()  # pyright: ignore[reportPrivateUsage]  # no storage loses one by itself
        copied = await copy_thread(source, storage, "a")
        assert copied.problem is not None
        assert "file" in copied.problem
        assert await storage.head("a") is None


@pytest.mark.parametrize("scheme", ["sqlite", "file"])
async def test_pictures_take_hardly_more_of_the_disk_than_their_bytes(scheme: str, tmp_path: Path) -> None:
    pictures = [Blob.of(os.urandom(300_000)) for _ in range(20)]
    async with STORAGES[scheme](tmp_path) as storage:
        for picture in (*pictures, *pictures):
            await storage.append("a", with_blobs(picture))
    assert sum(path.stat().st_size for path in _all_files(tmp_path)) <= 1.05 * 20 * 300_000


def _all_files(path: Path) -> list[Path]:
    return [one for one in path.rglob("*") if one.is_file()]


@pytest.mark.parametrize("scheme", ["sqlite", "file"])
async def test_erased_pictures_are_in_no_byte_of_the_files(scheme: str, tmp_path: Path) -> None:
    def secret(number: int) -> Blob:
        return Blob.of(b"SECRET%d!" % number * (5 if number % 2 else 5_000))  # in a page, and over many pages

    async with STORAGES[scheme](tmp_path) as storage:
        for number in range(30):
            for thread in ("erased", "undone", "trimmed"):
                await storage.append(thread, with_blobs(secret(number)), user_id=thread)
            await storage.append("other", with_blobs(CAT, DOG))
        await storage.erase_user("erased")
        for _ in range(30):
            await storage.undo("undone")
        await storage.append("trimmed", with_blobs(CAT), keep_messages=1)
        for _ in range(100):
            if not _has(tmp_path, b"SECRET"):
                break
            await asyncio.sleep(0.05)
        assert not _has(tmp_path, b"SECRET")
        assert await storage.read_blobs("other", [CAT.digest, DOG.digest]) == {b.digest: b.data for b in (CAT, DOG)}


def _has(folder: Path, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in _all_files(folder))
