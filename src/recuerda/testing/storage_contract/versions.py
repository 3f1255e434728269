"""Tests of versions: an operation that names a thread's state is refused, or starts anew, in every other state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from msgspec.structs import replace

from recuerda.errors import InvalidInput, RecuerdaError, ThreadConflict, TurnDropped
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import Guard, ThreadChanges
from recuerda.storage.records import from_microseconds
from recuerda.storage.thread_info import ThreadInfo, Version
from recuerda.testing.storage_contract.base import ContractBase, a_turn, bodies, fill, numbers

Call: TypeAlias = Callable[[Storage, str, Version], Awaitable[object]]


def a_step(number: int = 1, *, revision: int = 0, turn_id: str = "draft", body: bytes = b"step") -> DraftStep:
    """Return a step of a draft."""
    return DraftStep(turn_id=turn_id, revision=revision, number=number, body=body)


@dataclass(frozen=True, slots=True)
class Conditional:
    """An operation that takes `expected`.

    Attributes:
        call: calls the operation on a thread.
        heeds_settings: True if a change of the settings is another state for the operation.
    """

    call: Call
    heeds_settings: bool = False


CONDITIONAL: dict[str, Conditional] = {
    "append": Conditional(lambda storage, thread, version: storage.append(thread, a_turn("new"), expected=version)),
    "append_all": Conditional(
        lambda storage, thread, version: storage.append_all(thread, [a_turn("new")] * 2, expected=version)
    ),
    "undo": Conditional(lambda storage, thread, version: storage.undo(thread, expected=version)),
    "trim": Conditional(lambda storage, thread, version: storage.trim(thread, keep_turns=1, expected=version)),
    "summarize": Conditional(
        lambda storage, thread, version: storage.summarize(thread, b"sum", through=1, expected=version)
    ),
    "save_draft": Conditional(
        lambda storage, thread, version: storage.save_draft(thread, a_step(revision=version.revision), expected=version)
    ),
    "update_thread": Conditional(
        lambda storage, thread, version: storage.update_thread(thread, title="New", expected=version),
        heeds_settings=True,
    ),
    "delete": Conditional(
        lambda storage, thread, version: storage.delete(thread, expected=version), heeds_settings=True
    ),
}
"""Every operation that takes `expected`, but `drop_draft`, which needs a draft, and `rewrite`, which is optional."""


async def head(storage: Storage, thread_id: str = "a") -> ThreadInfo:
    """Return the information about a thread that exists."""
    info = await storage.head(thread_id)
    assert info is not None
    return info


def other_versions(version: Version) -> dict[str, Version]:
    """Return versions that each differ in one field, by the field, from the version of a thread of two turns."""
    return {
        "incarnation": replace(version, incarnation="another"),
        "revision": replace(version, revision=1),
        "record_id": replace(version, record_id="t1"),
        "edits": replace(version, edits=version.edits + 1),
    }


async def everything(storage: Storage, thread_id: str = "a") -> tuple[object, ...]:
    """Return all that a thread holds, for a comparison."""
    found = await storage.read(thread_id)
    summary = (await storage.read(thread_id, with_summary=True)).summary
    return found, summary, await storage.load_draft(thread_id)


class VersionContract(ContractBase):
    """Tests of `Version`, of `expected` and of `after`."""

    async def test_a_version_names_the_newest_record(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 2)
        info = await head(another)
        assert info.version == Version(info.incarnation, 2, "t2", info.edits)
        await storage.undo("a")
        undone = await head(another)
        assert (undone.revision, undone.incarnation) == (3, info.incarnation)
        assert undone.record_id not in ("", "t1", "t2")
        await storage.update_thread("b", title="No record")
        assert ((await head(another, "b")).revision, (await head(another, "b")).record_id) == (0, "")

    async def test_an_operation_passes_in_the_state_that_it_expects(self, storage: Storage) -> None:
        for name, operation in CONDITIONAL.items():
            await fill(storage, name, 1, 1)
            await storage.update_thread(name, title="T", metadata={"k": 1})
            before = await everything(storage, name)
            await operation.call(storage, name, (await head(storage, name)).version)
            assert await everything(storage, name) != before, name

    async def test_an_operation_is_refused_in_any_other_state(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1)
        version = (await head(storage)).version
        before = await everything(storage)
        for name, operation in CONDITIONAL.items():
            for field, other in other_versions(version).items():
                if field != "edits" or operation.heeds_settings:
                    with pytest.raises(ThreadConflict):
                        await operation.call(another, "a", other)
                    assert await everything(storage) == before, (name, field)

    async def test_an_operation_is_refused_on_a_thread_that_was_made_anew(
        self, storage: Storage, another: Storage
    ) -> None:
        await fill(storage, "a", 1, 1)
        version = (await head(storage)).version
        await storage.delete("a")
        await fill(storage, "a", 1, 1)
        before = await everything(storage)
        for name, operation in CONDITIONAL.items():
            with pytest.raises(ThreadConflict):
                await operation.call(another, "a", version)
            assert await everything(storage) == before, name

    async def test_a_change_of_settings_is_no_conflict_for_an_append(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        version = (await head(storage)).version
        await storage.update_thread("a", title="Meanwhile")
        assert (await storage.append("a", a_turn(), expected=version)).revision == 2

    async def test_a_change_of_settings_is_a_conflict_for_another_one(self, storage: Storage) -> None:
        version = (await storage.update_thread("a", title="One")).version
        await storage.update_thread("a", metadata={"k": 1})
        for call in (
            storage.update_thread("a", title="Two", expected=version),
            storage.delete("a", expected=version),
        ):
            with pytest.raises(ThreadConflict):
                await call
        assert ((await head(storage)).title, (await head(storage)).metadata) == ("One", {"k": 1})

    async def test_of_many_conditional_updates_at_once_one_succeeds(self, storage: Storage, another: Storage) -> None:
        version = (await storage.update_thread("a", title="0")).version
        done = await asyncio.gather(
            *((storage, another)[i % 2].update_thread("a", title=f"{i}", expected=version) for i in range(6)),
            return_exceptions=True,
        )
        winners = [one for one in done if isinstance(one, ThreadInfo)]
        assert [one.title for one in winners] == [(await head(storage)).title]
        assert all(isinstance(one, (ThreadInfo, ThreadConflict)) for one in done)

    async def test_the_version_of_an_update_is_the_next_one(self, storage: Storage) -> None:
        version = (await storage.update_thread("a", title="0")).version
        for i in range(3):
            version = (await storage.update_thread("a", title=f"{i}", expected=version)).version
        assert (await head(storage)).version == version

    async def test_a_turn_of_a_deleted_thread_is_not_committed(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1)
        version = (await head(storage)).version
        await another.delete("a")
        with pytest.raises(ThreadConflict):
            await storage.append("a", a_turn(), expected=version)
        assert await storage.head("a") is None

    async def test_a_thread_without_a_record_has_a_version_as_well(self, storage: Storage) -> None:
        version = (await storage.update_thread("a", title="One")).version
        await storage.delete("a")
        await storage.update_thread("a", title="Two")
        with pytest.raises(ThreadConflict):
            await storage.append("a", a_turn(), expected=version)
        assert (await storage.append("a", a_turn(), expected=(await head(storage)).version)).revision == 1

    # -- reads ---------------------------------------------------------------------------------------------------------

    async def test_a_read_continues_from_its_version(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1)
        version = (await head(storage)).version
        assert (await another.read("a", after=version)).records == ()
        await another.append("a", a_turn("3"))
        found = await storage.read("a", after=version)
        assert (numbers(found), found.is_continued) == ([3], True)

    async def test_a_read_after_a_version_of_another_history_starts_anew(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        version = Version((await head(storage)).incarnation, 2, "t2")
        others: list[dict[str, Any]] = [
            {"incarnation": "another"},
            {"record_id": "another"},
            {"revision": 1, "record_id": "t2"},
        ]
        for other in others:
            found = await storage.read("a", after=replace(version, **other))
            assert (numbers(found), found.is_continued) == ([1, 2, 3], False), other

    async def test_a_window_that_is_smaller_than_the_news_checks_its_version(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1, 1)
        version = Version((await head(storage)).incarnation, 2, "t2")
        windows: list[dict[str, Any]] = [{"last_turns": 0}, {"last_turns": 1}, {"last_messages": 1}]
        for window in windows:
            for known in (version, replace(version, record_id="another")):
                found = await storage.read("a", after=known, turn_id="t1", **window)
                newest = [] if window == {"last_turns": 0} else [4]
                assert (numbers(found), found.start) == (newest, 5 - len(newest)), window
                assert found.is_continued == (known is version), window
                assert found.found is not None

    async def test_a_read_after_a_version_that_the_thread_never_reached_starts_anew(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        version = replace((await head(storage)).version, revision=5, record_id="t5")
        found = await storage.read("a", after=version, last_messages=1)
        assert (numbers(found), found.is_continued) == ([2], False)

    async def test_a_read_continues_after_its_record_was_removed(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        version = (await head(storage)).version
        await storage.undo("a")
        await storage.append("a", a_turn("5", id="t5"))
        found = await storage.read("a", after=version)
        assert ([record.kind for record in found.records], found.is_continued) == (["undo", "turn"], True)
        await storage.trim("a", keep_turns=1)
        found = await storage.read("a", after=replace(version, revision=2, record_id="t2"))
        assert ([record.kind for record in found.records if record.kind == "turn"], found.is_continued) == (
            ["turn"],
            True,
        )

    async def test_a_number_alone_is_not_checked(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        found = await storage.read("a", after=1)
        assert (numbers(found), found.is_continued) == ([2], True)

    # -- ids that outlive their turns ----------------------------------------------------------------------------------

    async def test_the_id_of_a_dropped_turn_is_refused(self, storage: Storage, another: Storage) -> None:
        for how in ("trim", "limit"):
            await fill(storage, how, 1, 1, 1)
        await storage.trim("trim", keep_turns=1)
        await storage.append("limit", a_turn("4", id="t4"), keep_messages=2)
        for how in ("trim", "limit"):
            before = await everything(storage, how)
            for call in (
                another.append(how, a_turn("again", id="t1")),
                another.append(how, a_turn("again", id="t2"), expected=(await head(storage, how)).version),
                another.append_all(how, [a_turn("again", id="t1")]),
            ):
                with pytest.raises(TurnDropped):
                    await call
            assert await everything(storage, how) == before, how
            found = await another.read(how, turn_id="t2", last_turns=0)
            assert (found.found, found.dropped) == (None, 2), how
            assert (await another.read(how, turn_id="t3")).dropped is None, how

    async def test_the_id_of_an_undone_turn_can_be_used_again(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.undo("a")
        assert (await storage.read("a", turn_id="t2")).dropped is None
        assert not (await storage.append("a", a_turn("again", id="t2"))).replayed
        await storage.trim("a", keep_turns=1)
        assert (await storage.append("a", a_turn("again", id="t2"))).replayed

    async def test_ids_are_remembered_for_the_newest_records(self, storage: Storage, remembered: int) -> None:
        await fill(storage, "a", 1)
        many = [a_turn(id=f"m{i}") for i in range(remembered - 3)]
        await storage.append_all("a", many)
        await storage.trim("a", keep_turns=2)
        assert (await storage.read("a", turn_id="t1", last_turns=0)).dropped == 1
        with pytest.raises(TurnDropped):
            await storage.append("a", a_turn("again", id="t1"))

    async def test_a_deleted_thread_remembers_no_id(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.trim("a", keep_turns=1)
        await storage.delete("a")
        assert (await storage.append("a", a_turn("new", id="t1"))).revision == 1
        assert await bodies(storage, "a") == [b"new"]

    # -- drafts --------------------------------------------------------------------------------------------------------

    async def test_a_draft_is_dropped_in_the_expected_state_only(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.save_draft("a", a_step(revision=1))
        version = (await head(storage)).version
        for other in (replace(version, incarnation="another"), replace(version, record_id="t9"), 0):
            with pytest.raises(ThreadConflict):
                await storage.drop_draft("a", expected=other)
        assert await storage.load_draft("a") is not None
        assert await storage.drop_draft("a", expected=version)
        assert not await storage.drop_draft("a", expected=0)

    async def test_a_draft_makes_its_thread(self, storage: Storage, another: Storage) -> None:
        await storage.save_draft("a", a_step(), user_id="ana")
        info = await head(another)
        assert (info.revision, info.turns, info.user_id, info.record_id) == (0, 0, "ana", "")
        assert [one.id async for one in another.threads(user_id="ana")] == ["a"]
        found = await another.read("a")
        assert (found.records, found.has_draft) == ((), True)
        appended = await another.append("a", a_turn("1", id="draft"), expected=info.version, title="T")
        assert (appended.created, (await head(storage)).title, await storage.load_draft("a")) == (True, "T", None)

    async def test_a_step_is_not_saved_on_a_thread_that_was_made_anew(self, storage: Storage) -> None:
        await storage.save_draft("a", a_step())
        await storage.delete("a")
        await storage.update_thread("a", user_id="bo")
        with pytest.raises(RecuerdaError):
            await storage.save_draft("a", a_step(2))
        assert await storage.load_draft("a") is None

    async def test_a_later_step_names_the_life_of_its_thread(self, storage: Storage, another: Storage) -> None:
        versions: list[Version] = []
        for body in (b"old", b"new"):
            await storage.delete("a")
            await fill(storage, "a", 1)
            versions.append((await head(storage)).version)
            await storage.save_draft("a", a_step(revision=1, body=body), expected=versions[-1])
        old, new = versions
        before = await everything(storage)
        # Only the second one is a step that is there already.
        for step in (a_step(2, revision=1, body=b"old"), a_step(revision=1, body=b"new")):
            with pytest.raises(ThreadConflict) as conflict:
                await another.save_draft("a", step, expected=old)
            assert (conflict.value.expected, conflict.value.actual) == (1, 1)
            assert await everything(storage) == before
        await another.save_draft("a", a_step(2, revision=1), expected=new)
        await storage.delete("a")
        with pytest.raises(ThreadConflict):
            await another.save_draft("a", a_step(3, revision=1), expected=new)
        assert await storage.head("a") is None

    async def test_a_later_step_continues_the_history_on_which_its_turn_began(
        self, storage: Storage, another: Storage
    ) -> None:
        await fill(storage, "a", 1, 1, 1)
        version = (await head(storage)).version
        await storage.save_draft("a", a_step(revision=3), expected=version)
        with pytest.raises(ThreadConflict):
            await another.save_draft("a", a_step(2, revision=3), expected=replace(version, revision=4))
        changes: dict[str, Callable[[], Awaitable[object]]] = {
            "nothing": lambda: another.head("a"),
            "settings": lambda: another.update_thread("a", title="T"),
            "a summary": lambda: another.summarize("a", b"sum", through=2),
            "an undo of the newest turn": lambda: another.undo("a"),
            "a trim": lambda: another.trim("a", keep_turns=1),
        }
        for number, (name, change) in enumerate(changes.items(), 2):
            await change()
            before = await everything(storage)
            # A storage that was put back may have grown past the number that the worker knows.
            with pytest.raises(ThreadConflict):
                await another.save_draft("a", a_step(number, revision=3), expected=replace(version, record_id="t9"))
            assert await everything(storage) == before, name
            await another.save_draft("a", a_step(number, revision=3), expected=version)
        draft = await storage.load_draft("a")
        assert draft is not None
        assert len(draft.steps) == 6

    async def test_a_later_step_on_a_thread_without_a_record_names_its_life(self, storage: Storage) -> None:
        saved = await storage.save_draft("a", a_step(), expected=0)
        version = (await head(storage)).version
        assert saved == await storage.save_draft("a", a_step(), expected=0) == version.incarnation
        assert await storage.save_draft("a", a_step(2), expected=version) == version.incarnation
        for other in (replace(version, incarnation="another"), replace(version, record_id="t1")):
            with pytest.raises(ThreadConflict):
                await storage.save_draft("a", a_step(3), expected=other)
        await storage.save_draft("a", a_step(3), expected=version)

    # -- titles --------------------------------------------------------------------------------------------------------

    async def test_a_made_title_goes_with_its_turn(self, storage: Storage, another: Storage) -> None:
        for thread_id in ("undo", "trim", "limit", "age"):
            await storage.append(thread_id, a_turn(created_us=1_000_000), title="Secret")
            assert ((await head(storage, thread_id)).title, (await head(storage, thread_id)).title_turn) == (
                "Secret",
                1,
            )
        await storage.undo("undo")
        for thread_id in ("trim", "age"):
            await storage.append(thread_id, a_turn(created_us=2_000_000))
            assert (await head(another, thread_id)).title == "Secret"
        await storage.trim("trim", keep_turns=1)
        await storage.append("limit", a_turn(), keep_messages=1)
        for thread_id in ("undo", "trim", "limit"):
            assert ((await head(another, thread_id)).title, (await head(another, thread_id)).title_turn) == (None, 0)

    async def test_the_next_turn_gives_a_new_title(self, storage: Storage) -> None:
        await storage.append("a", a_turn(), title="One")
        await storage.append("a", a_turn(), title="Two")
        assert (await head(storage)).title == "One"
        await storage.append("a", a_turn(), title="Three", keep_messages=1)
        assert ((await head(storage)).title, (await head(storage)).title_turn) == ("Three", 3)
        await storage.undo("a")
        await storage.append("a", a_turn())
        assert (await head(storage)).title is None
        await storage.append("a", a_turn(), title="Six")
        assert (await head(storage)).title == "Six"

    async def test_a_title_that_was_set_stays_when_turns_go(self, storage: Storage) -> None:
        await storage.append("a", a_turn(), title="Made")
        await storage.update_thread("a", title="Set")
        await storage.undo("a")
        await storage.append("a", a_turn(), title="Made again")
        info = await head(storage)
        assert (info.title, info.title_turn) == ("Set", None)
        await storage.update_thread("a", title=None)
        await storage.append("a", a_turn(), title="Made again")
        assert (await head(storage)).title is None

    async def test_a_made_title_in_another_form_still_goes_with_its_turn(
        self, storage: Storage, another: Storage
    ) -> None:
        await storage.append("a", a_turn(), title="Made")
        info = await head(storage)
        changes = ThreadChanges(title="Made, in another form", title_turn=1)
        await storage._update("a", changes, info.updated_us, Guard(edits=info.edits))  # pyright: ignore[reportPrivateUsage]  # as a wrapper does
        changed = await head(another)
        assert (changed.title, changed.title_turn, changed.updated_us) == (changes.title, 1, info.updated_us)
        await storage.undo("a")
        assert ((await head(another)).title, (await head(another)).title_turn) == (None, 0)

    # -- metadata ------------------------------------------------------------------------------------------------------

    async def test_metadata_is_changed_key_by_key(self, storage: Storage, another: Storage) -> None:
        await storage.update_thread("a", metadata={"kept": 0, "gone": 1, "inner": {"a": 1, "b": 2}})
        await asyncio.gather(
            storage.update_thread("a", metadata={"mine": True, "gone": None}),
            another.update_thread("a", metadata={"theirs": [1], "inner": {"a": None}}),
        )
        assert (await head(storage)).metadata == {"kept": 0, "mine": True, "theirs": [1], "inner": {"a": None}}
        await storage.update_thread("a", metadata={})
        assert (await head(storage)).metadata == {"kept": 0, "mine": True, "theirs": [1], "inner": {"a": None}}

    # -- times ---------------------------------------------------------------------------------------------------------

    async def test_a_turn_knows_when_it_was_said_and_when_it_was_committed(
        self, storage: Storage, another: Storage
    ) -> None:
        earliest = storage.clock()
        await storage.append("a", a_turn("now", id="now"))
        await storage.append("a", a_turn("old", id="old", created_us=5))
        await storage.append_all("a", [a_turn("older", id="older", created_us=4)])
        latest = storage.clock()
        now, old, older = (await another.read("a")).records
        assert (now.created_us, old.created_us, older.created_us) == (now.committed_us, 5, 4)
        assert earliest <= now.committed_us <= old.committed_us <= older.committed_us <= latest
        replay = await another.append("a", a_turn("again", id="old"))
        assert replay.record == old
        assert (await another.read("a", turn_id="old", last_turns=0)).found == old
        assert (await another.read("a", after=1)).records == (old, older)

    async def test_an_old_turn_does_not_put_the_threads_time_back(self, storage: Storage) -> None:
        await storage.append("a", a_turn())
        before = (await head(storage)).updated_us
        await storage.append("a", a_turn(created_us=5))
        assert (await head(storage)).updated_us == before

    async def test_settings_from_elsewhere_bring_their_time(self, storage: Storage, another: Storage) -> None:
        made = await storage.update_thread("empty", title="T", changed_us=4)
        assert (made.created_us, made.updated_us) == (4, 4)
        await storage.append("a", a_turn(created_us=5))
        assert (await storage.update_thread("a", title="T", changed_us=3)).updated_us == 5
        later = await another.update_thread("a", archived=False, changed_us=9)
        assert (later.updated_us, later.edits >= storage.clock() - 3_600_000_000) == (9, True)
        assert [info.id for info in (await another.list_threads()).threads] == ["a", "empty"]
        assert (await storage.update_thread("a", title="U")).updated_us > 9
        for beyond in (-1, 253_402_300_800_000_000):
            with pytest.raises(InvalidInput, match="changed_us"):
                await storage.update_thread("a", title="V", changed_us=beyond)

    async def test_a_trim_by_age_looks_at_each_turn(self, storage: Storage, another: Storage) -> None:
        for number, second in enumerate((1, 9, 2, 8, 3), 1):
            await storage.append("a", a_turn(f"{number}", created_us=second * 1_000_000))
        assert await storage.trim("a", before=from_microseconds(5_000_000)) == 3
        assert await bodies(another, "a") == [b"2", b"4"]
        assert await storage.trim("a", before=from_microseconds(5_000_000)) == 0
        assert await storage.trim("a", before=from_microseconds(50_000_000)) == 2
        assert ((await head(storage)).turns, await bodies(storage, "a")) == (0, [])

    # -- walks ---------------------------------------------------------------------------------------------------------

    async def test_a_walk_meets_every_thread_while_threads_are_used(
        self, storage: Storage, another: Storage, walk_page: int
    ) -> None:
        count = walk_page * 9 // 4
        for i in range(count):
            await storage.append(f"t{i:03}", a_turn(), user_id="ana" if i % 2 else None)
        met: list[str] = []
        gone: set[str] = set()
        async for info in storage.threads():
            met.append(info.id)
            if len(met) % (walk_page // 4) == 1:
                await another.append(f"t{len(met):03}", a_turn())
                await another.update_thread(f"t{count - 1 - len(met):03}", title="used")
                await another.append(f"new {len(met)}", a_turn())
                gone.add(f"t{walk_page + len(met):03}")
                await another.delete(f"t{walk_page + len(met):03}")
        assert {f"t{i:03}" for i in range(count)} - set(met) <= gone
        assert len(met) == len(set(met))

    async def test_a_walk_over_a_users_threads_meets_each_of_them(
        self, storage: Storage, another: Storage, walk_page: int
    ) -> None:
        owners = {f"t{i:03}": "ana" if i % 6 else "bo" for i in range(walk_page * 4 // 3)}
        for thread_id, owner in owners.items():
            await storage.append(thread_id, a_turn(), user_id=owner)
        of_ana = [thread_id for thread_id, owner in owners.items() if owner == "ana"]
        assert len(of_ana) > walk_page
        met: list[str] = []
        async for info in storage.threads(user_id="ana"):
            met.append(info.id)
            if len(met) == walk_page // 10:
                for thread_id in of_ana:
                    await another.append(thread_id, a_turn())
        assert sorted(met) == of_ana
