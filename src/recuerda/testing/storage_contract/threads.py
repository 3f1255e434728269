"""Tests of a storage's threads: their settings, their listing by pages, and their deletion."""

from __future__ import annotations

from typing import Any

import pytest

from recuerda.errors import EncodeError, InvalidInput, ThreadOwnershipError
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadInfo
from recuerda.testing.storage_contract.base import ContractBase, a_turn, bodies, fill

METADATA: dict[str, Any] = {
    "text": "áéí 🐧 \x00 \"quotes\" 'and' \\",
    "numbers": [0, -1, 1.5, 2**53, 10**30],
    "nested": {"a": [None, True, False, {"b": {}}], "": []},
}


class ThreadContract(ContractBase):
    """Tests of `Storage.update_thread`, `Storage.list_threads`, `Storage.threads` and `Storage.delete`."""

    async def test_the_first_turn_names_the_user_and_the_title(self, storage: Storage, another: Storage) -> None:
        await storage.append("a", a_turn(), user_id="ana", title="Hello")
        await storage.append("a", a_turn(), title="Bye")
        info = await another.head("a")
        assert info is not None
        assert (info.user_id, info.title, info.metadata) == ("ana", "Hello", {})

    async def test_a_later_turn_names_neither(self, storage: Storage) -> None:
        await storage.append("a", a_turn())
        await storage.append("a", a_turn(), user_id="bob", title="Bye")
        info = await storage.head("a")
        assert info is not None
        assert (info.user_id, info.title) == (None, None)

    async def test_the_first_turn_leaves_what_was_set_before(self, storage: Storage) -> None:
        await storage.update_thread("a", user_id="ana", title="Set")
        appended = await storage.append("a", a_turn(), expected=0, user_id="ana", title="Derived")
        info = await storage.head("a")
        assert info is not None
        assert (appended.created, appended.revision, info.user_id, info.title) == (True, 1, "ana", "Set")

    async def test_a_title_that_was_set_to_nothing_stays(self, storage: Storage) -> None:
        await storage.update_thread("a", title="")
        await storage.append("a", a_turn(), title="Derived")
        info = await storage.head("a")
        assert info is not None
        assert info.title == ""

    async def test_a_title_is_a_text_or_nothing(self, storage: Storage) -> None:
        wrong: Any = 5
        with pytest.raises(InvalidInput, match="title"):
            await storage.update_thread("a", title=wrong)
        with pytest.raises(InvalidInput, match="title"):
            await storage.append("a", a_turn(), title=wrong)
        assert await storage.head("a") is None

    async def test_an_update_makes_the_thread_at_revision_0(self, storage: Storage) -> None:
        info = await storage.update_thread("a", title="New")
        assert (info.id, info.revision, info.turns, info.messages, info.title) == ("a", 0, 0, 0, "New")
        assert await storage.head("a") == info
        found = await storage.read("a")
        assert (found.info, found.records) == (info, ())

    async def test_an_update_changes_what_it_names_and_nothing_else(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 2)
        before = await storage.update_thread("a", user_id="ana", title="T", metadata={"k": 1})
        await storage.update_thread("a", title=None)
        after = await storage.update_thread("a", metadata={"k": None, "other": [2]})
        assert (after.user_id, after.title, after.metadata) == ("ana", None, {"other": [2]})
        assert (after.revision, after.incarnation, after.turns, after.messages, after.created_us) == (
            before.revision,
            before.incarnation,
            2,
            3,
            before.created_us,
        )
        assert (await storage.update_thread("a", user_id=None)).user_id is None

    async def test_an_update_does_not_disturb_who_appends(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.update_thread("a", title="Meanwhile")
        assert (await storage.append("a", a_turn(), expected=1)).revision == 2

    async def test_metadata_reads_back_as_it_was(self, storage: Storage, another: Storage) -> None:
        await storage.update_thread("a", metadata=METADATA)
        info = await another.head("a")
        assert info is not None
        assert info.metadata == METADATA

    async def test_metadata_that_was_given_or_read_can_be_changed_without_harm(self, storage: Storage) -> None:
        given: dict[str, Any] = {"list": [1]}
        read = (await storage.update_thread("a", metadata=given)).metadata
        given["list"].append(2)
        read["list"].append(3)
        info = await storage.head("a")
        assert info is not None
        assert info.metadata == {"list": [1]}

    async def test_metadata_that_is_no_json_is_refused(self, storage: Storage) -> None:
        no_json: list[Any] = [float("nan"), object(), "\ud800", {1: {2: {3}}, "1": 0}]
        for value in no_json:
            with pytest.raises(EncodeError) as error:
                await storage.update_thread("a", title="T", metadata={"key": [value]})
            assert error.value.path.startswith("metadata.key[0]")
        assert await storage.head("a") is None

    async def test_a_title_is_any_text(self, storage: Storage) -> None:
        for title in ("", "t" * 10_000, "line\nbreak \x00 🐧"):
            await storage.append("a", a_turn(), title=title)
            await storage.update_thread("b", title=title)
            assert [info.title for info in (await storage.list_threads()).threads] == [title, title]
            await storage.delete("a")
            await storage.delete("b")

    async def test_a_title_with_a_lone_surrogate_is_refused(self, storage: Storage) -> None:
        with pytest.raises(EncodeError):
            await storage.append("a", a_turn(), title="\ud800")
        with pytest.raises(EncodeError):
            await storage.update_thread("a", title="\ud800")
        assert await storage.head("a") is None

    async def test_an_empty_storage_lists_nothing(self, storage: Storage) -> None:
        page = await storage.list_threads()
        assert (page.threads, page.cursor) == ((), None)

    async def test_pages_give_each_thread_once_and_the_newest_first(self, storage: Storage) -> None:
        # The threads share their times in groups of three, so that a page may end between threads with the same time.
        for i in range(20):
            await storage.append(f"t:{i:02}", a_turn(created_us=1_000_000 + i // 3))
        for limit in (1, 2, 3, 7, 19, 20, 21):
            found = await _pages(storage, limit=limit)
            assert [info.id for info in found] == [f"t:{i:02}" for i in reversed(range(20))]

    async def test_a_listing_tells_what_head_tells(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 2)
        await storage.update_thread("b", user_id="ana", metadata={"k": []})
        for info in (await storage.list_threads()).threads:
            assert info == await storage.head(info.id)

    async def test_the_heads_of_several_threads_are_what_head_tells(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 2)
        await fill(another, "it's", 1)
        await storage.update_thread("b", user_id="ana", title="T", metadata={"k": [None, "\x00"]}, tags=["work"])
        found = await storage.heads(["a", "absent", "it's", "b", "a"])
        assert found == {thread_id: await another.head(thread_id) for thread_id in ("a", "it's", "b")}
        assert await storage.heads([]) == {}

    async def test_the_heads_of_other_users_threads_are_refused(self, storage: Storage) -> None:
        await storage.append("a", a_turn(), user_id="ana")
        await storage.append("b", a_turn(), user_id="bob")
        await storage.append("c", a_turn())
        assert set(await storage.for_user("ana").heads(["a", "absent", "c"])) == {"a", "c"}
        for refused in (["a", "b"], ["b"]):
            with pytest.raises(ThreadOwnershipError):
                await storage.heads(refused, user_id="ana")
            with pytest.raises(ThreadOwnershipError):
                await storage.for_user("ana").heads(refused)

    async def test_the_last_page_has_no_cursor(self, storage: Storage) -> None:
        for i in range(4):
            await storage.append(f"{i}", a_turn())
        first = await storage.list_threads(limit=2)
        assert first.cursor is not None
        assert (await storage.list_threads(limit=2, cursor=first.cursor)).cursor is None
        assert (await storage.list_threads(limit=4)).cursor is None

    async def test_a_users_listing_has_that_users_threads(self, storage: Storage) -> None:
        for i in range(12):
            user = (None, "ana", "bob")[i % 3]
            await storage.append(f"{i:02}", a_turn(created_us=1_000_000 + i // 4), user_id=user)
        await storage.update_thread("00", user_id="ana")
        mine = await _pages(storage, user_id="ana", limit=2)
        assert [info.id for info in mine] == ["00", "10", "07", "04", "01"]
        assert await _pages(storage, user_id="an", limit=2) == []

    async def test_an_append_or_an_update_brings_a_thread_to_the_front(self, storage: Storage) -> None:
        for i in range(3):
            await storage.append(f"{i}", a_turn(created_us=1_000_000 + i))
        await storage.append("0", a_turn(created_us=2_000_000))
        assert [info.id for info in (await storage.list_threads()).threads] == ["0", "2", "1"]
        await storage.update_thread("1", title="now")
        assert [info.id for info in (await storage.list_threads()).threads] == ["1", "0", "2"]

    async def test_a_listing_goes_on_when_its_cursors_thread_is_gone(self, storage: Storage) -> None:
        for i in range(4):
            await storage.append(f"{i}", a_turn(created_us=1_000_000 + i))
        page = await storage.list_threads(limit=2)
        await storage.delete(page.threads[-1].id)
        rest = await storage.list_threads(limit=5, cursor=page.cursor)
        assert [info.id for info in rest.threads] == ["1", "0"]

    async def test_all_threads_can_be_gone_through(self, storage: Storage, walk_page: int) -> None:
        count = walk_page + 5
        for i in range(count):
            await storage.update_thread(f"{i}", user_id="odd" if i % 2 else None)
        assert len({info.id async for info in storage.threads()}) == count
        assert len({info.id async for info in storage.threads(user_id="odd")}) == count // 2

    async def test_a_page_has_1_to_1000_threads(self, storage: Storage) -> None:
        for limit in (0, -1, 1001):
            with pytest.raises(InvalidInput):
                await storage.list_threads(limit=limit)

    async def test_a_cursor_that_no_page_gave_is_refused(self, storage: Storage) -> None:
        for cursor in ("", "x", "12", "12:", ":a", "-1:a", "1.5:a", "²:a", "9" * 5000 + ":a", "1:\ud800"):
            with pytest.raises(InvalidInput):
                await storage.list_threads(cursor=cursor)

    async def test_a_deleted_thread_is_gone_for_every_handle(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 2)
        await storage.update_thread("a", user_id="ana", title="T", metadata={"k": 1})
        assert await another.delete("a") is True
        assert await storage.head("a") is None
        assert await bodies(storage, "a") == []
        assert (await storage.list_threads()).threads == ()
        assert await storage.delete("a") is False

    async def test_deleting_leaves_other_threads_alone(self, storage: Storage) -> None:
        names = ("a", "ab", "a/b", "A", "b")
        for name in names:
            await fill(storage, name, 1, 1)
        await storage.delete("a")
        for name in names[1:]:
            assert await bodies(storage, name) == [b"1", b"2"]
        assert await storage.delete("%") is False
        assert await storage.delete("*") is False

    async def test_a_thread_made_anew_remembers_nothing(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.update_thread("a", user_id="ana", title="T", metadata={"k": 1})
        old = await storage.head("a")
        await storage.delete("a")
        appended = await storage.append("a", a_turn(b"new", id="t1"), expected=0)
        info = await storage.head("a")
        assert old is not None
        assert info is not None
        assert (appended.revision, appended.replayed, appended.created) == (1, False, True)
        assert (info.user_id, info.title, info.metadata, info.turns) == (None, None, {}, 1)
        assert info.incarnation != old.incarnation
        assert await bodies(storage, "a") == [b"new"]


async def _pages(storage: Storage, *, limit: int, user_id: str | None = None) -> list[ThreadInfo]:
    found: list[ThreadInfo] = []
    cursor: str | None = None
    while True:
        page = await storage.list_threads(user_id=user_id, limit=limit, cursor=cursor)
        assert len(page.threads) <= limit
        found.extend(page.threads)
        if (cursor := page.cursor) is None:
            return found
