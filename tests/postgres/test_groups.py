"""Calls that wait together go to the server in one statement, and none of them suffers from the others."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from msgspec.structs import replace
from psycopg.sql import SQL, Identifier

from recuerda.errors import (
    DraftConflict,
    StorageError,
    StorageUnavailable,
    ThreadConflict,
    ThreadOwnershipError,
    TurnDropped,
    TurnGone,
)
from recuerda.postgres import PostgresStorage, groups
from recuerda.postgres.groups import LANES, MAX_GROUP
from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import Appended, ThreadSlice
from recuerda.storage.records import NewTurn
from recuerda.testing.storage_contract.blobs import CAT, DOG
from tests.postgres.conftest import Connection
from tests.servers.transaction_pooler import Pooler, transaction_pooler

TRIGGER = """
CREATE FUNCTION {} () RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.body = 'bad' THEN
        RAISE EXCEPTION 'a bad body';
    ELSIF new.body = 'slow' THEN
        PERFORM pg_sleep(0.5);
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER looks BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION {} ()
"""


def a_turn(id: str | None = None, *, body: bytes = b"turn") -> NewTurn:
    return NewTurn(body=body, message_count=1, id=id)


@pytest.fixture
async def pooler(url: str) -> AsyncIterator[Pooler]:
    async with transaction_pooler(url.rpartition("host=")[2], size=8) as pooler:
        yield pooler


@pytest.fixture
async def watched(storage: PostgresStorage, db: Connection, schema: str) -> PostgresStorage:
    """A storage whose server refuses the body "bad", and takes its time for the body "slow"."""
    await storage.head("made")
    looks = Identifier(schema, "looks")
    await db.execute(SQL(TRIGGER).format(looks, Identifier(schema, "turns"), looks))
    return storage


def sent(pooler: Pooler, function: str) -> int:
    """Return how many statements called a function of the schema. Each is one trip."""
    return sum(function in statement for _, statement in pooler.statements)


async def bodies(storage: PostgresStorage, thread_id: str) -> list[bytes]:
    return [record.body for record in (await storage.read(thread_id)).records]


async def test_a_hundred_calls_at_once_are_a_few_trips(pooler: Pooler, schema: str) -> None:
    async with PostgresStorage(pooler.url, schema=schema) as storage:
        await storage.head("made")
        calls = LANES + MAX_GROUP + 30
        for expected in range(3):
            pooler.statements.clear()
            appended = await asyncio.gather(
                *(storage.append(f"{i}", a_turn(), expected=expected, user_id="ana", title="T") for i in range(calls))
            )
            assert {(one.revision, one.replayed, one.created) for one in appended} == {
                (expected + 1, False, expected == 0)
            }
            assert sent(pooler, "append_record") == LANES + 2
            slices = await asyncio.gather(*(storage.read(f"{i}", last_messages=20) for i in range(calls)))
            assert [found.info and found.info.id for found in slices] == [f"{i}" for i in range(calls)]
            assert {len(found.records) for found in slices} == {expected + 1}
            assert sent(pooler, "read_thread") == LANES + 2


async def test_a_refused_append_writes_nothing_and_the_others_of_its_group_go_on(pooler: Pooler, schema: str) -> None:
    async with PostgresStorage(pooler.url, schema=schema) as storage:
        for thread_id in ("conflict", "replay", "gone"):
            await storage.append(thread_id, a_turn("first"))
        await storage.append("owner", a_turn("first"), user_id="bo")
        await storage.append_all("dropped", [a_turn("old"), a_turn("first")])
        await storage.trim("dropped", keep_turns=1)
        for thread_id in ("draft", "step"):
            step = DraftStep(turn_id="t", revision=0, number=1, body=b"step", id="s1")
            await storage.save_draft(thread_id, step)
        pooler.statements.clear()
        outcomes = await asyncio.gather(
            *(storage.append(f"before {i}", a_turn()) for i in range(LANES)),
            storage.append("conflict", a_turn(), expected=0),
            storage.append("owner", a_turn(), user_id="ana"),
            storage.append("replay", a_turn("first", body=b"again")),
            storage.append("dropped", a_turn("old")),
            storage.append("gone", a_turn(), replaces=7),
            storage.append("draft", a_turn(), last_step="another"),
            storage.append("step", a_turn("t"), last_step="s1"),
            storage.append("new", a_turn(), expected=0, title="T"),
            storage.append("new too", a_turn(), keep_messages=1),
            return_exceptions=True,
        )
        assert sent(pooler, "append_record") == LANES + 1
        kinds = [type(outcome) for outcome in outcomes[LANES:]]
        refused = [ThreadConflict, ThreadOwnershipError, Appended, TurnDropped, TurnGone, DraftConflict]
        assert kinds == [*refused, Appended, Appended, Appended]
        replay = outcomes[LANES + 2]
        assert isinstance(replay, Appended)
        assert (replay.replayed, replay.record.body) == (True, b"turn")
        for thread_id in ("conflict", "owner", "replay", "dropped", "gone", "new", "new too", "step"):
            assert await bodies(storage, thread_id) == [b"turn"]
        assert not (await storage.read("step")).has_draft
        draft = await storage.read("draft")
        assert (draft.records, draft.has_draft) == ((), True)
        info = await storage.head("new")
        assert info is not None
        assert info.title == "T"


async def test_appends_to_one_thread_in_one_group_each_see_the_one_before(storage: PostgresStorage) -> None:
    outcomes = await asyncio.gather(
        *(storage.append("a", a_turn(), expected=0) for _ in range(20)),
        *(storage.append("b", a_turn()) for _ in range(20)),
        *(storage.append("c", a_turn("same")) for _ in range(20)),
        return_exceptions=True,
    )
    assert [type(one) for one in outcomes[:20]].count(ThreadConflict) == 19
    appended = [one for one in outcomes if isinstance(one, Appended)]
    assert sorted(one.revision for one in appended[1:21]) == list(range(1, 21))
    assert [one.replayed for one in appended[21:]].count(False) == 1
    assert [len(await bodies(storage, thread_id)) for thread_id in "abc"] == [1, 20, 1]


async def test_any_text_is_kept_in_a_group(storage: PostgresStorage) -> None:
    texts = ['"', "\\", '\\"', "{a,b}", "NULL", "null", " ", "\t\n", "\N{EM SPACE}", "谢谢", "'", "\\N", "%s", "a\\"]
    for _ in range(2):
        await asyncio.gather(
            *(storage.append(text, a_turn(), user_id=text, title=text, last_step="") for text in [*"12", *texts])
        )
    slices = await asyncio.gather(*(storage.read(text, last_turns=2) for text in [*"12", *texts]))
    infos = [found.info for found in slices[2:] if found.info is not None]
    assert [(info.id, info.user_id, info.title, info.turns) for info in infos] == [(t, t, t, 2) for t in texts]


async def test_a_locked_thread_holds_up_no_other(storage: PostgresStorage, db: Connection, schema: str) -> None:
    for i in range(20):
        await storage.append(f"{i}", a_turn())
    async with db.transaction():
        await db.execute(SQL("SELECT FROM {} WHERE id IN ('0', '7') FOR UPDATE").format(Identifier(schema, "threads")))
        appends = {i: asyncio.ensure_future(storage.append(f"{i}", a_turn())) for i in range(20)}
        await asyncio.wait([append for i, append in appends.items() if i not in (0, 7)])
        assert not appends[0].done()
        assert not appends[7].done()
    assert {(await append).revision for append in appends.values()} == {2}


async def test_a_statement_that_fails_fails_for_its_own_call_alone(watched: PostgresStorage) -> None:
    outcomes = await asyncio.gather(
        *(watched.append(f"{i}", a_turn(body=b"bad" if i == 9 else b"turn")) for i in range(20)),
        return_exceptions=True,
    )
    assert isinstance(outcomes.pop(9), StorageError)
    assert {one.revision for one in outcomes if isinstance(one, Appended)} == {1}
    assert await watched.head("9") is None


async def test_statements_that_take_long_hold_up_others_for_a_moment(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    for i in range(LANES):
        await storage.append(f"{i}", a_turn())
    async with db.transaction():
        await db.execute(SQL("SELECT FROM {} FOR UPDATE").format(Identifier(schema, "threads")))
        long = [asyncio.ensure_future(storage.append(f"{i}", a_turn())) for i in range(LANES)]
        await asyncio.gather(*(storage.append(f"other {i}", a_turn()) for i in range(20)))
        assert not any(one.done() for one in long)
    assert [(await one).revision for one in long] == [2] * LANES


async def test_a_cancelled_append_that_waits_is_not_sent(
    watched: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "PATIENCE_S", 60)
    slow = [asyncio.ensure_future(watched.append(f"slow {i}", a_turn(body=b"slow"))) for i in range(LANES)]
    others = [asyncio.ensure_future(watched.append(f"{i}", a_turn())) for i in range(6)]
    await asyncio.sleep(0)
    for other in others[::2]:
        other.cancel()
    await asyncio.wait(others)
    assert [other.cancelled() for other in others] == [True, False] * 3
    assert [await watched.head(f"{i}") is None for i in range(6)] == [True, False] * 3
    await asyncio.gather(*slow)


async def test_a_cancelled_append_of_a_group_ends_when_its_outcome_is_certain(watched: PostgresStorage) -> None:
    others = [asyncio.ensure_future(watched.append(f"{i}", a_turn())) for i in range(LANES)]
    group = [asyncio.ensure_future(watched.append("cancelled", a_turn(body=b"slow")))]
    group += [asyncio.ensure_future(watched.append(f"beside {i}", a_turn())) for i in range(6)]
    await asyncio.gather(*others)
    for _ in range(3):
        group[0].cancel()
        await asyncio.sleep(0.01)
    await asyncio.wait(group[:1])
    assert group[0].cancelled()
    assert await bodies(watched, "cancelled") == [b"slow"]
    assert [(await one).revision for one in group[1:]] == [1] * 6


async def test_a_cancelled_read_ends_at_once(storage: PostgresStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "PATIENCE_S", 60)
    await storage.head("made")
    reads = [asyncio.ensure_future(storage.read(f"{i}", last_turns=1)) for i in range(20)]
    await asyncio.sleep(0)
    for read in reads[LANES:]:
        read.cancel()
    await asyncio.sleep(0)
    assert [read.cancelled() for read in reads] == [False] * LANES + [True] * (20 - LANES)
    assert [found.info for found in await asyncio.gather(*reads[:LANES])] == [None] * LANES


async def test_closing_waits_for_the_calls_that_wait(watched: PostgresStorage) -> None:
    appends = [asyncio.ensure_future(watched.append(f"{i}", a_turn(body=b"slow"))) for i in range(LANES + 4)]
    reads = [asyncio.ensure_future(watched.read(f"{i}", last_turns=1)) for i in range(20)]
    await asyncio.sleep(0)
    await watched.close()
    assert {(await one).revision for one in appends} == {1}
    assert len(await asyncio.gather(*reads)) == 20
    with pytest.raises(StorageUnavailable, match="closed"):
        await watched.append("a", a_turn())


async def test_reads_at_once_return_their_blobs(storage: PostgresStorage) -> None:
    shown = replace(a_turn(), blobs=(CAT, DOG))
    await asyncio.gather(*(storage.append(f"{i}", shown if i % 2 else a_turn()) for i in range(20)))

    async def read(blobs: int | None) -> list[ThreadSlice]:
        return await asyncio.gather(*(storage.read(f"{i}", last_messages=20, blobs=blobs) for i in range(20)))

    given = {CAT.digest: CAT.data, DOG.digest: DOG.data}
    assert [found.blobs for found in await read(None)] == [{}, given] * 10
    assert [found.blobs for found in await read(0)] == [{}, {}] * 10
    assert [found.records[0].blobs for found in await read(0)] == [(), tuple(given)] * 10


async def test_groups_of_two_processes_never_deadlock(
    storage: PostgresStorage, url: str, db: Connection, schema: str
) -> None:
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    await storage.head("made")
    before = await (await db.execute(deadlocks)).fetchone()
    async with PostgresStorage(url, schema=schema) as other:

        async def work(storage: PostgresStorage, order: range) -> None:
            for _ in range(10):
                await asyncio.gather(*(storage.append(f"{i}", a_turn()) for i in order))

        await asyncio.gather(work(storage, range(40)), work(other, range(39, -1, -1)))
    await db.execute("SELECT pg_stat_force_next_flush()")
    assert await (await db.execute(deadlocks)).fetchone() == before
    assert {info.turns async for info in storage.threads()} == {20}


class LosingPool:
    """A pool that loses the answer to the first transaction of several appends.

    Attributes:
        has_lost: True after that.
    """

    def __init__(self, url: str, schema: str) -> None:
        self.has_lost = False
        self._url = url
        query = "SELECT FROM {} WHERE xmin::text = pg_current_xact_id_if_assigned()::text"
        self._written = SQL(query).format(Identifier(schema, "turns"))

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Lend a new connection, and commit at the end."""
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            yield connection
            is_group = (await connection.execute(self._written)).rowcount > 1
        if is_group and not self.has_lost:
            self.has_lost = True
            raise psycopg.OperationalError("the connection ended")


async def test_a_group_whose_answer_was_lost_is_acknowledged_once(url: str, schema: str) -> None:
    async with PostgresStorage(url, schema=schema) as storage:
        await storage.head("made")
    pool = LosingPool(url, schema)
    async with PostgresStorage(schema=schema, pool=pool) as storage:
        appended = await asyncio.gather(
            *(storage.append(f"{i}", a_turn(f"id {i}" if i % 2 else None)) for i in range(20))
        )
        assert pool.has_lost
        assert {(one.revision, one.replayed, one.created) for one in appended} == {(1, False, True)}
        assert [len(await bodies(storage, f"{i}")) for i in range(20)] == [1] * 20
