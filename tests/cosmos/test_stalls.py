"""A writer may stall at any of its requests while another one writes: no thread is damaged.

Every write is held up by the two that do the most, and every other meets the three writes with the most requests; the
rest of the pairs as well with `RECUERDA_TEST_ALL_STALLS=1 make test ARGS=tests/cosmos/test_stalls.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from azure.core.pipeline.transport import AsyncHttpResponse, HttpRequest

from recuerda.cosmos import CosmosStorage, reading
from recuerda.errors import DraftConflict, InvalidInput, ThreadConflict, ThreadNotFound, ThreadOwnershipError
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.ram import MemoryStorage
from tests.cosmos.threads import WRITES, Do, Write, a_turn, check_goes_on, check_listed, check_whole, prepare, seen
from tests.cosmos.wire import is_create, wired
from tests.servers.cosmos_server import cosmos_url


async def _undo_and_append(storage: Storage, thread: str) -> None:
    await storage.append(thread, a_turn("other"))
    await storage.undo(thread)


async def _make_anew(storage: Storage, thread: str) -> None:
    await storage.delete(thread)
    await storage.append(thread, a_turn("other"), user_id="bob", title="Other")


OTHERS: dict[str, Do] = {
    "appends": lambda storage, thread: storage.append(thread, a_turn("other"), user_id="ana", title="Other"),
    "appends for another": lambda storage, thread: storage.append(thread, a_turn("other"), user_id="bob"),
    "appends with a limit": lambda storage, thread: storage.append(
        thread, a_turn("other"), keep_messages=1, user_id="ana"
    ),
    "appends and undoes": _undo_and_append,
    "updates": lambda storage, thread: storage.update_thread(thread, user_id="bob", title="Other"),
    "deletes": lambda storage, thread: storage.delete(thread),
    "deletes and makes anew": _make_anew,
}

HELD_UP = [name for name in WRITES if name != "append of many"]
DO_MOST = {"appends and undoes", "deletes and makes anew"}
ASK_MOST = {"append with a limit", "undo of what was summarised", "delete"}
PAIRS = [
    pytest.param(name, OTHERS[other], id=f"{name}-{other}")
    for name in HELD_UP
    for other in OTHERS
    if other in DO_MOST or name in ASK_MOST or "RECUERDA_TEST_ALL_STALLS" in os.environ
]


async def outcome(storage: Storage, do: Do, thread: str) -> bool:
    try:
        await do(storage, thread)
    except (ThreadConflict, ThreadNotFound, ThreadOwnershipError, DraftConflict, InvalidInput):
        return False
    return True


async def one_after_another(write: Write, first: Do, second: Do) -> list[object]:
    """Return the state of the RAM storage after both writes, even if the second one meets a conflict."""
    oracle = MemoryStorage()
    await prepare(oracle, write, "a")
    await outcome(oracle, first, "a")
    await outcome(oracle, second, "a")
    alone = MemoryStorage()
    await prepare(alone, write, "a")
    await outcome(alone, first, "a")
    return [seen(await oracle.read("a")), seen(await alone.read("a"))]


@pytest.mark.parametrize(("name", "other"), PAIRS)
async def test_held_up_at_any_request_the_outcome_is_that_of_one_after_the_other(
    name: str, other: Do, tmp_path: Path
) -> None:
    write = WRITES[name]
    possible = [
        *await one_after_another(write, write.do, other),
        *await one_after_another(write, other, write.do),
    ]
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        found: dict[str, ThreadSlice] = {}
        was_held_up = True
        while was_held_up:
            thread = f"{len(found) + 1}"
            await prepare(storage, write, thread)
            wire.clear()

            async def hold_up(_: HttpRequest, at: int = int(thread), thread: str = thread) -> AsyncHttpResponse | None:
                if len(wire.requests) >= at:
                    wire.before = None
                    await outcome(another, other, thread)
                return None

            wire.before = hold_up
            succeeded = await outcome(storage, write.do, thread)
            was_held_up = wire.before is None
            wire.clear()
            found[thread] = await check_whole(another, thread)
            assert seen(found[thread]) in possible, f"request {thread}"
            if not succeeded:
                assert "new" not in [record.id for record in found[thread].records]
        await check_listed(another, found, settled=found.keys())
        for thread in found:
            await check_goes_on(another, thread)
    assert len(found) > 2


async def test_a_number_is_never_used_again_whatever_has_gone(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        await another.append("a", a_turn("t1"))

        async def hold_up(request: HttpRequest) -> AsyncHttpResponse | None:
            if is_create(request):
                wire.before = None
                for i in range(5):
                    await another.append("a", a_turn(f"o{i}"), keep_messages=1)
                await another.undo("a")
            return None

        wire.before = hold_up
        with pytest.raises(ThreadConflict) as conflict:
            await storage.append("a", a_turn("new"), expected=1)
        assert conflict.value.actual == 7
        found = await another.read("a")
        assert found.info is not None
        assert (found.info.revision, found.records) == (7, ())


@pytest.mark.parametrize("cut", ["undo", "trim"])
async def test_pages_read_while_turns_go_are_never_mixed(
    cut: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 5)
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        await another.append_all("a", [a_turn(f"t{i}") for i in range(1, 21)])

        async def cut_in_between(_: HttpRequest) -> AsyncHttpResponse | None:
            if len(wire.requests) == 2:
                wire.before = None
                if cut == "trim":
                    await another.trim("a", keep_turns=5)
                for _number in range(15 if cut == "undo" else 0):
                    await another.undo("a")
            return None

        wire.before = cut_in_between
        found = await storage.read("a")
        assert found.info is not None
        whole = [f"t{i}" for i in range(1, 21)]
        assert found.info.turns == 5
        assert [record.id for record in found.records] == (whole[:5] if cut == "undo" else whole[15:])


@pytest.mark.parametrize("loser", ["ana", "bob"])
async def test_of_two_who_make_a_thread_at_once_it_is_the_one_whose_turn_is_first(loser: str, tmp_path: Path) -> None:
    winner = "bob" if loser == "ana" else "ana"
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:

        async def hold_up(request: HttpRequest) -> AsyncHttpResponse | None:
            if is_create(request) and len([one for one in wire.requests if one == "POST"]) == 3:
                wire.before = None
                await another.append("a", a_turn("first"), user_id=winner, title=winner)
            return None

        wire.before = hold_up
        with pytest.raises(ThreadOwnershipError):
            await storage.append("a", a_turn("second"), user_id=loser, title=loser, expected=0)
        found = await check_whole(another, "a")
        await check_listed(another, {"a": found}, settled={"a"})
        assert found.info is not None
        assert (found.info.user_id, found.info.title) == (winner, winner)
