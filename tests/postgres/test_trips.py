"""What a turn costs: round trips, counted on the wire, and pages of the database, counted by the server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from psycopg.sql import SQL, Identifier

from recuerda import ChatMessage, ChatMessageStore
from recuerda.postgres import PostgresStorage
from recuerda.postgres.statements import Statements
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from recuerda.storage.thread_filter import ThreadFilter
from recuerda.testing.storage_contract.blobs import CAT, DOG
from tests.postgres.conftest import Connection
from tests.servers.transaction_pooler import Pooler, transaction_pooler


@pytest.fixture
async def pooler(url: str) -> AsyncIterator[Pooler]:
    async with transaction_pooler(url.rpartition("host=")[2]) as pooler:
        yield pooler


@pytest.fixture
async def pooled(pooler: Pooler, schema: str) -> AsyncIterator[PostgresStorage]:
    async with PostgresStorage(pooler.url, schema=schema) as storage:
        await storage.head("made and migrated")
        yield storage


SIZES = (10, 1_000, 100_000)


def a_turn(**options: Any) -> NewTurn:
    return NewTurn(body=b"{}", message_count=2, **options)


async def test_a_turn_is_two_round_trips_one_to_read_and_one_to_append(pooler: Pooler, pooled: PostgresStorage) -> None:
    for number in range(5):
        pooler.trips = 0
        store = ChatMessageStore(storage=pooled, thread_id="a", max_messages=6)
        assert len(await store.list_messages(limit=20)) == min(2 * number, 6)
        await store.add_messages([ChatMessage("user", "hi"), ChatMessage("assistant", "hello")])
        assert pooler.trips == 2


async def test_every_operation_is_one_round_trip(pooler: Pooler, pooled: PostgresStorage) -> None:
    step = DraftStep(turn_id="new", revision=4, number=1, body=b"")
    calls = (
        lambda: pooled.append("a", a_turn(id="t"), expected=0, user_id="ana", title="T"),
        lambda: pooled.append("a", a_turn(id="t")),
        lambda: pooled.append("files", replace(a_turn(), blobs=(CAT, DOG))),
        lambda: pooled.read("files", last_messages=20, blobs=1),
        lambda: pooled.read_blobs("files", [CAT.digest, DOG.digest]),
        lambda: pooled.append("a", a_turn(), keep_messages=2),
        lambda: pooled.append("a", a_turn(), replaces=2),
        lambda: pooled.read("a", last_messages=20, turn_id="t"),
        lambda: pooled.read("a", last_messages=20, with_summary=True),
        lambda: pooled.read("a", before=3, last_turns=1),
        lambda: pooled.heads(["a", "files", "absent"]),
        lambda: pooled.list_threads(user_id="ana"),
        lambda: pooled.list_threads(user_id="ana", title="hi", metadata={"k": 1}, tags=["work"], archived=True),
        lambda: pooled.update_thread("a", title="U"),
        lambda: pooled.rewrite("a", {4: b"[]"}),
        lambda: pooled.save_draft("a", step),
        lambda: pooled.save_draft("a", replace(step, number=2)),
        lambda: pooled.load_draft("a"),
        pooled.list_drafts,
        lambda: pooled.drop_draft("a"),
        lambda: pooled.delete("a"),
    )
    for call in calls:
        pooler.trips = 0
        await call()
        assert pooler.trips == 1


async def test_a_list_follows_an_index_that_leaves_archived_threads_out(
    storage: PostgresStorage, schema: str, db: Connection
) -> None:
    await storage.head("made and migrated")
    await db.execute("SET enable_seqscan = off")  # a table without rows is read whole otherwise
    await db.execute("SET enable_bitmapscan = off")
    for wanted, index in (
        (ThreadFilter(user_id="ana", archived=False), "threads_by_user"),
        (ThreadFilter(user_id="ana", updated_from_us=5), "threads_by_user"),
        (ThreadFilter(archived=False), "threads_by_time"),
    ):
        for place in (None, (9, "a")):
            statement, values = Statements(schema).list(wanted, place, 51)
            found = await db.execute(b"EXPLAIN " + statement, values)
            plan = "\n".join([row[0] async for row in found])
            assert f"Index Scan Backward using {index}" in plan
            assert "Sort" not in plan
            condition = next((line for line in plan.splitlines() if "Index Cond" in line), "")
            assert ("archived" in condition) == (wanted.archived is not None)


async def test_a_list_of_drafts_follows_the_index_of_drafts(
    storage: PostgresStorage, schema: str, db: Connection
) -> None:
    await storage.head("made and migrated")
    await db.execute("SET enable_seqscan = off")  # a table without rows is read whole otherwise
    await db.execute("SET enable_bitmapscan = off")
    found = await db.execute(b"EXPLAIN " + Statements(schema).list_drafts, (5, 5, "a", None, None, 101))
    plan = "\n".join([row[0] async for row in found])
    assert "Index Scan using drafts_by_time" in plan
    assert "Index Scan using threads_pkey" in plan


async def test_many_turns_are_a_few_round_trips(pooler: Pooler, pooled: PostgresStorage) -> None:
    pooler.trips = 0
    await pooled.append_all("a", [a_turn() for _ in range(1000)])
    assert pooler.trips == 4  # BEGIN, twice 500 turns, COMMIT


async def test_a_turn_touches_as_many_pages_at_100000_messages_as_at_10(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    body = b"x" * 300
    for size in SIZES:
        await storage.append_all(f"{size}", [NewTurn(body=body, message_count=2)] * (size // 2))
    await db.execute(SQL("VACUUM ANALYZE {}, {}").format(Identifier(schema, "threads"), Identifier(schema, "turns")))
    read = SQL("{}(%s, 0, NULL, NULL, NULL, 20, NULL, NULL, false, NULL, 0, NULL)").format(
        Identifier(schema, "read_thread")
    )
    append = SQL(
        "{}(%s, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, %s, 1, NULL, 2, '', 'turn', NULL, NULL, NULL, NULL, "
        "1000)"
    ).format(Identifier(schema, "append_record"))
    reads = [await _pages(db, read, f"{size}") for size in SIZES]
    appends = [await _pages(db, append, f"{size}", "new") for size in SIZES]
    # Two trees grow by a level or two between 10 and 100,000 messages.
    assert max(reads) <= 20
    assert max(appends) <= min(appends) + 15
    assert max(appends) <= 60


async def test_a_stale_handle_with_a_window_reads_the_window(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    await storage.append_all("a", [NewTurn(body=b"x" * 300, message_count=2)] * 20_000)
    read = SQL("{}(%s, 1, NULL, NULL, NULL, 20, NULL, NULL, false, NULL, 0, NULL)").format(
        Identifier(schema, "read_thread")
    )
    assert await _pages(db, read, "a") <= 20
    page = SQL("{}(%s, 0, NULL, NULL, NULL, NULL, 10, NULL, false, 5001, 0, NULL)").format(
        Identifier(schema, "read_thread")
    )
    assert await _pages(db, page, "a") <= 20


@pytest.mark.parametrize("summaries", [0, 1, 300])
async def test_the_newest_summary_touches_a_few_pages_however_long_the_thread(
    storage: PostgresStorage, db: Connection, schema: str, summaries: int
) -> None:
    await storage.append_all("a", [NewTurn(body=b"x" * 300, message_count=2)] * 20_000)
    for _ in range(summaries):
        await storage.summarize("a", b"so far", through=19_995)
    await storage.append_all("a", [NewTurn(body=b"x" * 300, message_count=2)] * 10)
    if summaries:
        await storage.summarize("a", b"so far", through=20_005 + summaries)
    await db.execute(SQL("VACUUM ANALYZE {}").format(Identifier(schema, "turns")))
    read = SQL("{}(%s, 0, NULL, NULL, NULL, 20, NULL, NULL, true, NULL, 0, NULL)").format(
        Identifier(schema, "read_thread")
    )
    assert await _pages(db, read, "a") <= 40
    found = await storage.read("a", with_summary=True, last_messages=20)
    assert (found.summary is None, len(found.records)) == (not summaries, 5 if summaries else 10)


async def _pages(db: Connection, call: Any, *values: object) -> int:
    """Return how many pages a call touches, once its plans are made."""
    query = SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM ") + call
    if "append" in query.as_string():
        # Not the call that is counted, but one to make the plans.
        await db.execute(query, (values[0], f"warm {values[0]}"))
    else:
        await db.execute(query, values)
    found = await db.execute(query, values)
    row = await found.fetchone()
    assert row is not None
    plan = msgspec.convert(row[0], list[dict[str, Any]])[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


async def test_conversations_side_by_side_share_the_wait_for_a_distant_server(url: str, schema: str) -> None:
    async with (
        transaction_pooler(url.rpartition("host=")[2], size=10) as pooler,
        PostgresStorage(pooler.url, schema=schema) as storage,
    ):
        await asyncio.gather(*(storage.head("connect") for _ in range(50)))
        pooler.delay_s = 0.005
        pooler.trips = pooler.most_at_once = 0
        for i in range(30):
            await storage.append(f"{i}", a_turn())
        alone = pooler.trips / 30
        assert pooler.most_at_once == 1
        pooler.trips = 0
        await asyncio.gather(*(storage.append(f"{i}", a_turn()) for i in range(200)))
        # Trips at once are waited for once.
        together = pooler.trips / 200 / pooler.most_at_once
    assert alone >= 3 * together
