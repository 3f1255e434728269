"""Tests of drafts: the finished steps of a running turn, which one process at a time saves outside of the thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from msgspec import structs

from recuerda.errors import DraftConflict, EncodeError, InvalidInput, ThreadConflict, ThreadOwnershipError
from recuerda.ids import new_id
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.testing.storage_contract.base import ContractBase, a_turn, fill

Change: TypeAlias = Callable[[Storage], Awaitable[object]]

CUTS: dict[str, Change] = {
    "undo": lambda storage: storage.undo("a"),
    "trim": lambda storage: storage.trim("a", keep_turns=1),
    "summary": lambda storage: storage.summarize("a", b"so far", through=2),
    "settings": lambda storage: storage.update_thread("a", title="T"),
}


def a_step(
    number: int,
    body: bytes = b"step",
    *,
    turn_id: str = "running",
    revision: int = 0,
    created_us: int = 7,
    id: str | None = None,
    previous: str | None = None,
) -> DraftStep:
    """Return one step of a draft; without an id, it gets a random one."""
    return DraftStep(
        turn_id=turn_id,
        revision=revision,
        number=number,
        body=body,
        created_us=created_us,
        id=new_id() if id is None else id,
        previous=previous,
    )


async def bodies_of(storage: Storage) -> list[bytes]:
    """Return the bodies of the steps of thread "a"'s draft."""
    draft = await storage.load_draft("a")
    return [] if draft is None else [step.body for step in draft.steps]


