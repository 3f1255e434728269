"""The index of memories in PostgreSQL.

Each operation is one statement, on any free connection; a search reads the postings with a second one, and a removal of
documents is one transaction (see `terms.py`). The cost of a search depends only on its own scope, because the postings
begin with the scope. `recall/postings.py` finds the best documents, as for SQLite. New terms wait in pending documents,
and batches of them are entered in the background.
Vectors are compared in this process, within the scope. If they are many, the server first chooses those that share most
signs with the question's; see `recall/vectors.py`.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeVar

import psycopg

from recuerda._drivers.postgres.address import DEFAULT_SCHEMA, PostgresAddress, check_schema, split_schema
from recuerda._drivers.postgres.database import Database, Work
from recuerda._drivers.postgres.failures import DRIVER_ERRORS
from recuerda._drivers.postgres.pools import Connection, PoolSettings
from recuerda._events import fields
from recuerda.errors import ConfigurationError, InvalidInput, StorageBusy, StorageError
from recuerda.ids import check_limit
from recuerda.recall.facts import Fact, NewFact
from recuerda.recall.index import (
    CandidateQuery,
    Candidates,
    Correction,
    Document,
    Forgetting,
    HeldDocuments,
    HeldTurn,
    IndexStats,
    Position,
    RecallIndex,
    ScopeInfo,
    ThreadUpdate,
    Unembedded,
)
from recuerda.recall.postgres import failures
from recuerda.recall.postgres.entering import MAX_ENTERED, MAX_WAITING, Entering
from recuerda.recall.postgres.following import Following
from recuerda.recall.postgres.schema import prepare
from recuerda.recall.postgres.searching import Searching
from recuerda.storage.contract import Storage

T = TypeVar("T")

_logger = logging.getLogger("recuerda.recall")


class PostgresRecallIndex(RecallIndex):
    """Keep an index of memories in a schema of a PostgreSQL database.

    Args:
        url: `postgresql://user:password@host:5432/database`, with any parameter of libpq; or a libpq connection
            string. Parts that it leaves out come from libpq's environment variables and password file.
        schema: the name of the schema that holds the tables, whose names begin with `recall_`. It is created if it does
            not exist, and may be the schema of a storage.
        max_connections: the largest number of connections of each event loop. Connections open when needed, and close
            after ten minutes without use.
        timeout_s: the seconds to wait for a connection, for another writer, and for a server that is restarting.
        statement_timeout_s: the seconds after which a statement is cancelled.

    Connecting is lazy: the first operation creates the tables. The server holds the messages in plain text, even if the
    storage encrypts them.

    Raises:
        ConfigurationError: the URL or the schema's name cannot be used.
    """

    generation: int = 0

    def __init__(
        self,
        url: str = "",
        *,
        schema: str = DEFAULT_SCHEMA,
        max_connections: int = 10,
        timeout_s: float = 10.0,
        statement_timeout_s: float = 30.0,
    ) -> None:
        for name, value in (("timeout_s", timeout_s), ("statement_timeout_s", statement_timeout_s)):
            if not value > 0:
                raise ConfigurationError(f"{name} must be a number of seconds above 0, not {value!r}")
        address = PostgresAddress.parse(url, application_name="recuerda recall", timeout_s=timeout_s)
        self.place: str = address.place
        """Where the index is, `host:port/database`: without credentials, so it can be shown."""
        self.schema: str = check_schema(schema)
        self._statement_timeout_s = statement_timeout_s
        settings = PoolSettings(
            address=address,
            name=f"the index of memories in {address.place}",
            max_connections=check_limit(max_connections, "max_connections"),
            timeout_s=timeout_s,
            prepares=False,  # except those that are run often
        )
        self._database = Database(settings)
        self._searching = Searching(schema)
        lock_timeout_ms = max(1, round(timeout_s * 1000))
        self._entries = Entering(schema, lock_timeout_ms=lock_timeout_ms)
        self._following = Following(schema, self._entries, lock_timeout_ms=lock_timeout_ms)
        self._entering: dict[int, asyncio.Task[None]] = {}
        self._vacuuming: asyncio.Task[None] | None = None
        self._is_prepared = False
        self._epoch = 0
        self._can_look_at: dict[str, bool] = {}
        weakref.finalize(self, self._database.abandon)

    @classmethod
    def from_url(cls, url: str) -> PostgresRecallIndex:
        """Return the index at `postgresql://user:password@host:5432/database`; `?schema=name` names another schema."""
        address, schema = split_schema(url)
        return cls(address, schema=schema)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r}, schema={self.schema!r})"

    async def positions(self, thread_ids: Sequence[str]) -> dict[str, Position]:
        return self._seen(await self._run(partial(self._searching.positions, thread_ids)))

    async def followed(self, scope: str | None) -> dict[str, Position]:
        return self._seen(await self._run(partial(self._searching.followed, scope)))

    async def scopes(self, start: str, end: str) -> list[str]:
        return await self._run(partial(self._searching.scopes, start, end))

    async def apply(self, update: ThreadUpdate) -> bool:
        return await self._applied(partial(self._following.apply, update))

    async def apply_checked(self, update: ThreadUpdate, storage: Storage, *, first: int) -> bool | None:
        threads = getattr(storage, "schema", None)
        if not isinstance(threads, str) or not await self._can_look(threads, storage, update):
            return None
        return await self._applied(partial(self._following.apply_checked, update, threads, first))

    async def _can_look(self, threads: str, storage: Storage, update: ThreadUpdate) -> bool:
        """Return True if the storage's threads are in this database, where this role may read them."""
        if update.expected is None or (storage.kind, getattr(storage, "place", None)) != ("postgresql", self.place):
            return False
        if (known := self._can_look_at.get(threads)) is None:
            looking = partial(self._following.can_look, threads, update.thread_id, update.expected.incarnation)
            known = self._can_look_at[threads] = await self._run(looking)
        return known

    async def _applied(self, work: Work[tuple[int, int] | None]) -> bool:
        applied = await self._run(work)
        if applied is None:
            return False
        scope, waiting = applied
        if waiting >= MAX_ENTERED:
            await self._enter(scope)
        elif waiting >= MAX_WAITING and scope not in self._entering:
            self._entering[scope] = asyncio.create_task(self._enter_later(scope))
        if self._entries.wants_vacuum and self._vacuuming is None:
            self._vacuuming = asyncio.create_task(self._vacuum_later())
        return True

    async def scope_info(self, scope: str) -> ScopeInfo:
        return self._seen(await self._run(partial(self._searching.scope_info, scope)))

    async def overview(
        self, thread_ids: Sequence[str], scopes: Sequence[str]
    ) -> tuple[dict[str, Position], dict[str, ScopeInfo]]:
        return self._seen(await self._run(partial(self._searching.overview, thread_ids, scopes)))

    async def candidates(self, query: CandidateQuery) -> Candidates:
        return await self._run(partial(self._searching.candidates, query))

    async def documents(self, keys: Sequence[int]) -> dict[int, Document]:
        return (await self.documents_at(keys))[0]

    async def documents_at(self, keys: Sequence[int]) -> tuple[dict[int, Document], dict[str, Position]]:
        return await self._run(partial(self._searching.documents, keys)) if keys else ({}, {})

    async def holders(self, thread_id: str, turn: int) -> list[HeldTurn]:
        return await self._run(partial(self._searching.holders, thread_id, turn))

    async def held(self, turns: Sequence[Forgetting], limit: int) -> HeldDocuments:
        return await self._run(partial(self._searching.held, turns, limit))

    async def newest(self, scope: str, before: int | None, limit: int) -> list[int]:
        return await self._run(partial(self._searching.newest, scope, before, limit))

    async def forgotten(self, scope: str, limit: int) -> list[Forgetting]:
        return await self._run(partial(self._searching.forgotten, scope, limit))

    async def forget(self, forgettings: Sequence[Forgetting]) -> int:
        return await self._run(partial(self._following.forget, forgettings)) if forgettings else 0

    async def known_threads(self, after: str, limit: int) -> list[str]:
        return await self._run(partial(self._searching.known_threads, after, limit))

    async def next_to_check(self, limit: int) -> list[str]:
        return await self._run(partial(self._following.next_to_check, limit))

    async def erase(self, thread_ids: Sequence[str], scope: str | None) -> int:
        return await self._run(partial(self._following.erase, thread_ids, scope))

    async def unembedded(self, scope: str, model_id: str, limit: int) -> list[Unembedded]:
        return await self._run(partial(self._searching.unembedded, scope, model_id, limit))

    async def copied_vectors(self, scope: str, model_id: str, keys: Sequence[int]) -> dict[int, Sequence[float]]:
        return await self._run(partial(self._searching.copied_vectors, scope, model_id, keys))

    async def vector_models(self, scope: str) -> dict[str, int]:
        return await self._run(partial(self._searching.vector_models, scope))

    async def vector_dimensions(self, scope: str, model_id: str) -> int | None:
        return await self._run(partial(self._searching.vector_dimensions, scope, model_id))

    async def add_vectors(
        self,
        scope: str,
        model_id: str,
        vectors: Mapping[int, Sequence[float]],
        *,
        generation: int | None = None,
    ) -> None:
        if vectors and generation in (None, self.generation):
            await self._run(partial(self._following.add_vectors, scope, model_id, vectors))

    async def add_facts(
        self, thread_id: str, position: Position, turn: int, facts: Sequence[NewFact], *, turn_id: str | None = None
    ) -> None:
        await self._run(partial(self._following.add_facts, thread_id, position, turn, facts, turn_id=turn_id))

    async def correct_message(self, message: Document, position: Position, text: str, at_us: int) -> int | None:
        return await self._run(partial(self._following.correct_message, message, position, text, at_us))

    async def correct_fact(self, scope: str, fact: int, text: str, at_us: int) -> int | None:
        return await self._run(partial(self._following.correct_fact, scope, fact, text, at_us))

    async def take_back(self, scope: str, fact: int) -> bool:
        return await self._run(partial(self._following.take_back, scope, fact))

    async def corrections(self, scope: str) -> list[Correction]:
        return await self._run(partial(self._searching.corrections, scope))

    async def facts_through(self, thread_id: str, incarnation: str) -> int | None:
        return await self._run(partial(self._searching.facts_through, thread_id, incarnation))

    async def facts(self, scope: str, *, has_history: bool = False) -> list[Fact]:
        return await self._run(partial(self._searching.facts, scope, has_history=has_history))

    async def stats(self) -> IndexStats:
        return await self._run(self._searching.stats)

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        running = [*self._entering.values(), *([] if self._vacuuming is None else [self._vacuuming])]
        await asyncio.gather(*(task for task in running if task.get_loop() is loop))
        await self._database.close()

    async def _enter(self, scope: int) -> None:
        while await self._run(partial(self._entries.enter_pending, scope)):
            pass

    async def _enter_later(self, scope: int) -> None:
        """Enter pending terms while nobody waits. Until then, a search reads them from the pending documents."""
        try:
            await self._enter(scope)
        except StorageError as error:
            _logger.warning(
                "terms of memories could not be entered, which is tried again later: %s",
                error,
                extra=fields("terms_not_entered", error=type(error).__name__),
            )
        finally:
            self._entering.pop(scope, None)

    async def _vacuum_later(self) -> None:
        """Give the space of old rows to new ones while nobody waits. PostgreSQL's own vacuum comes later."""
        try:
            await self._run(self._entries.vacuum)
        except StorageError as error:
            _logger.debug(
                "the postings of memories could not be vacuumed: %s",
                error,
                extra=fields("postings_not_vacuumed", error=type(error).__name__),
            )
        finally:
            self._vacuuming = None

    async def _run(self, work: Work[T]) -> T:
        """Run `work` on a connection. If somebody has dropped the tables, they are created again, once."""
        try:
            try:
                return await self._database.run(partial(self._in_time, work))
            except psycopg.Error as error:
                if not failures.is_gone(error):
                    raise
            self._is_prepared = False
            return await self._database.run(partial(self._in_time, work))
        except DRIVER_ERRORS as error:
            raise failures.translate(error, self.place) from error

    async def _in_time(self, work: Work[T], connection: Connection) -> T:
        try:
            async with asyncio.timeout(self._statement_timeout_s):
                if not self._is_prepared:
                    await self._prepare(connection)
                return await work(connection)
        except TimeoutError as error:
            raise StorageBusy(
                f"the index of memories in {self.place} took longer than {self._statement_timeout_s:g} s; try again, "
                "or raise statement_timeout_s"
            ) from error
        except UnicodeEncodeError:
            # The driver's error is not chained, because it quotes the text.
            raise InvalidInput(
                f"the index of memories in {self.place} cannot keep a text with a lone surrogate; replace it"
            ) from None

    async def _prepare(self, connection: Connection) -> None:
        self._note(await prepare(connection, self.schema, self.place))
        self._is_prepared = True

    def _seen(self, found: tuple[int, T]) -> T:
        self._note(found[0])
        return found[1]

    def _note(self, epoch: int) -> None:
        """Compare the memories' epoch with the epoch that this process knows."""
        if self._epoch not in (0, epoch):
            self.generation += 1
        self._epoch = epoch
