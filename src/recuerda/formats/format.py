"""`Format`: what a module of this package says about its format."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from recuerda.formats.moved import MovedThread
from recuerda.formats.source import Source

Read: TypeAlias = Callable[[Source], Iterator[MovedThread] | AsyncIterator[MovedThread]]


class Written(msgspec.Struct, frozen=True):
    """A thread in the text of a format.

    Attributes:
        text: the text.
        losses: the number of parts that the format cannot say, by kind.
    """

    text: str
    losses: dict[str, int] = {}


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """The functions that write a format.

    Attributes:
        thread: returns the text of one thread.
        start: the text before the first thread.
        end: the text after the last thread.
        lacks: the facts for which the format has no place, such as "times".
        is_json: True if a thread is one line of JSON.
    """

    thread: Callable[[MovedThread], Written]
    start: str = ""
    end: str = ""
    lacks: tuple[str, ...] = ()
    is_json: bool = True


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """A format that recuerda reads or writes.

    Attributes:
        name: the name, as in `recuerda import --from NAME`.
        read: yields the threads of a source; None for a format that is only written.
        writer: writes threads; None for a format that is only read.
        lines: returns the lines of recuerda's own export, which an import copies; None for every other format.
        is_like: returns whether the first values of a JSON file belong to the format.
    """

    name: str
    read: Read | None = None
    writer: Writer | None = None
    lines: Callable[[Source], list[str]] | None = None
    is_like: Callable[[Sequence[object]], bool] | None = None
