"""Tests of appending: it is atomic, ordered, checked against a revision, and idempotent by id."""

from __future__ import annotations

import asyncio

import pytest

from recuerda.errors import EncodeError, InvalidInput, ThreadConflict
from recuerda.storage.contract import Storage
from recuerda.testing.storage_contract.base import ContractBase, a_turn, bodies, fill, numbers

BODIES = {
    "empty": b"",
    "NUL": b"\x00",
    "invalid UTF-8": b"\xff\xfe\x80 caf\xe9",
    "every byte": bytes(range(256)),
    "lines": b'{"a":1}\n\r\n\n{"b":\r2}\n',
    "quotes": b"'; DROP TABLE turns; -- \" \\",
    "3 MB": bytes(range(256)) * 12_000,
}


class AppendContract(ContractBase):
    """Tests of `Storage.append`."""

    async def test_the_first_append_makes_the_thread_at_revision_1(self, storage: Storage) -> None:
        appended = await storage.append("a", a_turn(b"hi", id="t", messages=2, created_us=7))
        record = appended.record
        assert (appended.revision, appended.replayed, appended.created) == (1, False, True)
        assert (record.number, record.id, record.kind, record.target) == (1, "t", "turn", None)
        assert (record.body, record.message_count, record.created_us) == (b"hi", 2, 7)
        assert (await storage.read("a")).records == (record,)

    async def test_later_appends_grow_the_revision_by_one_and_make_nothing(self, storage: Storage) -> None:
        appended = await fill(storage, "a", 1, 2, 3)
        assert [(one.revision, one.created, one.replayed) for one in appended] == [
            (1, True, False),
            (2, False, False),
            (3, False, False),
        ]
        assert (await storage.read("a")).records == tuple(one.record for one in appended)

    async def test_info_counts_what_was_appended(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 2, 1_000_000)
        info = await storage.head("a")
        assert info is not None
        assert (info.id, info.revision, info.turns, info.messages) == ("a", 3, 3, 1_000_003)

    async def test_the_times_of_a_thread_are_those_of_its_first_and_last_turn(self, storage: Storage) -> None:
        for time in (1_700_000_000_000_001, 1_700_000_000_000_005):
            await storage.append("a", a_turn(created_us=time))
        info = await storage.head("a")
        assert info is not None
        assert (info.created_us, info.updated_us) == (1_700_000_000_000_001, 1_700_000_000_000_005)

    async def test_a_turn_without_an_id_gets_a_new_one(self, storage: Storage) -> None:
        ids = {(await storage.append("a", a_turn())).record.id for _ in range(20)}
        assert len(ids) == 20

    async def test_the_revision_that_was_read_can_be_appended_to(self, storage: Storage) -> None:
        assert (await storage.append("a", a_turn(), expected=0)).revision == 1
        assert (await storage.append("a", a_turn(), expected=1)).revision == 2

    async def test_an_append_with_another_revision_writes_nothing(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        before = await storage.read("a")
        for expected in (0, 1, 3, 10**12):
            with pytest.raises(ThreadConflict) as conflict:
                await storage.append("a", a_turn(id="new"), expected=expected)
            assert (conflict.value.thread_id, conflict.value.expected, conflict.value.actual) == ("a", expected, 2)
            assert await storage.read("a") == before, expected

    async def test_a_thread_that_does_not_exist_is_at_revision_0(self, storage: Storage) -> None:
        with pytest.raises(ThreadConflict) as conflict:
            await storage.append("a", a_turn(), expected=1)
        assert conflict.value.actual == 0
        assert await storage.head("a") is None

    async def test_an_id_that_is_there_is_replayed_and_writes_nothing(self, storage: Storage) -> None:
        first = await storage.append("a", a_turn(b"first", id="t", messages=2))
        await storage.append("a", a_turn(b"other"))
        before = await storage.read("a")
        again = await storage.append("a", a_turn(b"second", id="t", messages=5))
        assert (again.replayed, again.created, again.revision, again.record) == (True, False, 1, first.record)
        assert await storage.read("a") == before

    async def test_a_replay_is_no_conflict_whatever_is_expected(self, storage: Storage) -> None:
        first = await storage.append("a", a_turn(b"first", id="t"), expected=0)
        await storage.append("a", a_turn(b"other"))
        for expected in (0, 1, 2, 9):
            again = await storage.append("a", a_turn(b"first", id="t"), expected=expected)
            assert (again.replayed, again.record) == (True, first.record), expected

    async def test_a_replay_cuts_nothing(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        assert (await storage.append("a", a_turn(id="t3"), keep_messages=1)).replayed
        assert numbers(await storage.read("a")) == [1, 2, 3]

    async def test_the_same_content_twice_is_two_turns(self, storage: Storage) -> None:
        for _ in range(3):
            await storage.append("a", a_turn(b"yes"))
        assert await bodies(storage, "a") == [b"yes"] * 3

    async def test_the_same_id_in_another_thread_is_another_turn(self, storage: Storage) -> None:
        await storage.append("a", a_turn(b"1", id="t"))
        assert not (await storage.append("b", a_turn(b"2", id="t"))).replayed
        assert await bodies(storage, "a") + await bodies(storage, "b") == [b"1", b"2"]

    async def test_several_turns_are_appended_in_order(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1)
        turns = [a_turn(f"{i}", messages=i) for i in range(1, 30)]
        appended = await storage.append_all("a", turns, expected=1)
        assert [one.revision for one in appended] == list(range(2, 31))
        assert (await another.read("a", after=1)).records == tuple(one.record for one in appended)

    async def test_several_turns_with_another_revision_write_nothing(self, storage: Storage) -> None:
        with pytest.raises(ThreadConflict):
            await storage.append_all("a", [a_turn(), a_turn()], expected=1)
        assert await storage.head("a") is None
        assert await storage.append_all("a", [], expected=0) == []

    async def test_several_turns_go_on_where_they_broke_off(self, storage: Storage) -> None:
        turns = [a_turn(f"{i}", id=f"t{i}") for i in range(6)]
        await storage.append_all("a", turns[:4], expected=0)
        appended = await storage.append_all("a", turns, expected=0)
        assert [one.replayed for one in appended] == [True] * 4 + [False] * 2
        assert await bodies(storage, "a") == [b"0", b"1", b"2", b"3", b"4", b"5"]

    async def test_a_time_that_is_no_date_is_refused(self, storage: Storage) -> None:
        for created_us in (-1, 2**62, 2**70):
            with pytest.raises(InvalidInput):
                await storage.append("a", a_turn(created_us=created_us))
        assert await storage.head("a") is None

    async def test_a_body_may_be_any_bytes(self, storage: Storage, another: Storage) -> None:
        for name, any_bytes in BODIES.items():
            body = any_bytes[: storage.max_body_bytes]
            await storage.append(name, a_turn(body, id="t"))
            await storage.append(name, a_turn(b"next"))
            found = await another.read(name, turn_id="t")
            assert [record.body for record in found.records] == [body, b"next"], name
            assert found.found is not None
            assert found.found.body == body, name
            assert (await another.append(name, a_turn(b"", id="t"))).record.body == body, name

    async def test_a_body_that_is_too_long_is_refused_and_writes_nothing(self, storage: Storage) -> None:
        if storage.max_body_bytes is None:
            return  # For a storage without a limit, the 3 MB above are enough.
        # Zeros take no memory until they are read, which matters for a storage with a limit of a gigabyte.
        with pytest.raises(EncodeError, match="keeps at most"):
            await storage.append("a", a_turn(bytes(storage.max_body_bytes + 1)))
        assert await storage.head("a") is None

    async def test_a_turn_of_no_messages_is_refused(self, storage: Storage) -> None:
        for count in (0, -1, 2**31, 2**70):
            with pytest.raises(InvalidInput):
                await storage.append("a", a_turn(messages=count))
        assert await storage.head("a") is None

    async def test_what_one_handle_appends_the_other_reads(self, storage: Storage, another: Storage) -> None:
        await storage.append("a", a_turn(b"1"), expected=0)
        assert (await another.append("a", a_turn(b"2"), expected=1)).revision == 2
        assert (await storage.append("a", a_turn(b"3"), expected=2)).revision == 3
        assert await bodies(storage, "a") == await bodies(another, "a") == [b"1", b"2", b"3"]

    async def test_of_concurrent_appends_on_one_revision_exactly_one_wins(
        self, storage: Storage, another: Storage
    ) -> None:
        for revision in range(3):
            outcomes = await asyncio.gather(
                *(
                    (storage, another)[i % 2].append("a", a_turn(f"{revision}.{i}"), expected=revision)
                    for i in range(12)
                ),
                return_exceptions=True,
            )
            won = [one for one in outcomes if not isinstance(one, BaseException)]
            lost = [one for one in outcomes if isinstance(one, ThreadConflict)]
            assert (len(won), len(lost)) == (1, 11)
            assert {(one.expected, one.actual) for one in lost} == {(revision, revision + 1)}
            assert (await storage.read("a", last_turns=1)).records == (won[0].record,)

    async def test_concurrent_unchecked_appends_all_land_in_consecutive_numbers(
        self, storage: Storage, another: Storage
    ) -> None:
        appended = await asyncio.gather(*((storage, another)[i % 2].append("a", a_turn(str(i))) for i in range(60)))
        assert sorted(one.revision for one in appended) == list(range(1, 61))
        by_number = sorted((one.record for one in appended), key=lambda record: record.number)
        assert (await storage.read("a")).records == tuple(by_number)

    async def test_concurrent_appends_of_one_id_commit_it_once(self, storage: Storage, another: Storage) -> None:
        appended = await asyncio.gather(
            *((storage, another)[i % 2].append("a", a_turn(str(i), id="t"), expected=0) for i in range(12))
        )
        assert sorted(one.replayed for one in appended) == [False] + [True] * 11
        assert {one.record for one in appended} == set((await storage.read("a")).records)

    async def test_concurrent_appends_to_many_threads_do_not_mix(self, storage: Storage, another: Storage) -> None:
        await asyncio.gather(
            *((storage, another)[i % 2].append(f"thread {i % 10}", a_turn(f"{i % 10}")) for i in range(60))
        )
        for i in range(10):
            assert await bodies(another, f"thread {i}") == [str(i).encode()] * 6

    async def test_a_cancelled_append_leaves_all_or_nothing(self, storage: Storage, another: Storage) -> None:
        for i in range(24):
            task = asyncio.ensure_future(storage.append("a", a_turn(f"{i}", id=f"t{i}"), expected=i))
            for _ in range(i % 8):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            settled = await another.append("a", a_turn(f"{i}", id=f"t{i}"), expected=i)
            assert (settled.revision, settled.record.body) == (i + 1, f"{i}".encode())
        assert await bodies(storage, "a") == [str(i).encode() for i in range(24)]

    async def test_a_cancelled_append_does_not_harm_those_beside_it(self, storage: Storage) -> None:
        tasks = [asyncio.ensure_future(storage.append("a", a_turn(id=f"t{i}"))) for i in range(30)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        acknowledged = {one.record.id for one in outcomes if not isinstance(one, BaseException)}
        stored = [record.id for record in (await storage.read("a")).records]
        assert len(acknowledged) >= 20
        assert acknowledged <= set(stored)
        assert len(stored) == len(set(stored))
