"""Import of lists that Agent Framework's `RedisChatMessageStore` left on a server.

Each entry is one message as JSON.
"""

from __future__ import annotations

import msgspec

from recuerda.errors import InvalidInput, StateError
from recuerda.ids import check_id
from recuerda.messages.codec import encode_turn
from recuerda.messages.legacy import read_legacy_message
from recuerda.messages.message import ChatMessage
from recuerda.redis.storage import RedisStorage
from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn
from recuerda.threads.transfer import Imported
from recuerda.window.window import group_turns


async def import_legacy_list(
    storage: RedisStorage,
    thread_id: str,
    *,
    list_prefix: str = "chat_messages",
    new_thread_id: str | None = None,
    into: Storage | None = None,
    user_id: str | None = None,
) -> Imported:
    """Add the messages of a legacy list to a thread, as turns. The list stays. A second import adds nothing.

    Args:
        storage: a storage on the server that has the list.
        thread_id: the thread id of the legacy store. The list is at `{list_prefix}:{thread_id}`.
        list_prefix: the legacy store's `key_prefix`.
        new_thread_id: the thread to which the turns are added; by default `thread_id`.
        into: the storage of the new thread; by default `storage`.
        user_id: the user to whom the thread belongs; None for no user.

    Raises:
        StateError: there is no such list, an entry is not a message, the list has changed since an earlier import, or
            the thread already has other turns. Nothing was added.
        ThreadOwnershipError: the thread belongs to another user.
    """
    key = f"{list_prefix}:{thread_id}"
    name = check_id(new_thread_id or thread_id, "thread id")
    entries = await storage.read_list(key)
    if not entries:
        raise StateError(f"there is no list of messages under the Redis key {key!r}; check thread_id and list_prefix")
    turns = group_turns(_message(entry, f"entry {i} of {key!r}") for i, entry in enumerate(entries))
    new = [
        NewTurn(id=f"imported-{i}", body=encode_turn(turn), message_count=len(turn.messages))
        for i, turn in enumerate(turns, 1)
    ]
    target = into or storage
    found = await target.read(name, user_id=user_id)
    own = {record.id: record.body for record in found.records}
    if found.info is not None and found.info.revision and new[0].id not in own:
        raise StateError(f"thread {name!r} already has other turns; give another new_thread_id")
    if any(turn.id in own and own[turn.id] != turn.body for turn in new):
        raise StateError(f"the list {key!r} has changed since it was imported; import it under another new_thread_id")
    expected = found.info.version if found.info else 0
    appended = await target.append_all(name, new, expected=expected, user_id=user_id)
    return Imported(thread_id=name, added=sum(not one.replayed for one in appended), turns=len(new))


def _message(entry: bytes, where: str) -> ChatMessage:
    try:
        return read_legacy_message(msgspec.json.decode(entry), where)
    except (msgspec.DecodeError, InvalidInput, UnicodeDecodeError) as error:
        raise StateError(f"{where} is not a message ({type(error).__name__}); nothing was imported") from None
