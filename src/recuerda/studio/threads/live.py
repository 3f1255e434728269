"""New turns of a thread as server-sent events, while a page shows it.

An event `turn` holds the HTML of one entry of the page. An event `gone` names the key of an entry that is no more: a
turn that was undone, or the unfinished turn that was committed. An event `reload` says that the thread was begun anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from recuerda.errors import StorageError
from recuerda.storage.thread_info import Expected, ThreadInfo
from recuerda.studio.frames import frame_of
from recuerda.studio.page import whole
from recuerda.studio.rendering import Frame
from recuerda.studio.studio import Studio
from recuerda.studio.threads.drafts import ShownDraft
from recuerda.studio.threads.entries import Entry
from recuerda.studio.threads.reading import read_draft, read_new
from recuerda.studio.watching import Watching

HEARTBEAT_S = 15.0
"""The seconds after which a stream without news sends a comment, so that a closed page is noticed."""

RETRY_S = 1.0
"""The seconds after which a stream asks a storage again that did not answer."""

_DRAFT_KEY = "draft"


async def stream_thread(studio: Studio, request: Request) -> Response:
    """Return the stream of changes after the revision that the page showed."""
    thread_id = str(request.path_params["thread_id"])
    after = whole(request.headers.get("last-event-id") or request.query_params.get("after"), "after") or 0
    studio.watching.check_room(thread_id)
    stream = _Stream(studio, thread_id, frame_of(request))
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(stream.events(after), media_type="text/event-stream", headers=headers)


class _Stream:
    def __init__(self, studio: Studio, thread_id: str, frame: Frame) -> None:
        self._studio = studio
        self._thread_id = thread_id
        self._frame = frame
        self._draft: ShownDraft | None = None
        self._may_show_draft = True  # the page may show a draft that is gone by now
        self._info: ThreadInfo | None = None

    async def events(self, after: int) -> AsyncGenerator[bytes]:
        watching: Watching = self._studio.watching
        version: Expected = after
        changes = 0
        yield b": recuerda\n\n"
        async with watching.watched(self._thread_id) as watch:
            while True:
                seen = await watch.after(changes, patience_s=HEARTBEAT_S)
                if seen == changes:
                    yield b": still here\n\n"
                    continue
                try:
                    async for event in self._news(version):
                        yield event
                except StorageError:
                    await asyncio.sleep(RETRY_S)
                    continue
                changes = seen
                version = after if self._info is None else self._info.version

    async def _news(self, version: Expected) -> AsyncGenerator[bytes]:
        info, entries, is_continued = await read_new(self._studio.storage, self._thread_id, version)
        self._info = info
        if info is None or (not is_continued and version != 0):
            yield _event("reload", "")
            return
        for entry in entries:
            if entry.kind == "undo":
                yield _event("gone", str(entry.target))
            yield _event("turn", self._html("thread_entry.html", entry), entry.number)
        async for event in self._draft_news():
            yield event

    async def _draft_news(self) -> AsyncGenerator[bytes]:
        draft = await read_draft(self._studio.storage, self._thread_id)
        if draft is None:
            if self._draft is not None or self._may_show_draft:
                yield _event("gone", _DRAFT_KEY)
        elif draft != self._draft:
            yield _event("turn", self._html("thread_draft.html", draft))
        self._draft, self._may_show_draft = draft, False

    def _html(self, template: str, page: Entry | ShownDraft) -> str:
        return self._studio.renderer.html(template, self._studio.redaction.value(page), self._frame)


def _event(name: str, data: str, number: int | None = None) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    mark = "" if number is None else f"id: {number}\n"
    return f"event: {name}\n{mark}{lines}\n".encode()
