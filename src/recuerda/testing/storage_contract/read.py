"""Tests of reading: whole turns, windows of the newest turns, and only the new turns after an earlier read."""

from __future__ import annotations

from typing import Any

import pytest

from recuerda.errors import InvalidInput
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.thread_info import Version
from recuerda.testing.storage_contract.base import OTHER_LIFE, ContractBase, a_turn, fill, numbers

# For a thread whose turns have 2, 3, 1 and 4 messages: a query, and the numbers of the turns that it returns.
WINDOWS: list[tuple[dict[str, int], list[int]]] = [
    ({}, [1, 2, 3, 4]),
    ({"last_messages": 1}, [4]),
    ({"last_messages": 4}, [4]),
    ({"last_messages": 5}, [3, 4]),
    ({"last_messages": 7}, [3, 4]),
    ({"last_messages": 8}, [2, 3, 4]),
    ({"last_messages": 10}, [1, 2, 3, 4]),
    ({"last_messages": 10**9}, [1, 2, 3, 4]),
    ({"last_turns": 0}, []),
    ({"last_turns": 1}, [4]),
    ({"last_turns": 3}, [2, 3, 4]),
    ({"last_turns": 10**9}, [1, 2, 3, 4]),
    ({"last_messages": 5, "last_turns": 3}, [3, 4]),
    ({"last_messages": 8, "last_turns": 2}, [3, 4]),
    ({"after": 2}, [3, 4]),
    ({"after": 4}, []),
    ({"after": 10**12}, []),
    ({"after": 1, "last_turns": 1}, [4]),
    ({"after": 1, "last_messages": 5}, [3, 4]),
    ({"after": 3, "last_messages": 1}, [4]),
    ({"after": 3, "last_messages": 100}, [4]),
    ({"before": 1}, []),
    ({"before": 4}, [1, 2, 3]),
    ({"before": 5}, [1, 2, 3, 4]),
    ({"before": 10**30}, [1, 2, 3, 4]),
    ({"before": 4, "last_turns": 0}, []),
    ({"before": 4, "last_turns": 2}, [2, 3]),
    ({"before": 4, "last_messages": 1}, [3]),
    ({"before": 4, "last_messages": 3}, [3]),
    ({"before": 4, "last_messages": 5}, [2, 3]),
    ({"before": 2, "last_messages": 1}, [1]),
    ({"before": 4, "after": 1}, [2, 3]),
    ({"before": 4, "after": 1, "last_turns": 1}, [3]),
    ({"before": 3, "after": 2}, []),
    ({"before": 2, "after": 3}, []),
    ({"before": 3, "after": 4}, []),
]


