"""Tests of summaries: records about older turns, which stand beside the turns and never replace them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from recuerda.errors import EncodeError, InvalidInput, ThreadConflict, ThreadNotFound
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.records import from_microseconds
from recuerda.testing.storage_contract.base import OTHER_LIFE, ContractBase, a_turn, bodies, fill, numbers

# For a thread with the turns 1, 2, 3, 4 and 6, which have 1, 1, 2, 3 and 1 messages, and a summary of turns 1 and 2: a
# query, the numbers of the turns that it returns, and the number of the newest turn that it leaves out.
WINDOWS: list[tuple[dict[str, int], list[int], int]] = [
    ({"last_turns": 0}, [], 6),
    ({"last_turns": 1}, [6], 4),
    ({"last_turns": 2}, [4, 6], 3),
    ({"last_turns": 9}, [3, 4, 6], 2),
    ({"last_messages": 1}, [6], 4),
    ({"last_messages": 5}, [4, 6], 3),
    ({"last_messages": 99}, [3, 4, 6], 2),
]


async def look(storage: Storage) -> tuple[bytes | None, list[int]]:
    """Return the body of the newest summary, and the numbers of the turns after it."""
    found = await storage.read("a", with_summary=True)
    return None if found.summary is None else found.summary.body, numbers(found)


class SummaryContract(ContractBase):
    """Tests of `Storage.summarize`, and of `Storage.read` with `with_summary=True`."""

    async def test_a_summary_is_a_record_of_its_own(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 2, 1, 3)
        appended = await storage.summarize("a", b"\x00so far\xff", through=2)
        record = appended.record
        assert (appended.revision, appended.replayed, appended.created) == (4, False, False)
        assert (record.number, record.kind, record.target, record.message_count, record.body) == (
            4,
            "summary",
            2,
            0,
            b"\x00so far\xff",
        )
        found = await another.read("a", with_summary=True)
        assert found.summary == record
        assert found.info is not None
        assert (found.info.revision, found.info.turns, found.info.messages, found.info.first) == (4, 3, 6, 1)

    async def test_a_read_with_the_summary_starts_after_what_it_covers(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1, 1)
        await storage.summarize("a", b"so far", through=2)
        found = await storage.read("a", with_summary=True)
        assert numbers(found) == [3, 4]
        assert 2 < found.start <= 3

    async def test_a_read_without_it_gives_every_turn_and_nothing_else(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        before = await storage.read("a")
        await storage.summarize("a", b"so far", through=3)
        after = await storage.read("a")
        assert (after.records, after.start, after.summary) == (before.records, before.start, None)

    async def test_a_thread_without_a_summary_reads_as_before(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        assert await storage.read("a", with_summary=True) == await storage.read("a")
        assert (await storage.read("b", with_summary=True)).info is None
        await storage.update_thread("c", title="T")
        assert (await storage.read("c", with_summary=True)).summary is None

    async def test_turns_go_on_after_a_summary(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.summarize("a", b"so far", through=2)
        assert await look(storage) == (b"so far", [])
        await storage.append("a", a_turn(), expected=3)
        assert await look(storage) == (b"so far", [4])

    async def test_a_window_ends_at_what_is_covered(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 2, 3)
        await storage.summarize("a", b"so far", through=2)
        await storage.append("a", a_turn(messages=1))
        for query, expected, newest_left_out in WINDOWS:
            found = await storage.read(
                "a",
                with_summary=True,
                last_turns=query.get("last_turns"),
                last_messages=query.get("last_messages"),
            )
            assert found.summary is not None
            assert found.summary.body == b"so far", query
            assert numbers(found) == expected, query
            assert newest_left_out < found.start <= min(expected, default=7), query

    async def test_a_turn_that_is_covered_is_found_by_its_id(self, storage: Storage) -> None:
        appended = await fill(storage, "a", 1, 1)
        await storage.summarize("a", b"so far", through=2)
        found = await storage.read("a", with_summary=True, turn_id="t1")
        assert found.found == appended[0].record

    async def test_a_handle_that_read_before_learns_of_a_summary(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1)
        summary = (await another.summarize("a", b"so far", through=1)).record
        turn = (await another.append("a", a_turn())).record
        for with_summary in (False, True):
            found = await storage.read("a", after=2, with_summary=with_summary)
            assert (found.records, found.start, found.summary) == ((summary, turn), 3, None)

    async def test_a_read_that_starts_afresh_by_incarnation_gives_the_summary(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.summarize("a", b"so far", through=1)
        found = await storage.read("a", after=OTHER_LIFE, with_summary=True)
        assert found.summary is not None
        assert numbers(found) == [2]
        assert (await storage.read("a", after=OTHER_LIFE)).summary is None

    async def test_the_newest_summary_is_the_one_that_is_read(self, storage: Storage) -> None:
        await fill(storage, "a", *[1] * 5)
        await storage.summarize("a", b"1", through=2)
        await storage.summarize("a", b"2", through=4)
        assert await look(storage) == (b"2", [5])
        await storage.summarize("a", b"3", through=1)
        assert await look(storage) == (b"3", [2, 3, 4, 5])

    async def test_hundreds_of_summaries_read_as_the_newest(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        for i in range(150):
            await storage.summarize("a", f"{i}".encode(), through=1)
        assert await look(storage) == (b"149", [2])
        assert numbers(await storage.read("a")) == [1, 2]

    async def test_what_is_not_there_cannot_be_covered(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        for through in (0, -1, 3, 10**12):
            with pytest.raises(InvalidInput):
                await storage.summarize("a", b"so far", through=through)
        info = await storage.head("a")
        assert info is not None
        assert info.revision == 2

    async def test_a_thread_that_does_not_exist_cannot_be_summarised(self, storage: Storage) -> None:
        with pytest.raises(ThreadNotFound):
            await storage.summarize("a", b"so far", through=1)
        await storage.update_thread("b", title="T")
        with pytest.raises(InvalidInput):
            await storage.summarize("b", b"so far", through=1)

    async def test_a_summary_on_another_revision_writes_nothing(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        for expected in (0, 1, 3):
            with pytest.raises(ThreadConflict) as conflict:
                await storage.summarize("a", b"so far", through=1, expected=expected)
            assert (conflict.value.expected, conflict.value.actual) == (expected, 2)
            assert await look(storage) == (None, [1, 2]), expected
        assert (await storage.summarize("a", b"so far", through=1, expected=2)).revision == 3

    async def test_a_summary_is_as_long_as_a_turn_may_be(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        body = bytes(range(256)) * 4_000
        await storage.summarize("a", body, through=1)
        assert await look(storage) == (body, [])
        if storage.max_body_bytes is not None:
            with pytest.raises(EncodeError):
                await storage.summarize("a", bytes(storage.max_body_bytes + 1), through=1)

    async def test_concurrent_summaries_and_turns_all_land(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1)
        await asyncio.gather(
            *((storage, another)[i % 2].summarize("a", f"{i}".encode(), through=1) for i in range(10)),
            *((storage, another)[i % 2].append("a", a_turn(f"{i}")) for i in range(10)),
        )
        found = await storage.read("a", after=1)
        assert numbers(found) == list(range(2, 22))
        newest = [record.body for record in found.records if record.kind == "summary"][-1]
        assert await look(another) == (newest, [record.number for record in found.records if record.kind == "turn"])

    async def test_an_undo_takes_a_turn_and_no_summary_of_older_ones(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        await storage.summarize("a", b"so far", through=2)
        undone = await storage.undo("a")
        assert undone is not None
        assert undone.record.number == 3
        assert await look(storage) == (b"so far", [])

    async def test_an_undo_takes_every_summary_of_its_turn(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.summarize("a", b"1", through=1)
        await fill(storage, "b", 1)
        await storage.summarize("b", b"other", through=1)
        await storage.append("a", a_turn())
        for body in (b"2", b"3"):
            await storage.summarize("a", body, through=4)
        await storage.summarize("a", b"4", through=1)
        await storage.summarize("a", b"5", through=5)
        assert await look(another) == (b"5", [])
        assert await storage.undo("a") is not None
        assert await look(another) == (b"4", [2])
        found = await another.read("a", after=2)
        assert [(record.number, record.kind) for record in found.records] == [
            (3, "summary"),
            (7, "summary"),
            (9, "undo"),
        ]
        assert (await storage.read("b", with_summary=True)).summary is not None
        assert await storage.undo("a") is not None
        assert await look(storage) == (b"4", [])
        assert await storage.undo("a") is not None
        assert await look(storage) == (None, [])

    async def test_a_summary_that_an_undo_took_does_not_come_back(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.summarize("a", b"1", through=2)
        await storage.undo("a")
        for _ in range(3):
            await storage.append("a", a_turn())
        assert await look(storage) == (None, [1, 5, 6, 7])
        await storage.summarize("a", b"2", through=5)
        assert await look(storage) == (b"2", [6, 7])

    async def test_a_trim_takes_the_summaries_before_it(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        await storage.summarize("a", b"1", through=2)
        await storage.append("a", a_turn())
        assert await storage.trim("a", keep_turns=2) == 2
        assert await look(storage) == (b"1", [3, 5])
        assert await storage.trim("a", keep_turns=1) == 1
        assert await look(storage) == (None, [5])

    async def test_a_trim_to_nothing_takes_all_summaries(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.summarize("a", b"1", through=2)
        await storage.trim("a", before=datetime(2999, 1, 1, tzinfo=UTC))
        assert await look(storage) == (None, [])

    async def test_a_limit_on_append_takes_the_summaries_before_the_last_turn_that_goes(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.summarize("a", b"1", through=1)
        await storage.append("a", a_turn(), keep_messages=2)
        assert await look(storage) == (b"1", [2, 4])
        await storage.summarize("a", b"2", through=2)
        await storage.append("a", a_turn(messages=7), keep_messages=2)
        assert await look(storage) == (b"2", [6])
        await storage.append("a", a_turn(messages=2), keep_messages=2)
        assert await look(storage) == (None, [7])

    async def test_what_is_trimmed_may_stay_covered(self, storage: Storage) -> None:
        await fill(storage, "a", *[1] * 4)
        await storage.summarize("a", b"1", through=3)
        await storage.trim("a", keep_turns=2)
        assert await look(storage) == (b"1", [4])
        assert await bodies(storage, "a") == [b"3", b"4"]

    async def test_a_trim_by_age_empties_the_summaries_that_stay(self, storage: Storage, another: Storage) -> None:
        for i in range(1, 5):
            await storage.append("a", a_turn(f"{i}", created_us=i * 10**9))
        await storage.summarize("a", b"one, two", through=2)
        await storage.summarize("a", b"one, two, three", through=3)
        assert await storage.trim("a", before=from_microseconds(2 * 10**9)) == 1
        assert await look(another) == (b"", [4])
        assert await bodies(another, "a") == [b"2", b"3", b"4"]
        assert all(record.body == b"" for record in (await another.read("a", after=2)).records if record.kind != "turn")

    async def test_a_deleted_threads_summary_is_gone(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.summarize("a", b"1", through=1)
        await storage.delete("a")
        await fill(storage, "a", 1, 1)
        assert await look(storage) == (None, [1, 2])

    async def test_a_summarised_thread_can_be_undone_and_trimmed_as_before(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        await storage.summarize("a", b"1", through=1)
        assert await storage.trim("a", keep_messages=2) == 1
        assert [one.record.number for one in [await storage.undo("a"), await storage.undo("a")] if one] == [3, 2]
        assert await storage.undo("a") is None

    async def test_a_look_is_of_one_moment(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)

        async def write() -> None:
            for i in range(4, 24, 4):
                await another.summarize("a", f"{i - 1}".encode(), through=i - 1)
                await another.append("a", a_turn())
                await another.undo("a")
                await another.append("a", a_turn())

        async def read() -> list[ThreadSlice]:
            return [await storage.read("a", with_summary=True) for _ in range(30)]

        _, *looks = await asyncio.gather(write(), read(), read())
        for found in [one for some in looks for one in some]:
            covered = 0 if found.summary is None else int(found.summary.body)
            assert found.summary is None or found.summary.target == covered
            assert all(record.number > covered for record in found.records)
            assert found.info is not None
            left_out = [number for number in (1, 2, 3, *range(7, 24, 4)) if number <= covered]
            assert found.info.turns - len(found.records) == len(left_out)
