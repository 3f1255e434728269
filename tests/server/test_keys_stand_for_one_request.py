"""An idempotency key stands for one request, whatever its path, in every process, also when its work was deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from recuerda import Storage, open_storage
from recuerda.server import Limits, ServerSettings
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import RecordedRequest, Reply
from tests.between import before
from tests.server.serving import MODEL, Held, running

ON_BOTH = pytest.mark.parametrize("storage_url", ["sqlite", "postgresql"], indirect=True)


class Caller:
    """Sends requests with idempotency keys to a service, without an SDK that tries again."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = await self._client.request(method, f"/v1/{path}", json=body, headers=headers)
        return answer.status_code, answer.json()

    async def conversation(self) -> str:
        return (await self("POST", "conversations", {}))[1]["id"]


@pytest.fixture(autouse=True)
def answers(model: ScriptedOpenAIServer) -> None:
    def answer(_: RecordedRequest) -> Reply:
        return Reply(f"answer {len(model.requests)}", delay_s=0.1)

    model.default = answer


@pytest.fixture
async def ask(service: str) -> AsyncIterator[Caller]:
    async with httpx.AsyncClient(base_url=service, timeout=20) as client:
        yield Caller(client)


@pytest.fixture
async def ask_other(storage_url: str, model: ScriptedOpenAIServer) -> AsyncIterator[Caller]:
    """A second service on the same storage."""
    async with (
        open_storage(storage_url) as storage,
        running(storage, model.base_url) as url,
        httpx.AsyncClient(base_url=url, timeout=20) as client,
    ):
        yield Caller(client)


def said(text: str) -> dict[str, Any]:
    return {"items": [{"role": "user", "content": text}]}


@ON_BOTH
async def test_another_request_under_a_key_is_refused_whatever_it_is(ask: Caller, ask_other: Caller) -> None:
    one, two = await ask.conversation(), await ask.conversation()
    first = (await ask("POST", "responses", {"input": "root"}))[1]["id"]
    requests: list[tuple[str, Any]] = [
        ("conversations", {"metadata": {"a": "1"}}),
        ("conversations", {"metadata": {"a": "2"}}),
        (f"conversations/{one}", {"metadata": {"a": "1"}}),
        (f"conversations/{two}", {"metadata": {"a": "1"}}),
        (f"conversations/{one}/items", said("x")),
        (f"conversations/{one}/items", said("y")),
        (f"conversations/{two}/items", said("x")),
        ("responses", {"input": "x"}),
        ("responses", {"input": "y"}),
        ("responses", {"input": "x", "store": False}),
        ("responses", {"input": "x", "conversation": one}),
        ("responses", {"input": "x", "conversation": two}),
        ("responses", {"input": "x", "previous_response_id": first}),
    ]
    for number, (path, body) in enumerate(requests):
        assert (await ask("POST", path, body, key=f"k{number}"))[0] == 200
        for other_path, other_body in requests:
            if (other_path, other_body) != (path, body):
                status, refusal = await ask_other("POST", other_path, other_body, key=f"k{number}")
                assert (status, refusal["error"]["code"]) == (422, "idempotency_key_reused"), (path, other_path)


@ON_BOTH
async def test_one_key_at_two_processes_at_once_is_one_answer(
    ask: Caller, ask_other: Caller, model: ScriptedOpenAIServer
) -> None:
    one = await ask.conversation()
    first = (await ask("POST", "responses", {"input": "root"}))[1]["id"]
    requests: list[tuple[str, Any]] = [
        ("conversations", {"metadata": {"a": "1"}, **said("x")}),
        (f"conversations/{one}/items", said("x")),
        (f"conversations/{one}", {"metadata": {"a": "1"}}),
        ("responses", {"input": "x"}),
        ("responses", {"input": "x", "conversation": one}),
        ("responses", {"input": "x", "previous_response_id": first}),
    ]
    asked = len(model.requests)
    for number, (path, body) in enumerate(requests):
        results = await asyncio.gather(
            *(caller("POST", path, body, key=f"k{number}") for caller in (ask, ask_other, ask, ask_other))
        )
        assert results[0][0] == 200
        assert all(result == results[0] for result in results)
        assert await ask_other("POST", path, body, key=f"k{number}") == results[0]
    assert len(model.requests) == asked + 3
    listed = (await ask("GET", f"conversations/{one}/items"))[1]["data"]
    assert len(listed) == 3


