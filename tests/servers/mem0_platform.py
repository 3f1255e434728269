"""A stand-in for Mem0's platform: the paths that its Python client calls, in versions 1 and 2.

It keeps what it is told word by word, where the real one lets a model extract facts, and finds by shared words. What it
takes after are the rules: a key, a scope that is required, filters that mean what they say, a memory that is the user's
or the agent's but never both's, and fields that a filter leaves out which have to be empty.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

RIGHT = object()
ENTITIES = ("user_id", "agent_id", "app_id", "run_id")


@dataclass(frozen=True)
class Fault:
    """An answer in place of the right one: a status, or any JSON with 200; or the right one, later.

    Attributes:
        delay_s: how long the answer takes.
        until: an event that the answer waits for, as well.
    """

    status: int = 200
    body: object = RIGHT
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay_s: float = 0
    until: threading.Event | None = None


@dataclass(frozen=True)
class Call:
    """A request that was not a ping."""

    path: str
    body: dict[str, Any]


class Mem0Platform:
    """Answer on a free port of 127.0.0.1, from a thread of its own; a context manager.

    `memories` is everything that was kept, `calls` every request, `pings` how often a client was made. Each entry of
    `on_add`, `on_search` and `on_list` is the answer to one request instead of the right one; None is the right one.
    """

    def __init__(self, key: str = "m0-test-key") -> None:
        self.host = ""
        self.forget(key)

    def forget(self, key: str = "m0-test-key") -> None:
        """Be as new: no memories, no faults."""
        self.key = key
        self.memories: list[dict[str, Any]] = []
        self._numbers = count()
        self.calls: list[Call] = []
        self.pings = 0
        self.on_ping: deque[Fault | None] = deque()
        self.on_add: deque[Fault | None] = deque()
        self.on_search: deque[Fault | None] = deque()
        self.on_list: deque[Fault | None] = deque()

    @property
    def added(self) -> list[dict[str, Any]]:
        """The bodies of the requests to add."""
        return [call.body for call in self.calls if "search" not in call.path]

    @property
    def searched(self) -> list[dict[str, Any]]:
        """The bodies of the requests to search."""
        return [call.body for call in self.calls if "search" in call.path]

    def __enter__(self) -> Self:
        routes = [
            Route("/v1/ping/", self._ping, methods=["GET"]),
            Route("/v1/memories/", self._add, methods=["POST"]),
            Route("/v3/memories/add/", self._add, methods=["POST"]),
            Route("/v2/memories/search/", self._search, methods=["POST"]),
            Route("/v3/memories/search/", self._search, methods=["POST"]),
            Route("/v2/memories/", self._list, methods=["POST"]),
            Route("/v3/memories/", self._list, methods=["POST"]),
            Route("/v1/memories/{memory_id}/", self._delete, methods=["DELETE"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes), http="h11", ws="none", lifespan="off", access_log=False, log_config=None
        )
        self._server = uvicorn.Server(config)
        listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="mem0-platform", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()

    def _serve(self, listener: socket.socket) -> None:
        with listener:
            self._server.run(sockets=[listener])

    async def _ping(self, request: Request) -> Response:
        self.pings += 1
        if (answer := await self._refusal(request, self.on_ping)) is not None:
            return answer
        return JSONResponse({"status": "ok", "org_id": "org", "project_id": "project", "user_email": "a@example.com"})

    async def _add(self, request: Request) -> Response:
        body = await self._record(request)
        if (answer := await self._refusal(request, self.on_add)) is not None:
            return answer
        if not any(body.get(name) for name in ENTITIES):
            return _refused("at least one of user_id, agent_id, app_id, run_id is required")
        for message in body["messages"]:
            self.memories.append(self._memory(message, body))
        return JSONResponse({"message": "Memory processing has been queued", "status": "PENDING", "event_id": "e-1"})

    def _memory(self, message: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        kept = {name: body.get(name) for name in ENTITIES}
        if kept["user_id"] and kept["agent_id"]:
            kept["agent_id" if message["role"] == "user" else "user_id"] = None
        return {
            "id": f"mem-{next(self._numbers)}",
            "memory": message["content"],
            "metadata": body.get("metadata"),
            **kept,
        }

    async def _search(self, request: Request) -> Response:
        body = await self._record(request)
        if (answer := await self._refusal(request, self.on_search)) is not None:
            return answer
        conditions = body.get("filters", {}).get("AND")
        if any(name in body for name in ENTITIES):
            return _refused("Entity parameters are only allowed inside filters")
        if not conditions or not any(name in condition for condition in conditions for name in ENTITIES):
            return _refused("filters must name at least one entity")
        found = [(self._score(memory, body["query"]), memory) for memory in self.memories if _fits(memory, conditions)]
        best = sorted((pair for pair in found if pair[0]), key=lambda pair: -pair[0])[: body.get("top_k", 10)]
        return JSONResponse({"results": [{**memory, "score": score, "categories": []} for score, memory in best]})

    async def _list(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        if (answer := await self._refusal(request, self.on_list)) is not None:
            return answer
        found = [memory for memory in self.memories if _fits(memory, body["filters"]["AND"])]
        return JSONResponse({"count": len(found), "results": found[: int(request.query_params["page_size"])]})

    async def _delete(self, request: Request) -> Response:
        if (answer := await self._refusal(request, deque())) is not None:
            return answer
        self.memories = [memory for memory in self.memories if memory["id"] != request.path_params["memory_id"]]
        return JSONResponse({"message": "Memory deleted successfully!"})

    def _score(self, memory: dict[str, Any], query: str) -> float:
        words, wanted = (set(re.findall(r"\w+", text.lower())) for text in (memory["memory"], query))
        return len(words & wanted) / max(1, len(wanted))

    async def _record(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.calls.append(Call(request.url.path, body))
        return body

    async def _refusal(self, request: Request, faults: deque[Fault | None]) -> Response | None:
        if request.headers.get("authorization") != f"Token {self.key}":
            return JSONResponse({"detail": "Invalid API key"}, status_code=401)
        fault = faults.popleft() if faults else None
        if fault is None:
            return None
        await asyncio.sleep(fault.delay_s)
        while fault.until is not None and not fault.until.is_set():  # noqa: ASYNC110 - it is set in another thread
            await asyncio.sleep(0.005)
        if fault.status == 200 and fault.body is RIGHT:
            return None
        body = {"detail": "a fault"} if fault.body is RIGHT else fault.body
        return JSONResponse(body, status_code=fault.status, headers=dict(fault.headers))


def _fits(memory: dict[str, Any], conditions: list[dict[str, Any]]) -> bool:
    wanted: dict[str, Any] = {}
    for condition in conditions:
        wanted.update(condition)
    metadata = wanted.pop("metadata", {})
    if "*" in wanted.values():
        wanted = {name: value for name, value in wanted.items() if value != "*"}
        return all(memory[name] == value for name, value in wanted.items())
    kept: dict[str, Any] = memory["metadata"] or {}
    return all(memory[name] == wanted.get(name) for name in ENTITIES) and all(
        kept.get(name) == value for name, value in metadata.items()
    )


def _refused(detail: str) -> Response:
    return JSONResponse({"detail": detail}, status_code=400)
