"""Running sums of the costs of a thread's newest turns. A turn is measured only when its cost is asked for.

While a handle holds a thread, the thread grows only at its end. So sums on both sides of one fixed turn stay correct.
Planning the next request of a warm thread only measures the new turns and searches the sums, however long the thread or
the window is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from recuerda.messages.files import has_files, named
from recuerda.messages.message import ChatMessage, Turn
from recuerda.window.repair import NOT_RECORDED, is_sound
from recuerda.window.shortening import elided
from recuerda.window.tokens import Size, TokenCounter

LOOK_TURNS = 16
"""The number of older turns in which files are looked for together, because a look for each turn costs more."""


FEW_TURNS = 50
"""The largest number of turns whose messages are put together anew for each plan. More turns are kept as one list."""


class NumberedTurn(Protocol):
    """A turn with its number in the thread. `StoredTurn` is one."""

    @property
    def number(self) -> int:
        """The turn's number: at least 1, and higher than the number of the previous turn. Numbers may be missing."""
        ...

    @property
    def turn(self) -> Turn:
        """The turn itself."""
        ...


# A struct of msgspec is made in half of the time of a named tuple, and planning a window makes fifty.
class Sums(msgspec.Struct, frozen=True, gc=False):
    """The cost of turns.

    Attributes:
        messages: the number of messages.
        fixed: the number of tokens that do not come from the text.
        text: the number of tokens of the text.
        lean: the number of tokens of the text without the results.
    """

    messages: int = 0
    fixed: int = 0
    text: int = 0
    lean: int = 0


