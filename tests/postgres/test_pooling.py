"""Behind a pooler in transaction mode: no statement counts on the connection of the one before.

The pooler is a stand-in (see `tests/servers/transaction_pooler.py`); PgBouncer itself is not to be had from a package
index. Here and on an application's pool, statements travel over other connections than the storage's own; the tests of
rules that do not depend on a connection are in `tests/storage/test_contract.py` alone.
"""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from recuerda._drivers.postgres.pools import is_direct
from recuerda.errors import ThreadConflict
from recuerda.postgres import PostgresStorage
from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn
from recuerda.testing.storage_contract import LeaseContract, RewriteContract
from tests.postgres.conftest import Connection
from tests.servers.transaction_pooler import Pooler, transaction_pooler
from tests.variant_contract import VariantContract


@pytest.fixture
async def pooler(url: str) -> AsyncIterator[Pooler]:
    async with transaction_pooler(url.rpartition("host=")[2]) as pooler:
        yield pooler


class TestBehindAPooler(VariantContract, LeaseContract, RewriteContract):
    @pytest.fixture
    async def storage(self, pooler: Pooler, schema: str) -> AsyncIterator[Storage]:
        async with PostgresStorage(pooler.url, schema=schema) as storage:
            yield storage

    @pytest.fixture
    async def another(self, pooler: Pooler, schema: str) -> AsyncIterator[Storage]:
        async with PostgresStorage(pooler.url, schema=schema) as another:
            yield another


class TestOnAnApplicationsPool(VariantContract, LeaseContract, RewriteContract):
    """Sessions are hostile here: other settings, another row factory, and a transaction around each statement."""

    @pytest.fixture
    async def storage(self, url: str, schema: str) -> AsyncIterator[Storage]:
        async def configure(connection: Connection) -> None:
            connection.row_factory = dict_row
            await connection.execute("SET search_path TO pg_temp")
            await connection.execute("SET default_transaction_isolation TO 'repeatable read'")
            await connection.execute("SET bytea_output TO 'escape'")
            await connection.execute("SET DateStyle TO 'German'")
            await connection.commit()

        pool = AsyncConnectionPool[Connection](url, min_size=2, max_size=8, open=False, configure=configure)
        async with pool, PostgresStorage(schema=schema, pool=pool) as storage:
            yield storage

    async def test_several_event_loops_may_share_one_storage(self, storage: Storage) -> None:
        """Not with this one: a pool belongs to its loop."""


async def test_through_a_pooler_nothing_is_prepared(pooler: Pooler, schema: str) -> None:
    async with PostgresStorage(pooler.url, schema=schema) as storage:
        for _ in range(10):
            await storage.append("a", NewTurn(body=b"", message_count=1))
            await storage.read("a")
    assert {name for name, _ in pooler.statements} == {""}


async def test_without_a_pooler_statements_are_prepared(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url) as direct:
        assert await is_direct(direct)


async def test_a_pooler_is_recognised(pooler: Pooler) -> None:
    async with await psycopg.AsyncConnection.connect(pooler.url, prepare_threshold=None) as pooled:
        assert not await is_direct(pooled)


async def test_no_statement_sets_listens_or_locks_for_the_session(pooler: Pooler, schema: str) -> None:
    async with PostgresStorage(pooler.url, schema=schema) as storage:
        await storage.append_all("a", [NewTurn(body=b"", message_count=1)] * 3, expected=0)
        await storage.append("a", NewTurn(body=b"", message_count=1), keep_messages=2)
        async with storage.lease("a"):
            await storage.read("a")
        await storage.delete("a")
    for _, statement in pooler.statements:
        text = statement.upper().replace("SET TRANSACTION", "").replace("PG_ADVISORY_XACT_LOCK", "")
        assert not text.startswith(("SET", "LISTEN", "NOTIFY", "PREPARE", "DECLARE")), statement
        assert "ADVISORY" not in text
        assert "TEMP" not in text


async def test_a_server_connection_is_left_as_it_was(pooler: Pooler, schema: str) -> None:
    async with await psycopg.AsyncConnection.connect(pooler.url, autocommit=True, prepare_threshold=None) as db:
        before = [await _session(db) for _ in range(3)]
        async with PostgresStorage(pooler.url, schema=schema, timeout_s=3) as storage:
            for number in range(7):
                await storage.append("a", NewTurn(body=b"", message_count=1), expected=number, keep_messages=3)
                await storage.read("a", last_messages=2)
            with pytest.raises(ThreadConflict):
                await storage.append("a", NewTurn(body=b"", message_count=1), expected=0)
        assert [await _session(db) for _ in range(3)] == before


async def test_clients_that_wait_for_a_pooler_all_get_their_turn(pooler: Pooler, schema: str) -> None:
    async with PostgresStorage(pooler.url, schema=schema) as one, PostgresStorage(pooler.url, schema=schema) as two:
        await asyncio.gather(
            *((one, two)[i % 2].append(f"{i % 7}", NewTurn(body=b"", message_count=1)) for i in range(90))
        )
        infos = [info async for info in one.threads()]
    assert sum(info.turns for info in infos) == 90


async def _session(db: Connection) -> object:
    found = await db.execute(
        "SELECT current_setting('search_path'), current_setting('lock_timeout'), current_setting('plan_cache_mode'), "
        "current_setting('transaction_isolation'), (SELECT count(*) FROM pg_prepared_statements), "
        "(SELECT count(*) FROM pg_cursors), (SELECT count(*) FROM pg_listening_channels()), "
        "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
    )
    return await found.fetchone()
