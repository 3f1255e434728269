"""Runs of the agent from the chat pane, streamed: one line of JSON for each event.

The run is a task of its own. When the reader goes, for example because a person presses "Stop", the task is cancelled,
and the answer so far stays in the thread as an interrupted turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import msgspec
from msgspec import structs
from starlette.responses import StreamingResponse

from recuerda._events import fields
from recuerda.agent.events import TurnCommittedEvent
from recuerda.agent.stream import AgentResponseStream
from recuerda.errors import RecuerdaError
from recuerda.studio.changes.audit import audited
from recuerda.studio.chat.telling import ChatEvent, Telling
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio

_logger = logging.getLogger("recuerda.studio")


async def told_run(studio: Studio, stream: AgentResponseStream[object], thread_id: str) -> AsyncGenerator[ChatEvent]:
    """Carry a run out, and yield its events. A run that fails ends with an event that says so."""
    telling = Telling(studio.redaction)
    try:
        async with audited(studio, "run", thread_id=thread_id), stream, aclosing(stream.events()) as events:
            async for event in events:
                for told in telling.told(event):
                    is_end = isinstance(event, TurnCommittedEvent) and told.kind == "committed"
                    yield await _with_links(studio, thread_id, told) if is_end else told
    except RecuerdaError as error:
        yield _failed(studio, str(error))
    except Exception as error:
        # The text of an unknown error may hold anything, so the page does not show it.
        _logger.exception("a run in the chat pane failed", extra=fields("chat_run_failed"))
        yield _failed(studio, f"The run failed with {type(error).__name__}. The log of the studio has more.")


def _failed(studio: Studio, text: str) -> ChatEvent:
    return studio.redaction.value(ChatEvent(kind="failed", text=text))


async def _with_links(studio: Studio, thread_id: str, told: ChatEvent) -> ChatEvent:
    """Return the last event of a run with the addresses of its turn."""
    if told.turn_id is None:
        return told
    found = (await studio.storage.read(thread_id, last_turns=0, turn_id=told.turn_id)).found
    if found is None:
        return told
    href = link("threads", thread_id, "turns", found.number)
    return structs.replace(told, href=href, seen_href=f"{href}/seen")


def streamed(events: AsyncGenerator[ChatEvent]) -> StreamingResponse:
    """Return an answer that sends events as they come, one line of JSON each."""
    return StreamingResponse(_lines(events), media_type="application/x-ndjson")


async def _lines(events: AsyncGenerator[ChatEvent]) -> AsyncGenerator[bytes]:
    queue: asyncio.Queue[ChatEvent | None] = asyncio.Queue()
    task = asyncio.create_task(_fill(queue, events))
    try:
        while (event := await queue.get()) is not None:
            yield msgspec.json.encode(event) + b"\n"
    finally:
        task.cancel()
        # The run saves its answer so far. Whoever cancels this generator may do so again and again.
        with anyio.CancelScope(shield=True):
            await asyncio.wait({task})


async def _fill(queue: asyncio.Queue[ChatEvent | None], events: AsyncGenerator[ChatEvent]) -> None:
    try:
        async with aclosing(events):
            async for event in events:
                queue.put_nowait(event)
    finally:
        queue.put_nowait(None)
