"""The description of the service, and requests made up from it: none of them is a 500."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks

from recuerda import Storage, open_storage
from recuerda._drivers.bearer_keys import digest_of, new_key
from recuerda.server import Limits, ServerSettings, TenantKeys
from recuerda.server.openapi import describe
from recuerda.testing import ScriptedOpenAIServer
from tests.server.serving import MODEL, running

EXAMPLES = settings().max_examples // 16  # for each route
_checks: Any = checks
CHECKS: Any = [
    _checks.not_a_server_error,
    _checks.response_schema_conformance,
    _checks.status_code_conformance,
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service in a thread of its own: schemathesis is synchronous."""
    folder: Path = tmp_path_factory.mktemp("described")
    url: list[str] = []
    is_up, is_over = threading.Event(), threading.Event()

    async def serve(model_url: str) -> None:
        limits = Limits(max_body_bytes=100_000, queue_s=5)
        async with (
            open_storage(f"sqlite:///{folder}/memory.db") as storage,
            running(storage, model_url, settings=ServerSettings(model=MODEL, limits=limits)) as running_at,
        ):
            url.append(running_at)
            is_up.set()
            while not is_over.is_set():  # noqa: ASYNC110 - the other side is a thread
                await asyncio.sleep(0.02)

    with ScriptedOpenAIServer(default="Yes.") as model:
        thread = threading.Thread(target=lambda: asyncio.run(serve(model.base_url)))
        thread.start()
        is_up.wait()
        yield url[0]
        is_over.set()
        thread.join()


schema: Any = schemathesis.openapi.from_dict(describe("0", has_keys=False))


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=cast("Any", list(HealthCheck)),
    deadline=None,
    derandomize=True,
)
def test_no_request_that_the_description_allows_or_forbids_is_a_500(case: Any, address: str) -> None:
    if "conversation_id" in (case.path_parameters or {}) and len(str(case.path_parameters["conversation_id"])) % 2:
        # Made-up ids lead nowhere; every other request gets one that leads somewhere.
        case.path_parameters["conversation_id"] = httpx.post(f"{address}/v1/conversations", json={}).json()["id"]
    response = case.call(base_url=address)
    case.validate_response(response, checks=CHECKS)


async def test_a_route_wants_a_key_unless_the_description_says_that_it_does_not(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    keys = TenantKeys({digest_of(new_key()): "acme"})
    async with running(storage, model.base_url, keys=keys) as url, httpx.AsyncClient() as raw:
        for path, operations in (await raw.get(f"{url}/openapi.json")).json()["paths"].items():
            for method in operations.keys() & {"get", "post", "delete"}:
                answer = await raw.request(method, url + path.replace("{", "").replace("}", ""))
                is_open = operations[method].get("security") == []
                assert answer.status_code == (200 if is_open else 401), (method, path)


async def test_every_route_is_described_and_every_description_is_a_route(service: str) -> None:
    async with httpx.AsyncClient() as raw:
        described = (await raw.get(f"{service}/openapi.json")).json()
        for path, operations in described["paths"].items():
            for method in ("get", "post", "put", "delete", "patch"):
                answer = await raw.request(method, service + path.replace("{", "").replace("}", ""))
                assert (answer.status_code == 405) == (method not in operations), (method, path)
    assert describe("0", has_keys=True)["security"] == [{"key": []}]
