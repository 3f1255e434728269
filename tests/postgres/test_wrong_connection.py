"""Connections that live and are read-only: opened to a standby, or while the database or the role was read-only."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier
from psycopg_pool import AsyncConnectionPool

from recuerda.errors import StorageReadOnly
from recuerda.postgres import PostgresStorage
from recuerda.recall.postgres import PostgresRecallIndex
from tests.postgres.conftest import Connection
from tests.writes import WRITES, named_turn


class Role:
    """A role whose new sessions can be read-only. The sessions that are open stay as they are.

    Args:
        url: the server.
        db: a connection that may change roles.
    """

    def __init__(self, url: str, db: Connection) -> None:
        self.name = f"role_{uuid.uuid4().hex}"
        self.url = make_conninfo(url, user=self.name, application_name=self.name)
        self._db = db

    async def set_read_only(self, *, is_on: bool) -> None:
        value = SQL("on" if is_on else "off")
        await self._db.execute(
            SQL("ALTER ROLE {} SET default_transaction_read_only = {}").format(Identifier(self.name), value)
        )

    async def get_stuck(self, use: Callable[[], Awaitable[object]]) -> None:
        """Let the client open read-only connections, while all later connections can write."""
        query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s"
        await self._db.execute(query, (self.name,))
        await self.set_read_only(is_on=True)
        await asyncio.gather(*(use() for _ in range(4)))
        await self.set_read_only(is_on=False)


@pytest.fixture
async def role(url: str, db: Connection) -> AsyncIterator[Role]:
    role = Role(url, db)
    await db.execute(SQL("CREATE ROLE {} LOGIN SUPERUSER").format(Identifier(role.name)))
    yield role
    await db.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", (role.name,))
    for query in ("REASSIGN OWNED BY {} TO CURRENT_USER", "DROP ROLE {}"):
        await db.execute(SQL(query).format(Identifier(role.name)))


async def test_every_operation_leaves_read_only_connections_and_is_done_once(role: Role, schema: str) -> None:
    async with PostgresStorage(role.url, schema=schema) as storage:
        await storage.append_all("a", [named_turn("1"), named_turn("2"), named_turn("3")])
        await storage.append("b", named_turn("b"))
        for operation in WRITES.values():
            await role.get_stuck(lambda: storage.head("a"))
            await operation(storage)
        found = await storage.read("a")
        assert found.info is not None
        # 3 at first, 3 appended, an undo, a trim and a summary.
        assert (found.info.revision, found.info.title) == (9, "T")
        assert [record.body for record in found.records] == [b"4", b"five"]
        assert await storage.head("b") is None


async def test_connections_in_use_and_idle_are_not_lent_again(role: Role, schema: str) -> None:
    async with PostgresStorage(role.url, schema=schema, max_connections=4) as storage:
        await storage.append("a", named_turn("0"))
        await role.get_stuck(lambda: storage.head("a"))
        # The reads use the old connections, which succeed, at the same time as the appends.
        work = [storage.read("a") if i % 2 else storage.append(f"{i % 7}", named_turn(f"{i}")) for i in range(80)]
        await asyncio.gather(*work)
        appended = [record.id for i in range(7) for record in (await storage.read(f"{i}")).records]
        assert sorted(appended, key=int) == [f"{i}" for i in range(0, 80, 2)]


async def test_a_database_that_stays_read_only_is_tried_twice_and_then_named(role: Role, schema: str) -> None:
    async with PostgresStorage(role.url, schema=schema) as storage:
        await storage.append("a", named_turn("1"))
        await role.get_stuck(lambda: storage.head("a"))
        await role.set_read_only(is_on=True)
        for operation in (WRITES["append"], WRITES["undo"]):
            with pytest.raises(
                StorageReadOnly, match=r"also over a new connection .* standby.*several hosts"
            ) as caught:
                await operation(storage)
            assert "thread 'a'" in str(caught.value)
        assert len((await storage.read("a")).records) == 1
        await role.set_read_only(is_on=False)
        assert (await storage.append("a", named_turn("2"))).revision == 2


async def test_an_applications_own_pool_is_renewed(role: Role, schema: str) -> None:
    async with AsyncConnectionPool(role.url, min_size=3, open=False) as pool:
        storage = PostgresStorage(pool=pool, schema=schema)
        await storage.append("a", named_turn("1"))
        await role.get_stuck(lambda: storage.head("a"))
        assert (await storage.append("a", named_turn("2"))).revision == 2
        await storage.close()


async def test_the_index_of_memories_leaves_read_only_connections(role: Role, schema: str) -> None:
    index = PostgresRecallIndex(role.url, schema=schema)
    await index.stats()
    for operation in (lambda: index.erase(["a"], None), lambda: index.next_to_check(1), lambda: _vectors(index)):
        await role.get_stuck(index.stats)
        await operation()
    await role.get_stuck(index.stats)
    await role.set_read_only(is_on=True)
    with pytest.raises(StorageReadOnly, match=r"index of memories .* also over a new connection"):
        await index.erase(["a"], None)
    await index.close()


async def _vectors(index: PostgresRecallIndex) -> object:
    return await index.unembedded("s", "m", 1)
