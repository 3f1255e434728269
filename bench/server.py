"""The time that `recuerda serve` adds to the response of a model: `python -m bench.server`.

There are three processes: a stand-in for the model with a delay that each request sets, the server with a SQLite file,
and this program. All three share the machine's cores. So the stand-in and the clients are bare sockets, whose cost is
small and equal for both kinds of requests: a framework in the stand-in takes more of the processor than the server.

The first part keeps a number of requests in flight, each on its own connection and in its own conversation. The delay
is drawn at random for each request, as a real model's varies. With one fixed delay, requests that a busy machine held
up once would arrive together from then on. The figure is the time above the delay. Requests to the model alone and to
the model behind the server run in turn. With 50 requests in flight and a model that takes 0.5 s on average, the server
gets up to 100 requests a second, so requests wait for one another now and then.

The second part keeps the same number of requests in flight with a model that answers at once. The server then works
without a pause. The time of a response is the processor's time of all requests that are in flight, and shows only how
many responses a second one core gives. The third part compares a short conversation with a long one, one request at a
time, with a model that answers at once.

`--framework` puts the scripted model of `recuerda.testing` in the place of the stand-in.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psutil

ALLOWED_MS = 3.0
_SCRIPTED = """
import sys
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Reply
class Forgetful(list):
    def append(self, _): pass
def answer(request):
    return Reply("It is sunny in Lisbon, and will stay so.", delay_s=float(request.last_text.split()[-1]))
with ScriptedOpenAIServer(default=answer) as server:
    server.requests = Forgetful()
    print(server.base_url, flush=True)
    sys.stdin.read()
