"""The answer to a commit is lost, and another writer changes the thread before the storage asks again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg
import pytest

from recuerda.errors import StorageUnavailable
from recuerda.postgres import PostgresStorage
from recuerda.storage.records import NewTurn
from tests.postgres.conftest import Connection


class LosingPool:
    """A pool that loses the next answer when it is given something to do in between.

    Attributes:
        meanwhile: done after the next commit, whose answer is lost.
    """

    def __init__(self, url: str) -> None:
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self._url = url

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Lend a new connection, and commit at the end."""
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            yield connection
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            await meanwhile()
            raise psycopg.OperationalError("the connection ended")


def a_turn(id: str | None = None) -> NewTurn:
    return NewTurn(body=b"turn", message_count=1, id=id)


async def test_an_append_that_was_trimmed_before_the_storage_asks_again_is_acknowledged(
    url: str, schema: str, storage: PostgresStorage
) -> None:
    pool = LosingPool(url)
    async with PostgresStorage(schema=schema, pool=pool) as losing:
        for revision in (1, 3):
            await losing.head("a")

            async def trim(storage: PostgresStorage = storage) -> None:
                await storage.append("a", a_turn(), keep_messages=1)

            pool.meanwhile = trim
            appended = await losing.append("a", a_turn())
            assert (appended.revision, appended.replayed, appended.created) == (revision, False, revision == 1)


async def test_an_append_of_the_same_id_by_another_caller_is_a_replay(
    url: str, schema: str, storage: PostgresStorage
) -> None:
    pool = LosingPool(url)
    async with PostgresStorage(schema=schema, pool=pool) as losing:
        await losing.head("a")

        async def undo_and_append() -> None:
            await storage.undo("a")
            await storage.append("a", a_turn("t"))

        pool.meanwhile = undo_and_append
        assert (await losing.append("a", a_turn("t"))).replayed


async def test_a_deletion_is_not_denied_when_its_answer_was_lost(
    url: str, schema: str, storage: PostgresStorage
) -> None:
    pool = LosingPool(url)
    async with PostgresStorage(schema=schema, pool=pool) as losing:
        await losing.append("a", a_turn())
        pool.meanwhile = lambda: storage.head("a")
        with pytest.raises(StorageUnavailable, match=r"the answer .* was lost"):
            await losing.delete("a")
        assert await losing.delete("a") is False
