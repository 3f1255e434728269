"""Tests of the blobs of turns: the bytes of files, which a thread keeps once, beside the turns that name them."""

from __future__ import annotations

import asyncio
import itertools
import os

import pytest

from recuerda.errors import EncodeError, InvalidInput, ThreadConflict, ThreadOwnershipError, TurnGone
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ReadQuery, ThreadSlice, UndoneTurn
from recuerda.storage.records import Blob, NewTurn
from recuerda.testing.storage_contract.base import ContractBase

CAT = Blob.of(b"\x00a picture of a cat\xff" * 40)
DOG = Blob.of(b"a picture of a dog")
EMPTY = Blob.of(b"")
LARGE_BYTES = 20_000_000
"""The size of the largest file that every storage keeps."""


def with_blobs(*blobs: Blob, id: str | None = None) -> NewTurn:
    """Return a turn that names blobs."""
    return NewTurn(body=b"see", message_count=1, id=id, blobs=blobs)


async def show(storage: Storage, *turns: tuple[Blob, ...], thread: str = "a") -> None:
    """Append a turn for each tuple of blobs, with the ids "t1", "t2", …."""
    await storage.append_all(thread, [with_blobs(*blobs, id=f"t{i}") for i, blobs in enumerate(turns, start=1)])


async def held(storage: Storage, thread: str = "a") -> set[bytes]:
    """Return the bytes that a thread holds, of the blobs of these tests."""
    return set((await storage.read_blobs(thread, [CAT.digest, DOG.digest, EMPTY.digest])).values())


def named(found: ThreadSlice) -> list[tuple[str, ...]]:
    """Return the digests that each record names."""
    return [record.blobs for record in found.records]


