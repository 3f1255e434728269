"""Imports: threads of another program become threads of a storage.

Each thread becomes lines of recuerda's own export, and the import of an export does the rest. Everything is read and
checked once before the first turn is written, and is then read again. So a source of any size needs the memory of its
largest thread, besides the text of its file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import msgspec
from msgspec import structs

from recuerda.errors import InvalidInput, StateError
from recuerda.formats.detecting import detected
from recuerda.formats.documents import located
from recuerda.formats.format import Format, Read
from recuerda.formats.moved import MovedThread
from recuerda.formats.registry import READABLE, format_of
from recuerda.formats.source import Given, Source, source_of
from recuerda.messages.codec import encode_turn
from recuerda.messages.files import offloaded
from recuerda.storage.contract import Storage
from recuerda.threads.history import title_of
from recuerda.threads.transfer import VERSION, ThreadLine, import_lines, parse_lines
from recuerda.threads.turn_line import encode_turn_body


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an import for one thread.

    Attributes:
        thread_id: the thread's id.
        turns: the number of turns that the source had for the thread.
        added: the number of new turns; 0 in a dry run.
        differing: the number of turns that the thread already had with other messages, such as a question whose answer
            came after the first import. They stay unchanged.
        parent: for a branch, the id of the thread where it began.
        losses: the number of parts that could not be read, by kind.
    """

    thread_id: str
    turns: int
    added: int = 0
    differing: int = 0
    parent: str | None = None
    losses: Mapping[str, int] = {}


async def read(given: Given, format: str | None = None) -> AsyncIterator[MovedThread]:
    """Yield the threads of a source, one after the other.

    Args:
        given: a path, the content of a file as bytes, or a server's URL.
        format: the name of the format, one of `READABLE`; None guesses it from the content.

    Raises:
        InvalidInput: there is no such format or no such file, or the format cannot be guessed.
        StateError: the source is damaged; the error names the place.
        MissingExtraError: the format needs a package that is not installed.
    """
    source = source_of(given)
    with located(source.path):
        async for thread in _read(source, _format(source, format)):
            yield thread


async def _read(source: Source, format: Format) -> AsyncIterator[MovedThread]:
    threads = _reader(format)(source)
    if isinstance(threads, Iterator):
        for thread in threads:
            yield thread
    else:
        async for thread in threads:
            yield thread


async def import_threads(
    storage: Storage,
    given: Given,
    format: str | None = None,
    *,
    thread_id: str | None = None,
    user_id: str | None = None,
    is_dry_run: bool = False,
    on_thread: Callable[[Arrival], None] | None = None,
) -> list[Arrival]:
    """Add the threads of a source to a storage. Everything is checked before the first turn is written.

    Repeating an import adds nothing, because the ids of threads and turns are made of the ids in the source. A later
    export of the same conversations adds only the new turns.

    Args:
        storage: the storage to which the threads are added.
        given: a path, the content of a file as bytes, or a server's URL.
        format: the name of the format, one of `READABLE`; None guesses it from the content.
        thread_id: the id of the thread, for a source with one conversation. None uses the ids of the source.
        user_id: the user to whom new threads belong. None uses the users of the source.
        is_dry_run: True checks everything and writes nothing.
        on_thread: called after each thread that was written.

    Raises:
        InvalidInput: there is no such format or no such file, or the format cannot be guessed.
        StateError: the source is damaged; the error names the place, and nothing was written.
        ThreadOwnershipError: a thread belongs to another user in this storage; nothing was written.
        StorageError: the storage failed. The same import again adds the rest.
        MissingExtraError: the format needs a package that is not installed.
    """
    source = source_of(given)
    with located(source.path):
        found = _format(source, format)
        if found.lines is not None:
            return await _import_lines(
                storage, found.lines(source), thread_id=thread_id, user_id=user_id, is_dry_run=is_dry_run
            )
        arrivals = await _checked(storage, _renamed(_read(source, found), thread_id, user_id))
    if is_dry_run:
        return arrivals
    done: list[Arrival] = []
    async for thread in _renamed(_read(source, found), thread_id, user_id):
        (imported,) = await import_lines(storage, _lines(thread), user_id=thread.user_id)
        done.append(structs.replace(_arrival(thread), added=imported.added, differing=imported.differing))
        if on_thread is not None:
            on_thread(done[-1])
    return done


