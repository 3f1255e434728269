"""How fast `recuerda serve` answers `/health` while hostile clients attack it: `python -m bench.hostile`.

There are three processes: the server without keys, in front of the stand-in model; the attackers; and this program,
which asks for `/health` on a new connection each time. The attackers hold idle connections, half of which have never
sent a byte, and hostile connections, each of which misbehaves in one way. A connection that the server closes is opened
again after a short wait, so their number stays the same. They connect within four seconds and not all at once.

All of this runs on one machine. So the CPU time of each process is printed as well, as a share of one core, and that of
the whole machine: if the machine is busy with other programs, the times are theirs too. Only Linux tells these shares.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles

from bench.server import serving, started
from recuerda.server.connections import allow_more_descriptors

ALLOWED_MS = 100.0
_MODEL = """
import sys
from recuerda.testing import ScriptedOpenAIServer
class Forgetful(list):
    def append(self, _): pass
with ScriptedOpenAIServer(default="It is sunny in Lisbon. " * 100) as server:
    server.requests = Forgetful()
    print(server.base_url, flush=True)
    sys.stdin.read()
"""
_SPREAD_S = 4.0
_HEALTH = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


class Client:
    """One connection of an attacker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Send bytes."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def read(self) -> bytes:
        """Return what has arrived; wait for it if need be."""
        return await self._reader.read(65536)

    async def closed(self) -> None:
        """Read until the server closes the connection."""
        while await self.read():
            pass


def _post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


