"""`recuerda recall`: search the memories of all conversations."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from heapq import nlargest
from itertools import islice
from typing import Annotated

import typer
from rich.text import Text

from recuerda.cli.index_place import check_place
from recuerda.cli.messages import shown_time
from recuerda.cli.options import JsonOption, StorageOption, opened_to_read, public_url
from recuerda.cli.output import clean, clean_line, console, counted, print_json, warn
from recuerda.json_value import JsonObject
from recuerda.recall import Memory, Progress, RecallProvider
from recuerda.recall.quoting import excerpt
from recuerda.recall.scopes import DEFAULT_NAMESPACE
from recuerda.storage.contract import Storage

EXCERPT = 400
"""The number of characters that are shown of a message."""

THREADS_OF_NOBODY = 200
"""The number of threads that are searched when no user is named: the threads without a user that changed last."""

EXAMPLES = (
    'recuerda recall "where did I park?"',
    'recuerda recall "¿cómo se llama mi dentista?" --user ana --limit 3',
    'recuerda recall oslo --json | jq -r ".memories[].thread_id"',
)


def recall(
    query: Annotated[str, typer.Argument(metavar="QUESTION", help="A question or a few words.")],
    *,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="ID", help="Search this user's threads. The default is threads without a user."),
    ] = None,
    thread: Annotated[str | None, typer.Option("--thread", metavar="ID", help="Search only this thread.")] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", metavar="NAME", help="Search this namespace; repeat it for more. The default is `default`."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, help="The largest number of memories to show.")
    ] = 10,
    index: Annotated[
        str | None,
        typer.Option(
            "--index", metavar="FILE", help="The file of the index. The default is a file beside the storage's file."
        ),
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find messages about a question.

    Each message is shown with its speaker, its time and its thread.
    The command first adds new messages to the index. It needs no model.

    With --json, the output is {"memories": [...]}.
    """
    found = asyncio.run(
        _search(storage, query, user=user, thread=thread, namespaces=namespace or (), limit=limit, index=index)
    )
    if as_json:
        print_json({"memories": [_memory_json(memory) for memory in found]})
    elif found:
        _print(found, query)
    else:
        where = "threads without a user" if user is None and thread is None else "these threads"
        hint = "; --user searches a user's threads" if user is None and thread is None else ""
        warn(f"no message about this was found in {where} of {public_url(storage)}{hint}")


async def _search(
    storage: str | None,
    query: str,
    *,
    user: str | None,
    thread: str | None,
    namespaces: Sequence[str],
    limit: int,
    index: str | None,
) -> list[Memory]:
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


def _print(found: list[Memory], query: str) -> None:
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