async def _checked(storage: Storage, threads: AsyncIterator[MovedThread]) -> list[Arrival]:
    """Return the threads that can all be imported."""
    arrivals: list[Arrival] = []
    seen: set[str] = set()
    async for thread in threads:
        if thread.id in seen:
            raise StateError(f"two conversations have the id {thread.id!r}; nothing was written")
        seen.add(thread.id)
        await _check(storage, thread)
        arrivals.append(_arrival(thread))
    return arrivals


def _format(source: Source, name: str | None) -> Format:
    return detected(source) if name is None else format_of(name, READABLE)


def _reader(format: Format) -> Read:
    if format.read is None:
        raise InvalidInput(f"the format {format.name!r} cannot be read")
    return format.read


async def _import_lines(
    storage: Storage, lines: list[str], *, thread_id: str | None, user_id: str | None, is_dry_run: bool
) -> list[Arrival]:
    """Import recuerda's own export."""
    if is_dry_run:
        threads = parse_lines(lines, storage)
        for line, _ in threads:
            await storage.head(thread_id or line.id, user_id=user_id or line.user_id)
        return [Arrival(thread_id=thread_id or line.id, turns=len(turns)) for line, turns in threads]
    return [
        Arrival(thread_id=one.thread_id, turns=one.turns, added=one.added, differing=one.differing)
        for one in await import_lines(storage, lines, thread_id=thread_id, user_id=user_id)
    ]


def _arrival(thread: MovedThread) -> Arrival:
    parent = thread.parent.thread_id if thread.parent else None
    return Arrival(thread_id=thread.id, turns=len(thread.turns), parent=parent, losses=thread.losses)


async def _check(storage: Storage, thread: MovedThread) -> None:
    try:
        parse_lines(_lines(thread), storage)
    except StateError as error:
        raise StateError(f"the conversation {thread.id!r} cannot be imported: {error}") from None
    await storage.head(thread.id, user_id=thread.user_id)  # this refuses the thread of another user


def _lines(thread: MovedThread) -> Iterator[str]:
    """Yield the lines of an export of the thread."""
    title = thread.title or (title_of(thread.turns[0].turn) if thread.turns else None)
    made_of = thread.turns[0].id if title and not thread.title else None
    line = ThreadLine(
        version=VERSION,
        id=thread.id,
        user_id=thread.user_id,
        title=title,
        title_turn=made_of,
        metadata=thread.metadata,
        parent=thread.parent,
        archived=thread.archived,
        tags=thread.tags,
    )
    yield msgspec.json.encode(line).decode() + "\n"
    for turn in thread.turns:
        messages, blobs = offloaded(turn.turn.messages)
        body = encode_turn(structs.replace(turn.turn, messages=messages))
        yield encode_turn_body(turn.id, body, turn.created_us, blobs).decode() + "\n"


async def _renamed(
    threads: AsyncIterator[MovedThread], thread_id: str | None, user_id: str | None
) -> AsyncIterator[MovedThread]:
    """Yield the threads with another id and another user, if these are given."""
    first: str | None = None
    async for thread in threads:
        changed = thread if user_id is None else structs.replace(thread, user_id=user_id)
        if thread_id is not None:
            first = thread.id if first is None else first
            changed = _with_id(changed, first, thread_id)
        yield changed


def _with_id(thread: MovedThread, first: str, thread_id: str) -> MovedThread:
    if thread.id != first and thread.parent is None:
        raise StateError("the source holds several conversations; only a single conversation can get another id")
    parent = thread.parent
    if parent is not None:
        parent = structs.replace(parent, thread_id=thread_id + parent.thread_id.removeprefix(first))
    return structs.replace(thread, id=thread_id + thread.id.removeprefix(first), parent=parent)
