"""A process that appends to one thread: `python -m tests.cosmos.writer URL NAME COUNT`. Tells its turns as JSON."""

from __future__ import annotations

import asyncio
import json
import sys

from recuerda.cosmos import CosmosStorage
from tests.cosmos.threads import THREAD_OF_PROCESSES, a_turn


async def main(url: str, name: str, count: int) -> list[tuple[int, str]]:
    async with CosmosStorage(url) as storage:
        appended = [await storage.append(THREAD_OF_PROCESSES, a_turn(f"{name}.{n}")) for n in range(count)]
    return [(one.revision, one.record.id) for one in appended]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))))  # noqa: T201 - its answer
