"""The memories that `recuerda recall` finds: the search, and its output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from heapq import nlargest
from itertools import islice

from rich.text import Text

from recuerda.cli.index_place import check_place
from recuerda.cli.messages import shown_time
from recuerda.cli.options import opened_to_read, public_url
from recuerda.cli.output import clean, clean_line, console, counted, print_json
from recuerda.json_value import JsonObject
from recuerda.recall import Memory, Progress, RecallProvider
from recuerda.recall.quoting import excerpt
from recuerda.recall.scopes import DEFAULT_NAMESPACE
from recuerda.storage.contract import Storage

EXCERPT = 400
"""The number of characters that are shown of a message."""

THREADS_OF_NOBODY = 200
"""The number of threads that are searched when no user is named: the threads without a user that changed last."""


async def search_memories(
    storage: str | None,
    query: str,
    *,
    user: str | None,
    thread: str | None,
    namespaces: Sequence[str],
    limit: int,
    index: str | None,
) -> list[Memory]:
    """Bring the index up to date, and return the memories that fit a question."""
    first, *further = namespaces or [DEFAULT_NAMESPACE]
    async with opened_to_read(storage, may_be_new=True) as opened_storage:
        check_place(index, opened_storage, public_url(storage))
        provider = RecallProvider(index, storage=opened_storage, user_id=user, namespace=first, reads=further)
        try:
            await provider.catch_up(progress=_show)
            _end()
            if user is not None:
                return await provider.search(query, thread_id=thread, limit=limit)
            if thread is not None:
                owner = (info := await opened_storage.head(thread)) and info.user_id
                return await provider.search(query, user_id=owner, thread_id=thread, limit=limit)
            return await _search_nobodys(provider, opened_storage, query, limit)
        finally:
            await provider.close()


async def _search_nobodys(provider: RecallProvider, storage: Storage, query: str, limit: int) -> list[Memory]:
    nobodys = [info.id async for info in storage.threads() if info.user_id is None]
    found: list[Memory] = []
    for thread_id in islice(nobodys, THREADS_OF_NOBODY):
        found.extend(await provider.search(query, thread_id=thread_id, limit=limit))
    return nlargest(limit, found, key=lambda memory: memory.score)


def _show(progress: Progress) -> None:
    """Show the progress of the index on a terminal."""
    if sys.stderr.isatty() and progress.messages:
        size = f"{counted(progress.threads, 'thread')}, {counted(progress.messages, 'new message')}"
        sys.stderr.write(f"\r\x1b[Kindexing: {size}")
        sys.stderr.flush()


def _end() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")


def print_memories(found: Sequence[Memory], query: str, *, as_json: bool) -> None:
    """Print memories with their speakers, times and threads."""
    if as_json:
        print_json({"memories": [_memory_json(memory) for memory in found]})
        return
    page = console()
    for number, memory in enumerate(found):
        if number:
            page.print()
        who = clean_line(memory.speaker or memory.role)
        where = f"{clean_line(memory.thread_id)} · turn {memory.turn}"
        if memory.corrected_at is not None:
            where += f" · corrected {shown_time(memory.corrected_at)}"
        page.print(
            Text.assemble((who, "bold cyan" if memory.role == "user" else "bold green"), (" · ", "dim"))
            + Text(f"{shown_time(memory.created_at)} · {where}", style="dim"),
            soft_wrap=True,
        )
        page.print(Text("  " + clean(excerpt(memory.text, query, EXCERPT)).replace("\n", "\n  ")), soft_wrap=True)


def _memory_json(memory: Memory) -> JsonObject:
    return {
        "text": memory.text,
        "role": memory.role,
        "speaker": memory.speaker,
        "thread_id": memory.thread_id,
        "turn": memory.turn,
        "turn_id": memory.turn_id,
        "created_at": memory.created_at.isoformat(),
        "corrected_at": None if memory.corrected_at is None else memory.corrected_at.isoformat(),
        "score": round(memory.score, 3),
    }
