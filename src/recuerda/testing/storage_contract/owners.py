"""Tests of owners: whatever a thread has is its user's, and an operation for another user is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import pytest
from msgspec.structs import replace

from recuerda.errors import ThreadConflict, ThreadOwnershipError
from recuerda.ids import new_id
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadInfo
from recuerda.testing.storage_contract.base import ContractBase, a_turn, bodies, fill
from recuerda.testing.storage_contract.versions import a_step, everything, head, other_versions

Call: TypeAlias = Callable[[Storage, str, str], Awaitable[object]]

MINUTE = timedelta(minutes=1)

OPERATIONS: dict[str, Call] = {
    "append": lambda storage, thread, user: storage.append(thread, a_turn("evil"), user_id=user),
    "append, a replay": lambda storage, thread, user: storage.append(thread, a_turn("evil", id="t1"), user_id=user),
    "append_all": lambda storage, thread, user: storage.append_all(thread, [a_turn("evil")], user_id=user),
    "read": lambda storage, thread, user: storage.read(thread, user_id=user),
    "read, by id": lambda storage, thread, user: storage.read(thread, turn_id="t1", last_turns=0, user_id=user),
    "head": lambda storage, thread, user: storage.head(thread, user_id=user),
    "undo": lambda storage, thread, user: storage.undo(thread, user_id=user),
    "trim": lambda storage, thread, user: storage.trim(thread, keep_turns=1, user_id=user),
    "summarize": lambda storage, thread, user: storage.summarize(thread, b"evil", through=1, user_id=user),
    "update_thread": lambda storage, thread, user: storage.update_thread(thread, title="evil", expected_user_id=user),
    "update_thread, a theft": lambda storage, thread, user: storage.update_thread(
        thread, user_id=user, expected_user_id=user
    ),
    "save_draft": lambda storage, thread, user: storage.save_draft(thread, a_step(1, turn_id="evil"), user_id=user),
    "save_draft, a later step": lambda storage, thread, user: storage.save_draft(thread, a_step(2), user_id=user),
    "load_draft": lambda storage, thread, user: storage.load_draft(thread, user_id=user),
    "drop_draft": lambda storage, thread, user: storage.drop_draft(thread, user_id=user),
    "delete": lambda storage, thread, user: storage.delete(thread, user_id=user),
}
"""Every operation on one thread, for a user. A storage need not have the operations of `OPTIONAL`."""

OPTIONAL: dict[str, Call] = {
    "rewrite": lambda storage, thread, user: storage.rewrite(thread, {1: b"evil"}, user_id=user),
    "take_lease": lambda storage, thread, user: storage.take_lease(thread, new_id(), MINUTE, user_id=user),
}

VIEWED: dict[str, Callable[[Storage, str], Awaitable[object]]] = {
    "append": lambda view, thread: view.append(thread, a_turn("evil")),
    "append_all": lambda view, thread: view.append_all(thread, [a_turn("evil")]),
    "read": lambda view, thread: view.read(thread),
    "head": lambda view, thread: view.head(thread),
    "undo": lambda view, thread: view.undo(thread),
    "trim": lambda view, thread: view.trim(thread, keep_turns=1),
    "summarize": lambda view, thread: view.summarize(thread, b"evil", through=1),
    "update_thread": lambda view, thread: view.update_thread(thread, title="evil"),
    "save_draft": lambda view, thread: view.save_draft(thread, a_step(1, turn_id="evil")),
    "load_draft": lambda view, thread: view.load_draft(thread),
    "drop_draft": lambda view, thread: view.drop_draft(thread),
    "delete": lambda view, thread: view.delete(thread),
}
"""Every operation on one thread, on a view."""


async def _with_turns(storage: Storage, thread: str) -> None:
    await storage.append(thread, a_turn("1", id="t1"), user_id="ana", title="T")
    await storage.append(thread, a_turn("2", id="t2"))


async def _with_a_first_draft(storage: Storage, thread: str) -> None:
    await storage.save_draft(thread, a_step(), user_id="ana")


async def _with_settings_alone(storage: Storage, thread: str) -> None:
    await storage.update_thread(thread, user_id="ana", title="T")


async def _given_away(storage: Storage, thread: str) -> None:
    await storage.append(thread, a_turn("1", id="t1"), user_id="bo")
    await storage.update_thread(thread, user_id="ana")


async def _made_anew(storage: Storage, thread: str) -> None:
    await storage.append(thread, a_turn("bo's", id="t1"), user_id="bo")
    await storage.erase_user("bo")
    await storage.append(thread, a_turn("1", id="t1"), user_id="ana")


STRANGERS: dict[str, Callable[[Storage, str], Awaitable[None]]] = {
    "with turns": _with_turns,
    "with the draft of its first turn": _with_a_first_draft,
    "with settings alone": _with_settings_alone,
    "given away": _given_away,
    "made anew": _made_anew,
}
"""The ways in which a thread can be ana's, and not bo's."""


class OwnerContract(ContractBase):
    """Tests of `user_id`, `expected_user_id` and `Storage.for_user`."""

    async def test_an_operation_for_another_user_is_refused(self, storage: Storage, another: Storage) -> None:
        for how, make in STRANGERS.items():
            await make(storage, how)
            before = await everything(storage, how)
            for name, operation in OPERATIONS.items():
                with pytest.raises(ThreadOwnershipError):
                    await operation(another, how, "bo")
                assert await everything(storage, how) == before, (how, name)

    async def test_a_view_of_another_user_is_refused(self, storage: Storage, another: Storage) -> None:
        view = another.for_user("bo")
        for how, make in STRANGERS.items():
            await make(storage, how)
            before = await everything(storage, how)
            for name, operation in VIEWED.items():
                with pytest.raises(ThreadOwnershipError):
                    await operation(view, how)
                assert await everything(storage, how) == before, (how, name)

    async def test_an_operation_for_the_threads_user_passes(self, storage: Storage) -> None:
        for name, operation in OPERATIONS.items():
            await _with_turns(storage, name)
            if name.startswith("save_draft"):
                await storage.save_draft(name, a_step(revision=2), user_id="ana")
                await storage.save_draft(name, a_step(2, revision=2), user_id="ana")
            else:
                await operation(storage, name, "ana")

    async def test_the_owner_comes_before_the_state(self, storage: Storage) -> None:
        await _with_turns(storage, "a")
        with pytest.raises(ThreadOwnershipError):
            await storage.append("a", a_turn("evil"), user_id="bo", expected=0)
        with pytest.raises(ThreadConflict):
            await storage.append("a", a_turn("mine"), user_id="ana", expected=0)

    async def test_a_turn_for_a_thread_that_changed_hands_since_it_was_read_conflicts(
        self, storage: Storage, another: Storage
    ) -> None:
        await _with_turns(storage, "a")
        version = (await head(storage)).version
        await another.update_thread("a", user_id="bo")
        before = await everything(storage)
        for call in (
            storage.append("a", a_turn("late"), expected=version, user_id="ana"),
            storage.for_user("ana").append("a", a_turn("late"), expected=version),
        ):
            with pytest.raises(ThreadConflict):
                await call
        assert await everything(storage) == before

    async def test_a_thread_without_a_user_is_everybodys(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.append("a", a_turn("ana's"), user_id="ana")
        await storage.for_user("bo").append("a", a_turn("bo's"))
        assert ((await head(storage)).user_id, (await head(storage)).turns) == (None, 4)

    async def test_what_is_begun_through_a_view_is_its_users(self, storage: Storage) -> None:
        view = storage.for_user("ana")
        await view.append("turn", a_turn())
        await view.append_all("turns", [a_turn(), a_turn()])
        await view.update_thread("settings", title="T")
        await view.save_draft("draft", a_step())
        await storage.append("bo's", a_turn(), user_id="bo")
        owners = {info.id: info.user_id async for info in storage.threads()}
        assert owners == {"turn": "ana", "turns": "ana", "settings": "ana", "draft": "ana", "bo's": "bo"}
        assert {info.id async for info in view.threads()} == owners.keys() - {"bo's"}
        assert {info.id for info in (await view.list_threads()).threads} == owners.keys() - {"bo's"}

    async def test_a_view_gives_nothing_away_and_lists_no_other(self, storage: Storage) -> None:
        view = storage.for_user("ana")
        await view.append("a", a_turn())
        calls: list[Awaitable[Any]] = [
            view.update_thread("a", user_id="bo"),
            view.update_thread("a", user_id=None),
            view.list_threads(user_id="bo"),
            view.erase_user("bo"),
            view.list_drafts(user_id="bo"),
        ]
        for call in calls:
            with pytest.raises(ThreadOwnershipError):
                await call
        with pytest.raises(ThreadOwnershipError):
            view.for_user("bo")
        assert view.for_user("ana") is view
        assert (await head(storage)).user_id == "ana"

    async def test_closing_a_view_closes_nothing(self, storage: Storage) -> None:
        async with storage.for_user("ana") as view:
            await view.append("a", a_turn())
        assert (await head(storage)).turns == 1

    async def test_runs_through_two_views_queue(self, storage: Storage) -> None:
        assert storage.for_user("ana").run_lock("a") is storage.run_lock("a")

    # -- erasure -------------------------------------------------------------------------------------------------------

    async def test_an_erasure_takes_all_of_a_user_and_nothing_of_others(self, storage: Storage) -> None:
        await storage.append("a", a_turn(messages=3), user_id="ana")
        await storage.update_thread("b", user_id="ana")
        await storage.save_draft("c", a_step(), user_id="ana")
        await storage.append("d", a_turn(), user_id="bo")
        await storage.append("e", a_turn())
        dry = await storage.erase_user("ana", dry_run=True)
        receipt = await storage.erase_user("ana")
        for one in (dry, receipt):
            assert (one.threads, one.turns, one.messages) == (3, 1, 3)
        assert {info.id async for info in storage.threads()} == {"d", "e"}
        assert await storage.load_draft("c") is None
        assert (await storage.erase_user("ana")).threads == 0

    async def test_an_erasure_leaves_a_thread_that_became_anothers(
        self, storage: Storage, another: Storage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await storage.append("a", a_turn(), user_id="ana")
        await storage.append("b", a_turn(), user_id="ana")
        threads = storage.threads

        async def and_one_is_given_away(*, user_id: str | None = None) -> AsyncIterator[ThreadInfo]:
            async for info in threads(user_id=user_id):
                await another.update_thread("a", user_id="bo")
                yield info

        monkeypatch.setattr(storage, "threads", and_one_is_given_away)
        assert (await storage.erase_user("ana")).threads == 1
        monkeypatch.undo()
        assert {info.id async for info in storage.threads()} == {"a"}


class LeaseContract(ContractBase):
    """Tests of the owners of leases, for a storage that has leases, which are optional."""

    async def test_a_lease_for_another_user_is_refused(self, storage: Storage, another: Storage) -> None:
        for how, make in STRANGERS.items():
            await make(storage, how)
            with pytest.raises(ThreadOwnershipError):
                await OPTIONAL["take_lease"](another, how, "bo")
            with pytest.raises(ThreadOwnershipError):
                await another.for_user("bo").take_lease(how, new_id(), MINUTE)
            assert await storage.take_lease(how, "ana's", MINUTE, user_id="ana"), how

    async def test_a_thread_that_does_not_exist_can_be_leased(self, storage: Storage) -> None:
        async with storage.lease("nowhere", user_id="ana"):
            assert await storage.head("nowhere") is None

    async def test_leases_that_run_are_listed_by_thread(self, storage: Storage, another: Storage) -> None:
        assert await storage.list_leases() == []
        ids = "a", "b/*?[x]", "z:lease", "ñandú {1}"
        for thread_id in reversed(ids):
            assert await storage.take_lease(thread_id, "its holder", MINUTE)
        listed = await another.list_leases()
        assert [lease.thread_id for lease in listed] == list(ids)
        assert all(0 < lease.left_us <= MINUTE // timedelta(microseconds=1) for lease in listed)
        assert "its holder" not in repr(listed)  # whoever knows the holder's id can end the lease
        assert len(await another.list_leases(2)) == 2
        await storage.release_lease("a", "its holder")
        assert [lease.thread_id for lease in await another.list_leases()] == list(ids[1:])

    async def test_a_lease_that_has_run_out_is_not_listed(self, storage: Storage, another: Storage) -> None:
        assert await storage.take_lease("a", "the dead", timedelta(milliseconds=100))
        async with asyncio.timeout(30):
            while await another.list_leases():  # noqa: ASYNC110 - a storage does not tell when a lease ends
                await asyncio.sleep(0.05)

    async def test_a_user_sees_the_leases_of_the_own_threads_alone(self, storage: Storage, another: Storage) -> None:
        for thread_id, user_id in (("a", "ana"), ("b", "bo"), ("c", None)):
            await storage.append(thread_id, a_turn(), user_id=user_id)
            assert await storage.take_lease(thread_id, new_id(), MINUTE)
        assert await storage.take_lease("nowhere", new_id(), MINUTE)
        assert [lease.thread_id for lease in await another.for_user("ana").list_leases()] == ["a"]


class RewriteContract(ContractBase):
    """Tests of `Storage.rewrite`, for a storage that can replace bodies, which is optional."""

    async def test_bodies_of_another_users_thread_are_not_replaced(self, storage: Storage, another: Storage) -> None:
        for how, make in STRANGERS.items():
            await make(storage, how)
            before = await everything(storage, how)
            with pytest.raises(ThreadOwnershipError):
                await OPTIONAL["rewrite"](another, how, "bo")
            with pytest.raises(ThreadOwnershipError):
                await another.for_user("bo").rewrite(how, {1: b"evil"})
            assert await everything(storage, how) == before, how

    async def test_bodies_are_replaced_in_the_expected_state_only(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1)
        version = (await head(storage)).version
        for field, other in other_versions(version).items():
            with pytest.raises(ThreadConflict):
                await another.rewrite("a", {1: b"new"}, expected=other)
            assert await bodies(storage, "a") == [b"1", b"2"], field
        await another.rewrite("a", {1: b"new"}, expected=version)
        assert await bodies(storage, "a") == [b"new", b"2"]

    async def test_a_reader_that_knows_a_later_change_than_the_thread_has_starts_anew(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        version = (await head(storage)).version
        # The storage was put back to a time before the change that the reader saw.
        found = await storage.read("a", after=replace(version, edits=version.edits + 1))
        assert (found.is_continued, [record.body for record in found.records]) == (False, [b"1", b"2"])
        assert (await storage.read("a", after=version)).is_continued

    async def test_each_change_has_another_number_even_after_the_storage_was_put_back(self, storage: Storage) -> None:
        now = [1_700_000_000_000_000]
        storage.clock = lambda: now[0]
        await fill(storage, "a", 1, 1)
        seen = [await storage.rewrite("a", {1: b"new"}), (await storage.update_thread("a", title="T")).edits]
        now[0] -= 1_000_000
        seen += [await storage.rewrite("a", {1: b"newer"}), (await storage.update_thread("a", title="U")).edits]
        assert seen == [now[0] + 1_000_000 + step for step in range(4)]
        assert (await storage.read("a", after=replace((await head(storage)).version, edits=seen[0]))).records

    async def test_old_bodies_are_not_written_over_a_thread_that_was_made_anew(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        version = (await head(storage)).version
        await storage.delete("a")
        await fill(storage, "a", 1, 1)
        with pytest.raises(ThreadConflict):
            await storage.rewrite("a", {1: b"old"}, expected=version)
        assert await bodies(storage, "a") == [b"1", b"2"]

    async def test_a_read_starts_anew_after_a_body_was_rewritten(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1)
        version = (await head(storage)).version
        await storage.update_thread("a", title="T", metadata={"k": 1})
        assert (await another.read("a", after=version)).is_continued
        await storage.rewrite("a", {1: b"other"}, expected=(await head(storage)).version)
        found = await another.read("a", after=version)
        assert ([record.body for record in found.records], found.is_continued) == ([b"other", b"2"], False)
        assert (await another.read("a", after=(await head(another)).version)).is_continued
