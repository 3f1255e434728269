"""Pages of a thread's items, at the cost of the page.

A page in descending order reads the turns before its start, and as many older ones as it needs. A page in ascending
order reads a span of numbers after its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec
from chatkit.types import ThreadItem

from recuerda.interop.chatkit.lines import lines_of
from recuerda.interop.chatkit.log import Position, ThreadLog
from recuerda.messages.message import ChatMessage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.thread_info import ThreadInfo
from recuerda.threads.history import StoredTurn

Order: TypeAlias = Literal["asc", "desc"]

_CURSOR = re.compile(r".*@(?P<number>[0-9]{1,18})\.(?P<start>[0-9]{1,9})", re.DOTALL)


class Placed(msgspec.Struct, frozen=True):
    """An item with its place."""

    at: Position
    item: ThreadItem

    @property
    def cursor(self) -> str:
        """The text with which to ask for the items after this one."""
        return f"{self.item.id}@{self.at.number}.{self.at.start}"


def parse_cursor(text: str) -> Position | None:
    """Return the place that a cursor names; None if the text is no cursor but an item's id."""
    found = _CURSOR.fullmatch(text)
    return Position(int(found["number"]), int(found["start"])) if found else None


class _Span(msgspec.Struct, frozen=True):
    """The messages of a turn, or of the turn that is under way."""

    number: int
    id: str
    created_us: int
    messages: Sequence[ChatMessage]


class Pager:
    """Read one page of items.

    Args:
        log: the thread.
        thread_id: its id.
        after: the place after which the page begins; None for the first page.
        limit: the largest number of items.
        order: "asc" for the oldest items first, "desc" for the newest items first.
    """

    def __init__(self, log: ThreadLog, thread_id: str, *, after: Position | None, limit: int, order: Order) -> None:
        self._log = log
        self._thread_id = thread_id
        self._after = after
        self._limit = limit
        self._is_descending = order == "desc"

    async def page(self) -> tuple[list[Placed], bool]:
        """Return the items, and whether there are more items after them."""
        placed = await (self._down() if self._is_descending else self._up())
        return placed[: self._limit], len(placed) > self._limit

    async def _down(self) -> list[Placed]:
        """Read from the start of the page to older turns."""
        before = None if self._after is None else self._after.number + 1
        found, info = await self._read(before)
        is_end = before is None or before > info.revision + 1
        running = await self._running(found, info) if is_end else []
        turns = self._log.turns(found)
        while True:
            placed = self._placed([*running, *map(_span, reversed(turns))])
            if len(placed) > self._limit or not turns or turns[0].number <= info.first:
                return placed
            found, _ = await self._read(turns[0].number)
            if not found.records:
                return placed
            turns = [*self._log.turns(found), *turns]

    async def _up(self) -> list[Placed]:
        """Read from the start of the page to newer turns."""
        number, span = max(0, self._after.number - 1 if self._after else 0), self._limit // 2 + 2
        turns: list[StoredTurn] = []
        while True:
            found = await self._log.read(after=number, before=number + span + 1)
            info = _info(found)
            turns += self._log.turns(found)
            if number + span >= info.revision:
                running = await self._running(None, info) if found.has_draft else []
                return self._placed([*map(_span, turns), *running])
            placed = self._placed(map(_span, turns))
            if len(placed) > self._limit:
                return placed
            # Numbers may be missing: many of them, if no turn was found.
            number, span = max(number + span, info.first - 1), span if found.records else span * 4

    async def _read(self, before: int | None) -> tuple[ThreadSlice, ThreadInfo]:
        found = await self._log.read(last_messages=2 * self._limit + 16, before=before)
        return found, _info(found)

    async def _running(self, found: ThreadSlice | None, info: ThreadInfo) -> list[_Span]:
        """Return the turn that is under way."""
        end = await self._log.end(found)
        return [_Span(info.revision + 1, end.turn_id, info.updated_us, end.messages)] if end.messages else []

    def _placed(self, spans: Iterable[_Span]) -> list[Placed]:
        """Return the items of turns that come after the start of the page, in the order of the page."""
        placed: list[Placed] = []
        for span in spans:
            lines = lines_of(span.messages, span.id)
            for line in reversed(lines) if self._is_descending else lines:
                at = Position(span.number, line.start)
                if self._after is None or (at < self._after if self._is_descending else at > self._after):
                    placed.append(Placed(at, line.item(self._thread_id, span.created_us)))
                if len(placed) > self._limit:
                    return placed
        return placed


def _span(turn: StoredTurn) -> _Span:
    return _Span(turn.number, turn.id, turn.created_us, turn.messages)


def _info(found: ThreadSlice) -> ThreadInfo:
    assert found.info is not None  # noqa: S101 - `ThreadLog.read` has checked it
    return found.info
