"""The Cosmos DB storage: its arguments, its clients and its hooks."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import ClassVar, Self, TypeAlias, cast

from azure.core.credentials_async import AsyncTokenCredential
from azure.cosmos.aio import CosmosClient

from recuerda.cosmos import appending, blobs, directory, drafts, leases, reading, threads
from recuerda.cosmos.connections import AccountClient, ContainerPerLoop
from recuerda.cosmos.container import Container
from recuerda.cosmos.failures import DRIVER_ERRORS, translate
from recuerda.cosmos.items import MAX_BODY_BYTES
from recuerda.cosmos.places import ContainerPlace, parse_url
from recuerda.cosmos.provisioning import open_container
from recuerda.errors import ConfigurationError, InvalidInput, RecuerdaError
from recuerda.storage.contract import Clock, Storage, system_clock
from recuerda.storage.drafts import DraftInfo, DraftStep, first_drafts
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import Appended, Guard, NewBodies, NewRecord, ReadQuery, ThreadChanges, ThreadSlice
from recuerda.storage.records import Blob
from recuerda.storage.thread_filter import ListedThreads, Position, ThreadFilter, look_through
from recuerda.storage.thread_info import ThreadInfo

Credential: TypeAlias = str | AsyncTokenCredential

KEY_VARIABLE = "COSMOS_KEY"
"""The environment variable with the account's key, for a URL without a key."""


