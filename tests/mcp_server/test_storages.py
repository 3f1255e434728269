"""The tools on every storage: what is remembered, replayed, corrected and forgotten is the same everywhere."""

from pathlib import Path

import pytest

from recuerda import ChatMessageStore
from tests.mcp_server.conftest import BOB, Served
from tests.storage.matrix import STORAGES


@pytest.mark.parametrize("scheme", sorted(STORAGES))
async def test_memories_live_and_end_on_every_storage(scheme: str, tmp_path: Path) -> None:
    async with STORAGES[scheme](tmp_path) as storage:
        served = Served(storage)
        first = await served.call("remember", text="The key is under the mat.", idempotency_key="k")
        again = await served.call("remember", text="The key is under the mat.", idempotency_key="k")
        assert (again["memory"], again["is_new"]) == (first["memory"], False)
        await served.call("remember", BOB, text="Bob's key is lost.")
        turn = await served.call("save_turn", messages=[{"role": "user", "text": "Where is my key?"}])
        await served.call("correct", memory=first["memory"], text="The key is in the shed.")
        found = (await served.call("recall", query="Where is the key?"))["memories"]
        assert found[0]["text"] == "The key is in the shed."
        assert {one["thread"] for one in found} <= {first["thread"], turn["thread"]}
        listed = (await served.call("list_threads"))["threads"]
        assert {one["thread"] for one in listed} == {first["thread"], turn["thread"]}
        shown = await served.call("forget", memories=[first["memory"]])
        await served.call("forget", memories=[first["memory"]], confirmation=shown["confirmation"])
        shown = await served.call("forget", thread=turn["thread"])
        await served.call("forget", thread=turn["thread"], confirmation=shown["confirmation"])
        assert (await served.call("recall", query="key", include_corrected=True))["memories"] == []
        stored = await ChatMessageStore(storage=storage, thread_id=first["thread"]).list_messages()
        assert [message.text for message in stored] == [""]
        assert len((await served.call("recall", BOB, query="key"))["memories"]) == 1
        await served.server.close()
