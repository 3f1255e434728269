"""Several processes of `recuerda serve` behind a proxy, and clients that keep to a rate."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from recuerda.testing.openai_server import RecordedRequest, Reply
from tests.server.processes import ServerProcess

PROBE_S = 0.1


class RoundRobin:
    """A proxy that hands each new connection to the next node that is ready, as a service of Kubernetes does.

    Attributes:
        url: the address of the proxy.
        nodes: the nodes, each with True if it was ready when it was last asked.
    """

    def __init__(self) -> None:
        self.url: str = ""
        self.nodes: dict[str, bool] = {}
        self._turn = count()

    def next(self) -> str:
        """Return the address of the node whose turn it is."""
        ready = [url for url, is_ready in self.nodes.items() if is_ready] or list(self.nodes)
        return ready[next(self._turn) % len(ready)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what a client sends and what its node answers, until one of them closes the connection."""
        _, _, port = self.next().rpartition(":")
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", int(port))
            passing = [asyncio.create_task(_pass(*pair)) for pair in ((reader, back), (there, writer))]
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
            back.close()
        writer.close()

    async def probe(self) -> None:
        """Ask each node again and again whether it is ready."""
        async with httpx.AsyncClient(timeout=2) as http:
            while True:
                for url in list(self.nodes):
                    is_ready = False
                    with suppress(httpx.TransportError):
                        is_ready = (await http.get(f"{url}/readyz")).status_code == 200
                    if url in self.nodes:
                        self.nodes[url] = is_ready
                await asyncio.sleep(PROBE_S)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def round_robin() -> AsyncGenerator[RoundRobin]:
    """Run a proxy in this event loop."""
    proxy = RoundRobin()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    probing = asyncio.create_task(proxy.probe())
    try:
        yield proxy
    finally:
        probing.cancel()
        server.close()
        await asyncio.gather(probing, return_exceptions=True)


@dataclass
class Cluster:
    """Nodes on one storage behind a proxy.

    Args:
        proxy: the proxy.
        storage_url: the storage.
        model_url: the model's server.
        drain_s: the seconds in which a node that stops still serves new requests.
        options: further options of the nodes.
    """

    proxy: RoundRobin
    storage_url: str
    model_url: str
    drain_s: float
    options: tuple[str, ...] = ()
    nodes: list[ServerProcess] = field(default_factory=list[ServerProcess])

    async def add(self) -> None:
        """Start a node, and let the proxy find it."""
        options = ("--drain-for", str(self.drain_s), *self.options)
        node = await asyncio.to_thread(ServerProcess, self.storage_url, self.model_url, *options)
        self.nodes.append(node)
        self.proxy.nodes[node.url] = True

    async def stop_oldest(self) -> None:
        """Stop a node with SIGTERM. It must end with status 0."""
        node = self.nodes.pop(0)
        node.interrupt()
        assert (await asyncio.to_thread(node.wait))[0] == 0
        await self._forget(node)

    async def kill_oldest(self) -> None:
        """End a node with SIGKILL."""
        node = self.nodes.pop(0)
        await asyncio.to_thread(node.kill)
        await self._forget(node)

    async def _forget(self, node: ServerProcess) -> None:
        del self.proxy.nodes[node.url]
        await asyncio.to_thread(node.__exit__, None, None, None)


@asynccontextmanager
async def cluster(storage_url: str, model_url: str, *options: str, drain_s: float = 0.5) -> AsyncGenerator[Cluster]:
    """Start three nodes behind a proxy."""
    async with round_robin() as proxy, AsyncExitStack() as held:
        made = Cluster(proxy, storage_url, model_url, drain_s, options)
        held.callback(lambda: [node.__exit__(None, None, None) for node in made.nodes])
        for _ in range(3):
            await made.add()
        yield made


def remembering(request: RecordedRequest) -> Reply:
    """Answer a question, and say how many messages came before it."""
    return Reply(f"{len(request.messages)} to {request.last_text}", delay_s=0.05, chunk_delay_s=0.005)


@dataclass
class Load:
    """Clients that keep to a rate. Each has a conversation, and asks a question after the other one is answered.

    Attributes:
        url: the address of the proxy.
        is_over: the clients stop.
        told: the answers in each conversation, in order.
        refused: the number of answers with another status, by status, or by the name of the error of the connection.
    """

    url: str
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    told: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    refused: Counter[str] = field(default_factory=Counter[str])

    @property
    def answered(self) -> int:
        """The number of answers."""
        return sum(map(len, self.told.values()))

    async def client(self, pause_s: float, *, may_repeat: bool) -> None:
        """Ask until the load is over.

        Args:
            pause_s: the seconds from one question to the next one.
            may_repeat: True to send a request again under its key until it has an answer.
        """
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(base_url=self.url, timeout=30, limits=limits) as http:
            conversation = (await http.post("/v1/conversations", json={})).json()["id"]
            told = self.told[conversation] = []
            loop = asyncio.get_running_loop()
            while not self.is_over.is_set():
                due = loop.time() + pause_s
                answer = await self._ask(http, conversation, len(told))
                while answer is None and may_repeat:
                    await asyncio.sleep(0.05)
                    answer = await self._ask(http, conversation, len(told))
                if answer is None:
                    return
                told.append(answer)
                await asyncio.sleep(max(0.0, due - loop.time()))

    async def _ask(self, http: httpx.AsyncClient, conversation: str, number: int) -> str | None:
        """Return the text of an answer; None if there was none. Every third one is streamed."""
        is_streamed = number % 3 == 0
        body = {"input": f"question {number}", "conversation": conversation, "stream": is_streamed}
        try:
            sent = await http.post("/v1/responses", json=body, headers={"idempotency-key": f"{conversation}-{number}"})
        except httpx.TransportError as error:
            self.refused[type(error).__name__] += 1
            return None
        response: Any = _last_response(sent.text) if is_streamed and sent.status_code == 200 else sent.json()
        if response is None or response.get("status") != "completed":
            self.refused[str(sent.status_code)] += 1
            return None
        return response["output"][0]["content"][0]["text"]

    async def problems(self) -> list[str]:
        """Return which answers the nodes have lost, doubled or changed."""
        found: list[str] = []
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as http:
            for conversation, told in self.told.items():
                texts = await _texts(http, conversation)
                expected = [text for n, answer in enumerate(told) for text in (f"question {n}", answer)]
                remembered = [f"{2 * n + 1} to question {n}" for n in range(len(told))]
                if texts != expected or told != remembered:
                    found.append(f"{texts} and not {remembered}")
        return found


def _last_response(stream: str) -> Any:
    lines = [line for line in stream.splitlines() if line.startswith("data: ")]
    return json.loads(lines[-1][6:]).get("response") if lines else None


async def _texts(http: httpx.AsyncClient, conversation: str) -> list[str]:
    texts: list[str] = []
    after = ""
    while True:
        page = (await http.get(f"/v1/conversations/{conversation}/items?order=asc&limit=100{after}")).json()
        texts += [item["content"][0]["text"] for item in page["data"]]
        if not page["has_more"]:
            return texts
        after = f"&after={page['last_id']}"
