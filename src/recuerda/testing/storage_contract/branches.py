"""Tests of a thread's parent: the thread from which a fork was begun."""

from __future__ import annotations

import pytest

from recuerda.errors import ThreadConflict
from recuerda.ids import new_id
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadInfo, ThreadParent
from recuerda.testing.storage_contract.base import ContractBase, a_turn, fill

PARENT = ThreadParent(thread_id="á\"'\\/🐧", incarnation=new_id(), turn_id="t\n2", number=7, turns=2)


class BranchContract(ContractBase):
    """Tests of `ThreadInfo.parent` and `Storage.list_threads(parent=…)`."""

    async def test_a_thread_that_is_no_fork_has_no_parent(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        assert (await _head(storage, "a")).parent is None
        assert (await storage.update_thread("a", title="T", user_id="ana")).parent is None

    async def test_a_fork_is_made_with_its_parent_in_one_step(self, storage: Storage, another: Storage) -> None:
        made = await storage.update_thread("fork", parent=PARENT, expected=0, expected_user_id="ana")
        assert (made.parent, made.user_id, made.revision) == (PARENT, "ana", 0)
        assert await another.head("fork") == made
        assert (await another.list_threads()).threads == (made,)
        assert [info async for info in another.threads()] == [made]
        with pytest.raises(ThreadConflict):
            await storage.update_thread("fork", parent=ThreadParent(thread_id="b"), expected=2)
        assert await another.head("fork") == made

    async def test_a_parent_stays_through_all_that_happens_to_its_fork(self, storage: Storage) -> None:
        await storage.update_thread("fork", parent=PARENT)
        await fill(storage, "fork", 1, 1, 1)
        await storage.update_thread("fork", title="T", metadata={"k": 1})
        await storage.undo("fork")
        await storage.trim("fork", keep_turns=1)
        assert (await _head(storage, "fork")).parent == PARENT
        assert (await storage.list_threads()).threads[0].parent == PARENT

    async def test_a_parent_can_be_changed_and_removed(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1)
        beginning = ThreadParent(thread_id="b")
        assert (await storage.update_thread("a", parent=PARENT)).parent == PARENT
        assert (await storage.update_thread("a", parent=beginning)).parent == beginning
        assert (await _head(another, "a")).parent == beginning
        assert (await storage.update_thread("a", parent=None)).parent is None
        assert (await _head(another, "a")).parent is None

    async def test_a_fork_that_is_taken_from_its_user_forgets_its_parent(self, storage: Storage) -> None:
        for other in ("bob", None):
            await storage.update_thread("fork", user_id="ana", parent=PARENT)
            assert (await storage.update_thread("fork", user_id="ana")).parent == PARENT
            assert (await storage.update_thread("fork", user_id=other)).parent is None
            assert (await _head(storage, "fork")).parent is None
            await storage.delete("fork")
        await storage.update_thread("free", parent=PARENT)
        assert (await storage.update_thread("free", user_id="ana")).parent == PARENT

    async def test_a_fork_outlives_its_parent(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        parent = ThreadParent(thread_id="a", incarnation=(await _head(storage, "a")).incarnation)
        await storage.update_thread("fork", parent=parent)
        await storage.append("fork", a_turn(id="t1"))
        await storage.delete("a")
        assert (await _head(storage, "fork")).parent == parent
        await fill(storage, "a", 1)
        assert not parent.is_life_of(await _head(storage, "a"))

    async def test_the_forks_of_a_thread_can_be_listed(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        for i in range(5):
            user = ("ana", "bob")[i % 2]
            await storage.update_thread(f"fork{i}", user_id=user, parent=ThreadParent(thread_id="a", number=i))
        await storage.update_thread("other", parent=ThreadParent(thread_id="fork1"))
        await storage.update_thread("fork4", parent=None)
        assert await _forks(storage, "a") == ["fork3", "fork2", "fork1", "fork0"]
        assert await _forks(storage, "a", user_id="ana") == ["fork2", "fork0"]
        assert await _forks(storage.for_user("bob"), "a") == ["fork3", "fork1"]
        assert await _forks(storage, "fork1") == ["other"]
        assert await _forks(storage, "nobody") == []
        await storage.delete("fork2")
        await storage.append("fork0", a_turn())
        assert await _forks(storage, "a") == ["fork0", "fork3", "fork1"]

    async def test_a_thread_made_anew_has_no_parent(self, storage: Storage) -> None:
        await storage.update_thread("fork", parent=PARENT)
        await storage.delete("fork")
        await fill(storage, "fork", 1)
        assert (await _head(storage, "fork")).parent is None


async def _forks(storage: Storage, parent: str, user_id: str | None = None) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await storage.list_threads(parent=parent, user_id=user_id, limit=2, cursor=cursor)
        found += [info.id for info in page.threads]
        if (cursor := page.cursor) is None:
            return found


async def _head(storage: Storage, thread_id: str) -> ThreadInfo:
    info = await storage.head(thread_id)
    assert info is not None
    return info