async def test_a_key_whose_first_request_takes_too_long_is_in_use(
    storage_url: str, storage: Storage, model: ScriptedOpenAIServer, ask: Caller
) -> None:
    model.default = held = Held()
    settings = ServerSettings(model=MODEL, limits=Limits(queue_s=0.1))
    async with (
        open_storage(storage_url) as other,
        running(other, model.base_url, settings=settings) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        slow = asyncio.create_task(ask("POST", "responses", {"input": "x"}, key="k"))
        while not model.requests:  # noqa: ASYNC110 - the other side is a thread
            await asyncio.sleep(0.005)
        refused = await client.post("/v1/responses", json={"input": "x"}, headers={"Idempotency-Key": "k"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "idempotency_key_in_use")
        assert refused.headers["retry-after"] == "1"
        held.release()
        first = await slow
        again = await client.post("/v1/responses", json={"input": "x"}, headers={"Idempotency-Key": "k"})
        assert again.json() == first[1]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_whoever_lost_the_lease_gives_the_stored_answer_or_none(
    storage: Storage, ask: Caller, ask_other: Caller, monkeypatch: pytest.MonkeyPatch, *, is_streamed: bool
) -> None:
    body = {"input": "x", "stream": is_streamed}
    headers = {"Idempotency-Key": "k"}

    async def lose_to_the_other() -> None:
        monkeypatch.setattr(Storage, "take_lease", _always)
        stored.append(await ask_other("POST", "responses", {"input": "x"}, key="k"))

    stored: list[tuple[int, Any]] = []
    _before_second(monkeypatch, storage, _nothing, lose_to_the_other)
    answer = await ask._client.post("/v1/responses", json=body, headers=headers)  # pyright: ignore[reportPrivateUsage]  # the raw stream
    if is_streamed:
        assert "response.failed" in answer.text
        assert "response.completed" not in answer.text
    else:
        assert (answer.status_code, answer.json()) == stored[0]
    assert await ask("POST", "responses", {"input": "x"}, key="k") == stored[0]


async def test_whoever_lost_the_lease_finds_the_answer_that_continues_the_chain(
    storage: Storage, ask: Caller, ask_other: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await ask("POST", "responses", {"input": "root"}))[1]["id"]
    body = {"input": "x", "previous_response_id": first}
    stored: list[tuple[int, Any]] = []

    async def lose_to_the_other() -> None:
        monkeypatch.setattr(Storage, "take_lease", _always)
        stored.append(await ask_other("POST", "responses", body, key="k"))

    left = [lose_to_the_other, _nothing, _nothing]  # Two reads look for the answer, and the third one reads the chain.

    async def next_one() -> None:
        await left.pop()()

    before(monkeypatch, storage, "read", next_one, times=3)
    assert await ask("POST", "responses", body, key="k") == stored[0]
    assert len((await storage.list_threads()).threads) == 2


async def _always(*_: Any, **__: Any) -> bool:
    return True


def _before_second(patch: pytest.MonkeyPatch, storage: Storage, first: Any, second: Any) -> None:
    """Let something happen before the second append: the first one notes the key, and the second is the answer."""
    left = [second, first]

    async def next_one() -> None:
        await left.pop()()

    before(patch, storage, "append", next_one, times=2)


async def test_a_retry_undoes_no_update_and_gives_its_own_answer(ask: Caller) -> None:
    made = await ask("POST", "conversations", {"metadata": {"v": "1"}}, key="make")
    path = f"conversations/{made[1]['id']}"
    updated = await ask("POST", path, {"metadata": {"v": "2"}}, key="update")
    await ask("POST", path, {"metadata": {"v": "3"}})
    assert await ask("POST", "conversations", {"metadata": {"v": "1"}}, key="make") == made
    assert await ask("POST", path, {"metadata": {"v": "2"}}, key="update") == updated
    for number in range(30):
        await ask("POST", path, {"metadata": {"v": f"{number}"}}, key=f"u{number}")
    assert (await ask("GET", path))[1]["metadata"] == {"v": "29"}
    assert (await ask("POST", path, {"metadata": {"v": "28"}}, key="u28"))[1]["metadata"] == {"v": "28"}
    assert (await ask("GET", path))[1]["metadata"] == {"v": "29"}


@ON_BOTH
async def test_a_retry_brings_nothing_back_that_was_deleted(ask: Caller, ask_other: Caller, storage: Storage) -> None:
    conversation = (await ask("POST", "conversations", said("a"), key="conversation"))[1]["id"]
    inside = {"input": "x", "conversation": conversation}
    in_conversation = (await ask("POST", "responses", inside, key="inside"))[1]["id"]
    first = (await ask("POST", "responses", {"input": "1"}, key="first"))[1]["id"]
    second = {"input": "2", "previous_response_id": first}
    newest = (await ask("POST", "responses", second, key="second"))[1]["id"]
    for response in (in_conversation, newest, first):
        assert (await ask("DELETE", f"responses/{response}"))[0] == 200
    retries: list[tuple[str, Any, str]] = [
        ("responses", inside, "inside"),
        ("responses", {"input": "1"}, "first"),
        ("conversations", said("a"), "conversation"),
        (f"conversations/{conversation}/items", said("b"), "items"),
    ]
    assert (await ask("POST", retries[3][0], retries[3][1], key="items"))[0] == 200
    for caller in (ask, ask_other):
        assert [(await caller("POST", path, body, key=key))[0] for path, body, key in retries] == [422, 422, 200, 200]
        assert (await caller("POST", "responses", second, key="second"))[0] == 400
    assert (await ask("DELETE", f"conversations/{conversation}"))[0] == 200
    for caller in (ask, ask_other):
        assert [(await caller("POST", path, body, key=key))[0] for path, body, key in retries] == [404, 422, 422, 404]
    assert [info.id for info in (await storage.list_threads()).threads] == ["idempotency_keys"]


async def test_a_crash_after_the_key_was_noted_leaves_the_work_to_the_retry(
    ask: Caller, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies() -> None:
        raise ConnectionResetError

    conversation = await ask.conversation()
    for method, path, body in (
        ("update_thread", "conversations", {**said("a"), "metadata": {"a": "1"}}),
        ("update_thread", f"conversations/{conversation}", {"metadata": {"a": "1"}}),
    ):
        before(monkeypatch, storage, method, dies)
        assert (await ask("POST", path, body, key=path))[0] == 500
        assert (await ask("POST", path, body, key=path))[1]["metadata"] == {"a": "1"}
    _before_second(monkeypatch, storage, _nothing, dies)
    assert (await ask("POST", f"conversations/{conversation}/items", said("b"), key="b"))[0] == 500
    assert (await ask("POST", f"conversations/{conversation}/items", said("b"), key="b"))[0] == 200
    assert len((await ask("GET", f"conversations/{conversation}/items"))[1]["data"]) == 1


async def _nothing() -> None: ...


async def test_the_order_of_a_requests_fields_and_the_wish_for_a_stream_change_nothing(ask: Caller) -> None:
    first = await ask("POST", "responses", {"input": "x", "model": "m"}, key="k")
    assert await ask("POST", "responses", {"model": "m", "stream": False, "input": "x"}, key="k") == first


async def test_answers_that_are_not_kept_have_ids_of_their_own(ask: Caller, model: ScriptedOpenAIServer) -> None:
    body = {"input": "x", "store": False}
    ids = {(await ask("POST", "responses", body, key="k"))[1]["id"] for _ in range(2)}
    assert len(ids) == 2
    assert len(model.requests) == 2


async def test_a_trace_id_is_no_key(service: str, model: ScriptedOpenAIServer) -> None:
    async with httpx.AsyncClient(base_url=service, headers={"X-Client-Request-Id": "session"}) as client:
        answers = [(await client.post("/v1/responses", json={"input": "x"})).json()["id"] for _ in range(2)]
    assert answers[0] != answers[1]
    assert len(model.requests) == 2


async def test_the_oldest_keys_make_room_and_their_answers_stay(
    ask: Caller, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recuerda.server.once.KEPT_KEYS", 3)
    first = await ask("POST", "responses", {"input": "0"}, key="k0")
    for number in range(1, 5):
        await ask("POST", "responses", {"input": f"{number}"}, key=f"k{number}")
    info = await storage.head("idempotency_keys")
    assert info is not None
    assert info.turns == 3
    assert await ask("POST", "responses", {"input": "0"}, key="k0") == first
