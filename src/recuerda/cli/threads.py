"""`recuerda threads`: list the threads of a storage."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from recuerda.cli.messages import shown_time
from recuerda.cli.options import JsonOption, StorageOption, opened_to_read, public_url
from recuerda.cli.output import clean_line, console, print_json, print_table, warn
from recuerda.json_value import JsonObject
from recuerda.storage.records import ThreadInfo, ThreadPage, ThreadParent

EXAMPLES = (
    "recuerda threads",
    "recuerda threads --user ana --limit 10",
    "recuerda threads --all --json | jq -r '.threads[].id'",
)


def threads(
    *,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="List only this user's threads.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="The largest number of threads to list.")] = 50,
    cursor: Annotated[
        str | None,
        typer.Option("--cursor", metavar="TEXT", help="List the next page after the page that printed this cursor."),
    ] = None,
    is_all: Annotated[bool, typer.Option("--all", help="List every thread.")] = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """List threads, the most recently updated first.

    A thread whose first turn is not finished is marked, and `recuerda show` shows how far that turn got.

    With --json, the output is {"threads": [...], "cursor": text or null}.
    """
    page, unfinished = asyncio.run(_page(storage, user=user, limit=limit, cursor=cursor, is_all=is_all))
    if as_json:
        print_json({"threads": [thread_json(info) for info in page.threads], "cursor": page.cursor})
    elif page.threads:
        print_table(console(), _table(page, unfinished))
        if page.cursor is not None:
            warn(f"there are more threads: use --all, or --cursor '{page.cursor}' for the next page")
    else:
        warn(_nothing(storage, user))


def _nothing(storage: str | None, user: str | None) -> str:
    if user is not None:
        return f"there are no threads of user {user!r} in {public_url(storage)}"
    return f"there are no threads in {public_url(storage)} yet: `recuerda chat` begins one"


async def _page(
    storage: str | None, *, user: str | None, limit: int, cursor: str | None, is_all: bool
) -> tuple[ThreadPage, set[str]]:
    """Return the threads, and the ids of the threads that hold nothing but an interrupted first turn."""
    async with opened_to_read(storage, may_be_new=True) as opened_storage:
        if is_all:
            found = [info async for info in opened_storage.threads(user_id=user)]
            latest_first = sorted(found, key=lambda info: (info.updated_us, info.id), reverse=True)
            page = ThreadPage(threads=tuple(latest_first), cursor=None)
        else:
            page = await opened_storage.list_threads(user_id=user, limit=limit, cursor=cursor)
        begun = [info.id for info in page.threads if not info.revision]
        return page, {one for one in begun if (await opened_storage.read(one, last_turns=0)).has_draft}


def thread_json(info: ThreadInfo) -> JsonObject:
    """Return the information about a thread as JSON."""
    return {
        "id": info.id,
        "title": info.title,
        "user_id": info.user_id,
        "turns": info.turns,
        "messages": info.messages,
        "revision": info.revision,
        "metadata": info.metadata,
        "parent": _parent_json(info.parent),
        "created_at": info.created_at.isoformat(),
        "updated_at": info.updated_at.isoformat(),
    }


def _parent_json(parent: ThreadParent | None) -> JsonObject | None:
    if parent is None:
        return None
    return {"id": parent.thread_id, "turn": parent.number, "turn_id": parent.turn_id, "turns": parent.turns}


def _table(page: ThreadPage, unfinished: set[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", overflow="fold", style="cyan")
    table.add_column("title", overflow="fold")
    table.add_column("turns", justify="right")
    table.add_column("messages", justify="right")
    table.add_column("updated", no_wrap=True, style="dim")
    has_forks = any(info.parent for info in page.threads)
    if has_forks:
        table.add_column("branch of", overflow="fold", style="dim")
    for info in page.threads:
        title = clean_line(info.title or ("(unfinished turn)" if info.id in unfinished else ""))
        sizes = (f"{info.turns:,}", f"{info.messages:,}")
        parent = [clean_line(info.parent.thread_id if info.parent else "")] if has_forks else []
        table.add_row(clean_line(info.id), title, *sizes, shown_time(info.updated_at), *parent)
    return table
