"""Four processes on one thread."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from recuerda.redis import RedisStorage
from tests.servers.redis_server import redis_url
from tests.storage.processes import body_of

ROOT = Path(__file__).parents[2]
PROCESSES = 4
TURNS = 200

WRITER = """
import asyncio, json, sys
from recuerda.errors import ThreadConflict
from recuerda.storage.records import NewTurn
from recuerda.redis import RedisStorage
from tests.storage.processes import body_of

async def main(url, prefix, process, count):
    told = []
    async with RedisStorage(url, key_prefix=prefix) as storage:
        for n in range(int(count)):
            turn_id = f"{process}.{n}"
            turn = NewTurn(id=turn_id, body=body_of(turn_id), message_count=2)
            while True:
                info = await storage.head("x")
                try:
                    appended = await storage.append("x", turn, expected=info.revision if info else 0)
                except ThreadConflict:
                    continue
                break
            told.append([appended.revision, turn_id])
    print(json.dumps(told))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_four_processes_on_one_thread_lose_mix_and_double_nothing(prefix: str) -> None:
    def run(process: int) -> list[tuple[int, str]]:
        command = [sys.executable, "-c", WRITER, redis_url(), prefix, str(process), str(TURNS)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [(number, turn_id) for number, turn_id in json.loads(done.stdout)]

    told = await asyncio.gather(*(asyncio.to_thread(run, process) for process in range(PROCESSES)))
    async with RedisStorage(redis_url(), key_prefix=prefix) as storage:
        found = await storage.read("x")
    assert len(found.records) == PROCESSES * TURNS
    assert {record.number: record.id for record in found.records} == dict(pair for one in told for pair in one)
    assert sorted(record.number for record in found.records) == list(range(1, PROCESSES * TURNS + 1))
    assert all(record.body == body_of(record.id) for record in found.records)
    for process in range(PROCESSES):
        mine = [record.id for record in found.records if record.id.startswith(f"{process}.")]
        assert mine == [f"{process}.{n}" for n in range(TURNS)]