class BlobContract(ContractBase):
    """Tests of `NewTurn.blobs`, of `Storage.read` with `blobs`, and of `Storage.read_blobs`."""

    async def test_blobs_come_back_with_the_digests_of_their_turns(self, storage: Storage, another: Storage) -> None:
        appended = await storage.append("a", with_blobs(CAT, EMPTY, DOG, id="t1"))
        assert appended.record.blobs == (CAT.digest, EMPTY.digest, DOG.digest)
        found = await another.read("a", turn_id="t1", blobs=None)
        assert named(found) == [appended.record.blobs]
        assert found.found == appended.record
        assert found.blobs == {blob.digest: blob.data for blob in (CAT, DOG, EMPTY)}
        assert await another.read_blobs("a", found.blobs) == found.blobs

    async def test_a_read_without_blobs_returns_only_their_digests(self, storage: Storage) -> None:
        await show(storage, (CAT,))
        found = await storage.read("a")
        assert (named(found), found.blobs) == ([(CAT.digest,)], {})
        assert (await storage.read("b", blobs=None)).blobs == {}

    async def test_a_read_returns_the_blobs_of_its_newest_turns(self, storage: Storage) -> None:
        await show(storage, (CAT,), (), (DOG, EMPTY), ())
        wanted = {
            2**70: [CAT, DOG, EMPTY],
            0: [],
            1: [],
            2: [DOG, EMPTY],
            3: [DOG, EMPTY],
            4: [CAT, DOG, EMPTY],
            None: [CAT, DOG, EMPTY],
        }
        for count, blobs in wanted.items():
            found = await storage.read("a", blobs=count)
            assert found.blobs == {blob.digest: blob.data for blob in blobs}, count
        assert (await storage.read("a", last_turns=1, blobs=None)).blobs == {}
        assert (await storage.read("a", last_turns=2, blobs=None)).blobs.keys() == {DOG.digest, EMPTY.digest}

    async def test_a_read_that_continues_returns_the_blobs_of_new_turns(self, storage: Storage) -> None:
        await show(storage, (CAT,), (DOG,))
        await storage.undo("a")
        found = await storage.read("a", after=1, blobs=1)
        assert (named(found), found.blobs) == ([()], {})
        await storage.append("a", with_blobs(EMPTY))
        found = await storage.read("a", after=1, blobs=1)
        assert (named(found), found.blobs) == ([(), (EMPTY.digest,)], {EMPTY.digest: b""})
        assert (await storage.read("a", after=4, blobs=None)).blobs == {}

    async def test_a_page_has_the_blobs_of_its_own_turns(self, storage: Storage) -> None:
        await show(storage, (CAT,), (DOG,), (EMPTY,))
        for count, digests in ((1, {DOG.digest}), (None, {CAT.digest, DOG.digest})):
            found = await storage.read("a", before=3, last_turns=2, blobs=count)
            assert (named(found), found.blobs.keys()) == ([(CAT.digest,), (DOG.digest,)], digests)

    async def test_digests_that_the_thread_does_not_hold_are_left_out(self, storage: Storage) -> None:
        await show(storage, (CAT,), thread="a")
        await show(storage, (DOG,), thread="b")
        assert await held(storage, "a") == {CAT.data}
        assert await storage.read_blobs("a", []) == {}
        assert await storage.read_blobs("none", [CAT.digest]) == {}

    async def test_a_wrong_digest_writes_nothing(self, storage: Storage) -> None:
        for wrong in (Blob(CAT.digest, DOG.data), Blob("cat", CAT.data), Blob(CAT.digest.upper(), CAT.data)):
            with pytest.raises(InvalidInput, match="digest"):
                await storage.append("a", with_blobs(DOG, wrong))
            with pytest.raises(InvalidInput, match="digest"):
                await storage.append_all("a", [with_blobs(DOG), with_blobs(wrong)])
        assert await storage.head("a") is None
        with pytest.raises(InvalidInput, match="digest"):
            await storage.read_blobs("a", ["cat"])

    async def test_a_count_of_blobs_below_zero_is_refused(self, storage: Storage) -> None:
        with pytest.raises(InvalidInput, match="blobs"):
            await storage.read("a", blobs=-1)

    async def test_a_blob_that_a_turn_names_twice_is_one_blob(self, storage: Storage) -> None:
        appended = await storage.append("a", with_blobs(CAT, DOG, CAT))
        assert appended.record.blobs == (CAT.digest, DOG.digest)
        await storage.undo("a")
        assert await held(storage) == set()

    async def test_a_replay_returns_the_digests_of_the_first_append(self, storage: Storage) -> None:
        await show(storage, (CAT,))
        again = await storage.append("a", with_blobs(DOG, id="t1"))
        assert (again.replayed, again.record.blobs) == (True, (CAT.digest,))
        assert await held(storage) == {CAT.data}

    async def test_a_refused_append_writes_no_blob(self, storage: Storage) -> None:
        await show(storage, (CAT,))
        with pytest.raises(ThreadConflict):
            await storage.append("a", with_blobs(DOG), expected=0)
        assert await held(storage) == {CAT.data}

    async def test_a_blob_goes_with_the_last_turn_that_names_it(self, storage: Storage, another: Storage) -> None:
        await show(storage, (CAT, DOG), (CAT,), (CAT, EMPTY))
        await storage.undo("a")
        assert await held(another) == {CAT.data, DOG.data}
        await storage.undo("a", number=1)
        assert await held(another) == {CAT.data}
        await storage.undo("a")
        assert await held(another) == set()
        await show(another, (CAT,))
        assert await held(storage) == {CAT.data}

    async def test_an_undo_gives_the_blobs_back_and_reads_the_thread_once(
        self, storage: Storage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await show(storage, (EMPTY,), (CAT, DOG), (CAT,), ())
        (record,) = (await storage.read("a", before=3, last_turns=1)).records
        queries: list[ReadQuery] = []
        read = storage._read  # pyright: ignore[reportPrivateUsage]  # the trips are counted

        async def counted(thread_id: str, query: ReadQuery) -> ThreadSlice:
            queries.append(query)
            return await read(thread_id, query)

        monkeypatch.setattr(storage, "_read", counted)
        undone = await storage.undo("a", number=2)
        assert undone == UndoneTurn(record, {CAT.digest: CAT.data, DOG.digest: DOG.data})
        assert len(queries) == 1
        undone = await storage.undo("a")
        assert undone is not None
        assert (undone.record.number, undone.blobs) == (4, {})

    async def test_a_replaced_turn_takes_its_blobs_unless_the_new_turn_names_them(self, storage: Storage) -> None:
        await show(storage, (EMPTY,), (CAT, DOG))
        await storage.append("a", with_blobs(CAT), replaces=2)
        assert await held(storage) == {CAT.data, EMPTY.data}
        with pytest.raises(TurnGone):
            await storage.append("a", with_blobs(DOG), replaces=2)
        assert await held(storage) == {CAT.data, EMPTY.data}

    async def test_trims_and_limits_take_the_blobs_of_their_turns(self, storage: Storage) -> None:
        await show(storage, (CAT,), (DOG, CAT), (EMPTY,))
        await storage.trim("a", keep_turns=2)
        assert await held(storage) == {CAT.data, DOG.data, EMPTY.data}
        await storage.append("a", with_blobs(DOG), keep_messages=2)
        assert await held(storage) == {DOG.data, EMPTY.data}
        await storage.append("a", with_blobs(DOG), keep_messages=1)
        assert await held(storage) == {DOG.data}

    async def test_deletions_take_the_blobs_of_one_thread(self, storage: Storage) -> None:
        for thread, user in (("a", "ana"), ("b", "bob")):
            await storage.append(thread, with_blobs(CAT), user_id=user)
        assert await storage.delete("a")
        assert await held(storage, "a") == set()
        assert await held(storage, "b") == {CAT.data}
        await storage.append("a", NewTurn(body=b"anew", message_count=1))
        assert await held(storage, "a") == set()
        await storage.erase_user("bob")
        assert await held(storage, "b") == set()

    async def test_a_rewritten_turn_releases_blobs(self, storage: Storage, another: Storage) -> None:
        await show(storage, (CAT, DOG, EMPTY), (CAT,))
        await storage.rewrite("a", {1: b"no animals", 2: b"a cat"}, released={1: [DOG.digest, CAT.digest]})
        found = await another.read("a", blobs=None)
        assert named(found) == [(EMPTY.digest,), (CAT.digest,)]
        assert [record.body for record in found.records] == [b"no animals", b"a cat"]
        assert await held(another) == {CAT.data, EMPTY.data}
        await another.rewrite("a", {1: b"nothing", 7: b""}, released={1: [EMPTY.digest, DOG.digest], 7: [CAT.digest]})
        assert named(await storage.read("a")) == [(), (CAT.digest,)]
        assert await held(storage) == {CAT.data}
        await storage.append("a", with_blobs(DOG, CAT))
        await storage.undo("a", number=2)
        assert await held(another) == {CAT.data, DOG.data}

    async def test_a_turn_releases_blobs_only_with_a_new_body_and_at_its_version(self, storage: Storage) -> None:
        await show(storage, (CAT,))
        with pytest.raises(InvalidInput, match="new body"):
            await storage.rewrite("a", {}, released={1: [CAT.digest]})
        with pytest.raises(InvalidInput, match="digest"):
            await storage.rewrite("a", {1: b""}, released={1: ["cat"]})
        with pytest.raises(ThreadConflict):
            await storage.rewrite("a", {1: b""}, released={1: [CAT.digest]}, expected=0)
        assert await held(storage) == {CAT.data}

    async def test_a_summary_leaves_the_blobs_of_its_turns(self, storage: Storage) -> None:
        await show(storage, (CAT,), (DOG,))
        await storage.summarize("a", b"two animals", through=1)
        found = await storage.read("a", with_summary=True, blobs=None)
        assert found.blobs == {DOG.digest: DOG.data}
        assert await held(storage) == {CAT.data, DOG.data}

    async def test_another_users_blobs_are_refused(self, storage: Storage) -> None:
        await storage.append("a", with_blobs(CAT), user_id="ana")
        with pytest.raises(ThreadOwnershipError):
            await storage.read_blobs("a", [CAT.digest], user_id="bob")
        with pytest.raises(ThreadOwnershipError):
            await storage.for_user("bob").read_blobs("a", [CAT.digest])
        assert await storage.for_user("ana").read_blobs("a", [CAT.digest]) == {CAT.digest: CAT.data}

    async def test_writers_who_show_the_same_picture_share_it(self, storage: Storage, another: Storage) -> None:
        handles = itertools.cycle([storage, another])
        await asyncio.gather(*(next(handles).append("a", with_blobs(CAT, id=f"t{i}")) for i in range(6)))
        found = await another.read("a", blobs=None)
        assert named(found) == [(CAT.digest,)] * 6
        await storage.trim("a", keep_turns=1)
        assert await held(another) == {CAT.data}

    async def test_a_large_blob_comes_back_as_it_was(self, storage: Storage, another: Storage) -> None:
        large = Blob.of(os.urandom(1000) * (LARGE_BYTES // 1000))
        await storage.append("a", with_blobs(large, CAT, id="t1"))
        assert await another.read_blobs("a", [large.digest]) == {large.digest: large.data}
        assert (await storage.append("a", with_blobs(large, id="t1"))).replayed
        await another.undo("a")
        assert await storage.read_blobs("a", [large.digest, CAT.digest]) == {}

    async def test_a_blob_longer_than_the_limit_is_refused(self, storage: Storage) -> None:
        assert storage.max_blob_bytes is None or storage.max_blob_bytes >= LARGE_BYTES
        storage.max_blob_bytes = 3  # pyright: ignore[reportAttributeAccessIssue]  # the real limits are too large
        with pytest.raises(EncodeError, match="keeps at most 3"):
            await storage.append("a", with_blobs(DOG))
        assert await storage.head("a") is None