"""
_BARE = """
import asyncio, json, os, sys
import uvloop
message = {"role": "assistant", "content": "It is sunny in Lisbon, and will stay so."}
usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
choice = {"index": 0, "message": message, "finish_reason": "stop"}
body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
data = json.dumps(body).encode()
answer = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(data) + data
class Model(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.read = transport, b""
    def data_received(self, data):
        self.read += data
        head, _, body = self.read.partition(b"\\r\\n\\r\\n")
        if body and len(body) >= int(head.lower().partition(b"content-length:")[2].split()[0]):
            self.read = b""
            delay = float(json.loads(body)["messages"][-1]["content"].split()[-1])
            asyncio.get_running_loop().call_later(delay, self.transport.write, answer)
async def main():
    server = await asyncio.get_running_loop().create_server(Model, "127.0.0.1", 0)
    print("http://127.0.0.1:%d/v1" % server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)
uvloop.run(main())
"""


class Connection:
    """A kept connection that sends JSON and waits for JSON."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("http://").partition("/")[0].partition(":")
        self._host, self._port = host, int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            await self._streams[1].wait_closed()

    async def post(self, path: str, body: object) -> Any:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        found = json.loads(await reader.readexactly(int(answer.partition(b"content-length:")[2].split()[0])))
        assert answer.startswith(b"http/1.1 200"), found
        return found


@asynccontextmanager
async def connected(address: str, count: int) -> AsyncGenerator[list[Connection]]:
    """Open a number of connections to an address, and close them at the end."""
    connections = [Connection(address) for _ in range(count)]
    try:
        yield connections
    finally:
        for one in connections:
            await one.close()


Send = Callable[[int, str], Awaitable[object]]


async def in_flight(count: int, each: int, send: Send, *, delay_s: float, seed: int) -> list[float]:
    """Return the seconds that each request took beyond the model's delay, with `count` requests in flight."""
    above: list[float] = []
    draw = random.Random(seed)
    delays = [[draw.uniform(0.5 * delay_s, 1.5 * delay_s) for _ in range(each)] for _ in range(count)]

    async def one(number: int) -> None:
        await asyncio.sleep(number / count * delay_s)
        for delay in delays[number]:
            started = time.perf_counter()
            await send(number, f"What is the weather in Lisbon? {delay:.6f}")
            above.append(time.perf_counter() - started - delay)

    await asyncio.gather(*(one(number) for number in range(count)))
    return above


async def measure_load(
    model: str, server: str, *, count: int, each: int, rounds: int, delay_s: float
) -> tuple[list[float], list[float]]:
    """Return the seconds beyond the delay, of requests to the model alone and of requests through the server."""
    async with connected(model, count) as direct, connected(server, count) as through:
        return await _compare(direct, through, each=each, rounds=rounds, delay_s=delay_s)


async def _compare(
    direct: Sequence[Connection], through: Sequence[Connection], *, each: int, rounds: int, delay_s: float
) -> tuple[list[float], list[float]]:
    count = len(direct)
    conversations = [(await one.post("/v1/conversations", {}))["id"] for one in through]

    async def ask_model(number: int, text: str) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        await direct[number].post("/v1/chat/completions", body)

    async def ask_server(number: int, text: str) -> None:
        await through[number].post("/v1/responses", {"input": text, "conversation": conversations[number]})

    alone: list[float] = []
    behind: list[float] = []
    for number in range(rounds + 1):
        first = await in_flight(count, each, ask_model, delay_s=delay_s, seed=number)
        second = await in_flight(count, each, ask_server, delay_s=delay_s, seed=number)
        if number:  # the first round opens the connections
            alone += first
            behind += second
    return alone, behind


async def measure_saturated(server: str, *, count: int, each: int) -> tuple[float, float]:
    """Return the responses a second and the median seconds of a response, with a model that answers at once."""
    async with connected(server, count) as connections:
        conversations = [(await one.post("/v1/conversations", {}))["id"] for one in connections]

        async def send(number: int, text: str) -> None:
            await connections[number].post("/v1/responses", {"input": text, "conversation": conversations[number]})

        await in_flight(count, 2, send, delay_s=0.0, seed=0)
        started = time.perf_counter()
        taken = await in_flight(count, each, send, delay_s=0.0, seed=1)
        return len(taken) / (time.perf_counter() - started), median(taken)


async def measure_lengths(server: str, lengths: Sequence[int], *, rounds: int) -> dict[int, float]:
    """Return the median seconds of a response in a conversation of each length, one request at a time."""
    async with connected(server, 1) as (connection,):
        return await _compare_lengths(connection, lengths, rounds=rounds)


async def _compare_lengths(connection: Connection, lengths: Sequence[int], *, rounds: int) -> dict[int, float]:
    conversations: dict[int, str] = {}
    for length in lengths:
        conversations[length] = (await connection.post("/v1/conversations", {}))["id"]
        for start in range(0, length, 20):
            items = [{"role": "user", "content": f"message {start + i}"} for i in range(min(20, length - start))]
            await connection.post(f"/v1/conversations/{conversations[length]}/items", {"items": items})
    taken: dict[int, list[float]] = {length: [] for length in lengths}
    for number in range(rounds + 5):
        for length in lengths:
            started = time.perf_counter()
            await connection.post("/v1/responses", {"input": "And now? 0", "conversation": conversations[length]})
            if number >= 5:
                taken[length].append(time.perf_counter() - started)
    return {length: median(times) for length, times in taken.items()}


def started(command: Sequence[str]) -> tuple[subprocess.Popen[str], str]:
    """Start a program. Return its process, and the last word of the first line that it prints."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().split()[-1]


def serving(folder: Path, model: str, *further: str, storage: str | None = None) -> tuple[subprocess.Popen[str], str]:
    """Start the service in front of a model, with further options. Return its process and address.

    Args:
        folder: a folder for a SQLite file.
        model: the address of the model's server.
        further: further options.
        storage: the URL of the storage; None for a SQLite file.
    """
    storage = storage or f"sqlite:///{folder}/memory.db"
    options = ["--storage", storage, "--upstream", model, "--model", "m", "--port", "0"]
    return started([sys.executable, "-m", "recuerda", "serve", *options, *further])


class _Used:
    """The processor time that a process uses from now on."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._before = self._seconds()

    def ms(self, requests: int) -> float:
        """Return the milliseconds for each of a number of requests."""
        return (self._seconds() - self._before) / requests * 1000

    def _seconds(self) -> float:
        return sum(self._process.cpu_times()[:2])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.server", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--in-flight", type=int, default=50, metavar="N")
    parser.add_argument(
        "--delay", type=float, default=0.5, metavar="S", help="how long the model takes on average (default 0.5)"
    )
    parser.add_argument("--each", type=int, default=5, metavar="N", help="requests of each connection in a round")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--lengths", default="10,10000", metavar="N,N", help="messages of the conversations compared")
    parser.add_argument("--framework", action="store_true", help="use the scripted model of recuerda.testing")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 when more than {ALLOWED_MS:g} ms are added")
    options = parser.parse_args(arguments)
    lengths = [int(length) for length in options.lengths.split(",")]
    with tempfile.TemporaryDirectory(prefix="recuerda-bench-") as folder:
        model, model_url = started([sys.executable, "-c", _SCRIPTED if options.framework else _BARE])
        server, server_url = serving(Path(folder), model_url, "--window-messages", "20")
        try:
            load = measure_load(
                model_url,
                server_url,
                count=options.in_flight,
                each=options.each,
                rounds=options.rounds,
                delay_s=options.delay,
            )
            used = _Used(server.pid)
            alone, behind = asyncio.run(load)
            paced_ms = used.ms(options.in_flight * (1 + options.each * (options.rounds + 1)))
            used = _Used(server.pid)
            each = options.each * options.rounds
            a_second, taken_s = asyncio.run(measure_saturated(server_url, count=options.in_flight, each=each))
            saturated_ms = used.ms(options.in_flight * (each + 3))
            flat = asyncio.run(measure_lengths(server_url, lengths, rounds=40 * options.rounds))
        finally:
            for process in (model, server):
                process.kill()
                process.communicate()
    added_ms = (median(behind) - median(alone)) * 1000
    print(f"{options.in_flight} requests in flight, a model that takes {options.delay:g} s on average")
    for name, above in (("the model alone", alone), ("behind recuerda serve", behind)):
        p95 = quantiles(above, n=20)[-1]
        print(f"  {name:22} median {median(above) * 1000:6.2f} ms above that, 95% under {p95 * 1000:6.2f} ms")
    print(f"  {'added at the median':22}        {added_ms:6.2f} ms (at most {ALLOWED_MS:g})")
    print(f"  {'processor time':22}        {paced_ms:6.2f} ms of the service for each request")
    print(f"{options.in_flight} requests in flight, a model that answers at once: {a_second:.0f} responses a second")
    print(f"  {'a response':22} median {taken_s * 1000:6.2f} ms")
    print(f"  {'processor time':22}        {saturated_ms:6.2f} ms of the service for each request")
    for length, seconds in flat.items():
        print(f"one at a time, {length:6,} messages before: median {seconds * 1000:5.2f} ms")
    return int(options.check and added_ms > ALLOWED_MS)


if __name__ == "__main__":
    sys.exit(main())