class Tally:
    """The cost of the turns from any turn to the newest.

    Args:
        turns: the turns, the oldest first. The list may grow at its end and must not change otherwise.
        counter: the counter for tokens. If None, only messages are counted.
        leaves_out: True also measures the turns without their results.
        names_files: True measures the turns with the name of each file in the place of the file.
    """

    def __init__(
        self,
        turns: Sequence[NumberedTurn],
        counter: TokenCounter | None,
        *,
        leaves_out: bool,
        names_files: bool = False,
    ) -> None:
        self.turns = turns
        self.counter = counter
        self.settings: tuple[TokenCounter | None, bool, bool] = (counter, leaves_out, names_files)
        self._leaves_out = leaves_out
        self._names_files = names_files
        self._named: dict[int, tuple[ChatMessage, ...]] = {}
        self._newest_named = -1
        self._seen_from = self._seen_to = len(turns)
        self._anchor = len(turns)
        self._older = [Sums()]
        self._newer = [Sums()]
        self._lean = lean = dict[int, tuple[ChatMessage, ...]]()
        self._whole = _Line(self.named)
        self._bare = _Line(lambda index: lean.get(index) or self.named(index))

    @property
    def measured_from(self) -> int:
        """The index of the oldest measured turn, or the number of turns when none is measured."""
        return self._anchor - len(self._older) + 1

    def sums_from(self, index: int) -> Sums:
        """Return the cost of all turns from an index on."""
        newer, older, anchor = self._newer, self._older, self._anchor
        while len(newer) <= len(self.turns) - anchor:
            newer.append(_added(newer[-1], self._measure(anchor + len(newer) - 1)))
        while len(older) <= anchor - index:
            older.append(_added(older[-1], self._measure(anchor - len(older))))
        if index <= anchor:
            return _added(newer[-1], older[anchor - index])
        return _added(newer[-1], newer[index - anchor], -1)

    def messages_from(self, front: int, whole_from: int, *, files_from: int = 0) -> list[ChatMessage]:
        """Return a new list with the messages of the turns from `front` on.

        Before `whole_from`, results are left out. Before `files_from`, files are named, if the tally names files.
        """
        end = len(self.turns)
        if end - front <= FEW_TURNS and front >= whole_from:
            return self._few_from(front, files_from)
        if not self._names_files or not self.has_files_from(max(front, files_from)):
            return self._between(front, whole_from, end)
        files_from = max(front, files_from)
        found = self._between(front, min(whole_from, files_from), files_from)
        for index in range(files_from, end):
            messages = self.turns[index].turn.messages
            found += elided(messages) if index < whole_from else messages
        return found

    def _few_from(self, front: int, files_from: int) -> list[ChatMessage]:
        """Return the messages of a few turns, which are put together without a line."""
        turns = self.turns[front:]
        if not (self._names_files and self.has_files_from(front)):
            return [message for numbered in turns for message in numbered.turn.messages]
        old, known = max(0, files_from - front), self._named
        named = [known.get(index) or one.turn.messages for index, one in enumerate(turns[:old], front)]
        return [message for turn in (*named, *[one.turn.messages for one in turns[old:]]) for message in turn]

    def named(self, index: int) -> tuple[ChatMessage, ...]:
        """Return the messages of a turn, with the names of its files if the tally names files."""
        messages = self.turns[index].turn.messages
        if self._names_files:
            if not self._seen_from <= index < self._seen_to:
                self._look(index)
            if self._named:
                return self._named.get(index) or messages
        return messages

    def has_files_from(self, index: int) -> bool:
        """Return whether a turn from an index on has files, if the tally names files."""
        end = len(self.turns)
        if not self._names_files or index >= end:
            return False
        if self._seen_to < end:
            self._look(end - 1)
        if index < self._seen_from:
            self._look(index)
        return self._newest_named >= index

    def files_cost(self, index: int) -> int:
        """Return the tokens of the files of the turns from an index on, beyond the tokens of their names."""
        if self.counter is None or not self.has_files_from(index):
            return 0
        files = [(self.turns[one].turn.messages, messages) for one, messages in self._named.items() if one >= index]
        return sum(max(0, self.counter.count(whole) - self.counter.count(named)) for whole, named in files)

    def _look(self, index: int) -> None:
        """Name the files of the turns up to a turn that was not looked at yet, and of some turns before it."""
        if index < self._seen_from:
            index = max(0, index - LOOK_TURNS)
        for one in range(index, self._seen_from) if index < self._seen_from else range(self._seen_to, index + 1):
            messages = self.turns[one].turn.messages
            if has_files(messages):
                self._named[one] = named(messages, f"from turn {self.turns[one].number}")
                self._newest_named = max(self._newest_named, one)
        self._seen_from, self._seen_to = min(self._seen_from, index), max(self._seen_to, index + 1)

    def _between(self, front: int, whole_from: int, end: int) -> list[ChatMessage]:
        whole = self._slice(self._whole, whole_from, end)
        return whole if front >= whole_from else self._slice(self._bare, front, whole_from) + whole

    def _slice(self, line: _Line, start: int, end: int) -> list[ChatMessage]:
        count = self.sums_from(start).messages  # This measures turns, and the line needs the result.
        line.reach(start, end)
        first = self.sums_from(line.start).messages
        return line.messages[first - count : first - self.sums_from(end).messages]

    def _measure(self, index: int) -> Sums:
        if self.counter is None and not self._leaves_out:
            return Sums(len(self.turns[index].turn.messages))
        messages = self.named(index)
        lean = elided(messages) if self._leaves_out else messages
        if lean is not messages:
            self._lean[index] = lean
        if self.counter is None:
            return Sums(len(messages))
        size = _size(messages, self.counter)
        lean_size = size if lean is messages else _size(lean, self.counter)
        return Sums(len(messages), size.fixed, size.text, lean_size.text)


class _Line:
    """The messages of consecutive turns, as one list that grows at its end."""

    def __init__(self, messages_of: Callable[[int], Sequence[ChatMessage]]) -> None:
        self.messages: list[ChatMessage] = []
        self.start = self._end = 0
        self._messages_of = messages_of

    def reach(self, start: int, end: int) -> None:
        """Make the list hold at least the turns from `start` to `end`."""
        if start < self.start or not self.messages:
            self.messages = []
            self.start = self._end = start
        while self._end < end:
            self.messages.extend(self._messages_of(self._end))
            self._end += 1


def _size(messages: Sequence[ChatMessage], counter: TokenCounter) -> Size:
    """Return the largest possible cost of messages.

    When a damaged turn is repaired, each of its calls may get a result.
    """
    size = counter.measure(messages)
    if is_sound(messages):
        return size
    calls = sum(len(message.function_calls) for message in messages)
    result = counter.measure([ChatMessage("tool", NOT_RECORDED)])
    return Size(size.fixed + calls * result.fixed, size.text + calls * result.text)


def _added(one: Sums, other: Sums, sign: int = 1) -> Sums:
    return Sums(
        one.messages + sign * other.messages,
        one.fixed + sign * other.fixed,
        one.text + sign * other.text,
        one.lean + sign * other.lean,
    )
