"""Drafts: the finished steps of a running turn, outside of the thread."""

from __future__ import annotations

import pytest

from recuerda.errors import ThreadConflict
from recuerda.records import DraftStep
from recuerda.storage import Storage
from recuerda.testing.storage_contract.base import ContractBase, a_turn, fill


def a_step(number: int, body: bytes = b"step", *, turn_id: str = "running", revision: int = 0) -> DraftStep:
    """Return one step."""
    return DraftStep(turn_id=turn_id, revision=revision, number=number, body=body)


class DraftContract(ContractBase):
    """Check `save_draft`, `load_draft` and `drop_draft`."""

    async def test_a_draft_has_its_steps_in_order(self, storage: Storage, another: Storage) -> None:
        steps = tuple(a_step(i, bytes([0, 255, 10, i]), revision=4) for i in range(1, 13))
        for step in steps:
            await storage.save_draft("a", step)
        draft = await another.load_draft("a")
        assert draft is not None
        assert (draft.turn_id, draft.revision, draft.steps) == ("running", 4, steps)

    async def test_without_a_draft_there_is_none(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        assert await storage.load_draft("a") is None
        assert await storage.load_draft("other") is None
        assert await storage.drop_draft("a") is False

    async def test_a_draft_is_outside_of_the_thread(self, storage: Storage) -> None:
        await storage.save_draft("new", a_step(1))
        assert await storage.head("new") is None
        await fill(storage, "a", 1)
        before = await storage.read("a")
        await storage.save_draft("a", a_step(1, revision=1))
        assert await storage.read("a") == before
        assert [info.id for info in (await storage.list_threads()).threads] == ["a"]

    async def test_step_1_replaces_the_draft_that_was_there(self, storage: Storage) -> None:
        for number in (1, 2, 3):
            await storage.save_draft("a", a_step(number, b"old", turn_id="old"))
        await storage.save_draft("a", a_step(1, b"new", turn_id="new", revision=7))
        draft = await storage.load_draft("a")
        assert draft is not None
        assert (draft.turn_id, draft.revision, [step.body for step in draft.steps]) == ("new", 7, [b"new"])

    async def test_an_append_removes_the_draft(self, storage: Storage) -> None:
        await storage.save_draft("a", a_step(1))
        await storage.append("a", a_turn(id="running"))
        assert await storage.load_draft("a") is None

    async def test_an_append_that_conflicts_leaves_the_draft(self, storage: Storage) -> None:
        await storage.save_draft("a", a_step(1))
        with pytest.raises(ThreadConflict):
            await storage.append("a", a_turn(), expected=3)
        assert await storage.load_draft("a") is not None

    async def test_a_draft_can_be_dropped(self, storage: Storage) -> None:
        await storage.save_draft("a", a_step(1))
        await storage.save_draft("b", a_step(1))
        assert await storage.drop_draft("a") is True
        assert await storage.drop_draft("a") is False
        assert await storage.load_draft("a") is None
        assert await storage.load_draft("b") is not None

    async def test_deleting_a_thread_deletes_its_draft(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.save_draft("a", a_step(1, revision=1))
        await storage.delete("a")
        assert await storage.load_draft("a") is None

    async def test_a_draft_may_be_large(self, storage: Storage) -> None:
        body = bytes(range(256)) * 4_000
        await storage.save_draft("a", a_step(1, body))
        draft = await storage.load_draft("a")
        assert draft is not None
        assert draft.steps[0].body == body
