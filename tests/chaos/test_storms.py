"""Each storm runs for a moment, and finds a fault that was planted."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import UNSET, structs

from recuerda.storage.operations import NO_GUARD, Appended, Guard, NewRecord, ReadQuery, ThreadChanges, ThreadSlice
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.thread_filter import ThreadFilter
from recuerda.storage.thread_info import ThreadInfo
from tests.chaos.command import main, run_round
from tests.chaos.ledger import Ledger
from tests.chaos.places import PLACES, MemoryPlace, SQLitePlace
from tests.chaos.said import Response, Said, Talk, problems_of_copies
from tests.chaos.storms import STORMS, storms_of
from tests.chaos.tally import Tally


@pytest.mark.parametrize("storm", storms_of("sqlite", list(STORMS)))
def test_a_short_round_on_sqlite_sees_no_fault(storm: str) -> None:
    tally = Tally("sqlite", storm)
    run_round(tally, seed="7", seconds=0.4)
    assert "\n".join(map(str, tally.faults)) == ""
    assert tally.acknowledged
    assert tally.disturbances


class _IgnoresGuards(MemoryStorage):
    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        return await super()._append(thread_id, record, Guard(user_id=guard.user_id))


class _TrustsNumbers(MemoryStorage):
    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        return await super()._read(thread_id, ReadQuery(after=query.after, turn_id=query.turn_id))


class _IgnoresUsers(MemoryStorage):
    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        return await super()._append(thread_id, record, NO_GUARD)


class _WalksOnePage(MemoryStorage):
    async def _walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        return list((await self._list(ThreadFilter(user_id=user_id), 200, None)).threads), None


class _KeepsFiles(MemoryStorage):
    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        held = dict(self._log(thread_id).blobs)
        appended = await super()._append(thread_id, record, guard)
        self._log(thread_id).blobs |= held
        return appended


class _LosesFiles(MemoryStorage):
    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        found = await super()._read(thread_id, query)
        has_lost_a_turn = found.info is not None and found.info.revision > found.info.turns
        return structs.replace(found, blobs={}) if has_lost_a_turn else found


class _SkipsTurns(MemoryStorage):
    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        before = None if query.before is None else query.before - 1
        return await super()._read(thread_id, structs.replace(query, before=before))


class _ForgetsParents(MemoryStorage):
    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        return await super()._update(thread_id, structs.replace(changes, parent=UNSET), now_us, guard)


class _KeepsReplaced(MemoryStorage):
    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        return await super()._append(thread_id, structs.replace(record, target=None), guard)


@pytest.mark.parametrize(
    ("storm", "faulty"),
    [
        ("rollback", _IgnoresGuards),
        ("rollback", _TrustsNumbers),
        ("remade", _IgnoresGuards),
        ("owners", _IgnoresUsers),
        ("walks", _WalksOnePage),
        ("files", _KeepsFiles),
        ("files", _LosesFiles),
        ("files", _SkipsTurns),
        ("files", _ForgetsParents),
        ("replaced", _KeepsReplaced),
    ],
)
def test_a_planted_fault_is_found(storm: str, faulty: type[MemoryStorage], monkeypatch: pytest.MonkeyPatch) -> None:
    class Faulty(MemoryPlace):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            self._storage = faulty()

    monkeypatch.setitem(PLACES, "memory", Faulty)
    tally = Tally("memory", storm)
    for number in range(20):
        if not tally.faults:
            run_round(tally, seed=str(number), seconds=0.5)
    assert tally.faults
    assert f"FAULT on memory, storm {storm}" in str(tally.faults[0])
    assert "Traceback" not in str(tally.faults[0])


def test_words_that_stay_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Leaking(SQLitePlace):
        def find(self, words: bytes) -> list[str]:
            return ["the file threads.db-wal"]

    monkeypatch.setitem(PLACES, "sqlite", Leaking)
    monkeypatch.setattr("tests.chaos.erasures.SOON_S", 0.0)
    tally = Tally("sqlite", "erasures")
    run_round(tally, seed="7", seconds=0.1)
    assert "bytes in the file threads.db-wal" in str(tally.faults[0])


# -- the ledger --------------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    ledger.begin("a", thread="x", user="ana")
    ledger.acknowledge("a")
    return ledger


def test_an_acknowledged_turn_must_be_there_once(ledger: Ledger) -> None:
    assert ledger.problems("x", ["a"]) == []
    assert "is lost" in ledger.problems("x", [])[0]
    assert "2 times" in ledger.problems("x", ["a", "a"])[0]
    assert "never said" in ledger.problems("y", ["a"])[0]


def test_a_deleted_turn_must_be_gone_unless_the_deletion_came_while_it_was_under_way(ledger: Ledger) -> None:
    ledger.begin("b", thread="x", user="ana")
    with ledger.deletion(lambda deed: deed.thread == "x"):
        ledger.begin("c", thread="x", user="ana")
        ledger.acknowledge("c")
    ledger.acknowledge("b")
    ledger.begin("d", thread="x", user="ana")
    ledger.acknowledge("d")
    assert ledger.problems("x", ["d"]) == ledger.problems("x", ["b", "c", "d"]) == []
    assert "must not be" in ledger.problems("x", ["a", "d"])[0]
    assert "lost" in ledger.problems("x", ["b"])[0]


def test_a_rollback_brings_back_the_turns_of_its_snapshot_alone(ledger: Ledger) -> None:
    with ledger.snapshot() as kept:
        pass
    ledger.begin("b", thread="x", user="ana")
    ledger.acknowledge("b")
    with ledger.deletion(lambda deed: deed.turn_id == "a"):
        pass
    assert ledger.problems("x", ["b"]) == []
    with ledger.rollback(kept):
        pass
    assert ledger.problems("x", ["a"]) == []
    assert "must not be" in ledger.problems("x", ["a", "b"])[0]


def test_an_undone_turn_may_come_back_with_a_snapshot_that_overlaps(ledger: Ledger) -> None:
    with ledger.undo() as undone:
        with ledger.snapshot() as kept:
            pass
        undone.append("a")
    with ledger.rollback(kept):
        pass
    assert ledger.problems("x", []) == ledger.problems("x", ["a"]) == []


def test_a_turn_that_is_undone_during_a_rollback_may_be_there_until_the_next_rollback(ledger: Ledger) -> None:
    with ledger.snapshot() as kept:
        pass
    with ledger.rollback(kept), ledger.undo() as undone:
        undone.append("a")
    assert ledger.problems("x", []) == ledger.problems("x", ["a"]) == []
    with ledger.rollback(kept):
        pass
    assert "is lost" in ledger.problems("x", [])[0]


# -- the promises of servers -------------------------------------------------------------------------------------------


@pytest.fixture
def talk() -> Talk:
    talk = Talk("ann", "conv_1", "key", {}, {"by": "key"})
    talk.said = [Said(["a"], began=1, ended=2), Said(["b", "c"], began=3, ended=4), Said(["d"], began=3, ended=5)]
    talk.gone = {"d": 6}
    return talk


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        (["a", "b"], "'c' was acknowledged, and is lost"),
        (["a", "b", "c", "a"], "'a' is there 2 times"),
        (["a", "b", "c", "d"], "'d' was deleted, and is there"),
        (["a", "b", "c", "e"], "'e' was never acknowledged"),
        (["b", "a", "c"], "the turn ['b', 'c'] is not in one piece"),
        (["b", "c", "a"], "the turn ['a'] stands behind a turn that was said later"),
    ],
)
def test_a_broken_promise_is_found(talk: Talk, listed: list[str], problem: str) -> None:
    assert talk.problems(["a", "b", "c"], {"by": "key"}) == []
    assert problem in talk.problems(listed, {"by": "key"})
    assert talk.problems(["a", "b", "c"], {}) == ["the metadata are {} and not {'by': 'key'}"]


def test_two_answers_under_one_key_are_found() -> None:
    response = Response("ann", "resp_1", "why?", "so", {}, "key")
    assert problems_of_copies(response, ["so", "so"]) == []
    assert problems_of_copies(response, ["so", "thus"]) == ["'why?' was answered by 'so' and 'thus'"]


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_prints_a_table_without_colours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--storage", "memory", "--storm", "owners", "--minutes", "0", "--seconds", "0.1", "--seed", "7"]) == 0
    output = capsys.readouterr().out
    assert "| memory  | owners |" in output
    assert output.endswith("0 faults, seed 7\n")
    assert "\033" not in output


def test_an_unknown_storm_is_refused_with_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--storm", "hail"])
    assert (
        "'hail' is none of rollback, remade, owners, walks, erasures, served, outages, files, replaced"
        in capsys.readouterr().err
    )


def test_a_storm_is_left_out_where_it_makes_no_sense() -> None:
    assert storms_of("cosmos", list(STORMS)) == ["remade", "owners", "walks", "files", "replaced"]
