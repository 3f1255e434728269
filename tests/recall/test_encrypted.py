"""Threads that are encrypted: the index is in plain text, and obeys the deletion of a key."""

from pathlib import Path

from recuerda.encryption import EncryptedStorage, UserKeys
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import pair, say


async def test_what_is_sealed_with_a_deleted_key_is_not_remembered(path: Path, index_path: Path) -> None:
    async with EncryptedStorage(SQLiteStorage(path), UserKeys({"ana": b"a" * 32, "ben": b"b" * 32})) as storage:
        await say(storage, "one", *pair("I collect amber."))
        recall = RecallProvider(index_path, storage=storage, user_id="ana")
        assert (await recall.search("amber"))[0].text == "I collect amber."
        await recall.close()
    async with EncryptedStorage(SQLiteStorage(path), UserKeys({"ben": b"b" * 32})) as storage:
        recall = RecallProvider(index_path, storage=storage, user_id="ana")
        assert await recall.search("amber") == []
        assert (await recall.stats()).documents == 0
        await recall.close()


async def test_a_rebuild_drops_what_can_no_longer_be_read(path: Path, index_path: Path) -> None:
    keys = {"ana": b"a" * 32, "ben": b"b" * 32}
    async with EncryptedStorage(SQLiteStorage(path), UserKeys(keys)) as storage:
        await say(storage, "one", *pair("I collect amber."))
        await say(storage, "two", *pair("I collect basalt."), user="ben")
        recall = RecallProvider(index_path, storage=storage)
        await recall.catch_up()
        del keys["ana"]
        await recall.rebuild()
        assert (await recall.stats()).documents == 2
        assert await recall.search("amber", user_id="ana") == []
        assert (await recall.search("basalt", user_id="ben"))[0].text == "I collect basalt."
        await recall.close()