class ReadContract(ContractBase):
    """Tests of `Storage.read` and `Storage.head`."""

    async def test_a_thread_that_does_not_exist_reads_as_empty(self, storage: Storage) -> None:
        found = await storage.read("a", last_messages=3, turn_id="t")
        assert (found.info, found.records, found.found) == (None, (), None)
        assert await storage.head("a") is None

    async def test_a_window_is_the_newest_whole_turns(self, storage: Storage) -> None:
        await fill(storage, "a", 2, 3, 1, 4)
        for query, expected in WINDOWS:
            found = await _read(storage, query)
            assert numbers(found) == expected, query
            assert found.info is not None
            assert (found.info.revision, found.info.turns, found.info.messages) == (4, 4, 10), query

    async def test_start_is_after_every_turn_that_was_left_out(self, storage: Storage) -> None:
        await fill(storage, "a", 2, 3, 1, 4)
        for query, expected in WINDOWS:
            if not query.keys() & {"after", "before"}:
                found = await _read(storage, query)
                newest_left_out = 4 - len(expected)
                assert newest_left_out < found.start <= newest_left_out + 1, query

    async def test_a_continued_read_starts_after_what_was_read(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        for after in (1, 2, 3):
            assert (await storage.read("a", after=after)).start == after + 1

    async def test_pages_back_meet_every_turn_once(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", *[2] * 40)
        for number in (7, 8, 9, 21, 40):
            await another.undo("a", number=number)
        await another.summarize("a", b"so far", through=20)
        await another.trim("a", keep_turns=32)
        await another.append("a", a_turn(id="last", messages=2))
        whole = numbers(await storage.read("a"))
        for query in ({"last_turns": 6}, {"last_messages": 12}):
            pages: list[list[int]] = []
            before = 10**6
            while page := numbers(found := await _read(storage, {"before": before, **query})):
                assert found.start <= page[0]
                pages.append(page)
                before = page[0]
            assert [number for page in reversed(pages) for number in page] == whole
            assert [len(page) for page in pages] == [6, 6, 6, 6, 6, 3]

    async def test_a_page_before_a_turn_has_what_the_whole_thread_has_there(self, storage: Storage) -> None:
        bodies = [b"%d" % i * (1 + 5_000 * (i % 7 == 0)) for i in range(60)]
        await storage.append_all("a", [a_turn(body) for body in bodies])
        for before in (1, 2, 30, 31, 59, 60, 61):
            found = await storage.read("a", before=before, last_turns=2)
            assert [record.body for record in found.records] == bodies[max(0, before - 3) : before - 1]
            assert found.info is not None
            assert (found.info.revision, found.is_continued) == (60, False)

    async def test_a_page_before_a_turn_gives_the_rest_of_a_read(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1, 1)
        await storage.summarize("a", b"so far", through=1)
        await storage.save_draft("a", DraftStep(turn_id="new", revision=5, number=1, body=b""))
        found = await storage.read("a", before=3, turn_id="t4", with_summary=True)
        assert (numbers(found), found.found and found.found.number, found.has_draft) == ([2], 4, True)
        assert found.summary is not None
        assert found.summary.body == b"so far"
        info = found.info
        assert info is not None
        kinds = [one.kind for one in (await storage.read("a", after=info.version, before=9)).records]
        assert kinds == []
        later = await storage.read("a", after=2, before=6)
        assert [(one.number, one.kind) for one in later.records] == [(3, "turn"), (4, "turn"), (5, "summary")]
        assert numbers(await storage.read("a", after=2, before=5)) == [3, 4]
        anew = await storage.read("a", after=OTHER_LIFE, before=3)
        assert (numbers(anew), anew.is_continued) == ([1, 2], False)

    async def test_the_newest_turn_is_whole_however_large(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1_000_000)
        assert numbers(await storage.read("a", last_messages=1)) == [2]

    async def test_a_turn_is_found_by_id_wherever_it_is(self, storage: Storage) -> None:
        appended = await fill(storage, "a", 1, 1, 1, 1)
        for found in (
            await storage.read("a", turn_id="t2"),
            await storage.read("a", turn_id="t2", last_turns=0),
            await storage.read("a", turn_id="t2", last_messages=1),
            await storage.read("a", turn_id="t2", after=4),
        ):
            assert found.found == appended[1].record

    async def test_a_turn_of_another_thread_is_not_found(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.append("b", a_turn(id="elsewhere"))
        assert (await storage.read("a", turn_id="elsewhere")).found is None
        assert (await storage.read("a", turn_id="T1")).found is None

    async def test_the_same_incarnation_continues(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        info = await storage.head("a")
        assert info is not None
        found = await storage.read("a", after=Version(info.incarnation, 2, "t2"))
        assert numbers(found) == [3]

    async def test_a_thread_deleted_and_made_anew_reads_afresh(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        old = await storage.head("a")
        assert old is not None
        await another.delete("a")
        await another.append("a", a_turn(b"new 1", id="t1"))
        await another.append("a", a_turn(b"new 2"))
        found = await storage.read("a", after=Version(old.incarnation, 1, "t1"))
        assert [record.body for record in found.records] == [b"new 1", b"new 2"]
        assert found.start <= 1
        assert found.info is not None
        assert found.info.incarnation != old.incarnation

    async def test_a_fresh_read_by_incarnation_leaves_undos_out(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.undo("a")
        found = await storage.read("a", after=OTHER_LIFE)
        assert [record.kind for record in found.records] == ["turn"]

    async def test_head_tells_the_info_that_a_read_gives(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 2)
        assert await storage.head("a") == (await storage.read("a")).info

    async def test_a_query_that_means_nothing_is_refused(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        queries: list[dict[str, Any]] = [
            {"last_messages": 0},
            {"last_messages": -1},
            {"last_turns": -1},
            {"after": -1},
            {"before": 0},
            {"before": -1},
            {"turn_id": ""},
        ]
        for query in queries:
            with pytest.raises(InvalidInput):
                await storage.read("a", **query)


async def _read(storage: Storage, query: dict[str, int]) -> ThreadSlice:
    return await storage.read(
        "a",
        after=query.get("after", 0),
        before=query.get("before"),
        last_messages=query.get("last_messages"),
        last_turns=query.get("last_turns"),
    )
