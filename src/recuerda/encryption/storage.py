"""The storage that encrypts what another storage keeps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, ClassVar, NamedTuple
from weakref import WeakSet

import msgspec
from msgspec.structs import replace

from recuerda.encryption.blobs import (
    digests_by_name,
    name_of,
    opened_blobs,
    opened_record,
    sealed_blob,
    sealed_blobs,
    with_digests,
)
from recuerda.encryption.keys import Keys
from recuerda.encryption.sealing import (
    SEAL_BYTES,
    Sealer,
    key_id_of,
    opened,
    place_of,
    record_place,
    sealer_of,
    step_place,
    to_bytes,
    to_text,
)
from recuerda.errors import (
    ConfigurationError,
    DecryptionError,
    DraftConflict,
    RecuerdaError,
    ThreadConflict,
    ThreadOwnershipError,
    TurnGone,
)
from recuerda.storage.arguments import to_guard
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftInfo, DraftStep
from recuerda.storage.erasure import Follower
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import Appended, Guard, NewBodies, NewRecord, ReadQuery, ThreadChanges, ThreadSlice
from recuerda.storage.records import NO_BLOBS, Blob, TurnRecord
from recuerda.storage.rules import check_info, check_user, metadata_after, owner_after
from recuerda.storage.thread_filter import ListedThreads, Position, ThreadFilter, look_through
from recuerda.storage.thread_info import ThreadInfo, Version

_SEALED = ("turn", "summary")
"""The kinds of records whose bodies are encrypted."""

_METADATA = "sealed"
"""The only key of the metadata that the other storage keeps. All keys of a thread are one encrypted value."""

KNOWN_THREADS = 10_000
"""The number of threads whose users are remembered. A forgotten thread costs one look-up."""


class EncryptedStorage(Storage):
    """Encrypt the values that another storage keeps.

    Reading a turn with a missing or wrong key raises `DecryptionError`. A list of threads leaves out titles, metadata
    and tags that cannot be opened.

    Args:
        storage: the storage that keeps the encrypted values. It is closed together with this one.
        keys: the source of the keys.
    """

    kind: ClassVar[str] = "encrypted"

    def __init__(self, storage: Storage, keys: Keys) -> None:
        super().__init__(clock=storage.clock)
        # The inner storage raises the driver errors and translates them.
        self.driver_errors: tuple[type[Exception], ...] = storage.driver_errors  # pyright: ignore[reportIncompatibleVariableOverride]  # varies by instance
        longest = storage.max_body_bytes
        self.max_body_bytes: int | None = None if longest is None else longest - SEAL_BYTES  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
        longest = storage.max_blob_bytes
        self.max_blob_bytes: int | None = longest - SEAL_BYTES if longest else longest  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
        self.write_patience_s: float | None = storage.write_patience_s
        self.followers: WeakSet[Follower] = storage.followers
        self._inner = storage
        self._keys = keys
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def __repr__(self) -> str:
        return f"EncryptedStorage({self._inner!r})"

    async def rotate(self, thread_id: str) -> int:
        """Encrypt a thread again with the current key, and return the number of records that had another key.

        The thread can be used while this runs. Its content, its revision and its times do not change. If the thread
        changes meanwhile, the rotation reads it again, so it never puts an earlier value back.

        A draft keeps its key until its turn is committed or dropped, because a saved step is never changed. Keep the
        old key as long as `list_drafts` names a thread that was rotated with a draft.

        Raises:
            DecryptionError: a value cannot be opened, for example because its key is missing. Nothing was written.
            ConfigurationError: the current key is missing. Nothing was written.
        """
        while True:
            found = await self._inner.read(thread_id)
            if found.info is None:
                return 0
            with suppress(ThreadConflict):
                if (records := await self._all_records(found)) is not None:
                    return await self._rotate(found.info, records)

    async def _all_records(self, found: ThreadSlice) -> Sequence[TurnRecord] | None:
        """Return the records of a slice with all turns, and the thread's summaries. None if the thread has changed."""
        assert found.info is not None  # noqa: S101 - the caller has checked it
        newest = await self._inner.read(found.info.id, last_turns=0, with_summary=True)
        if newest.summary is None:
            return found.records if _version(newest) == found.info.version else None
        # A read that continues also returns summaries. A summary is never the first record.
        later = await self._inner.read(found.info.id, after=1)
        summaries = [record for record in later.records if record.kind == "summary"]
        return (*found.records, *summaries) if _version(later) == found.info.version else None

    async def _rotate(self, info: ThreadInfo, records: Sequence[TurnRecord]) -> int:
        """Encrypt a thread with the current key if it is still in this state.

        Everything is opened before the first write.
        """
        seal = sealer_of(self._keys, info.user_id)
        old = [record for record in records if key_id_of(record.body) != seal.key_id]
        opened_records = [self._record(info.id, record) for record in old]
        bodies = {
            record.number: seal(with_digests(read.blobs, read.body), record_place(info.id, record))
            for record, read in zip(old, opened_records, strict=True)
        }
        await self._rotate_blobs(info, digests_by_name(old, opened_records), seal)
        changes = self._resealed(info, seal)
        if changes != ThreadChanges():
            info = await self._inner._update(
                info.id, changes, info.updated_us, to_guard(info.version, None, with_edits=True)
            )
        if bodies:
            guard = to_guard(info.version, None, with_edits=True)
            await self._inner._rewrite(info.id, NewBodies(bodies), self.clock(), guard)
        return len(bodies)

    async def _rotate_blobs(self, info: ThreadInfo, digests: Mapping[str, str], seal: Sealer) -> None:
        """Encrypt blobs with the current key, one after the other. `digests` has their digests by their names."""
        for is_rehearsal in (True, False):
            for name, digest in digests.items():
                found = await self._inner._read(info.id, ReadQuery(last_turns=0, digests=(name,)))
                for data in opened_blobs(self._keys, info.id, found.blobs, digests).values():
                    if not is_rehearsal:
                        new = sealed_blob(info.id, Blob(digest, data), seal)
                        guard = to_guard(info.version, None, with_edits=True)
                        await self._inner._replace_blob(info.id, name, new, guard)

    def _resealed(self, info: ThreadInfo, seal: Sealer) -> ThreadChanges:
        """Return the settings that have another key, encrypted with the current key."""
        changes = ThreadChanges()
        if info.title is not None and key_id_of(to_bytes(info.title)) != seal.key_id:
            place = place_of(info.id, "title")
            title = to_text(seal(opened(self._keys, to_bytes(info.title), info.id, place), place))
            changes = replace(changes, title=title, title_turn=info.title_turn)
        sealed = info.metadata.get(_METADATA)
        if isinstance(sealed, str) and key_id_of(to_bytes(sealed)) != seal.key_id:
            changes = replace(changes, metadata={_METADATA: self._sealed_metadata(info.id, self._metadata(info), seal)})
        if info.tags and key_id_of(to_bytes(info.tags[0])) != seal.key_id:
            changes = replace(changes, tags=(self._sealed_tags(info.id, self._tags(info), seal),))
        return changes

    # -- hooks ---------------------------------------------------------------------------------------------------------

    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        if record.kind not in _SEALED:
            return await self._inner._append(thread_id, record, guard)
        while True:
            try:
                to = await self._destination(thread_id, guard)
            except ConfigurationError:
                # A replay needs no key.
                if replay := await self._replay(thread_id, record, guard):
                    return replay
                raise
            try:
                distance = 1 if record.replaced is None else 2
                sealed = self._sealed(thread_id, record, to, distance)
                appended = await self._inner._append(thread_id, sealed, to.guard)
            except TurnGone:
                raise
            except (ThreadConflict, ThreadOwnershipError):
                check_info(thread_id, guard, await self._head(thread_id))
            else:
                return replace(appended, record=self._record(thread_id, appended.record))

    async def _append_all(self, thread_id: str, records: Sequence[NewRecord], guard: Guard) -> list[Appended]:
        while True:
            info = await self._head(thread_id)
            # A value is bound to its number, so replays have to be recognized before anything is encrypted.
            held = await self._replays(thread_id, records, guard) if info and info.revision else {}
            if records and records[0].id in held:
                guard = Guard(user_id=guard.user_id)
            check_info(thread_id, guard, info)
            new: dict[str, NewRecord] = {}
            for record in records:
                if record.id not in held:
                    new.setdefault(record.id, record)
            try:
                committed = await self._append_new(thread_id, list(new.values()), info, guard)
            except (ThreadConflict, ThreadOwnershipError):
                continue
            return _in_order(records, held | {item.record.id: item for item in committed})

    async def _append_new(
        self, thread_id: str, records: Sequence[NewRecord], info: ThreadInfo | None, guard: Guard
    ) -> list[Appended]:
        """Append records that the thread does not hold, if it is still in this state."""
        if not records:
            return []
        to = _Destination(sealer_of(self._keys, _user(info, guard)), None, _at(info, guard))
        sealed = [self._sealed(thread_id, record, to, i) for i, record in enumerate(records, 1)]
        committed = await self._inner._append_all(thread_id, sealed, to.guard)
        return [replace(item, record=self._record(thread_id, item.record)) for item in committed]

    async def _replays(self, thread_id: str, records: Sequence[NewRecord], guard: Guard) -> dict[str, Appended]:
        """Return the records that the thread already holds, by id."""
        found = [await self._replay(thread_id, record, guard) for record in records if not record.is_new_id]
        return {one.record.id: one for one in found if one}

    async def _replay(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended | None:
        """Return the record if the thread already holds it, as an append does. Otherwise write nothing."""
        never = Guard(user_id=guard.user_id, revision=-1)
        try:
            appended = await self._inner._append(thread_id, replace(record, body=b"", title=None, blobs=()), never)
        except ThreadConflict:
            return None
        return replace(appended, record=self._record(thread_id, appended.record))

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        asked = await self._names(thread_id, query.digests) if query.digests else dict[str, str]()
        found = await self._inner._read(thread_id, replace(query, digests=tuple(asked)) if asked else query)
        if found.info is None:
            return found
        self._note(found.info)
        records = tuple(self._record(thread_id, record) for record in found.records)
        blobs = found.blobs
        if found.blobs:
            digests = digests_by_name(found.records, records) | asked
            blobs = opened_blobs(self._keys, thread_id, found.blobs, digests)
        if missing := set(query.digests).difference(blobs):
            blobs = {**blobs, **await self._older_blobs(thread_id, missing)}
        return replace(
            found,
            info=self._info(found.info),
            records=records,
            found=None if found.found is None else self._record(thread_id, found.found),
            summary=None if found.summary is None else self._record(thread_id, found.summary),
            blobs=blobs,
        )

    async def _names(self, thread_id: str, digests: Sequence[str]) -> dict[str, str]:
        """Return digests by the names that the blobs have under the current key; nothing without a thread or a key."""
        user = self._known.get(thread_id) or await self._head(thread_id)
        if user is None:
            return {}
        with suppress(ConfigurationError):
            seal = sealer_of(self._keys, user.user_id)
            return {name_of(thread_id, digest, seal): digest for digest in digests}
        return {}

    async def _older_blobs(self, thread_id: str, digests: AbstractSet[str]) -> Mapping[str, bytes]:
        """Return blobs whose names were made with other keys. The turns tell these names."""
        found = await self._inner._read(thread_id, ReadQuery())
        sealed = [record for record in found.records if record.blobs]
        names = digests_by_name(sealed, [self._record(thread_id, record) for record in sealed])
        wanted = tuple(name for name, digest in names.items() if digest in digests)
        if not wanted:
            return NO_BLOBS
        found = await self._inner._read(thread_id, ReadQuery(last_turns=0, digests=wanted))
        return opened_blobs(self._keys, thread_id, found.blobs, names)

    async def _heads(self, thread_ids: Sequence[str]) -> dict[str, ThreadInfo]:
        found = await self._inner._heads(thread_ids)
        for info in found.values():
            self._note(info)
        return {thread_id: self._info(info) for thread_id, info in found.items()}

    async def _list(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
        if not (wanted.words or wanted.metadata or wanted.tags):
            found = await self._inner._list(wanted, limit, position)
            return replace(found, threads=[self._info(info) for info in found.threads])

        async def read_page(place: Position | None, count: int) -> Sequence[ThreadInfo]:
            found = await self._inner._list(wanted.by_index, count, place)
            return [self._info(info) for info in found.threads]

        # The other storage cannot compare titles, metadata and tags, because they are encrypted.
        return await look_through(read_page, wanted, limit, position)

    async def _walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        found, position = await self._inner._walk(user_id, position)
        return [self._info(info) for info in found], position

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        while True:
            # The metadata is one encrypted value, so it is merged here, if nobody changes it meanwhile.
            info = await self._head(thread_id)
            check_info(thread_id, guard, info)
            sealed = self._sealed_changes(thread_id, changes, info, guard)
            with suppress(ThreadConflict, ThreadOwnershipError):
                updated = await self._inner._update(thread_id, sealed, now_us, _at(info, guard))
                self._note(updated)
                return self._info(updated)

    def _sealed_changes(
        self, thread_id: str, changes: ThreadChanges, info: ThreadInfo | None, guard: Guard
    ) -> ThreadChanges:
        """Return changes with the title and with all keys of the metadata encrypted."""
        user_id = _user(info, guard) if changes.user_id is msgspec.UNSET else changes.user_id
        if isinstance(changes.title, str):
            title = sealer_of(self._keys, user_id)(changes.title.encode(), place_of(thread_id, "title"))
            changes = replace(changes, title=to_text(title))
        if changes.metadata is not msgspec.UNSET and changes.metadata:
            kept = metadata_after(self._metadata(info) if info else {}, changes.metadata)
            sealed = self._sealed_metadata(thread_id, kept, sealer_of(self._keys, user_id)) if kept else None
            changes = replace(changes, metadata={_METADATA: sealed})
        if changes.tags is not msgspec.UNSET and changes.tags:
            tags = self._sealed_tags(thread_id, changes.tags, sealer_of(self._keys, user_id))
            changes = replace(changes, tags=(tags,))
        return changes

    async def _rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        bodies = change.bodies
        while True:
            # A read that continues also returns summaries. A summary is never the first record.
            found = await self._inner._read(thread_id, ReadQuery(after=max(1, min(bodies, default=1) - 1)))
            check_info(thread_id, guard, found.info)
            if found.info is None:
                return None
            seal = sealer_of(self._keys, _user(found.info, guard))
            first = await self._inner._read(thread_id, ReadQuery(before=2)) if 1 in bodies else ThreadSlice(info=None)
            changed = [one for one in (*first.records, *found.records) if one.number in bodies]
            sealed = self._sealed_bodies(thread_id, changed, change, seal)
            exact = to_guard(found.info.version, guard.user_id, with_edits=True)
            with suppress(ThreadConflict, ThreadOwnershipError):
                return await self._inner._rewrite(thread_id, sealed, now_us, exact)

    def _sealed_bodies(
        self, thread_id: str, records: Sequence[TurnRecord], change: NewBodies, seal: Sealer
    ) -> NewBodies:
        """Return the new bodies of records encrypted, and the names of the blobs that they release."""
        bodies: dict[int, bytes] = {}
        names: dict[int, list[str]] = {}
        for one in records:
            gone = change.released_by(one.number)
            pairs = [*zip(one.blobs, self._digests(thread_id, one), strict=True)]
            left = tuple(digest for _, digest in pairs if digest not in gone)
            place = record_place(thread_id, replace(one, blobs=left))
            bodies[one.number] = seal(with_digests(left, change.bodies[one.number]), place)
            names[one.number] = [name for name, digest in pairs if digest in gone]
        return NewBodies(bodies, names)

    def _digests(self, thread_id: str, record: TurnRecord) -> Sequence[str]:
        return self._record(thread_id, record).blobs if record.blobs else ()

    async def _delete(self, thread_id: str, guard: Guard) -> bool:
        self._known.pop(thread_id, None)
        return await self._inner._delete(thread_id, guard)

    async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        is_begun = step.number > 1
        while True:
            to = await self._destination(thread_id, replace(guard, revision=step.revision))
            exact = replace(guard, user_id=guard.user_id or to.user_id) if is_begun else to.guard
            body = to.seal(step.body, step_place(thread_id, step))
            try:
                return await self._inner._save_draft(thread_id, replace(step, body=body), exact)
            except DraftConflict:
                # Encrypting the same body again gives other bytes. So the saved step must be opened and compared.
                info = await self._head(thread_id)
                if info is None or not await self._has_step(thread_id, step, guard):
                    raise
                return info.incarnation
            except (ThreadConflict, ThreadOwnershipError) as error:
                if is_begun and isinstance(error, ThreadConflict):
                    raise
                is_begun = is_begun or await self._has_begun(thread_id, step.turn_id, guard)
                info = await self._head(thread_id)
                check_info(thread_id, Guard(user_id=guard.user_id) if is_begun else guard, info)
                if not is_begun:
                    check_info(thread_id, Guard(revision=step.revision), info)

    async def _has_begun(self, thread_id: str, turn_id: str, guard: Guard) -> bool:
        steps = await self._inner._load_draft(thread_id, guard)
        return bool(steps) and steps[0].turn_id == turn_id

    async def _has_step(self, thread_id: str, step: DraftStep, guard: Guard) -> bool:
        steps = await self._inner._load_draft(thread_id, guard)
        there = steps[step.number - 1] if step.number <= len(steps) else None
        if there is None or there.turn_id != step.turn_id:
            return False
        return (there.revision, self._step(thread_id, there).body) == (step.revision, step.body)

    async def _load_draft(self, thread_id: str, guard: Guard) -> list[DraftStep]:
        return [self._step(thread_id, step) for step in await self._inner._load_draft(thread_id, guard)]

    async def _list_drafts(self, limit: int, user_id: str | None, position: tuple[int, str] | None) -> list[DraftInfo]:
        return await self._inner._list_drafts(limit, user_id, position)

    async def _drop_draft(self, thread_id: str, turn_id: str | None, guard: Guard) -> bool:
        return await self._inner._drop_draft(thread_id, turn_id, guard)

    async def _lease(self, thread_id: str, holder: str, ttl_us: int, guard: Guard) -> bool:
        return await self._inner._lease(thread_id, holder, ttl_us, guard)

    async def _release(self, thread_id: str, holder: str) -> None:
        await self._inner._release(thread_id, holder)

    async def _list_leases(self, limit: int) -> list[LeaseInfo]:
        return await self._inner._list_leases(limit)

    async def _clean_up(self) -> None:
        await self._inner._clean_up()

    async def _close(self) -> None:
        await self._inner.close()

    def _translate(self, error: Exception, action: str) -> RecuerdaError:
        return self._inner._translate(error, action)

    # -- the state of threads ------------------------------------------------------------------------------------------

    async def _destination(self, thread_id: str, guard: Guard) -> _Destination:
        """Return the key for a thread's next value, and a guard that refuses the value if the thread needs another key.

        Raises:
            ThreadOwnershipError: the thread belongs to another user.
            ConfigurationError: there is no key.
        """
        # The key of a thread that was another user's may be gone. Then the thread is looked up.
        with suppress(ConfigurationError):
            if guard.revision == 0 and guard.user_id is not None:
                # A thread without a record is this user's, or becomes this user's.
                return _Destination(sealer_of(self._keys, guard.user_id), guard.user_id, guard)
            known = self._known.get(thread_id)
            if known and guard.revision is not None and guard.incarnation in (None, known.incarnation):
                exact = replace(guard, incarnation=known.incarnation, edits=known.edits)
                return _Destination(sealer_of(self._keys, known.user_id), known.user_id, exact)
        info = await self._head(thread_id)
        check_user(thread_id, guard, info.user_id if info else None)
        user_id = _user(info, guard)
        return _Destination(sealer_of(self._keys, user_id), user_id, _at(info, guard))

    async def _head(self, thread_id: str) -> ThreadInfo | None:
        """Return the information about a thread as it is stored, and note it."""
        info = (await self._inner._read(thread_id, ReadQuery(last_turns=0))).info
        if info is None:
            self._known.pop(thread_id, None)
        else:
            self._note(info)
        return info

    def _note(self, info: ThreadInfo) -> None:
        self._known[info.id] = _Known(info.user_id, info.incarnation, info.edits)
        self._known.move_to_end(info.id)
        if len(self._known) > KNOWN_THREADS:
            self._known.popitem(last=False)

    # -- sealing -------------------------------------------------------------------------------------------------------

    def _sealed(self, thread_id: str, record: NewRecord, to: _Destination, distance: int) -> NewRecord:
        """Encrypt a record whose number is this distance behind the thread's revision."""
        title = record.title
        if title is not None:
            title = to_text(to.seal(title.encode(), place_of(thread_id, "title")))
        place = record_place(thread_id, record.numbered((to.guard.revision or 0) + distance))
        if not record.blobs:
            return replace(record, body=to.seal(record.body, place), title=title)
        body = to.seal(with_digests([blob.digest for blob in record.blobs], record.body), place)
        return replace(record, body=body, title=title, blobs=sealed_blobs(thread_id, record, to.seal))

    @staticmethod
    def _sealed_metadata(thread_id: str, metadata: Mapping[str, object], seal: Sealer) -> str:
        return to_text(seal(msgspec.json.encode(metadata), place_of(thread_id, "metadata")))

    @staticmethod
    def _sealed_tags(thread_id: str, tags: tuple[str, ...], seal: Sealer) -> str:
        return to_text(seal(msgspec.json.encode(tags), place_of(thread_id, "tags")))

    def _record(self, thread_id: str, record: TurnRecord) -> TurnRecord:
        if record.kind not in _SEALED:
            return record
        return opened_record(self._keys, thread_id, record)

    def _step(self, thread_id: str, step: DraftStep) -> DraftStep:
        return replace(step, body=opened(self._keys, step.body, thread_id, step_place(thread_id, step)))

    def _info(self, info: ThreadInfo) -> ThreadInfo:
        """Open a title, metadata and tags. Leave out a value that cannot be opened."""
        title, metadata, tags = None, dict[str, Any](), ()
        with suppress(DecryptionError):
            title = self._title(info)
        with suppress(DecryptionError):
            metadata = self._metadata(info)
        with suppress(DecryptionError):
            tags = self._tags(info)
        return replace(info, title=title, metadata=metadata, tags=tags)

    def _title(self, info: ThreadInfo) -> str | None:
        if info.title is None:
            return None
        return opened(self._keys, to_bytes(info.title), info.id, place_of(info.id, "title")).decode()

    def _metadata(self, info: ThreadInfo) -> dict[str, Any]:
        sealed = info.metadata.get(_METADATA)
        if not isinstance(sealed, str):
            return {}
        return msgspec.json.decode(opened(self._keys, to_bytes(sealed), info.id, place_of(info.id, "metadata")))

    def _tags(self, info: ThreadInfo) -> tuple[str, ...]:
        """Open the tags. The other storage has all of them as one encrypted tag."""
        if not info.tags:
            return ()
        sealed = opened(self._keys, to_bytes(info.tags[0]), info.id, place_of(info.id, "tags"))
        return msgspec.json.decode(sealed, type=tuple[str, ...])


class _Known(NamedTuple):
    """The state of a thread that decides about its key, when the thread was last seen."""

    user_id: str | None
    incarnation: str
    edits: int


class _Destination(NamedTuple):
    """The state for which a value is encrypted: the key, its user, and the guard under which the value is written."""

    seal: Sealer
    user_id: str | None
    guard: Guard


def _user(info: ThreadInfo | None, guard: Guard) -> str | None:
    """Return the user whom a thread has after an operation with this guard."""
    return owner_after(guard.user_id, owner=info.user_id if info else None, revision=info.revision if info else 0)


def _at(info: ThreadInfo | None, guard: Guard) -> Guard:
    """Return a guard that also demands the state in which a thread was seen, wherever `guard` demands none."""
    return Guard(
        user_id=guard.user_id,
        revision=(info.revision if info else 0) if guard.revision is None else guard.revision,
        incarnation=guard.incarnation or (info.incarnation if info else None),
        record_id=guard.record_id,
        edits=(info.edits if info else 0) if guard.edits is None else guard.edits,
        last_step=guard.last_step,
    )


def _version(found: ThreadSlice) -> Version | None:
    return found.info and found.info.version


def _in_order(records: Sequence[NewRecord], by_id: Mapping[str, Appended]) -> list[Appended]:
    """Return the outcome of each record. A second record with the same id is a replay of the first one."""
    outcomes: list[Appended] = []
    seen: set[str] = set()
    for record in records:
        outcome = by_id[record.id]
        outcomes.append(replace(outcome, replayed=True, created=False) if record.id in seen else outcome)
        seen.add(record.id)
    return outcomes
