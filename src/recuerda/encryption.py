"""Encryption at rest for any storage.

`EncryptedStorage` wraps a storage and encrypts the bodies of turns, summaries and drafts, titles and metadata. Ids,
user ids, numbers, times and counts stay readable, because storages search and count by them. Each value is encrypted
with AES-GCM (NIST SP 800-38D) and a random nonce. It is bound to the thread's id and the record's kind and number, so a
value that was moved to another place cannot be opened. Each value starts with the id of its key. So several keys can be
in use while one key replaces another, and deleting a user's only key erases the user's threads.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import ClassVar, Protocol

import msgspec

from recuerda.errors import (
    ConfigurationError,
    DecryptionError,
    DraftConflict,
    MissingExtraError,
    RecuerdaError,
    ThreadConflict,
)
from recuerda.storage.contract import Storage
from recuerda.storage.records import (
    SEAL,
    Appended,
    DraftStep,
    NewRecord,
    ReadQuery,
    ThreadChanges,
    ThreadInfo,
    ThreadSlice,
    TurnRecord,
)

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    raise MissingExtraError(module="recuerda.encryption", extra="encryption") from None

__all__ = ["EncryptedStorage", "KeyRing", "Keys", "UserKeys"]

NONCE_BYTES = 12
_SEALED = ("turn", "summary")
"""The kinds of records whose bodies are encrypted."""

KNOWN_USERS = 10_000
"""The number of threads whose users are remembered. A forgotten thread costs one look-up."""


class Keys(Protocol):
    """A source of keys. Use `KeyRing` or `UserKeys`, or implement it over a key service."""

    def current(self, user_id: str | None) -> str:
        """Return the id of the key for new values in a user's threads; None stands for threads without a user."""
        ...

    def key(self, key_id: str) -> bytes | None:
        """Return the key's 16, 24 or 32 bytes, or None when no key has this id any more."""
        ...


class KeyRing:
    """A few keys for all threads. The current key encrypts new values, and each key opens the values that it encrypted.

    Args:
        keys: the keys by their ids. An id has up to 255 bytes; a key has 16, 24 or 32 secret bytes, such as
            `secrets.token_bytes(32)`.
        current: the id of the key that encrypts new values.
    """

    def __init__(self, keys: Mapping[str, bytes], *, current: str) -> None:
        if current not in keys:
            raise ConfigurationError(f"the current key {current!r} is not among the keys")
        for key_id, key in keys.items():
            _check_key(key_id, key)
        self._keys = dict(keys)
        self._current = current

    def __repr__(self) -> str:
        return f"KeyRing({sorted(self._keys)}, current={self._current!r})"

    def current(self, user_id: str | None) -> str:
        return self._current

    def key(self, key_id: str) -> bytes | None:
        return self._keys.get(key_id)


class UserKeys:
    """One key for each user. Deleting a user's key erases everything that it encrypted.

    Args:
        keys: the keys by their user ids. The mapping is read for each value, so a deletion takes effect at once.
        shared: the key for threads without a user. If None, writing such threads is refused.
    """

    def __init__(self, keys: Mapping[str, bytes], *, shared: bytes | None = None) -> None:
        self._keys = keys
        self._shared = shared

    def __repr__(self) -> str:
        return "UserKeys(…)"

    def current(self, user_id: str | None) -> str:
        return "shared" if user_id is None else f"user:{user_id}"

    def key(self, key_id: str) -> bytes | None:
        return self._shared if key_id == "shared" else self._keys.get(key_id.removeprefix("user:"))