class DraftContract(ContractBase):
    """Tests of `Storage.save_draft`, `Storage.load_draft` and `Storage.drop_draft`."""

    async def test_a_draft_has_its_steps_in_order(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1, 1, 1)
        steps = tuple(
            a_step(i, bytes([0, 255, 10, i]), revision=4, created_us=10**15 + i, id=f"step {i}") for i in range(1, 13)
        )
        for step in steps:
            await storage.save_draft("a", step)
        draft = await another.load_draft("a")
        assert draft is not None
        assert (draft.turn_id, draft.revision, draft.steps) == ("running", 4, steps)

    async def test_every_read_tells_whether_there_is_a_draft(self, storage: Storage, another: Storage) -> None:
        assert not (await storage.read("a")).has_draft
        await storage.save_draft("a", a_step(1))
        found = await another.read("a")
        assert (found.records, found.has_draft) == ((), True)
        await storage.append("a", a_turn())
        found = await another.read("a")
        assert not found.has_draft
        await storage.save_draft("a", a_step(1, revision=1))
        for after in (0, 1):
            assert (await another.read("a", after=after)).has_draft
        assert (await another.read("a", last_turns=0)).has_draft
        await storage.drop_draft("a")
        assert not (await another.read("a", last_messages=1)).has_draft

    async def test_without_a_draft_there_is_none(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        assert await storage.load_draft("a") is None
        assert await storage.load_draft("other") is None
        assert await storage.drop_draft("a") is False

    async def test_a_draft_is_outside_of_the_thread(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        before = await storage.read("a")
        await storage.save_draft("a", a_step(1, revision=1))
        assert structs.replace(await storage.read("a"), has_draft=False) == before
        assert [info.id for info in (await storage.list_threads()).threads] == ["a"]

    async def test_a_step_without_a_time_gets_the_present_one(self, storage: Storage) -> None:
        before = storage.clock()
        await storage.save_draft("a", a_step(1, created_us=0))
        draft = await storage.load_draft("a")
        assert draft is not None
        assert before <= draft.steps[0].created_us <= storage.clock()

    async def test_a_long_draft_is_loaded_whole(self, storage: Storage, another: Storage) -> None:
        for number in range(1, 201):
            await storage.save_draft("a", a_step(number, str(number).encode() * 50))
        assert await bodies_of(another) == [str(number).encode() * 50 for number in range(1, 201)]

    @pytest.mark.parametrize("turns", [0, 2])
    async def test_no_turn_begins_beside_another_one(self, storage: Storage, another: Storage, turns: int) -> None:
        await fill(storage, "a", *[1] * turns)
        for number in (1, 2):
            await storage.save_draft("a", a_step(number, b"mine", turn_id="one", revision=turns))
        for saver in (storage, another):
            with pytest.raises(DraftConflict) as conflict:
                await saver.save_draft("a", a_step(1, b"yours", turn_id="two", revision=turns))
        assert (conflict.value.thread_id, conflict.value.turn_id, conflict.value.number) == ("a", "two", 1)
        assert "has begun a turn" in str(conflict.value)
        await storage.save_draft("a", a_step(3, b"mine", turn_id="one", revision=turns))
        assert await bodies_of(another) == [b"mine"] * 3
        await another.drop_draft("a")
        await another.save_draft("a", a_step(1, b"yours", turn_id="two", revision=turns))
        assert await bodies_of(storage) == [b"yours"]

    @pytest.mark.parametrize("change", ["undo", "trim", "summary"])
    async def test_step_1_replaces_a_draft_of_an_older_revision(
        self, storage: Storage, another: Storage, change: str
    ) -> None:
        await fill(storage, "a", 1, 1)
        for number in (1, 2, 3):
            await storage.save_draft("a", a_step(number, b"old", turn_id="old", revision=2))
        await CUTS[change](storage)
        await another.save_draft("a", a_step(1, b"new", turn_id="new", revision=3))
        assert await bodies_of(storage) == [b"new"]
        with pytest.raises(DraftConflict):
            await storage.save_draft("a", a_step(4, b"old", turn_id="old", revision=2))
        with pytest.raises(DraftConflict):
            await storage.save_draft("a", a_step(1, b"third", turn_id="third", revision=3))
        await another.save_draft("a", a_step(2, b"next", turn_id="new", revision=3))
        assert await bodies_of(storage) == [b"new", b"next"]

    async def test_a_step_that_is_saved_again_changes_nothing(self, storage: Storage, another: Storage) -> None:
        steps = [a_step(number, bytes([number])) for number in (1, 2, 3)]
        for step in steps:
            await storage.save_draft("a", step)
        before = await storage.load_draft("a")
        for number in (1, 2, 3):
            await another.save_draft("a", a_step(number, bytes([number]), created_us=99))
        assert await storage.load_draft("a") == before

    async def test_a_step_that_is_saved_keeps_its_body(self, storage: Storage, another: Storage) -> None:
        for number in (1, 2, 3):
            await storage.save_draft("a", a_step(number, b"mine"))
        for number in (1, 2, 3):
            with pytest.raises(DraftConflict) as conflict:
                await another.save_draft("a", a_step(number, b"yours"))
            assert (conflict.value.thread_id, conflict.value.turn_id, conflict.value.number) == ("a", "running", number)
            assert await bodies_of(storage) == [b"mine"] * 3, number

    async def test_a_step_that_is_not_the_next_is_refused(self, storage: Storage) -> None:
        with pytest.raises(DraftConflict):
            await storage.save_draft("a", a_step(2))
        assert await storage.load_draft("a") is None
        for number in (1, 2):
            await storage.save_draft("a", a_step(number))
        before = await storage.load_draft("a")
        for number in (4, 5):
            with pytest.raises(DraftConflict):
                await storage.save_draft("a", a_step(number))
            assert await storage.load_draft("a") == before, number

    async def test_a_step_follows_only_the_step_that_it_names(self, storage: Storage, another: Storage) -> None:
        async def begin(worker: str) -> None:
            # The bodies are the same, as two workers may get the same answer and the same result.
            await storage.save_draft("a", a_step(1, id=f"{worker}1", previous=""))
            await storage.save_draft("a", a_step(2, id=f"{worker}2", previous=f"{worker}1"))

        await begin("old")
        # The storage is put back to the time before the draft, and another worker begins the same turn.
        await another.drop_draft("a")
        await begin("new")
        kept = await storage.load_draft("a")
        for previous in ("old2", "new1", ""):
            with pytest.raises(DraftConflict):
                await another.save_draft("a", a_step(3, b"old", id="old3", previous=previous))
            assert await storage.load_draft("a") == kept, previous
        await storage.save_draft("a", a_step(3, b"new", id="new3", previous="new2"))
        await storage.save_draft("a", a_step(3, b"new", id="new3", previous="new2"))
        await another.save_draft("a", a_step(4, b"any", id="new4"))
        for previous in ("new3", "x", ""):
            with pytest.raises(DraftConflict):
                await another.save_draft("a", a_step(5, previous=previous))
        await another.save_draft("a", a_step(5, id="new5", previous="new4"))
        draft = await another.load_draft("a")
        assert draft is not None
        assert [step.id for step in draft.steps] == ["new1", "new2", "new3", "new4", "new5"]

    async def test_a_later_step_of_another_turn_is_refused(self, storage: Storage) -> None:
        await storage.save_draft("a", a_step(1))
        with pytest.raises(DraftConflict):
            await storage.save_draft("a", a_step(2, turn_id="other"))
        assert await bodies_of(storage) == [b"step"]

    async def test_a_draft_begins_on_the_threads_revision(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        for revision in (0, 1, 3):
            with pytest.raises(ThreadConflict) as conflict:
                await storage.save_draft("a", a_step(1, revision=revision))
            assert (conflict.value.thread_id, conflict.value.expected, conflict.value.actual) == ("a", revision, 2)
            assert await storage.load_draft("a") is None, revision

    async def test_a_draft_that_cannot_begin_leaves_the_one_that_is_there(self, storage: Storage) -> None:
        await storage.save_draft("a", a_step(1, b"mine"))
        with pytest.raises(ThreadConflict):
            await storage.save_draft("a", a_step(1, b"yours", turn_id="other", revision=1))
        assert await bodies_of(storage) == [b"mine"]

    async def test_a_step_of_nothing_is_refused(self, storage: Storage) -> None:
        for step in (a_step(0), a_step(-1), a_step(1, turn_id=""), a_step(1, id=""), a_step(1, id="\0")):
            with pytest.raises(InvalidInput):
                await storage.save_draft("a", step)
        if storage.max_body_bytes is not None:
            with pytest.raises(EncodeError):
                await storage.save_draft("a", a_step(1, bytes(storage.max_body_bytes + 1)))
        assert await storage.load_draft("a") is None

    @pytest.mark.parametrize("turn_id", ["running", "of somebody else"])
    async def test_an_append_removes_the_draft_of_any_turn(
        self, storage: Storage, another: Storage, turn_id: str
    ) -> None:
        for number in (1, 2):
            await storage.save_draft("a", a_step(number))
        await another.append("a", a_turn(id=turn_id))
        assert await storage.load_draft("a") is None
        with pytest.raises(DraftConflict):
            await storage.save_draft("a", a_step(3))
        assert await storage.drop_draft("a") is False

    async def test_several_appends_remove_the_draft(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.save_draft("a", a_step(1, revision=1))
        await storage.append_all("a", [a_turn(id="t1"), a_turn(id="t2")])
        assert await storage.load_draft("a") is None

    async def test_an_append_that_conflicts_leaves_the_draft(self, storage: Storage) -> None:
        await storage.save_draft("a", a_step(1))
        with pytest.raises(ThreadConflict):
            await storage.append("a", a_turn(), expected=3)
        assert await bodies_of(storage) == [b"step"]

    @pytest.mark.parametrize("is_warm", [False, True])
    async def test_a_commit_takes_only_the_draft_that_it_names(
        self, storage: Storage, another: Storage, *, is_warm: bool
    ) -> None:
        await fill(storage, "a", 1)
        info = await storage.head("a")
        assert info is not None
        expected = info.version if is_warm else None
        for last_step, taken in (("", "s1"), ("s1", "s2"), ("other", "s2")):
            if taken != "s2" or last_step == "s1":
                number = int(taken[1])
                await another.save_draft("a", a_step(number, taken.encode(), revision=1, id=taken))
            with pytest.raises(DraftConflict) as refused:
                await storage.append("a", a_turn(id="running"), expected=expected, last_step=last_step)
            assert (refused.value.turn_id, refused.value.number) == ("running", 0)
            with pytest.raises(DraftConflict):
                await storage.append("a", a_turn(), expected=expected, replaces=1, last_step=last_step)
            with pytest.raises(DraftConflict):
                await storage.drop_draft("a", last_step=last_step)
            assert await storage.head("a") == info
        assert await bodies_of(another) == [b"s1", b"s2"]
        with pytest.raises(ThreadConflict):
            await storage.append("a", a_turn(), expected=0, last_step="s2")
        with pytest.raises(InvalidInput):
            await storage.append("a", a_turn(), last_step="\0")
        appended = await storage.append("a", a_turn(id="running"), expected=expected, last_step="s2")
        assert (appended.revision, await another.load_draft("a")) == (2, None)
        # A replay finds its turn, whichever draft has begun since.
        await another.save_draft("a", a_step(1, turn_id="next", revision=2, id="n1"))
        assert (await storage.append("a", a_turn(id="running"), last_step="s2")).replayed
        assert await storage.drop_draft("a", turn_id="next", last_step="n1") is True
        assert (await storage.append("a", a_turn(), last_step="")).revision == 3

    async def test_a_first_turn_may_demand_that_there_is_no_draft(self, storage: Storage, another: Storage) -> None:
        assert (await storage.append("a", a_turn(), expected=0, last_step="")).revision == 1
        await another.save_draft("b", a_step(1, id="s1"))
        with pytest.raises(DraftConflict):
            await storage.append("b", a_turn(), expected=0, last_step="")
        with pytest.raises(DraftConflict):
            await storage.append("c", a_turn(), last_step="s1")
        assert await storage.head("c") is None
        await storage.append("b", a_turn(), expected=0, last_step="s1")
        assert await another.load_draft("b") is None

    async def test_a_draft_replaces_an_ended_one_only_as_it_was_read(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.save_draft("a", a_step(1, b"old", turn_id="old", revision=2, id="o1"))
        await storage.undo("a")
        await another.save_draft("a", a_step(2, b"late", turn_id="old", revision=2, id="o2", previous="o1"))
        for previous in ("", "o1"):
            with pytest.raises(DraftConflict):
                await storage.save_draft("a", a_step(1, b"new", turn_id="new", revision=3, id="n1", previous=previous))
        assert await bodies_of(another) == [b"old", b"late"]
        await storage.save_draft("a", a_step(1, b"new", turn_id="new", revision=3, id="n1", previous="o2"))
        assert await bodies_of(another) == [b"new"]

    async def test_of_a_commit_and_a_step_at_once_exactly_one_succeeds(
        self, storage: Storage, another: Storage
    ) -> None:
        for attempt in range(10):
            thread_id = f"t{attempt}"
            await storage.save_draft(thread_id, a_step(1, id="s1"))
            step = another.save_draft(thread_id, a_step(2, id="s2", previous="s1"))
            commit = storage.append(thread_id, a_turn(id="running"), last_step="s1")
            outcomes = await asyncio.gather(
                *((step, commit) if attempt % 2 else (commit, step)), return_exceptions=True
            )
            refused = [one for one in outcomes if isinstance(one, DraftConflict)]
            assert len(refused) == 1, outcomes
            info = await storage.head(thread_id)
            draft = await storage.load_draft(thread_id)
            assert info is not None
            assert (info.revision, draft and len(draft.steps)) in {(1, None), (0, 2)}

    async def test_a_replay_removes_the_draft_of_its_turn_and_no_other(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.save_draft("a", a_step(1, turn_id="t1", revision=2))
        assert (await storage.append("a", a_turn(id="t2"))).replayed
        assert [one.replayed for one in await storage.append_all("a", [a_turn(id="t2")])] == [True]
        assert await bodies_of(storage) == [b"step"]
        assert (await storage.append("a", a_turn(id="t1"))).replayed
        assert await storage.load_draft("a") is None
        await storage.save_draft("a", a_step(1, turn_id="t2", revision=2))
        assert [one.replayed for one in await storage.append_all("a", [a_turn(id=id) for id in ("t1", "t2")])] == [
            True,
            True,
        ]
        assert await storage.load_draft("a") is None

    @pytest.mark.parametrize("change", CUTS.values(), ids=CUTS.keys())
    async def test_what_is_no_turn_leaves_the_draft(self, storage: Storage, another: Storage, change: Change) -> None:
        await fill(storage, "a", 1, 1)
        await storage.save_draft("a", a_step(1, b"1", revision=2))
        await change(another)
        draft = await storage.load_draft("a")
        assert draft is not None
        assert (draft.revision, [step.body for step in draft.steps]) == (2, [b"1"])
        await another.save_draft("a", a_step(2, b"2", revision=2))
        await change(storage)
        assert await bodies_of(another) == [b"1", b"2"]
        await storage.append("a", a_turn())
        assert await storage.load_draft("a") is None

    async def test_a_draft_survives_a_trim_to_nothing(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.save_draft("a", a_step(1, revision=2))
        while await storage.undo("a"):
            pass
        assert await bodies_of(storage) == [b"step"]

    async def test_a_turn_that_came_and_was_undone_has_removed_the_draft(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.save_draft("a", a_step(1, revision=1))
        await storage.append("a", a_turn())
        await storage.undo("a")
        assert await storage.load_draft("a") is None
        with pytest.raises(DraftConflict):
            await storage.save_draft("a", a_step(2, revision=1))

    async def test_the_same_turn_may_begin_anew_once_its_draft_is_dropped(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.save_draft("a", a_step(1, revision=1))
        await storage.undo("a")
        with pytest.raises(DraftConflict):
            await storage.save_draft("a", a_step(1, revision=2))
        assert await storage.drop_draft("a") is True
        await storage.save_draft("a", a_step(1, b"anew", revision=2))
        assert await bodies_of(storage) == [b"anew"]

    async def test_a_draft_can_be_dropped(self, storage: Storage) -> None:
        await storage.save_draft("a", a_step(1))
        await storage.save_draft("b", a_step(1))
        assert await storage.drop_draft("a") is True
        assert await storage.drop_draft("a") is False
        assert await storage.load_draft("a") is None
        assert await storage.load_draft("b") is not None
        with pytest.raises(DraftConflict):
            await storage.save_draft("a", a_step(2))

    async def test_the_draft_of_another_turn_than_the_named_one_stays(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1)
        assert await storage.drop_draft("a", turn_id="one") is False
        await storage.save_draft("a", a_step(1, b"1", turn_id="one", revision=1))
        # The caller has read the draft of "one". Then another process drops it and begins "two".
        await another.drop_draft("a", turn_id="one")
        for number in (1, 2):
            await another.save_draft("a", a_step(number, b"2", turn_id="two", revision=1))
        assert await storage.drop_draft("a", turn_id="one") is False
        assert await bodies_of(storage) == [b"2", b"2"]
        with pytest.raises(ThreadConflict):
            await storage.drop_draft("a", turn_id="two", expected=7)
        with pytest.raises(InvalidInput):
            await storage.drop_draft("a", turn_id="")
        assert await storage.drop_draft("a", turn_id="two", expected=1) is True
        assert await another.load_draft("a") is None
        assert await storage.drop_draft("a", turn_id="two") is False

    async def test_deleting_a_thread_deletes_its_draft(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.save_draft("a", a_step(1, revision=1))
        await storage.delete("a")
        assert await storage.load_draft("a") is None

    async def test_a_draft_may_be_large(self, storage: Storage) -> None:
        body = bytes(range(256)) * 4_000
        await storage.save_draft("a", a_step(1, body))
        await storage.save_draft("a", a_step(1, body))
        assert await bodies_of(storage) == [body]

    async def test_of_concurrent_saves_of_one_step_exactly_one_wins(self, storage: Storage, another: Storage) -> None:
        await storage.save_draft("a", a_step(1))
        for number in (2, 3, 4):
            steps = [a_step(number, f"{number}.{i}".encode()) for i in range(12)]
            outcomes = await asyncio.gather(
                *((storage, another)[i % 2].save_draft("a", step) for i, step in enumerate(steps)),
                return_exceptions=True,
            )
            won = [step for step, one in zip(steps, outcomes, strict=True) if isinstance(one, str)]
            assert [type(one) for one in outcomes if not isinstance(one, str)] == [DraftConflict] * 11
            assert (await bodies_of(another))[number - 1 :] == [won[0].body]

    @pytest.mark.parametrize("turns", [0, 1])
    @pytest.mark.parametrize("name", ["one", "{}"], ids=["one_turn", "several_turns"])
    async def test_of_concurrent_beginnings_exactly_one_wins(
        self, storage: Storage, another: Storage, name: str, turns: int
    ) -> None:
        await fill(storage, "a", *[1] * turns)
        steps = [a_step(1, bytes([i]), turn_id=name.format(i), revision=turns) for i in range(12)]
        outcomes = await asyncio.gather(
            *((storage, another)[i % 2].save_draft("a", step) for i, step in enumerate(steps)),
            return_exceptions=True,
        )
        won = [bytes([i]) for i, one in enumerate(outcomes) if isinstance(one, str)]
        assert [type(one) for one in outcomes if not isinstance(one, str)] == [DraftConflict] * 11
        assert await bodies_of(storage) == won

    async def test_steps_beside_an_append_never_outlive_it(self, storage: Storage, another: Storage) -> None:
        for i in range(8):
            await storage.save_draft("a", a_step(1, revision=i, turn_id=f"t{i}"))
            appended, saved = await asyncio.gather(
                another.append("a", a_turn(id=f"t{i}")),
                storage.save_draft("a", a_step(2, revision=i, turn_id=f"t{i}")),
                return_exceptions=True,
            )
            assert not isinstance(appended, BaseException)
            assert isinstance(saved, str | DraftConflict)
            assert await storage.load_draft("a") is None


class DraftListContract(ContractBase):
    """Tests of `Storage.list_drafts`, which is optional."""

    async def test_drafts_are_listed_also_of_threads_that_have_no_turn(
        self, storage: Storage, another: Storage
    ) -> None:
        assert (await storage.list_drafts()).thread_ids == []
        names = ["a", "new", "ü/{*}?[x]", "A", "no draft", "n" * 512]
        await fill(storage, "a", 1)
        await fill(storage, "no draft", 1)
        for name in names:
            for number in (1, 2) if name != "no draft" else ():
                await storage.save_draft(name, a_step(number, revision=1 if name == "a" else 0))
        listed = await another.list_drafts()
        assert sorted(listed.thread_ids) == sorted(name for name in names if name != "no draft")
        assert await storage.list_drafts() == listed
        await storage.append("a", a_turn())
        await storage.drop_draft("A")
        await storage.delete("n" * 512)
        assert sorted((await another.list_drafts()).thread_ids) == ["new", "ü/{*}?[x]"]
        await storage.append("new", a_turn())
        await storage.undo("new")
        assert (await another.list_drafts()).thread_ids == ["ü/{*}?[x]"]

    async def test_drafts_are_listed_in_pages_the_first_begun_in_front(self, storage: Storage) -> None:
        for name, begun_us in (("late", 3), ("b", 2), ("a", 2), ("early", 1)):
            await storage.save_draft(name, structs.replace(a_step(1), created_us=begun_us))
        await storage.save_draft("early", structs.replace(a_step(2), created_us=9))
        in_order = ["early", "a", "b", "late"]
        page = await storage.list_drafts()
        assert (page.thread_ids, page.cursor) == (in_order, None)
        assert [draft.begun_us for draft in page.drafts] == [1, 2, 2, 3]
        assert (await storage.list_drafts(10**30)).thread_ids == in_order
        for limit in (1, 2, 3):
            pages = [await storage.list_drafts(limit)]
            while (cursor := pages[-1].cursor) is not None:
                pages.append(await storage.list_drafts(limit, cursor=cursor))
            assert [name for page in pages for name in page.thread_ids] == in_order, limit
            assert all(len(page.drafts) == limit for page in pages[:-1]), limit
        for wrong in (storage.list_drafts(0), storage.list_drafts(cursor="x"), storage.list_drafts(user_id="")):
            with pytest.raises(InvalidInput):
                await wrong

    async def test_a_list_of_drafts_may_be_one_users(self, storage: Storage) -> None:
        for name, user in (("a", "ana"), ("b", "bo"), ("c", None), ("d", "ana")):
            await storage.save_draft(name, a_step(1), user_id=user)
        owners = {draft.thread_id: draft.user_id for draft in (await storage.list_drafts()).drafts}
        assert owners == {"a": "ana", "b": "bo", "c": None, "d": "ana"}
        page = await storage.list_drafts(1, user_id="ana")
        rest = await storage.list_drafts(1, user_id="ana", cursor=page.cursor)
        assert (page.thread_ids + rest.thread_ids, rest.cursor) == (["a", "d"], None)
        await storage.update_thread("d", user_id="bo")
        assert (await storage.list_drafts(user_id="ana")).thread_ids == ["a"]
        assert (await storage.for_user("bo").list_drafts()).thread_ids == ["b", "d"]
        with pytest.raises(ThreadOwnershipError):
            await storage.for_user("bo").list_drafts(user_id="ana")