_CHUNKED = b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n"
_PART = {"type": "input_text", "text": ""}
_MANY_PARTS = _post(
    "/v1/responses", json.dumps({"input": [{"role": "user", "content": [_PART] * 300}] * 1000}).encode()
)
_MOST_ITEMS = _post(
    "/v1/conversations", json.dumps({"items": [{"role": "user", "content": [_PART] * 200}] * 20}).encode()
)
_DEEP = _post("/v1/chat/completions", b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
_LONG_TEXT = _post("/v1/chat/completions", json.dumps({"messages": [], "x": "y" * 8_000_000}).encode())
_STREAM = _post("/v1/chat/completions", b'{"messages":[{"role":"user","content":"Hi."}],"stream":true}')


async def _endless_head(client: Client) -> None:
    await client.send(b"GET /health HTTP/1.1\r\nx: ")
    while True:
        await client.send(b"a" * 65536)


async def _slow_head(client: Client) -> None:
    await client.send(b"GET /health HTTP/1.1\r\n")
    while True:
        await client.send(b"x: 1\r\n")
        await asyncio.sleep(1)


async def _slow_body(client: Client) -> None:
    await client.send(_CHUNKED)
    while True:
        await client.send(b"1\r\n \r\n")
        await asyncio.sleep(1)


async def _tiny_chunks(client: Client) -> None:
    await client.send(_CHUNKED, b"1\r\n \r\n" * 100_000)
    await client.closed()


async def _unread_stream(client: Client) -> None:
    await client.send(_STREAM * 16)
    await asyncio.sleep(60)


async def _left_in_the_middle(client: Client) -> None:
    await client.send(_MANY_PARTS[: len(_MANY_PARTS) // 2])


def _once(data: bytes) -> Callable[[Client], Awaitable[None]]:
    """Return an attack that sends bytes and reads the answer."""

    async def attack(client: Client) -> None:
        await client.send(data)
        await client.read()

    return attack


ATTACKS: tuple[Callable[[Client], Awaitable[None]], ...] = (
    _endless_head,
    _slow_head,
    _slow_body,
    _tiny_chunks,
    _unread_stream,
    _left_in_the_middle,
    _once(_MANY_PARTS),
    _once(_MOST_ITEMS),
    _once(_DEEP),
    _once(_LONG_TEXT),
    _once(_HEALTH * 1000),
    _once(b"GET /" + b"a" * 100_000),
    _once(b"GET / HTTP/1.1\r\n" + b"x: 1\r\n" * 5000),
    _once(b"\x16\x03\x01" + b"\xff" * 10_000),
)


async def _silent(client: Client) -> None:
    await client.closed()


async def _kept_alive(client: Client) -> None:
    await client.send(_HEALTH)
    await client.closed()


async def _repeat(port: int, attack: Callable[[Client], Awaitable[None]], *, draw: random.Random) -> None:
    """Attack for ever, on one connection after the other."""
    await asyncio.sleep(draw.uniform(0, _SPREAD_S))
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await attack(Client(reader, writer))
            finally:
                writer.transport.abort()
        await asyncio.sleep(draw.uniform(0, 0.5))


async def attack(port: int, *, idle: int, hostile: int) -> None:
    """Hold idle and hostile connections for ever."""
    kinds = [*islice(cycle((_silent, _kept_alive)), idle), *islice(cycle(ATTACKS), hostile)]
    draw = random.Random(7)
    await asyncio.gather(*(_repeat(port, kind, draw=draw) for kind in kinds))


def measure(port: int, *, seconds: float) -> list[float]:
    """Return the seconds that each `/health` took, asked again and again on new connections."""
    taken: list[float] = []
    end = time.monotonic() + seconds
    while (started := time.monotonic()) < end:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(_HEALTH)
            found = b""
            while not found.endswith(b'{"status":"ok"}'):
                piece = connection.recv(4096)
                if not piece:
                    raise SystemExit(f"/health was not answered: {found!r}")
                found += piece
        taken.append(time.monotonic() - started)
        time.sleep(0.02)
    return taken


def _cpu_seconds(pid: int | None) -> float | None:
    """Return the CPU time that a process has used, or the whole machine if `pid` is None; None if nobody tells it."""
    try:
        text = Path("/proc/stat" if pid is None else f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    if pid is not None:
        return sum(map(int, text.rpartition(")")[2].split()[11:13])) / ticks
    user, nice, system, _, _, *interrupts = map(int, text.splitlines()[0].split()[1:8])
    return (user + nice + system + sum(interrupts)) / ticks


@contextmanager
def _cpu_shown(processes: Mapping[str, int | None]) -> Generator[None]:
    """Print the share of one core that each process uses in the block."""
    before = {name: _cpu_seconds(pid) for name, pid in processes.items()}
    started = time.monotonic()
    yield
    taken = time.monotonic() - started
    shares = [
        f"{name} {(used - start) / taken:.0%}"
        for name, pid in processes.items()
        if (start := before[name]) is not None and (used := _cpu_seconds(pid)) is not None
    ]
    if shares:
        print(f"  CPU time, in shares of one core of {os.cpu_count()}: {', '.join(shares)}", flush=True)


def _report(name: str, taken: Sequence[float]) -> float:
    worst = max(taken) * 1000
    p99 = quantiles(taken, n=100)[-1] * 1000
    print(
        f"  {name:18} median {median(taken) * 1000:6.1f} ms, 99% under {p99:6.1f} ms, slowest {worst:6.1f} ms",
        flush=True,
    )
    return p99


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--idle", type=int, default=1000, metavar="N", help="idle connections (default 1000)")
    parser.add_argument("--hostile", type=int, default=100, metavar="N", help="hostile connections (default 100)")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="how long to attack (default 20)")
    parser.add_argument("--check", action="store_true", help="exit with 1 when 1 %% of the answers take over 100 ms")
    parser.add_argument("--attack", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    allow_more_descriptors()
    if options.attack is not None:
        asyncio.run(attack(options.attack, idle=options.idle, hostile=options.hostile))
    print(
        f"/health, asked for {options.seconds:g} s, beside {options.idle:,} idle and {options.hostile} hostile clients"
    )
    with tempfile.TemporaryDirectory(prefix="recuerda-bench-") as folder:
        model, model_url = started([sys.executable, "-c", _MODEL])
        server, url = serving(Path(folder), model_url)
        port = int(url.removesuffix("/v1").rpartition(":")[2])
        processes = [model, server]
        try:
            _report("before the attack", measure(port, seconds=min(5.0, options.seconds)))
            numbers = [f"--idle={options.idle}", f"--hostile={options.hostile}", f"--attack={port}"]
            processes.append(subprocess.Popen([sys.executable, "-m", "bench.hostile", *numbers], text=True))
            time.sleep(1 + _SPREAD_S)
            names = {"server": server.pid, "attackers": processes[-1].pid, "model": model.pid, "whole machine": None}
            with _cpu_shown(names):
                p99 = _report("during the attack", measure(port, seconds=options.seconds))
        finally:
            for process in processes:
                process.kill()
                process.communicate()
    return int(options.check and p99 > ALLOWED_MS)


if __name__ == "__main__":
    sys.exit(main())