class EncryptedStorage(Storage):
    """Encrypt the values that another storage keeps.

    Reading a turn with a missing or wrong key raises `DecryptionError`. A list of threads leaves out titles and
    metadata that cannot be opened.

    Args:
        storage: the storage that keeps the encrypted values. It is closed together with this one.
        keys: the source of the keys.
    """

    kind: ClassVar[str] = "encrypted"

    def __init__(self, storage: Storage, keys: Keys) -> None:
        super().__init__(clock=storage.clock)
        # The inner storage raises the driver errors and translates them.
        self.driver_errors: tuple[type[Exception], ...] = storage.driver_errors  # pyright: ignore[reportIncompatibleVariableOverride]  # varies by instance
        self._inner = storage
        self._keys = keys
        self._users: OrderedDict[str, str | None] = OrderedDict()

    def __repr__(self) -> str:
        return f"EncryptedStorage({self._inner!r})"

    async def rotate(self, thread_id: str) -> int:
        """Encrypt a thread again with the current key, and return the number of records that had another key.

        The thread can be used while this runs. Its content and its revision do not change.
        """
        found = await self._inner.read(thread_id)
        if found.info is None:
            return 0
        self._note(found.info)
        seal = self._sealer(found.info.user_id)
        # A read that continues also returns summaries. A summary is never the first record.
        later = await self._inner.read(thread_id, after=1, incarnation=found.info.incarnation)
        sealed = (*found.records, *(record for record in later.records if record.kind == "summary"))
        bodies = {
            record.number: seal(self._record(thread_id, record).body, _record_place(thread_id, record))
            for record in sealed
            if _key_id(record.body) != seal.key_id
        }
        await self._inner.rewrite(thread_id, bodies)
        info = self._info(found.info)
        if info.title is not None or info.metadata:
            await self.update_thread(thread_id, title=info.title, metadata=info.metadata)
        return len(bodies)

    # -- hooks ---------------------------------------------------------------------------------------------------------

    async def _append(self, thread_id: str, record: NewRecord, expected: int | None) -> Appended:
        while True:
            revision = await self._revision(thread_id) if expected is None else expected
            try:
                sealed = await self._sealed(thread_id, record, revision + 1)
                appended = await self._inner._append(thread_id, sealed, revision)
            except ThreadConflict:
                if expected is not None:
                    raise
                continue
            return msgspec.structs.replace(appended, record=self._record(thread_id, appended.record))

    async def _append_all(self, thread_id: str, records: Sequence[NewRecord], expected: int | None) -> list[Appended]:
        # A value is bound to its number, so replays have to be recognized before anything is encrypted.
        found = await self._inner.read(thread_id)
        revision = 0 if found.info is None else found.info.revision
        there = {record.id: record for record in found.records}
        if expected not in (None, revision) and not (records and records[0].id in there):
            raise ThreadConflict(thread_id, expected=expected or 0, actual=revision)
        new = [record for record in records if record.id not in there]
        sealed = [await self._sealed(thread_id, record, revision + i) for i, record in enumerate(new, 1)]
        committed = await self._inner._append_all(thread_id, sealed, revision) if sealed else []
        if not sealed:
            await self._end_draft(thread_id, records)
        by_id = {item.record.id: item for item in committed}
        by_id |= {id: Appended(revision=old.number, replayed=True, record=old) for id, old in there.items()}
        return [
            msgspec.structs.replace(by_id[record.id], record=self._record(thread_id, by_id[record.id].record))
            for record in records
        ]

    async def _end_draft(self, thread_id: str, replayed: Sequence[NewRecord]) -> None:
        """Remove the draft of a turn that is already in the thread, as a replay of that turn does."""
        steps = await self._inner._load_draft(thread_id)
        for record in replayed:
            if steps and record.id == steps[0].turn_id:
                with suppress(
                    ThreadConflict
                ):  # No thread has revision -1, so nothing is written if the turn has been removed since.
                    await self._inner._append(thread_id, record, -1)

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        found = await self._inner._read(thread_id, query)
        if found.info is None:
            return found
        self._note(found.info)
        return msgspec.structs.replace(
            found,
            info=self._info(found.info),
            records=tuple(self._record(thread_id, record) for record in found.records),
            found=None if found.found is None else self._record(thread_id, found.found),
            summary=None if found.summary is None else self._record(thread_id, found.summary),
        )

    async def _list(self, user_id: str | None, limit: int, position: tuple[int, str] | None) -> list[ThreadInfo]:
        return [self._info(info) for info in await self._inner._list(user_id, limit, position)]

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int) -> ThreadInfo:
        user_id = await self._user(thread_id) if changes.user_id is msgspec.UNSET else changes.user_id
        seal = self._sealer(user_id)
        title, metadata = changes.title, changes.metadata
        if isinstance(title, str):
            title = _text(seal(title.encode(), _place(thread_id, "title")))
        if not isinstance(metadata, msgspec.UnsetType) and metadata:
            metadata = {"sealed": _text(seal(msgspec.json.encode(metadata), _place(thread_id, "metadata")))}
        changes = ThreadChanges(user_id=changes.user_id, title=title, metadata=metadata)
        info = await self._inner._update(thread_id, changes, now_us)
        self._note(info)
        return self._info(info)

    async def _rewrite(self, thread_id: str, bodies: Mapping[int, bytes]) -> None:
        seal = self._sealer(await self._user(thread_id))
        later = await self._inner.read(thread_id, after=1)
        summaries = [record for record in later.records if record.kind == "summary"]
        places = {summary.number: _record_place(thread_id, summary) for summary in summaries}
        sealed = {n: seal(body, places.get(n) or _place(thread_id, n)) for n, body in bodies.items()}
        await self._inner._rewrite(thread_id, sealed)

    async def _delete(self, thread_id: str) -> bool:
        self._users.pop(thread_id, None)
        return await self._inner._delete(thread_id)

    async def _save_draft(self, thread_id: str, step: DraftStep) -> None:
        seal = self._sealer(await self._user(thread_id))
        body = seal(step.body, _place(thread_id, f"{step.turn_id}/{step.number}"))
        try:
            await self._inner._save_draft(thread_id, msgspec.structs.replace(step, body=body))
        except DraftConflict:
            # Encrypting the same body again gives other bytes. So the saved step must be opened and compared.
            steps = await self._inner._load_draft(thread_id)
            there = steps[step.number - 1] if step.number <= len(steps) else None
            if there is None or there.turn_id != step.turn_id:
                raise
            if msgspec.structs.replace(self._step(thread_id, there), created_us=step.created_us) != step:
                raise

    async def _load_draft(self, thread_id: str) -> list[DraftStep]:
        return [self._step(thread_id, step) for step in await self._inner._load_draft(thread_id)]

    async def _list_drafts(self, limit: int) -> list[str]:
        return await self._inner._list_drafts(limit)

    async def _drop_draft(self, thread_id: str) -> bool:
        return await self._inner._drop_draft(thread_id)

    async def _lease(self, thread_id: str, holder: str, ttl_us: int) -> bool:
        return await self._inner._lease(thread_id, holder, ttl_us)

    async def _release(self, thread_id: str, holder: str) -> None:
        await self._inner._release(thread_id, holder)

    async def _close(self) -> None:
        await self._inner.close()

    def _translate(self, error: Exception, action: str) -> RecuerdaError:
        return self._inner._translate(error, action)

    # -- sealing -------------------------------------------------------------------------------------------------------

    async def _sealed(self, thread_id: str, record: NewRecord, number: int) -> NewRecord:
        if record.kind not in _SEALED:
            return record
        seal = self._sealer(record.user_id or await self._user(thread_id))
        title = None if record.title is None else _text(seal(record.title.encode(), _place(thread_id, "title")))
        place = _record_place(thread_id, record.numbered(number))
        return msgspec.structs.replace(record, body=seal(record.body, place), title=title)

    def _sealer(self, user_id: str | None) -> _Sealer:
        key_id = self._keys.current(user_id)
        key = self._keys.key(key_id)
        if key is None:
            raise ConfigurationError(
                f"there is no key {key_id!r} to encrypt with: add it to the keys. Nothing was written."
            )
        return _Sealer(key_id, key)

    def _open(self, body: bytes, thread_id: str, place: bytes, number: int | None = None) -> bytes:
        key_id = _key_id(body)
        if key_id is None:
            raise DecryptionError(thread_id, number, "it is not encrypted, or it is damaged")
        key = self._keys.key(key_id)
        if key is None:
            raise DecryptionError(thread_id, number, f"its key {key_id!r} is missing")
        start = len(SEAL) + 1 + body[len(SEAL)]
        nonce, sealed = body[start : start + NONCE_BYTES], body[start + NONCE_BYTES :]
        try:
            return AESGCM(key).decrypt(nonce, sealed, place)
        except (InvalidTag, ValueError):
            raise DecryptionError(thread_id, number, f"the key {key_id!r} does not open it") from None

    def _record(self, thread_id: str, record: TurnRecord) -> TurnRecord:
        if record.kind not in _SEALED:
            return record
        body = self._open(record.body, thread_id, _record_place(thread_id, record), record.number)
        return msgspec.structs.replace(record, body=body)

    def _step(self, thread_id: str, step: DraftStep) -> DraftStep:
        body = self._open(step.body, thread_id, _place(thread_id, f"{step.turn_id}/{step.number}"))
        return msgspec.structs.replace(step, body=body)

    def _info(self, info: ThreadInfo) -> ThreadInfo:
        title = None if info.title is None else self._open_text(info.title, info.id, "title")
        sealed = info.metadata.get("sealed")
        metadata = self._open_text(sealed, info.id, "metadata") if isinstance(sealed, str) else None
        return msgspec.structs.replace(
            info,
            title=None if title is None else title.decode(),
            metadata={} if metadata is None else msgspec.json.decode(metadata),
        )

    def _open_text(self, text: str, thread_id: str, place: str) -> bytes | None:
        try:
            return self._open(base64.b64decode(text, validate=True), thread_id, _place(thread_id, place))
        except (DecryptionError, binascii.Error):
            return None

    async def _revision(self, thread_id: str) -> int:
        info = await self._inner.head(thread_id)
        if info is None:
            return 0
        self._note(info)
        return info.revision

    async def _user(self, thread_id: str) -> str | None:
        if thread_id not in self._users:
            await self._revision(thread_id)
        return self._users.get(thread_id)

    def _note(self, info: ThreadInfo) -> None:
        self._users[info.id] = info.user_id
        self._users.move_to_end(info.id)
        if len(self._users) > KNOWN_USERS:
            self._users.popitem(last=False)


