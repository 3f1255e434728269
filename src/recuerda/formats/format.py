"""`Format`: what a module of this package says about its format."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from recuerda.formats.moved import MovedThread
from recuerda.formats.source import Source

Read: TypeAlias = Callable[[Source], Iterator[MovedThread] | AsyncIterator[MovedThread]]


class Departure(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an export for one thread.

    Attributes:
        thread_id: the thread's id.
        losses: the number of parts and facts that are left out, by kind, because the format has no place for them.
        supplement: the number of facts that stand under the key `recuerda`, by kind. Only recuerda's import reads them.
    """

    thread_id: str
    losses: Mapping[str, int] = {}
    supplement: Mapping[str, int] = {}


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in the text of a format: one thread, or in a format with trees, a thread and its branches.

    Attributes:
        text: the text.
        departures: the result for each thread.
        files: the content of the conversation's files by their names, in a format that keeps them beside the text.
    """

    text: str
    departures: tuple[Departure, ...]
    files: Mapping[str, bytes] = {}


Family: TypeAlias = Sequence[MovedThread]
"""A thread and the branches that are written with it, each branch after its parent."""


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """The functions that write a format as text.

    Attributes:
        write: returns the text of one conversation.
        start: the text before the first conversation.
        between: the text between two conversations.
        end: the text after the last conversation.
        has_trees: True if the format keeps the branches of a conversation with it. Otherwise, each thread is written
            alone.
        is_json: True if the text is JSON.
    """

    write: Callable[[Family], Written]
    start: str = ""
    between: str = ""
    end: str = ""
    has_trees: bool = False
    is_json: bool = True


class FileWriter(msgspec.Struct, frozen=True, kw_only=True):
    """The function that writes a format which is more than one text: a database, an archive or a folder.

    Attributes:
        save: writes the conversations to a new file, or into an empty folder. It yields the results as it goes.
        has_trees: see `Writer`.
        is_folder: True if the format is a folder of files.
    """

    save: Callable[[AsyncIterable[Family], Path], AsyncIterator[Departure]]
    has_trees: bool = False
    is_folder: bool = False


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
    writer: Writer | FileWriter | None = None
    lines: Callable[[Source], list[str]] | None = None
    is_like: Callable[[Sequence[object]], bool] | None = None
