"""`RecuerdaSnapshotStorage`: the storage of Strands, which keeps bytes under keys, such as snapshots of agents.

Each key is a thread of its own, with one turn: the newest value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs
from strands.storage.search.keyword import KeywordSearchStrategy
from strands.types.exceptions import StorageError

from recuerda.interop.own_storage import OwnStorage
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import ChatMessage, DataContent, Turn
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.records import NewTurn
from recuerda.storage.thread_info import Expected, Version
from recuerda.threads.history import stored_turn

if TYPE_CHECKING:
    from strands.storage.storage import StorageSearchResult

PREFIX = "strands-storage/"
"""The start of the id of each thread; the key follows."""


class RecuerdaSnapshotStorage(OwnStorage):
    """Keep the snapshots of `SnapshotSessionManager` on any storage.

    A value that this object has read or written is replaced only if no other object has written it since. Otherwise
    the write raises `ThreadConflict`. So make one object for each agent that you build.

    Args:
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
        user_id: the user to whom the values belong. Another user's value raises `ThreadOwnershipError`. None opens the
            values of any user.
    """

    def __init__(self, storage: Storage | str, *, user_id: str | None = None) -> None:
        self._open(storage)
        self._user_id = user_id
        self._versions: dict[str, Expected] = {}

    async def write(self, key: str, data: bytes) -> None:
        """Replace the value of a key, in one atomic step.

        Raises:
            ThreadConflict: another object has written the key since this one has read it.
        """
        thread_id = _thread_id(key)
        turn = Turn(messages=(ChatMessage("tool", DataContent(bytes(data), "application/octet-stream")),))
        known = self._versions.get(key)
        appended = await self.storage.append(
            thread_id,
            NewTurn(body=encode_turn(turn), message_count=1),
            expected=known,
            keep_messages=1,
            user_id=self._user_id,
        )
        self._versions[key] = (
            structs.replace(known, revision=appended.revision, record_id=appended.record.id)
            if isinstance(known, Version)
            else appended.revision
        )

    async def read(self, key: str) -> bytes | None:
        """Return the value of a key; None if there is none."""
        found = await self._read(key)
        if found.info is None or not found.records:
            return None
        (message,) = stored_turn(found.records[-1], found.info.id).messages
        return b"".join(part.data for part in message.contents if isinstance(part, DataContent))

    async def delete(self, key: str) -> None:
        """Delete the value of a key, if there is one."""
        self._versions.pop(key, None)
        await self.storage.delete(_thread_id(key), user_id=self._user_id)

    async def list(self, query: str = "") -> list[str]:
        """Return the keys that begin with a text, in order. This walks through all threads of the user."""
        found = [info.id async for info in self.storage.threads(user_id=self._user_id)]
        return sorted(one.removeprefix(PREFIX) for one in found if one.startswith(PREFIX + query))

    async def search(self, query: str) -> list[StorageSearchResult]:
        """Return the values that share words with a text, the best first. This reads all values."""
        return await KeywordSearchStrategy().search(self, query)

    async def _read(self, key: str) -> ThreadSlice:
        found = await self.storage.read(_thread_id(key), last_turns=1, user_id=self._user_id)
        self._versions[key] = 0 if found.info is None else found.info.version
        return found


def _thread_id(key: str) -> str:
    if not key:
        raise StorageError("a key must not be empty")
    return PREFIX + key
