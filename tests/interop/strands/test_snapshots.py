"""`RecuerdaSnapshotStorage` keeps the contract of Strands' storages, and agents are restored from it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.session import SnapshotSessionManager
from strands.storage import InMemoryStorage
from strands.types.exceptions import StorageError

from recuerda import Storage, ThreadConflict, ThreadOwnershipError
from recuerda.interop.strands import RecuerdaSnapshotStorage
from tests.conversation import LOCAL
from tests.interop.strands.test_sessions import ScriptedModel
from tests.storage.matrix import STORAGES


@pytest.fixture(params=["theirs", *LOCAL])
async def any_storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "theirs":
        yield InMemoryStorage()
        return
    async with STORAGES[request.param](tmp_path) as storage:
        yield RecuerdaSnapshotStorage(storage)


async def test_values_come_back_by_key_and_by_prefix(any_storage: Any) -> None:
    assert await any_storage.read("a/b") is None
    values = {"a/b": bytes(range(256)), "a/c": b"", "b": b"riker is on the bridge"}
    for key, value in values.items():
        await any_storage.write(key, b"first")
        await any_storage.write(key, value)
    assert {key: await any_storage.read(key) for key in values} == values
    assert await any_storage.list("") == ["a/b", "a/c", "b"]
    assert await any_storage.list("a/") == ["a/b", "a/c"]
    assert (await any_storage.search("the bridge"))[0].key == "b"
    await any_storage.delete("a/b")
    await any_storage.delete("a/b")
    assert await any_storage.list("a/") == ["a/c"]
    await any_storage.write("a/b", b"again")
    assert await any_storage.read("a/b") == b"again"
    with pytest.raises(StorageError):
        await any_storage.write("", b"")


def agent_of(storage: Storage) -> Agent:
    manager = SnapshotSessionManager("t", storage=RecuerdaSnapshotStorage(storage))
    return Agent(model=ScriptedModel(), session_manager=manager, callback_handler=None)


async def test_an_agent_is_restored_and_two_agents_conflict(storage: Storage, another: Storage) -> None:
    await agent_of(storage).invoke_async("Hello.")
    slow, quick = agent_of(storage), agent_of(another)
    assert str(await quick.invoke_async("From Bo.")).strip() == "This is question 2."
    with pytest.raises(ThreadConflict):
        await slow.invoke_async("From Ana.")
    assert len(agent_of(storage).messages) == 4
    (info,) = [info async for info in storage.threads()]
    assert info.turns == 1  # the older snapshots are gone


async def test_a_value_of_another_user_is_refused(storage: Storage) -> None:
    await RecuerdaSnapshotStorage(storage, user_id="ana").write("key", b"value")
    stranger = RecuerdaSnapshotStorage(storage, user_id="bo")
    for refused in (stranger.read("key"), stranger.write("key", b"other"), stranger.delete("key")):
        with pytest.raises(ThreadOwnershipError):
            await refused
    assert await stranger.list("") == []
