"""The pages of the studio on a storage with a million threads, and on a thread with 100,000 messages.

`python -m bench.studio` prints the time of the first view, in a studio that has rendered nothing yet, and of each click
after it: from the request to the last byte of the answer, without a network and without a browser.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx2

from bench.listing import fill_postgres, fill_sqlite
from recuerda import NewTurn, Storage, open_storage
from recuerda.studio import StudioSettings, create_studio
from tests.servers.postgres_server import PostgresServer

TOKEN = "the token of a benchmark"
USERS = 10_000
BODY = b'{"messages":[{"role":"user","content":"%s"},{"role":"assistant","content":"%s"}]}' % (
    b"word " * 60,
    b"so " * 100,
)

CLICKS = {
    "the next page": "/threads?cursor={cursor}",
    "the threads of a user": "/threads?user=user-77",
    "words of a title, with a user": "/threads?user=user-77&q=porto",
    "words of a title, of all users": "/threads?q=porto",
    "words that no title has": "/threads?q=no+such+words",
    "a tag and metadata": "/threads?tag=work&metadata=channel%3Dapp",
    "unfinished turns": "/threads?state=unfinished",
    "damaged threads": "/threads?state=damaged",
    "a day": "/threads?since=1970-01-01&until=1970-01-01",
    "archived threads": "/threads?archived=only",
    "a long thread": "/threads/long",
    "its middle": "/threads/long?before=25000",
    "its first turns": "/threads/long?before=31",
    "one of its turns": "/threads/long/turns/123",
    "its forks": "/threads/long/branches",
    "what the model saw with a turn": "/threads/long/turns/25000/seen?max_messages=50",
    "what it would see now": "/threads/long/seen?max_tokens=8000",
    "the health of the storage": "/health",
}
"""The addresses of the clicks by their names."""


async def measure_studio(storage: Storage, *, rounds: int) -> dict[str, float]:
    """Return the milliseconds of the first view and of each click, the median of some rounds."""
    app = create_studio(StudioSettings(storage=storage, token=TOKEN))
    transport = httpx2.ASGITransport(app)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
        found = {"the first view": await _timed(client, "/threads")}
        listed = await client.get("/api/threads")
        cursor = listed.json()["next_href"].partition("cursor=")[2]
        for name, path in CLICKS.items():
            found[name] = median([await _timed(client, path.format(cursor=cursor)) for _ in range(rounds)])
    return found


async def _timed(client: httpx2.AsyncClient, path: str) -> float:
    started = time.perf_counter()
    answer = await client.get(path)
    taken = time.perf_counter() - started
    assert answer.status_code == 200, (path, answer.text[-500:])
    return taken * 1000


async def _fill(storage: Storage, messages: int) -> None:
    """Write the long thread, unless it is there."""
    if await storage.head("long") is None:
        await storage.append_all("long", [NewTurn(body=BODY, message_count=2) for _ in range(messages // 2)])


async def _on_sqlite(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    path = folder / "studio.db"
    url = f"sqlite:///{path.as_posix()}"
    if not path.exists():
        async with open_storage(url) as storage:
            await storage.list_threads()  # makes the tables
            fill_sqlite(path, options.threads, USERS)
            await _fill(storage, options.messages)
    async with open_storage(url) as storage:
        return await measure_studio(storage, rounds=options.rounds)


async def _on_postgres(options: argparse.Namespace) -> dict[str, float]:
    server = PostgresServer()
    try:
        async with open_storage(server.url) as storage:
            await storage.list_threads()
            await fill_postgres(server.url, options.threads, USERS)
            await _fill(storage, options.messages)
        async with open_storage(server.url) as storage:
            return await measure_studio(storage, rounds=options.rounds)
    finally:
        server.stop()


async def _main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="recuerda-bench-") as folder:
        sqlite = await _on_sqlite(Path(options.dir or folder), options)
    postgres = await _on_postgres(options)
    print(f"{options.threads:,} threads, {options.messages:,} messages; milliseconds\n")
    print(f"{'':34}{'SQLite':>10}{'PostgreSQL':>12}")
    for name, taken in sqlite.items():
        print(f"{name:34}{taken:10.0f}{postgres[name]:12.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", help="keep the SQLite file in this folder, and use it again")
    asyncio.run(_main(parser.parse_args()))
