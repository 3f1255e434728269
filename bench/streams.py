"""The cost of many open streams on one `recuerda serve`: `python -m bench.streams`.

There are three processes: a model's server that sends a chunk now and then, the service, and this program. It opens a
number of streams at once, cuts some of them off in the middle, and resumes each of these behind the last event that it
has read. It compares the numbers of all events, measures the memory of the service while all streams are open, and asks
for `/health` meanwhile. The streams are responses in the background, because only these go on without a connection.
With `--plain`, they are plain streams, and none is cut off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Self

import psutil

from bench.server import serving, started
from tests.servers.postgres_server import PostgresServer
from tests.servers.redis_server import RedisServer

ALLOWED_KB = 100.0
STORAGES = ("sqlite", "postgresql", "redis")
_MODEL = """
import asyncio, sys
chunks, gap = int(sys.argv[1]), float(sys.argv[2])
def chunk(choice):
    return b'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[' + choice + b']}\\n\\n'
async def answer(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
            writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\nconnection: close\\r\\n\\r\\n")
            for number in range(chunks):
                if writer.is_closing():
                    return
                writer.write(chunk(b'{"index":0,"delta":{"content":"word %d "}}' % number))
                await asyncio.sleep(gap)
            writer.write(chunk(b'{"index":0,"delta":{},"finish_reason":"stop"}') + b"data: [DONE]\\n\\n")
            break
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=2048)
    print("http://127.0.0.1:%d/v1" % server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    import os; os._exit(0)
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
asyncio.run(main())
"""


class Stream:
    """A stream of server-sent events over a bare socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: tuple[str, int], head: str, body: bytes = b"") -> Self:
        """Send a request, and read the head of its answer."""
        reader, writer = await asyncio.open_connection(*address)
        writer.write(f"{head} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
        assert status == b"200", await reader.read(1000)
        return cls(reader, writer)

    async def events(self) -> AsyncGenerator[bytes]:
        """Yield the data of each event. The chunks of the answer are whole lines."""
        while line := await self._reader.readline():
            if line.startswith(b"data: "):
                yield line[6:]
            if line == b"0\r\n":
                return

    def close(self) -> None:
        """Cut the connection off."""
        self._writer.transport.abort()


@dataclass
class Found:
    """The events of the streams, and the times of `/health`."""

    numbers: list[list[int]] = field(default_factory=list[list[int]])
    ends: list[str] = field(default_factory=list[str])
    texts: Counter[str] = field(default_factory=Counter[str])
    health_s: list[float] = field(default_factory=list[float])
    open: int = 0
    resumed: int = 0


async def _read(address: tuple[str, int], found: Found, *, is_cut: bool, is_plain: bool) -> None:
    """Read one stream to its end. One that is cut off is resumed behind the last event that was read."""
    body = {"input": "Tell me.", "stream": True, "background": not is_plain}
    stream = await Stream.open(address, "POST /v1/responses", json.dumps(body).encode())
    found.open += 1
    numbers: list[int] = []
    last: dict[str, Any] = {}
    id = ""
    while True:
        async for data in stream.events():
            last = json.loads(data)
            id = id or last["response"]["id"]
            numbers.append(last["sequence_number"])
            if is_cut and len(numbers) == 12:
                break
        stream.close()
        if not is_cut:
            break
        is_cut = False
        found.resumed += 1
        await asyncio.sleep(0.5)
        stream = await Stream.open(address, f"GET /v1/responses/{id}?stream=true&starting_after={numbers[-1]}")
    found.numbers.append(numbers)
    found.ends.append(last["type"])
    response = last.get("response", {})
    found.texts[
        response["output"][0]["content"][0]["text"] if response.get("output") else str(response.get("error"))
    ] += 1


async def _probe(address: tuple[str, int], found: Found) -> None:
    """Ask for `/health` again and again on one connection."""
    reader, writer = await asyncio.open_connection(*address)
    while True:
        begun = time.perf_counter()
        writer.write(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
        found.health_s.append(time.perf_counter() - begun)
        await asyncio.sleep(0.05)


async def measure(url: str, server: psutil.Process, *, count: int, cut: int, is_plain: bool) -> tuple[Found, float]:
    """Return the findings, and the bytes of memory that each stream took when all were open."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    address = (host, int(port))
    warm = Found()
    await asyncio.gather(*(_read(address, warm, is_cut=False, is_plain=is_plain) for _ in range(20)))
    before = server.memory_info().rss
    found = Found()
    probing = asyncio.create_task(_probe(address, found))
    reading: list[asyncio.Task[None]] = []
    for number in range(count):
        is_cut = number * cut // count != (number + 1) * cut // count
        reading.append(asyncio.create_task(_read(address, found, is_cut=is_cut, is_plain=is_plain)))
        await asyncio.sleep(0.002)
    most = before
    while not all(task.done() for task in reading):
        if not found.ends:
            most = max(most, server.memory_info().rss)
        await asyncio.sleep(0.25)
    await asyncio.gather(*reading)
    probing.cancel()
    return found, (most - before) / count


@asynccontextmanager
async def _storage(kind: str, folder: Path) -> AsyncGenerator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/memory.db"
        return
    server = PostgresServer(is_durable=False) if kind == "postgresql" else RedisServer()
    try:
        yield server.url
    finally:
        server.stop()


async def _run(options: argparse.Namespace, folder: Path) -> tuple[Found, float, float]:
    async with _storage(options.storage, folder) as storage:
        model, model_url = started([sys.executable, "-c", _MODEL, str(options.chunks), str(options.gap)])
        limits = ["--max-in-flight", str(options.streams + 50), "--max-connections", str(2 * options.streams + 200)]
        server, url = serving(folder, model_url, *limits, storage=storage)
        try:
            process = psutil.Process(server.pid)
            cut = 0 if options.plain else options.cut
            found, size = await measure(url, process, count=options.streams, cut=cut, is_plain=options.plain)
            times = process.cpu_times()
            return found, size, times.user + times.system
        finally:
            for one in (server, model):
                _end(one)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", type=int, default=1000, metavar="N")
    parser.add_argument("--cut", type=int, default=200, metavar="N", help="streams that are cut off and resumed")
    parser.add_argument("--chunks", type=int, default=30, metavar="N", help="chunks of each answer (default 30)")
    parser.add_argument("--gap", type=float, default=1.0, metavar="S", help="seconds between two chunks (default 1)")
    parser.add_argument("--storage", choices=STORAGES, default="sqlite")
    parser.add_argument("--plain", action="store_true", help="plain streams, which end with their connections")
    parser.add_argument("--check", action="store_true", help="exit with 1 when more than 100 kB a stream are used")
    options = parser.parse_args(arguments)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="recuerda-bench-") as folder:
        found, size, cpu_s = asyncio.run(_run(options, Path(folder)))
    in_order = sum(numbers == list(range(len(numbers))) for numbers in found.numbers)
    completed = found.ends.count("response.completed")
    events = sum(map(len, found.numbers))
    print(f"{found.open:,} streams, {found.resumed} of them cut off and resumed, on {options.storage}")
    print(f"  {completed:,} completed, {in_order:,} with each event once and in order, {events:,} events")
    print(f"  memory of each open stream {size / 1000:.0f} kB (at most {ALLOWED_KB:g})")
    health = quantiles(found.health_s, n=100)[-1]
    print(f"  /health meanwhile: median {median(found.health_s) * 1000:.0f} ms, 99% under {health * 1000:.0f} ms")
    print(f"  the service used {cpu_s:.1f} s of a processor")
    for text, number in found.texts.most_common()[1:]:
        print(f"  another answer, {number} times: {text}")
    is_right = completed == in_order == options.streams and len(found.texts) == 1
    return int(not is_right or (options.check and size > ALLOWED_KB * 1000))


if __name__ == "__main__":
    sys.exit(main())
