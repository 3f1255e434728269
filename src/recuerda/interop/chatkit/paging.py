"""Pages of a thread's items, at the cost of the page.

The newest turns are one read. Older turns are found one by one: the id of a turn of ChatKit is made of its number, and
each turn names the turn before it. Where another program has written in between, or a turn is missing, the whole thread
is read.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec
from chatkit.types import ThreadItem

from recuerda.interop.chatkit.lines import lines_of, previous_of, turn_id_of
from recuerda.interop.chatkit.log import Position, ThreadLog
from recuerda.messages.message import ChatMessage
from recuerda.threads.history import StoredTurn

Order: TypeAlias = Literal["asc", "desc"]

_AT_ONCE = 8
"""The number of turns that are looked up at the same time."""

_MISSES = 64
"""The number of numbers without a turn of ChatKit after which the whole thread is read."""

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


class _Gap(Exception):
    """Raised when a turn is not where the turn after it says."""


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
        found = await self._log.read(last_messages=2 * self._limit + 16)
        end = await self._log.end(found)
        info, newest = end.info, self._log.turns(found)
        running = _Span(info.revision + 1, end.turn_id, info.updated_us, end.messages)
        if info.turns == len(found.records):
            return self._cut([*map(_span, newest), running])
        try:
            if self._is_descending:
                return await self._down(newest, running, info.first)
            return await self._up(newest, running, info.first)
        except _Gap:
            everything = self._log.turns(await self._log.read())
            return self._cut([*map(_span, everything), running])

    async def _down(self, newest: Sequence[StoredTurn], running: _Span, first: int) -> tuple[list[Placed], bool]:
        """Follow the turns from the newest to the oldest."""
        placed = self._placed([running, *map(_span, reversed(newest))])
        turn = newest[0]
        if self._after is not None and self._after.number < turn.number:
            turn = await self._turn_at(self._after.number)
            placed += self._placed([_span(turn)])
        found: dict[int, StoredTurn] = {}
        while len(placed) <= self._limit and (number := _previous(turn)) >= max(1, first):
            if number not in found:
                found = await self._turns_at(range(max(1, first, number - _AT_ONCE + 1), number + 1))
            turn = _follow(found, number)
            placed += self._placed([_span(turn)])
        return placed[: self._limit], len(placed) > self._limit

    async def _up(self, newest: Sequence[StoredTurn], running: _Span, first: int) -> tuple[list[Placed], bool]:
        """Look the turns up from the oldest to the newest."""
        stop = newest[0].number
        placed: list[Placed] = []
        if self._after is not None and self._after.number < stop:
            placed += self._placed(map(_span, (await self._turns_at([self._after.number])).values()))
        known = number = first - 1 if self._after is None else self._after.number
        while number + 1 < stop and len(placed) <= self._limit:
            found = await self._turns_at(range(number + 1, min(number + 1 + _AT_ONCE, stop)))
            number = min(number + _AT_ONCE, stop - 1)
            if found:
                placed += self._placed(map(_span, _chain(found, max(found), known)))
                known = max(found)
            elif number - known > _MISSES:
                raise _Gap
        if len(placed) <= self._limit:
            if (self._after is None or self._after.number < stop) and _previous(newest[0]) > known:
                raise _Gap
            placed += self._placed([*map(_span, newest), running])
        return placed[: self._limit], len(placed) > self._limit

    def _cut(self, spans: Sequence[_Span]) -> tuple[list[Placed], bool]:
        placed = self._placed(reversed(spans) if self._is_descending else spans)
        return placed[: self._limit], len(placed) > self._limit

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

    async def _turn_at(self, number: int) -> StoredTurn:
        return _follow(await self._turns_at([number]), number)

    async def _turns_at(self, numbers: Iterable[int]) -> dict[int, StoredTurn]:
        """Return the turns of ChatKit that have some of these numbers."""
        turns = await asyncio.gather(*(self._log.turn(turn_id_of(number)) for number in numbers))
        return {turn.number: turn for turn in turns if turn is not None}


def _span(turn: StoredTurn) -> _Span:
    return _Span(turn.number, turn.id, turn.created_us, turn.messages)


def _previous(turn: StoredTurn) -> int:
    number = previous_of(turn)
    if number is None:
        raise _Gap
    return number


def _follow(found: dict[int, StoredTurn], number: int) -> StoredTurn:
    if number not in found:
        raise _Gap
    return found[number]


def _chain(found: dict[int, StoredTurn], number: int, known: int) -> list[StoredTurn]:
    """Return the turns after `known` up to a number, the oldest first, as each one names the one before it."""
    turns: list[StoredTurn] = []
    while number > known:
        turns.append(_follow(found, number))
        number = _previous(turns[-1])
    return turns[::-1]
