"""Servers that are killed and started again, and a client that repeats a request until it knows the outcome."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, Self

import httpx

from tests.chaos.tally import Round
from tests.server.processes import ServerProcess

PROCESSES = 3
AGAIN = (409, 502, 503)
"""The statuses after which a client sends its request again."""


def key_of(tenant: str) -> str:
    """Return the key with which a tenant calls the servers."""
    return f"key-of-{tenant}-0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a client. `key` is its idempotency key; None for a request that needs none."""

    tenant: str
    method: str
    path: str
    body: Any = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request. `is_first` is False if an earlier try had no answer, so that it may have been done."""

    status: int
    body: Any
    is_first: bool = True


@dataclass(slots=True)
class Servers:
    """Several processes on one storage, for tenants with keys.

    Args:
        storage_url: the storage.
        model_url: the model's server.
        tenants: the tenants.
    """

    storage_url: str
    model_url: str
    tenants: tuple[str, ...]
    _running: list[ServerProcess] = field(default_factory=list[ServerProcess])

    async def __aenter__(self) -> Self:
        for _ in range(PROCESSES):
            self._running.append(await asyncio.to_thread(self._start))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._running:
            server.__exit__(None, None, None)

    @property
    def urls(self) -> list[str]:
        """The addresses of all processes; the newest process is the last one."""
        return [server.url for server in self._running]

    async def kill_one(self, luck: Random) -> None:
        """Kill one process and start another one."""
        killed = self._running.pop(luck.randrange(len(self._running)))
        await asyncio.to_thread(killed.__exit__, None, None, None)
        self._running.append(await asyncio.to_thread(self._start))

    async def restart_one(self, luck: Random) -> None:
        """Stop one process with SIGTERM and start another one."""
        stopped = self._running.pop(luck.randrange(len(self._running)))
        stopped.interrupt()
        self._running.append(await asyncio.to_thread(self._start))
        await asyncio.to_thread(stopped.wait)
        await asyncio.to_thread(stopped.__exit__, None, None, None)

    def _start(self) -> ServerProcess:
        keys = ",".join(f"{tenant}={key_of(tenant)}" for tenant in self.tenants)
        return ServerProcess(self.storage_url, self.model_url, RECUERDA_SERVER_KEYS=keys)


class Caller:
    """A client that sends each request to any of the servers.

    Args:
        servers: the servers.
        current: the round; it gets the counts.
        client: the HTTP client.
    """

    def __init__(self, servers: Servers, current: Round, client: httpx.AsyncClient) -> None:
        self._servers = servers
        self._current = current
        self._client = client

    async def ask(self, request: Request) -> Answer:
        """Send a request until its outcome is known. Some requests with a key go to two servers at once."""
        if request.key is None or self._current.luck.random() < 0.7:
            return await self._settled(request)
        answers = await asyncio.gather(self._settled(request), self._settled(request))
        if answers[0].status == answers[1].status == 200:
            self._current.check(
                f"{request}", expected="one answer under one key", found=_difference(answers[0].body, answers[1].body)
            )
        return min(answers, key=lambda answer: answer.status)

    async def everywhere(self, request: Request) -> list[Answer]:
        """Return the answer of every server, while no server is being killed."""
        return [await self._once_ready(request, url) for url in self._servers.urls]

    async def _once_ready(self, request: Request, url: str) -> Answer:
        """Send a request to one server, again while it finds that its connections to the storage are broken."""
        for _ in range(20):
            answer = await self._once(request, url)
            if answer is not None and answer.status != 503:
                return answer
            await asyncio.sleep(0.2)
        return Answer(0, None)

    async def _settled(self, request: Request) -> Answer:
        is_first = True
        for _ in range(2_000):
            answer = await self._once(request, self._current.luck.choice(self._servers.urls))
            if answer is not None and answer.status not in AGAIN:
                self._current.tally.acknowledged += answer.status == 200
                return Answer(answer.status, answer.body, is_first)
            self._current.tally.refusals["no answer" if answer is None else f"{_code_of(answer.body)}"] += 1
            is_first = is_first and answer is not None
            await self._current.pause(0.1)
        return Answer(0, "no answer after 2,000 tries")

    async def _once(self, request: Request, url: str) -> Answer | None:
        """Send a request to one server; return None if nobody knows the outcome."""
        headers = {"authorization": f"Bearer {key_of(request.tenant)}"}
        if request.key is not None:
            headers["idempotency-key"] = request.key
        try:
            answer = await self._client.request(
                request.method, f"{url}/v1/{request.path}", json=request.body, headers=headers
            )
        except httpx.TransportError:
            return None
        if answer.headers["content-type"].startswith("text/event-stream"):
            return _streamed(answer.text)
        return Answer(answer.status_code, answer.json())


def _streamed(text: str) -> Answer | None:
    """Return the answer that a stream gave; None if the stream broke off."""
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: {")]
    last = events[-1] if events else {"type": ""}
    if last["type"] == "response.failed":
        return Answer(409, {"error": {"code": "response.failed"}})
    return Answer(200, last["response"]) if last["type"] == "response.completed" else None


def _code_of(body: Any) -> str:
    return body["error"]["code"]


def _difference(one: Any, other: Any) -> str:
    if one.get("background") and other.get("background"):  # the same response, perhaps at different moments
        one, other = one["id"], other["id"]
    return "one answer under one key" if one == other else f"{one} and {other}"
