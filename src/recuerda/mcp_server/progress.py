"""The progress of long work, told to the client while the work goes on.

The index counts in steps that are too many for a connection. So only the newest count is sent, whenever the one before
it has been sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from recuerda.recall.checking import Tell
from recuerda.recall.memory import Progress

Send = Callable[[float, str], Awaitable[None]]


@asynccontextmanager
async def reported(send: Send) -> AsyncGenerator[Tell]:
    """Give a function that takes the progress of an index, and send it with `send`; the last count is always sent."""
    newest: Progress | None = None
    wanted = asyncio.Event()

    def tell(progress: Progress) -> None:
        nonlocal newest
        newest = progress
        wanted.set()

    async def work() -> None:
        nonlocal newest
        while True:
            await wanted.wait()
            wanted.clear()
            if (progress := newest) is not None:
                newest = None
                await send(progress.threads, _text(progress))

    sender = asyncio.create_task(work())
    try:
        yield tell
        if (last := newest) is not None:
            newest = None
            await send(last.threads, _text(last))
    finally:
        sender.cancel()
        await asyncio.wait([sender])


def _text(progress: Progress) -> str:
    return f"looked at {progress.threads:,} threads, and indexed {progress.messages:,} new messages"
