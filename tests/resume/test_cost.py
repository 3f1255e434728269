"""What it costs to save each step: one write, as large as what is new, however long the turn and the thread are."""

from __future__ import annotations

from typing import Any

import pytest

from recuerda import ChatMessage, Storage
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import Turn
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from tests.resume.conversations import Deed, agent_of, calls

HOOKS = ("_append", "_read", "_save_draft", "_load_draft", "_drop_draft", "_update")


class Trips:
    """Counts what a backend is asked to do, and how large each step is."""

    def __init__(self, storage: Storage, patch: pytest.MonkeyPatch) -> None:
        self.counts: dict[str, int] = dict.fromkeys(HOOKS, 0)
        self.sizes: list[int] = []
        for name in HOOKS:
            patch.setattr(storage, name, self._counting(name, getattr(storage, name)))

    def _counting(self, name: str, hook: Any) -> Any:
        async def counted(thread_id: str, *given: Any) -> Any:
            self.counts[name] += 1
            if given and isinstance(given[0], DraftStep):
                self.sizes.append(len(given[0].body))
            return await hook(thread_id, *given)

        return counted


async def cost_of(storage: Storage, rounds: int, *, side_by_side: int = 1, **options: Any) -> Trips:
    answers = [calls(*(f"{n:03}-{i}" for i in range(side_by_side))) for n in range(rounds)]
    one, _ = agent_of([*answers, "done"], storage, Deed().act, **options)
    with pytest.MonkeyPatch.context() as patch:
        trips = Trips(storage, patch)
        await one.run("go", thread="t")
    return trips


async def test_each_answer_and_each_result_is_one_write(storage: Storage) -> None:
    trips = await cost_of(storage, 5, side_by_side=3)
    assert trips.counts["_save_draft"] == 5 + 5 * 3
    assert (trips.counts["_append"], trips.counts["_drop_draft"], trips.counts["_update"]) == (1, 0, 0)


async def test_by_default_a_turn_is_one_write(storage: Storage) -> None:
    trips = await cost_of(storage, 5, side_by_side=3, durability="turn")
    assert (trips.counts["_append"], trips.counts["_save_draft"]) == (1, 0)


async def test_what_is_saved_is_not_written_again(storage: Storage) -> None:
    trips = await cost_of(storage, 30)
    answers, results = trips.sizes[2::2], trips.sizes[1::2]
    assert len(answers) == 29
    assert len(set(answers)) == len(set(results)) == 1
    assert trips.counts["_read"] <= 1


async def test_the_length_of_the_thread_costs_nothing(storage: Storage) -> None:
    short = await cost_of(storage, 3)
    turn = Turn(messages=(ChatMessage("user", "x" * 1000), ChatMessage("assistant", "y" * 1000)))
    body = encode_turn(turn)
    await storage.append_all("t", [NewTurn(body=body, message_count=2) for _ in range(500)])
    long = await cost_of(storage, 3)
    assert (long.counts, long.sizes) == (short.counts, short.sizes)


async def test_going_on_costs_one_write_before_the_next_step(storage: Storage) -> None:
    first, _ = agent_of([calls("a"), calls("b"), RuntimeError("away")], storage, Deed().act)
    with pytest.raises(RuntimeError):
        await first.run("go", thread="t")
    second, _ = agent_of([calls("c"), "done"], storage, Deed().act)
    with pytest.MonkeyPatch.context() as patch:
        trips = Trips(storage, patch)
        await second.resume("t")
    assert (trips.counts["_save_draft"], trips.counts["_load_draft"], trips.counts["_append"]) == (3, 1, 1)
    assert trips.sizes[0] < 60


async def test_going_on_before_a_new_turn_reads_the_thread_once_for_each_turn(storage: Storage) -> None:
    first, _ = agent_of([calls("a"), RuntimeError("away")], storage, Deed().act)
    with pytest.raises(RuntimeError):
        await first.run("go", thread="t")
    second, _ = agent_of(["done", "new"], storage, Deed().act)
    with pytest.MonkeyPatch.context() as patch:
        trips = Trips(storage, patch)
        await second.run("next", thread="t", on_pending="resume")
    assert (trips.counts["_read"], trips.counts["_load_draft"], trips.counts["_append"]) == (2, 2, 2)
