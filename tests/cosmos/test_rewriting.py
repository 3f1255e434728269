"""Bodies that are replaced: more than a batch takes, and a request that is refused as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.core.pipeline.transport import AsyncHttpResponse, HttpRequest
from azure.cosmos.exceptions import CosmosBatchOperationError

from recuerda.cosmos import CosmosStorage
from recuerda.cosmos.container import MAX_BATCH
from recuerda.cosmos.failures import translate
from recuerda.errors import EncodeError, RecuerdaError, StorageBusy, StorageFull, ThreadConflict
from tests.cosmos.threads import a_turn
from tests.cosmos.wire import is_create, wired
from tests.servers.cosmos_server import cosmos_url

MANY = MAX_BATCH + 30


async def test_more_bodies_than_a_batch_takes_are_replaced(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire):
        await storage.append_all("a", [a_turn() for _ in range(MANY)])
        wire.clear()
        await storage.rewrite("a", {number: f"new {number}".encode() for number in range(1, MANY + 1)})
        assert wire.requests.count("POST") == 2
        found = await storage.read("a")
        assert [record.body for record in found.records] == [f"new {number}".encode() for number in range(1, MANY + 1)]
        assert found.info is not None
        assert found.info.rewritten == found.info.edits


async def test_a_later_batch_takes_nothing_back_that_was_set_meanwhile(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        await storage.append_all("a", [a_turn() for _ in range(MANY)])
        batches = 0

        async def empty_the_last(request: HttpRequest) -> AsyncHttpResponse | None:
            nonlocal batches
            batches += is_create(request)
            if batches == 2:
                wire.before = None
                await another.rewrite("a", {MANY: b""})
            return None

        wire.clear()
        wire.before = empty_the_last
        with pytest.raises(ThreadConflict):
            await storage.rewrite("a", dict.fromkeys(range(1, MANY + 1), b"old"))
        assert (await another.read("a", last_turns=1)).records[0].body == b""


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [(413, {}, EncodeError), (429, {}, StorageBusy), (403, {"x-ms-substatus": "1014"}, StorageFull)],
)
def test_a_batch_that_is_refused_becomes_an_error_with_the_next_step(
    status: int, headers: dict[str, str], kind: type[RecuerdaError]
) -> None:
    refused = CosmosBatchOperationError(error_index=0, headers=headers, status_code=status, message="refused")
    assert type(translate(refused, "could not append", "here")) is kind