class CosmosStorage(Storage):
    """Keep threads in a container of Azure Cosmos DB for NoSQL.

    Args:
        url: a URL that replaces the arguments below; see `from_url`.
        endpoint: the account's address, such as `https://ACCOUNT.documents.azure.com`.
        credential: the account's key, or an asynchronous credential of azure-identity (Entra ID), which the caller
            closes. By default, the key in the environment variable `COSMOS_KEY`.
        database: the name of the database, which is created if it is missing and the credential allows it.
        container: the name of the container, which is created likewise.
        ttl: the time after which Cosmos DB deletes a turn (whole seconds, at least a minute); None keeps all turns. The
            counts in `ThreadInfo` still include expired turns.
        client: an `azure.cosmos.aio.CosmosClient` that is used instead of clients made here. The caller closes it, and
            the storage then works in that client's event loop only.
        connection_verify: False accepts any certificate: for emulators only.
        busy_timeout_s: seconds for which a write is retried before `StorageBusy`, while other writers keep changing the
            thread first or the service defers the write for lack of request units.
        clock: gives the time in microseconds since 1970.

    The account's consistency level decides how durable an acknowledged turn is. With every level except "strong", the
    turn is on a majority of the replicas in the region. The account needs a single write region, and at least session
    consistency (the default). With session consistency, another process may read an older state of a thread for a
    moment. An append is always checked against the newest state.
    """

    kind: ClassVar[str] = "cosmos"
    driver_errors: ClassVar[tuple[type[Exception], ...]] = DRIVER_ERRORS
    max_body_bytes: ClassVar[int | None] = MAX_BODY_BYTES
    max_blob_bytes: ClassVar[int | None] = None  # a blob is a number of items

    def __init__(
        self,
        url: str | None = None,
        *,
        endpoint: str | None = None,
        credential: Credential | None = None,
        database: str = "recuerda",
        container: str = "recuerda",
        ttl: timedelta | None = None,
        client: CosmosClient | None = None,
        connection_verify: bool = True,
        busy_timeout_s: float = 30.0,
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(clock=clock)
        place = ContainerPlace(endpoint or "", database, container, connection_verify)
        if url is not None:
            if endpoint is not None or credential is not None or client is not None:
                raise ConfigurationError(
                    "CosmosStorage got a url together with endpoint, credential or client; give one or the other"
                )
            place, credential, url_ttl = parse_url(url)
            ttl = url_ttl or ttl
        if bool(place.endpoint) == (client is not None):
            raise ConfigurationError("CosmosStorage needs either an endpoint (or a url) or a client; give one of them")
        ttl_s = _seconds(ttl)
        own_credential = None if client is not None else _credential(credential)
        self._place = place
        self._writing: weakref.WeakValueDictionary[tuple[int, str], asyncio.Lock] = weakref.WeakValueDictionary()

        def make_client() -> AccountClient:
            if own_credential is None:
                return cast("AccountClient", client)
            return cast("AccountClient", _make_client(place, own_credential, busy_timeout_s))

        async def open_it(client: AccountClient) -> Container:
            proxy = await open_container(client, place, needs_ttl=ttl_s is not None)
            return Container(proxy, ttl_s=ttl_s, busy_timeout_s=busy_timeout_s, clock=clock)

        # Neither function refers to the storage, so that the clients are closed when the storage is collected.
        self._containers = ContainerPerLoop(make_client, open_it, owns=client is None, name=str(place))

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the storage that a URL names.

        The form is `cosmos://:KEY@ACCOUNT.documents.azure.com/DATABASE/CONTAINER`, with a percent-encoded key. The key
        may be in the environment variable `COSMOS_KEY` instead, which keeps it out of command lines. Both names default
        to `recuerda`. Options: `?ttl=SECONDS`, and `?verify=false` for an emulator on this machine.
        """
        return cls(url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._place})"

    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        async with self._alone(thread_id) as container:
            return await appending.append(container, thread_id, record, guard)

    async def _append_all(self, thread_id: str, records: Sequence[NewRecord], guard: Guard) -> list[Appended]:
        async with self._alone(thread_id) as container:
            return await appending.append_all(container, thread_id, records, guard)

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        async with self._containers.use() as container:
            return await reading.read(container, thread_id, query)

    async def _list(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
        async with self._containers.use() as container:

            async def read_page(place: Position | None, count: int) -> Sequence[ThreadInfo]:
                return await directory.list_threads(container, wanted.user_id, count, place)

            return await look_through(read_page, wanted, limit, position)

    async def _walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        async with self._containers.use() as container:
            return await directory.walk(container, user_id, position)

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        async with self._alone(thread_id) as container:
            return await threads.update(container, thread_id, changes, now_us, guard)

    async def _delete(self, thread_id: str, guard: Guard) -> bool:
        async with self._alone(thread_id) as container:
            return await threads.delete(container, thread_id, guard)

    async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        async with self._alone(thread_id) as container:
            return await drafts.save(container, thread_id, step, guard)

    async def _load_draft(self, thread_id: str, guard: Guard) -> list[DraftStep]:
        async with self._containers.use() as container:
            return await drafts.load_steps(container, thread_id, guard)

    async def _list_drafts(self, limit: int, user_id: str | None, position: tuple[int, str] | None) -> list[DraftInfo]:
        async with self._containers.use() as container:
            return first_drafts(await drafts.list_drafts(container), limit, user_id, position)

    async def _drop_draft(self, thread_id: str, turn_id: str | None, guard: Guard) -> bool:
        async with self._alone(thread_id) as container:
            return await drafts.drop(container, thread_id, turn_id, guard)

    async def _rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        async with self._alone(thread_id) as container:
            return await threads.rewrite(container, thread_id, change, now_us, guard)

    async def _replace_blob(self, thread_id: str, digest: str, blob: Blob, guard: Guard) -> bool:
        async with self._alone(thread_id) as container:
            return await blobs.replace(container, thread_id, digest, blob, guard)

    async def _lease(self, thread_id: str, holder: str, ttl_us: int, guard: Guard) -> bool:
        async with self._containers.use() as container:
            return await leases.take(container, thread_id, holder, ttl_us, guard)

    async def _release(self, thread_id: str, holder: str) -> None:
        async with self._containers.use() as container:
            await leases.release(container, thread_id, holder)

    async def _list_leases(self, limit: int) -> list[LeaseInfo]:
        async with self._containers.use() as container:
            return await leases.list_held(container, limit)

    async def _close(self) -> None:
        await self._containers.close()

    def _translate(self, error: Exception, action: str) -> RecuerdaError:
        return translate(error, f"could not {action}", str(self._place))

    @asynccontextmanager
    async def _alone(self, thread_id: str) -> AsyncGenerator[Container]:
        """Queue the writes of this event loop to one thread.

        Without the queue, they would only slow each other down.
        """
        key = (id(asyncio.get_running_loop()), thread_id)
        lock = self._writing.get(key)
        if lock is None:
            lock = self._writing[key] = asyncio.Lock()
        async with self._containers.use() as container, lock:
            yield container


def _make_client(place: ContainerPlace, credential: Credential, busy_timeout_s: float) -> CosmosClient:
    return CosmosClient(
        place.endpoint,
        credential,
        connection_verify=place.verify,
        retry_throttle_total=1000,  # the limit is the time below: after a 429, the SDK waits as long as told
        retry_throttle_backoff_max=max(1, round(busy_timeout_s)),
        connection_timeout=10,
        read_timeout=60,
    )


def _credential(given: Credential | None) -> Credential:
    found = given or os.environ.get(KEY_VARIABLE)
    if not found:
        raise ConfigurationError(
            f"CosmosStorage has no key: set {KEY_VARIABLE}, or give a credential (a key or a token credential)"
        )
    return found


def _seconds(ttl: timedelta | None) -> int | None:
    if ttl is None:
        return None
    if ttl < timedelta(minutes=1):
        raise InvalidInput(f"ttl must be at least a minute, or None to keep all turns, but it is {ttl}")
    return int(ttl.total_seconds())
