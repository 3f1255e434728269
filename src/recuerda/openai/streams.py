"""The end of a stream of the SDK that was not read to its end.

The SDK reads a stream with a chain of ten generators, from the events down to the bytes of the connection, and closes
only the response. The generators would be left to the garbage collector, which closes each of them in its own task, at
any time. Two of those tasks can meet in one generator, and the last task can come after the end of the event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from openai import AsyncStream

T = TypeVar("T")


@asynccontextmanager
async def closed_whole(events: AsyncStream[T]) -> AsyncGenerator[AsyncStream[T]]:
    """Close a stream of the SDK together with all of its generators.

    The events that have already arrived are dropped. The next read from the closed response fails, and this error ends
    each generator, from the innermost to the outermost.
    """
    try:
        yield events
    finally:
        await events.close()
        with suppress(Exception):
            while await anext(events, None) is not None:
                pass