class _Sealer:
    """Encrypts values with one key."""

    def __init__(self, key_id: str, key: bytes) -> None:
        _check_key(key_id, key)
        self.key_id = key_id
        self._head = SEAL + bytes([len(key_id.encode())]) + key_id.encode()
        self._cipher = AESGCM(key)

    def __call__(self, value: bytes, place: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return self._head + nonce + self._cipher.encrypt(nonce, value, place)


def _place(thread_id: str, place: int | str) -> bytes:
    """Return the place to which a value is bound.

    The length of the id is part of it, so that two places are never the same.
    """
    encoded = thread_id.encode()
    return b"%d:%b:%b" % (len(encoded), encoded, str(place).encode())


def _record_place(thread_id: str, record: TurnRecord) -> bytes:
    """Return the place to which a record's body is bound.

    The kind is part of it, so a summary cannot stand in for a turn.
    """
    if record.kind == "turn":
        return _place(thread_id, record.number)
    return _place(thread_id, f"{record.kind} {record.number} {record.target}")


def _key_id(body: bytes) -> str | None:
    start = len(SEAL) + 1
    if not body.startswith(SEAL) or len(body) <= start:
        return None
    return body[start : start + body[len(SEAL)]].decode(errors="replace")


def _text(sealed: bytes) -> str:
    return base64.b64encode(sealed).decode()


def _check_key(key_id: str, key: bytes) -> None:
    if not 1 <= len(key_id.encode()) <= 255:
        raise ConfigurationError(f"a key id must have 1 to 255 bytes, not {len(key_id.encode())}")
    if len(key) not in (16, 24, 32):
        raise ConfigurationError(f"the key {key_id!r} has {len(key)} bytes, and AES needs 16, 24 or 32")
