"""Tests of the conditions of a storage's list of threads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recuerda.errors import EncodeError, InvalidInput
from recuerda.storage import thread_filter
from recuerda.storage.contract import Storage
from recuerda.testing.storage_contract.base import ContractBase, a_turn

_SECOND_US = 1_000_000


def _at(second: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


class FindContract(ContractBase):
    """Tests of the arguments of `Storage.list_threads` that choose threads."""

    async def test_a_listing_finds_words_of_titles(self, storage: Storage, another: Storage) -> None:
        titles = {"a": "Viaje a Málaga", "b": "the trip to PORTO", "c": None, "d": "100% _sure_ \x00 \\"}
        for thread_id, title in titles.items():
            await storage.update_thread(thread_id, title=title)
        wanted = {
            "malaga": ["a"],
            "MÁLAGA viaje": ["a"],
            "port TRIP": ["b"],
            "trip malaga": [],
            "%": ["d"],
            "_": ["d"],
            "\\": ["d"],
            " ": ["d", "c", "b", "a"],
        }
        for words, ids in wanted.items():
            assert sorted(await _ids(another, title=words)) == sorted(ids), words

    async def test_a_listing_finds_values_of_metadata(self, storage: Storage) -> None:
        held: dict[str, dict[str, Any]] = {
            "a": {"channel": "web", "n": 1},
            "b": {"channel": "web", "n": True, "x.y": ["\x00", {"k": "\\u0000"}]},
            "c": {"channel": "Web", 'quoted" $': 0.1},
            "d": {},
        }
        for thread_id, metadata in held.items():
            await storage.update_thread(thread_id, metadata=metadata)
        wanted: list[tuple[dict[str, Any], list[str]]] = [
            ({"channel": "web"}, ["a", "b"]),
            ({"channel": "web", "n": 1}, ["a"]),
            ({"n": True}, ["b"]),
            ({"n": None}, ["c", "d"]),
            ({"x.y": ["\x00", {"k": "\\u0000"}]}, ["b"]),
            ({"x.y": ["\x00"]}, []),
            ({'quoted" $': 0.1}, ["c"]),
            ({}, ["a", "b", "c", "d"]),
        ]
        for metadata, ids in wanted:
            assert sorted(await _ids(storage, metadata=metadata)) == ids, metadata

    async def test_archived_threads_are_listed_on_request(self, storage: Storage, another: Storage) -> None:
        for i in range(6):
            await storage.append(f"{i}", a_turn(created_us=i * _SECOND_US), user_id="ana")
        for thread_id in ("1", "4"):
            info = await storage.update_thread(thread_id, archived=True)
            assert info.archived
        await storage.append("4", a_turn())
        assert await _ids(another) == ["5", "3", "2", "0"]
        assert await _ids(another, user_id="ana", archived=True) == ["4", "1"]
        assert len(await _ids(another, archived=None)) == 6
        assert len([info async for info in another.threads(user_id="ana")]) == 6
        assert not (await storage.update_thread("4", archived=False)).archived
        assert "4" in await _ids(another)

    async def test_a_listing_finds_tags(self, storage: Storage, another: Storage) -> None:
        await storage.update_thread("a", tags=["work", 'año "x"', "work"])
        await storage.update_thread("b", tags={"work"}, metadata={"k": 1})
        await storage.update_thread("c", title="work")
        head = await another.head("a")
        assert head is not None
        assert head.tags == ('año "x"', "work")
        assert await _ids(another, tags=["work"]) == ["b", "a"]
        assert await _ids(another, tags=["work", 'año "x"']) == ["a"]
        assert await _ids(another, tags=["wor"]) == []
        changed = await storage.update_thread("a", tags=())
        assert (changed.tags, await _ids(another, tags=["work"])) == ((), ["b"])

    async def test_a_thread_made_anew_has_no_mark(self, storage: Storage) -> None:
        await storage.update_thread("a", tags=["work"], archived=True)
        await storage.delete("a")
        await storage.append("a", a_turn())
        info = await storage.head("a")
        assert info is not None
        assert (info.tags, info.archived) == ((), False)

    async def test_marks_survive_turns_and_other_settings(self, storage: Storage) -> None:
        await storage.update_thread("a", tags=["work"], archived=True)
        await storage.append("a", a_turn(id="t1"), keep_messages=1)
        await storage.append("a", a_turn(id="t2"), keep_messages=1)
        await storage.undo("a")
        info = await storage.update_thread("a", title="T", metadata={"k": 1}, user_id="ana")
        assert (info.tags, info.archived) == (("work",), True)
        assert info == await storage.head("a")

    async def test_a_listing_finds_times(self, storage: Storage) -> None:
        for second in range(1, 6):
            await storage.append(f"{second}", a_turn(created_us=second * _SECOND_US))
        await storage.append("1", a_turn(created_us=6 * _SECOND_US))
        assert await _ids(storage, updated_after=_at(4)) == ["1", "5", "4"]
        assert await _ids(storage, updated_before=_at(4)) == ["3", "2"]
        assert await _ids(storage, updated_after=_at(3), updated_before=_at(5)) == ["4", "3"]
        assert await _ids(storage, created_after=_at(2), created_before=_at(4)) == ["3", "2"]
        assert await _ids(storage, created_before=_at(2)) == ["1"]
        assert await _ids(storage, updated_before=_at(-5)) == []

    async def test_conditions_are_combined(self, storage: Storage) -> None:
        for i in range(8):
            user, title = ("ana", "bo")[i % 2], ("cat", "dog")[i // 2 % 2]
            await storage.append(f"{i}", a_turn(created_us=i * _SECOND_US), user_id=user, title=title)
        assert await _ids(storage, user_id="ana", title="dog") == ["6", "2"]
        assert await _ids(storage, user_id="bo", title="cat", updated_before=_at(5)) == ["1"]
        view = storage.for_user("ana")
        assert await _ids(view, title="dog", updated_after=_at(3)) == ["6"]

    async def test_pages_of_a_filtered_listing_give_each_thread_once(self, storage: Storage) -> None:
        for i in range(12):
            await storage.append(f"{i:02}", a_turn(created_us=i // 3 * _SECOND_US), title="yes" if i % 4 else "no")
        found: list[str] = []
        cursor = None
        while True:
            page = await storage.list_threads(title="yes", limit=2, cursor=cursor)
            found += [info.id for info in page.threads]
            if (cursor := page.cursor) is None:
                break
            # A thread that matches from now on is newer than the pages that follow.
            await storage.update_thread("00", title="yes")
        assert found == ["11", "10", "09", "07", "06", "05", "03", "02", "01"]

    async def test_a_call_compares_a_bounded_number_of_threads_and_says_so(
        self, storage: Storage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(thread_filter, "LOOKED_AT", 6)
        monkeypatch.setattr(thread_filter, "PAGE", 3)
        for i in range(14):
            await storage.append(f"{i:02}", a_turn(created_us=i * _SECOND_US), title="yes" if i in (1, 9) else "no")
        first = await storage.list_threads(title="yes", limit=2)
        assert ([info.id for info in first.threads], first.is_partial) == (["09"], True)
        second = await storage.list_threads(title="yes", limit=2, cursor=first.cursor)
        assert ([info.id for info in second.threads], second.is_partial) == ([], True)
        third = await storage.list_threads(title="yes", limit=2, cursor=second.cursor)
        assert ([info.id for info in third.threads], third.is_partial, third.cursor) == (["01"], False, None)
        # The user and the time of the last change are found without comparing threads.
        page = await storage.list_threads(updated_before=_at(20), limit=5)
        assert (len(page.threads), page.is_partial) == (5, False)

    async def test_conditions_that_cannot_be_used_are_refused(self, storage: Storage) -> None:
        naive = datetime(2020, 1, 1)  # noqa: DTZ001 - the point
        with pytest.raises(InvalidInput, match="time zone"):
            await storage.list_threads(updated_after=naive)
        with pytest.raises(EncodeError):
            await storage.list_threads(metadata={"k": float("nan")})
        for tags in ("work", [""], ["\x00"]):
            with pytest.raises(InvalidInput):
                await storage.list_threads(tags=tags)
            with pytest.raises(InvalidInput):
                await storage.update_thread("a", tags=tags)
        assert await storage.head("a") is None


async def _ids(storage: Storage, **wanted: Any) -> list[str]:
    return [info.id for info in (await storage.list_threads(**wanted)).threads]
