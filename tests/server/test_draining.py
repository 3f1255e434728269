"""When a process should get requests, and how it stops without losing any."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from recuerda import Storage, open_storage
from recuerda.errors import StorageUnavailable
from recuerda.server import Limits, ServerSettings, readiness
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import RecordedRequest, Reply
from tests.server.processes import ServerProcess
from tests.server.serving import MODEL, running, sdk


async def _until_asked(model: ScriptedOpenAIServer, count: int) -> None:
    while len(model.requests) < count:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.01)


async def test_a_server_is_ready_while_its_storage_answers_and_it_may_call_the_model(
    storage: Storage, model: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.default = Reply("Slow.", delay_s=30)
    monkeypatch.setattr(readiness, "STORAGE_S", 0.5)
    settings = ServerSettings(model=MODEL, limits=Limits(max_in_flight=1))
    async with running(storage, model.base_url, settings=settings) as url, httpx.AsyncClient(base_url=url) as http:

        async def probed() -> tuple[int, str]:
            assert (await http.get("/health")).status_code == 200
            answer = await http.get("/readyz")
            return answer.status_code, answer.json()["status"]

        async def silent(_: str) -> None:
            await asyncio.sleep(30)

        async def broken(_: str) -> None:
            raise StorageUnavailable("the storage is away")

        assert await probed() == (200, "ok")
        for head, words in ((silent, "has not answered in 0.5 s"), (broken, "cannot be used")):
            with monkeypatch.context() as patch:
                patch.setattr(storage, "head", head)
                status, reason = await probed()
                assert (status, words in reason) == (503, True)
        assert await probed() == (200, "ok")
        asking = asyncio.create_task(http.post("/v1/responses", json={"input": "x"}))
        await _until_asked(model, 1)
        assert await probed() == (503, "the server makes as many calls of the model as it may")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def test_a_server_that_was_told_to_stop_says_so_and_serves_what_still_comes(
    storage_url: str, model: ScriptedOpenAIServer
) -> None:
    model.default = Reply("Slow and whole.", delay_s=0.3, chunk_delay_s=0.05)
    with ServerProcess(storage_url, model.base_url, "--drain-for", "1") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
            kept = await http.get("/readyz")
            early = asyncio.create_task(http.post("/v1/responses", json={"input": "x", "stream": True}))
            await _until_asked(model, 1)
            server.interrupt()
            while (probe := await http.get("/readyz")).status_code == 200:  # noqa: ASYNC110 - the other side is a process
                await asyncio.sleep(0.005)
            late = await http.post("/v1/responses", json={"input": "y"})
            health = await http.get("/health")
            assert "connection" not in kept.headers
            assert (probe.status_code, probe.json(), probe.headers["connection"]) == (
                503,
                {"status": "the server is stopping"},
                "close",
            )
            assert (late.status_code, late.headers["connection"], health.status_code) == (200, "close", 200)
            assert "event: response.completed" in (await early).text
        assert await asyncio.to_thread(server.wait) == (0, "")


async def test_answers_that_are_not_finished_in_time_end_as_failed_and_are_not_cut_off(
    storage_url: str, model: ScriptedOpenAIServer
) -> None:

    def answer(request: RecordedRequest) -> Reply:
        return Reply("Never whole." * 100, delay_s=0 if request.body.get("stream") else 30, chunk_delay_s=0.5)

    model.default = answer
    bodies: list[dict[str, Any]] = [{"stream": True}, {}, {"background": True, "stream": True}]
    with ServerProcess(storage_url, model.base_url, "--stop-after", "1") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
            asking = [asyncio.create_task(http.post("/v1/responses", json={"input": "x", **body})) for body in bodies]
            await _until_asked(model, 3)
            server.interrupt()
            streamed, whole, followed = await asyncio.gather(*asking)
        assert await asyncio.to_thread(server.wait) == (0, "")
    assert (whole.status_code, whole.json()["error"]["code"]) == (503, "server_stopping")
    assert whole.headers["retry-after"] == "1"
    for stream in (streamed, followed):
        events = [json.loads(line[6:]) for line in stream.text.splitlines() if line.startswith("data: ")]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    async with open_storage(storage_url) as storage, running(storage, model.base_url) as url, sdk(url) as client:
        assert (await client.responses.retrieve(events[0]["response"]["id"])).status == "failed"
