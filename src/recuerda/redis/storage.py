"""The Redis storage. Each hook is one script or command, and so one trip to the server.

The server's settings decide what an acknowledged turn survives. With `appendonly yes` and `appendfsync always` it
survives a crash of the machine. With `everysec`, a crash may lose the last second. With snapshots, it loses the turns
since the last snapshot.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Self, cast
from urllib.parse import parse_qsl, urlencode

import msgspec
from redis.credentials import CredentialProvider

from recuerda.errors import (
    ConfigurationError,
    DraftConflict,
    RecuerdaError,
    StorageUnavailable,
    ThreadConflict,
    TurnDropped,
    TurnGone,
)
from recuerda.ids import new_id
from recuerda.redis import faults, scripts, wire
from recuerda.redis.keys import ThreadKeys, check_prefix
from recuerda.redis.listing import enter, list_drafts, list_leases, list_threads, move_entries, walk_threads
from recuerda.redis.sentinel import is_sentinel_url
from recuerda.redis.server import Address, Persistence, Server, check_url
from recuerda.redis.trips import Argument, RedisCall
from recuerda.storage.contract import Clock, Storage, system_clock
from recuerda.storage.drafts import DraftInfo, DraftStep, first_drafts
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import Appended, Guard, NewBodies, NewRecord, ReadQuery, ThreadChanges, ThreadSlice
from recuerda.storage.records import MAX_NUMBER, NO_BLOBS, Blob
from recuerda.storage.rules import of_another_user
from recuerda.storage.thread_filter import ListedThreads, Position, ThreadFilter, look_through
from recuerda.storage.thread_info import ThreadInfo, ThreadParent

DEFAULT_URL = "redis://localhost:6379"
DEFAULT_PREFIX = "recuerda"
DEFAULT_CONNECTIONS = 8
DEFAULT_TIMEOUT_S = 10.0
RETRY_AFTER_S = 0.05
MAX_GROUP_RECORDS = 200
MAX_GROUP_BYTES = 4_000_000
_OPTIONS = {"key_prefix", "ttl_s", "max_connections", "timeout_s", "cluster"}


class RedisStorage(Storage):
    """Keep threads on a Redis server, version 6.2 or later, or on a Redis Cluster.

    Args:
        url: `redis://[user:password@]host[:port][/database]`, `rediss://…` for TLS, or `unix://…`. With Sentinels:
            `redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/database]`, or `rediss+sentinel://…`
            for TLS. Storages with the same URL share their connections.
        key_prefix: the start of every key. Storages with different prefixes do not see each other's threads. It has no
            braces.
        ttl: a thread expires when it has been neither read nor written for this time. None sets no expiry, and leaves
            an expiry that another storage has set.
        redis_client: the application's own asyncio client, instead of `url`. The application closes it.
        credential_provider: a credential provider of redis-py, for user names and passwords that change.
        cluster: True if the URL names a node of a Redis Cluster. For a `redis_client`, its type decides.
        max_connections: the largest number of connections per URL and event loop. Further commands wait and then share
            a trip.
        timeout_s: seconds to wait for a connection, and for an answer.
        clock: gives the time in microseconds since 1970.

    When the connection breaks, appends, reads, updates and drafts are sent once more; a repeated write recognizes the
    result of the first write by its id. When the server refuses a write because it was demoted to a replica, all older
    connections are closed, and the write is sent once more over a new connection.

    In a cluster, the listings are on other nodes than the threads, and change after the threads. If a process dies in
    between, a listing is one step behind until `list_threads` reaches the entry and corrects it, and a new thread may
    stay unlisted until its next turn. The turns themselves are never affected.
    """

    kind: ClassVar[str] = "redis"
    driver_errors: ClassVar[tuple[type[Exception], ...]] = faults.DRIVER_ERRORS
    # A server takes arguments of up to 512 MB (`proto-max-bulk-len`):
    # https://redis.io/docs/latest/develop/reference/protocol-spec/
    max_blob_bytes: ClassVar[int | None] = 512 * 1024 * 1024

    def __init__(
        self,
        url: str | None = None,
        *,
        key_prefix: str = DEFAULT_PREFIX,
        ttl: timedelta | None = None,
        redis_client: object | None = None,
        credential_provider: CredentialProvider | None = None,
        cluster: bool = False,
        max_connections: int = DEFAULT_CONNECTIONS,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(clock=clock)
        if ttl is not None and ttl < timedelta(milliseconds=1):
            raise ConfigurationError(f"ttl must be at least a millisecond, or None for no expiry, but it is {ttl!r}")
        self.key_prefix: str = check_prefix(key_prefix)
        self.ttl = ttl
        if max_connections < 1:
            raise ConfigurationError(f"max_connections must be at least 1, but it is {max_connections}")
        if not 0 < timeout_s < math.inf:
            raise ConfigurationError(f"timeout_s must be a number of seconds above 0, but it is {timeout_s}")
        if redis_client is not None and (url is not None or credential_provider is not None):
            raise ConfigurationError(
                "redis_client was given together with url or credential_provider; give one or the other"
            )
        if redis_client is not None:
            server = Server.of_client(redis_client, max_connections=max_connections)
        else:
            if cluster and is_sentinel_url(url or ""):
                raise ConfigurationError("a Redis Cluster has no Sentinels; give the URL of one of its nodes")
            address = Address(
                url=check_url(url or DEFAULT_URL),
                is_cluster=cluster,
                max_connections=max_connections,
                timeout_s=timeout_s,
                credential_provider=credential_provider,
            )
            server = Server.shared(address)
        self._timeout_s = timeout_s
        self._join(server)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the storage that a URL names.

        The query of the URL may set `key_prefix`, `ttl_s`, `max_connections`, `timeout_s` and `cluster=true`. Other
        settings are passed on to redis-py.

        Raises:
            ConfigurationError: the text is not the URL of a Redis server, or a setting has an invalid value.
        """
        address, _, text = url.partition("?")
        query = dict(parse_qsl(text, keep_blank_values=True))
        ours = {name: query.pop(name) for name in _OPTIONS & query.keys()}
        options: dict[str, Any] = {}
        try:
            if "key_prefix" in ours:
                options["key_prefix"] = ours["key_prefix"]
            if "ttl_s" in ours:
                options["ttl"] = timedelta(seconds=float(ours["ttl_s"]))
            if "max_connections" in ours:
                options["max_connections"] = int(ours["max_connections"])
            if "timeout_s" in ours:
                options["timeout_s"] = float(ours["timeout_s"])
            options["cluster"] = {"true": True, "false": False}[ours.get("cluster", "false")]
        except (ValueError, KeyError, OverflowError):
            raise ConfigurationError(
                "the URL of a Redis server has an invalid setting: ttl_s, max_connections and timeout_s are numbers, "
                "and cluster is true or false"
            ) from None
        return cls(f"{address}?{urlencode(query)}" if query else address, **options)

    def with_prefix(self, key_prefix: str) -> Self:
        """Return a storage with another key prefix on the same server. Both storages have to be closed."""
        other = type(self).__new__(type(self))
        Storage.__init__(other, clock=self.clock)
        other.key_prefix = check_prefix(key_prefix)
        other.ttl = self.ttl
        other._timeout_s = self._timeout_s
        other._join(self._server)
        return other

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._server.name!r}, key_prefix={self.key_prefix!r})"

    @property
    def persistence(self) -> Persistence:
        """How the server keeps its data on disk; "unknown" before the first operation, or if it does not say."""
        return self._server.persistence

    async def read_list(self, key: str) -> list[bytes]:
        """Return the entries of any Redis list; an empty list if there is no such key.

        The key is used without the storage's prefix.
        """
        with self._translated("read", None):
            return cast("list[bytes]", await self.run(RedisCall("LRANGE", (key,), (0, -1)), is_repeatable=True))

    def _join(self, server: Server) -> None:
        self._keys = ThreadKeys(self.key_prefix)
        self._ttl_ms = None if self.ttl is None else self.ttl // timedelta(milliseconds=1)
        self._server = server
        self._is_closed = False
        self._process = os.getpid()
        self._under_way: set[object] = set()
        server.users.add(self)

    # -- the hooks -----------------------------------------------------------------------------------------------------

    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        about = wire.pack(_about(record))
        arguments = (about, wire.pack_record(record), *wire.blob_arguments(record))
        reply = await self._change(scripts.APPEND, thread_id, guard, *arguments)
        return _appended(thread_id, record, cast("int | bytes | wire.Refusal", reply), guard)

    async def _append_all(self, thread_id: str, records: Sequence[NewRecord], guard: Guard) -> list[Appended]:
        done: list[Appended] = []
        for group in _groups(records):
            arguments: list[Argument] = []
            for record in group:
                arguments += (wire.pack(_about(record)), wire.pack_record(record), *wire.blob_arguments(record))
            reply = await self._change(scripts.APPEND_ALL, thread_id, guard, *arguments)
            replies = cast("list[int | bytes | wire.Refusal]", reply)
            done += [_appended(thread_id, *one, guard) for one in zip(group, replies, strict=False)]
            guard = Guard(user_id=guard.user_id)
        return done

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        about = (
            query.after,
            query.incarnation,
            query.record_id,
            query.edits,
            query.last_messages,
            query.last_turns,
            query.turn_id,
            self._ttl_ms,
            query.with_summary,
            query.before,
            None if query.blobs is None else min(query.blobs, MAX_NUMBER),
        )
        digests = [wire.digest_bytes(digest) for digest in query.digests]
        keys = self._keys.both(thread_id)
        reply = await self.run(RedisCall(scripts.READ, keys, (wire.pack(about), *digests)), is_repeatable=True)
        if isinstance(reply, int):
            return ThreadSlice(info=None)
        look = wire.read_look(cast("bytes", reply))
        return ThreadSlice(
            info=look.info(thread_id),
            records=tuple(map(wire.read_record, reversed(look.records))),
            start=look.start,
            is_continued=look.is_continued,
            found=None if look.found is None else wire.read_record(look.found),
            dropped=look.dropped or None,
            summary=None if look.summary is None else wire.read_record(look.summary),
            has_draft=look.has_draft,
            blobs=wire.read_blobs(look.blobs) if look.blobs else NO_BLOBS,
        )

    async def _list(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
        is_exact = self._server.has_all_keys

        async def read_page(place: Position | None, count: int) -> Sequence[ThreadInfo]:
            return await list_threads(
                self.run, self._keys, user_id=wanted.user_id, limit=count, position=place, is_exact=is_exact
            )

        return await look_through(read_page, wanted, limit, position)

    async def _walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        return await walk_threads(self.run, self._keys, user_id=user_id, position=position)

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        about = (
            wire.digits(now_us),
            new_id(),
            new_id(),
            _unset_none_false(changes.user_id),
            _unset_none_false(changes.title),
            changes.title_turn,
            None if changes.metadata is msgspec.UNSET else wire.pack_metadata(changes.metadata),
            _unset_none_false(_parent_json(changes.parent)),
            None if changes.archived is msgspec.UNSET else changes.archived,
            _unset_none_false(_tags_json(changes.tags)),
            None if changes.changed_us is None else wire.digits(changes.changed_us),
        )
        reply = await self._change(scripts.UPDATE, thread_id, guard, wire.pack(about))
        look = wire.read_look(cast("bytes", _accepted(thread_id, reply, guard)))
        return look.info(thread_id)

    async def _delete(self, thread_id: str, guard: Guard) -> bool:
        reply = await self._change(scripts.DELETE, thread_id, guard, is_repeatable=False)
        return _accepted(thread_id, reply, guard) == 1

    async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        created = wire.digits(step.created_us)
        about = wire.pack((step.number, step.turn_id, step.revision, created, new_id(), step.previous))
        reply = await self._change(scripts.SAVE, thread_id, guard, about, wire.pack_step_head(step), step.body)
        if reply == [wire.NO_STEP, 0]:
            raise DraftConflict(thread_id, turn_id=step.turn_id, number=step.number)
        return cast("bytes", _accepted(thread_id, reply, guard, expected=step.revision)).decode()

    async def _load_draft(self, thread_id: str, guard: Guard) -> list[DraftStep]:
        call = RedisCall(scripts.LOAD, self._keys.both(thread_id), (wire.pack_guard(guard),))
        steps = _accepted(thread_id, await self.run(call, is_repeatable=True), guard)
        return sorted(map(wire.read_step, cast("list[bytes]", steps)), key=lambda step: step.number)

    async def _list_drafts(self, limit: int, user_id: str | None, position: tuple[int, str] | None) -> list[DraftInfo]:
        found = await list_drafts(self.run, self._keys, await self._server.nodes())
        return first_drafts(found, limit, user_id, position)

    async def _drop_draft(self, thread_id: str, turn_id: str | None, guard: Guard) -> bool:
        call = RedisCall(scripts.DROP, self._keys.both(thread_id), (wire.pack_guard(guard), turn_id or ""))
        reply = await self.run(call)
        if reply == [wire.NO_STEP, 0]:
            raise DraftConflict(thread_id, turn_id=turn_id or "", number=0)
        return _accepted(thread_id, reply, guard) == 1

    async def _rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        changes: list[bytes | int] = []
        for number, body in change.bodies.items():
            changes += (number, body, b"".join(map(wire.digest_bytes, change.released_by(number))))
        arguments = (wire.pack_guard(guard), new_id(), wire.digits(now_us), *changes)
        call = RedisCall(scripts.REWRITE, (self._keys.thread(thread_id),), arguments)
        return cast("int", _accepted(thread_id, await self.run(call, is_repeatable=True), guard)) or None

    async def _replace_blob(self, thread_id: str, digest: str, blob: Blob, guard: Guard) -> bool:
        names = wire.digest_bytes(digest), wire.digest_bytes(blob.digest)
        call = RedisCall(
            scripts.REPLACE_BLOB, (self._keys.thread(thread_id),), (wire.pack_guard(guard), *names, blob.data)
        )
        return _accepted(thread_id, await self.run(call), guard) == 1

    async def _lease(self, thread_id: str, holder: str, ttl_us: int, guard: Guard) -> bool:
        ttl_ms = max(1, ttl_us // 1000)
        keys = (self._keys.lease(thread_id), self._keys.thread(thread_id))
        call = RedisCall(scripts.LEASE, keys, (wire.pack_guard(guard), holder, ttl_ms))
        return _accepted(thread_id, await self.run(call, is_repeatable=True), guard) == 1

    async def _release(self, thread_id: str, holder: str) -> None:
        await self.run(RedisCall(scripts.RELEASE, (self._keys.lease(thread_id),), (holder,)), is_repeatable=True)

    async def _list_leases(self, limit: int) -> list[LeaseInfo]:
        return await list_leases(self.run, self._keys, await self._server.nodes(), limit)

    async def _close(self) -> None:
        self._is_closed = True
        while self._operations():  # noqa: ASYNC110 - no Event of this loop can tell when an operation of another loop ends
            await asyncio.sleep(0.002)
        await self._server.leave(self)

    # -- what the hooks share ------------------------------------------------------------------------------------------

    async def _change(
        self, script: scripts.Script, thread_id: str, guard: Guard, *arguments: Argument, is_repeatable: bool = True
    ) -> object:
        """Run a script that may move the thread in the listings. The script gets their key if one node has all keys."""
        words = (wire.pack((self.key_prefix, thread_id, self._ttl_ms)), wire.pack_guard(guard), *arguments)
        keys = self._keys.both(thread_id)
        token = self._begin()
        try:
            if self._server.has_all_keys:
                whole = RedisCall(script, (*keys, self._keys.threads), words)
                try:
                    return await self._send(whole, is_repeatable=is_repeatable)
                except faults.ClusterCrossSlotError:
                    # This is a cluster behind a proxy that looks like one server. It checks the keys first, so nothing
                    # was run.
                    self._server.has_all_keys = False
            return await self._change_apart(thread_id, RedisCall(script, keys, words), is_repeatable=is_repeatable)
        finally:
            self._under_way.discard(token)

    async def _change_apart(self, thread_id: str, call: RedisCall, *, is_repeatable: bool) -> object:
        """Run a script that cannot reach the listings, and change the listings after it.

        A script that would make a thread, or give it to a user, first asks for an entry in the indexes.
        """
        answer = await self._send(call, is_repeatable=is_repeatable)
        reply, old, new = cast("tuple[object, bytes, bytes]", answer)
        if reply is None:
            await enter(self._send, self._keys, thread_id, old.decode())
            place = wire.pack((self.key_prefix, thread_id, self._ttl_ms, True))
            again = call._replace(arguments=(place, *call.arguments[1:]))
            answer = await self._send(again, is_repeatable=is_repeatable)
            reply, old, new = cast("tuple[object, bytes, bytes]", answer)
        await move_entries(self._send, self._keys, old.decode(), new.decode())
        return reply

    async def run(self, call: RedisCall, *, is_repeatable: bool = False) -> object:
        """Send a command and return its reply. A repeatable command is sent once more if the connection breaks.

        Any command is sent once more if the server refused it because it is not the primary (see `Trips`).
        """
        token = self._begin()
        try:
            return await self._send(call, is_repeatable=is_repeatable)
        finally:
            self._under_way.discard(token)

    def _begin(self) -> object:
        """Register an operation, so that `close` waits for it."""
        if self._is_closed:
            raise StorageUnavailable(
                f"the storage on the Redis server {self._server.name} has been closed; make a new one"
            )
        token = object()
        self._operations().add(token)
        return token

    def _operations(self) -> set[object]:
        """Return the operations of this process that are under way. A forked child has none of its parent's."""
        if self._process != os.getpid():
            self._process, self._under_way = os.getpid(), set()
        return self._under_way

    async def _send(self, call: RedisCall, *, is_repeatable: bool = False) -> object:
        trips = await self._server.trips()
        try:
            return await trips.run(call)
        except self.driver_errors as error:
            if not faults.may_repeat(error, is_repeatable=is_repeatable):
                raise
        await asyncio.sleep(RETRY_AFTER_S)
        return await trips.run(call)

    def _translate(self, error: Exception, action: str) -> RecuerdaError:
        return faults.translate(error, action, server=self._server.name, timeout_s=self._timeout_s)


def _about(record: NewRecord) -> tuple[object, ...]:
    return (
        record.id,
        wire.digits(record.created_us),
        True if record.created_us != record.committed_us else None,
        record.message_count,
        record.kind,
        record.target,
        record.keep_messages,
        record.title,
        new_id(),  # the incarnation of the thread if this is its first record
        record.undo_id,
        len(record.blobs) or None,
    )


def _appended(thread_id: str, record: NewRecord, reply: int | bytes | wire.Refusal, guard: Guard) -> Appended:
    if isinstance(reply, bytes):
        found, call = wire.read_call(reply)
        is_mine = call == record.call  # this call wrote it, and the answer was lost
        is_created = is_mine and found.number == 1
        return Appended(revision=found.number, replayed=not is_mine, record=found, created=is_created)
    if isinstance(reply, int):
        return Appended(revision=reply, replayed=False, record=record.numbered(reply), created=reply == 1)
    reason, number = reply
    if reason == wire.GONE:
        raise TurnGone(thread_id, turn=record.target or 0, revision=number)
    if reason == wire.NO_STEP:
        raise DraftConflict(thread_id, turn_id=record.id, number=0)
    if reason != wire.DROPPED:
        _accepted(thread_id, reply, guard)
    if not record.is_new_id:
        raise TurnDropped(thread_id, turn_id=record.id, number=number)
    return Appended(revision=number, replayed=False, record=record.numbered(number), created=number == 1)


def _accepted(thread_id: str, reply: object, guard: Guard, *, expected: int | None = None) -> object:
    """Return a script's reply.

    Args:
        thread_id: the thread.
        reply: the reply.
        guard: the guard that the script has checked.
        expected: the revision for the error; None takes the guard's.

    Raises:
        ThreadOwnershipError: the script refused the guard's user.
        ThreadConflict: the script refused the rest of the guard.
    """
    match reply:
        case [wire.STRANGER, 0]:
            raise of_another_user(thread_id)
        case [wire.CONFLICT, int(actual)]:
            wanted = guard.revision if expected is None else expected
            raise ThreadConflict(thread_id, expected=actual if wanted is None else wanted, actual=actual)
        case _:
            pass
    return reply


def _groups(records: Sequence[NewRecord]) -> Iterator[list[NewRecord]]:
    """Split records into groups of limited size, one script call for each, because other commands wait for a script."""
    group: list[NewRecord] = []
    size = 0
    for record in records:
        group.append(record)
        size += len(record.body) + sum([len(blob.data) for blob in record.blobs])
        if len(group) >= MAX_GROUP_RECORDS or size >= MAX_GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _parent_json(parent: ThreadParent | msgspec.UnsetType | None) -> str | msgspec.UnsetType | None:
    return msgspec.json.encode(parent).decode() if isinstance(parent, ThreadParent) else parent


def _tags_json(tags: tuple[str, ...] | msgspec.UnsetType) -> str | msgspec.UnsetType | None:
    if isinstance(tags, msgspec.UnsetType):
        return tags
    return msgspec.json.encode(tags).decode() if tags else None


def _unset_none_false(value: str | msgspec.UnsetType | None) -> str | bool | None:
    # In Lua, nil leaves a setting unchanged, and false clears it.
    if isinstance(value, msgspec.UnsetType):
        return None
    return False if value is None else value
