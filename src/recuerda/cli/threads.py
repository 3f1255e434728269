"""`recuerda threads`: list the threads of a storage."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypedDict

import typer
from rich.table import Table

from recuerda.cli.messages import shown_time
from recuerda.cli.options import JsonOption, StorageOption, opened_to_read, public_url
from recuerda.cli.output import clean_line, console, print_json, print_table, warn
from recuerda.cli.pending import state_of
from recuerda.examination import read_pending
from recuerda.json_value import Json, JsonObject
from recuerda.storage.contract import Storage
from recuerda.storage.thread_filter import ThreadFilter
from recuerda.storage.thread_info import ThreadInfo, ThreadPage, ThreadParent

AT_ONCE = 50
"""The number of unfinished turns that are read at the same time."""

MOST_DRAFTS = 100_000
"""The number of unfinished turns that --all looks for."""

EXAMPLES = (
    "recuerda threads",
    "recuerda threads --user ana --limit 10",
    "recuerda threads --user ana --search 'ferry tangier'",
    "recuerda threads --tag work --metadata channel=web --since 2026-05-01",
    "recuerda threads | cut -f1",
    "recuerda threads --all --json | jq -r '.threads[].id'",
)


class _Chosen(TypedDict):
    user_id: str | None
    title: str | None
    metadata: JsonObject
    tags: Sequence[str]
    archived: bool | None
    updated_after: datetime | None


def threads(
    *,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="List only this user's threads.")] = None,
    search: Annotated[
        str | None,
        typer.Option("--search", metavar="WORDS", help="Find the threads in which these words were said."),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", metavar="WORDS", help="List only threads with these words in the title.")
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            "--metadata",
            metavar="KEY=VALUE",
            help="List only threads with this value in their metadata: JSON, or any other text. Repeat it for more.",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="List only threads with this tag. Repeat it for more."),
    ] = None,
    is_archived: Annotated[
        bool, typer.Option("--archived", help="List only archived threads. Without it, they are left out.")
    ] = False,
    since: Annotated[
        datetime | None, typer.Option("--since", metavar="DATE", help="List only threads that were used since then.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="The largest number of threads to list.")] = 50,
    cursor: Annotated[
        str | None,
        typer.Option("--cursor", metavar="TEXT", help="List the next page after the page that printed this cursor."),
    ] = None,
    is_all: Annotated[bool, typer.Option("--all", help="List every thread, also archived threads.")] = False,
    index: Annotated[
        str | None,
        typer.Option("--index", metavar="FILE", help="The index for --search. The default is beside the storage."),
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """List threads, the most recently updated first, or search in them.

    A thread with an unfinished turn is marked, also when the turn waits for an approval (see `recuerda pending`), and
    `recuerda show` shows how far that turn got. In a pipe or a file, each thread is one line, with tabs between its id,
    title, turns, messages, time, mark and the thread that it is a branch of.

    With --search, each thread is shown with the passages that have the words. Without --user, the threads without a
    user are searched.

    With --json, the output is {"threads": [...], "cursor": text or null}, and with --search {"threads": [...]}.
    """
    if search is not None:
        if title or metadata or tag or is_archived or since or cursor or is_all:
            raise typer.BadParameter("--search goes with --user, --limit and --index alone")
        from recuerda.cli.found_threads import print_found, search_threads

        found = asyncio.run(search_threads(storage, search, user=user, limit=limit, index=index))
        print_found(found, as_json=as_json, thread_json=thread_json)
        if not found and not as_json:
            warn(_nothing(storage, user, is_chosen=True))
        return
    chosen = _Chosen(
        user_id=user,
        title=title,
        metadata=dict(map(_pair, metadata or ())),
        tags=tag or (),
        archived=is_archived or (None if is_all else False),
        updated_after=since and since.astimezone(),
    )
    page, unfinished = asyncio.run(_page(storage, chosen, limit=limit, cursor=cursor, is_all=is_all))
    if as_json:
        threads_json: list[Json] = [
            {**thread_json(info), "unfinished": unfinished.get(info.id)} for info in page.threads
        ]
        print_json({"threads": threads_json, "cursor": page.cursor})
        return
    if console().is_terminal:
        _print_table(page, unfinished)
    else:
        _print_lines(page, unfinished)
    if page.cursor is not None:
        few = "the search for more threads stopped at its limit" if page.is_partial else "there are more threads"
        warn(f"{few}: use --all, or --cursor '{page.cursor}' for the next page")
    elif not page.threads:
        warn(_nothing(storage, user, is_chosen=bool(title or metadata or tag or is_archived or since)))


def _pair(given: str) -> tuple[str, Json]:
    """Return the key and the value of an option KEY=VALUE."""
    key, separator, text = given.partition("=")
    if not separator or not key:
        raise typer.BadParameter(f"--metadata takes KEY=VALUE, and not {given!r}")
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text


def _nothing(storage: str | None, user: str | None, *, is_chosen: bool) -> str:
    such = "such threads" if is_chosen else "threads"
    if user is not None:
        return f"there are no {such} of user {user!r} in {public_url(storage)}"
    if is_chosen:
        return f"there are no {such} in {public_url(storage)}"
    return f"there are no threads in {public_url(storage)} yet: `recuerda chat` begins one"


async def _page(
    storage: str | None, chosen: _Chosen, *, limit: int, cursor: str | None, is_all: bool
) -> tuple[ThreadPage, dict[str, str]]:
    """Return the threads, and what the unfinished turns among them wait for, by thread."""
    async with opened_to_read(storage, may_be_new=True) as opened_storage:
        if is_all:
            wanted = ThreadFilter.of(**chosen)
            found = [info async for info in opened_storage.threads(user_id=wanted.user_id) if wanted.matches(info)]
            latest_first = sorted(found, key=lambda info: (info.updated_us, info.id), reverse=True)
            page = ThreadPage(threads=tuple(latest_first), cursor=None)
        else:
            page = await opened_storage.list_threads(**chosen, limit=limit, cursor=cursor)
        return page, await _unfinished(opened_storage, [info.id for info in page.threads], is_all=is_all)


async def _unfinished(storage: Storage, ids: Sequence[str], *, is_all: bool) -> dict[str, str]:
    """Return what the unfinished turns of some threads wait for, by thread."""
    if is_all:
        listed = {one.thread_id for one in (await storage.list_drafts(MOST_DRAFTS)).drafts}
        ids = [thread_id for thread_id in ids if thread_id in listed]
    found: dict[str, str] = {}
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        drafts = await asyncio.gather(*(storage.load_draft(thread_id) for thread_id in some))
        found |= {
            thread_id: state_of(read_pending(draft, thread_id))
            for thread_id, draft in zip(some, drafts, strict=True)
            if draft is not None
        }
    return found


def thread_json(info: ThreadInfo) -> JsonObject:
    """Return the information about a thread as JSON."""
    return {
        "id": info.id,
        "title": info.title,
        "user_id": info.user_id,
        "turns": info.turns,
        "messages": info.messages,
        "revision": info.revision,
        "archived": info.archived,
        "tags": list(info.tags),
        "metadata": info.metadata,
        "parent": _parent_json(info.parent),
        "created_at": info.created_at.isoformat(),
        "updated_at": info.updated_at.isoformat(),
    }


def _parent_json(parent: ThreadParent | None) -> JsonObject | None:
    if parent is None:
        return None
    return {"id": parent.thread_id, "turn": parent.number, "turn_id": parent.turn_id, "turns": parent.turns}


def _print_table(page: ThreadPage, unfinished: dict[str, str]) -> None:
    if page.threads:
        print_table(console(), _table(page, unfinished))


def _print_lines(page: ThreadPage, unfinished: dict[str, str]) -> None:
    for info in page.threads:
        cells = (
            info.id,
            info.title or "",
            str(info.turns),
            str(info.messages),
            info.updated_at.isoformat(timespec="seconds"),
            unfinished.get(info.id, ""),
            info.parent.thread_id if info.parent else "",
        )
        sys.stdout.write("\t".join(map(clean_line, cells)) + "\n")


def _table(page: ThreadPage, unfinished: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", overflow="fold", style="cyan")
    table.add_column("title", overflow="fold")
    table.add_column("turns", justify="right")
    table.add_column("messages", justify="right")
    table.add_column("updated", no_wrap=True, style="dim")
    if unfinished:
        table.add_column("mark", overflow="fold", style="yellow")
    has_forks = any(info.parent for info in page.threads)
    if has_forks:
        table.add_column("branch of", overflow="fold", style="dim")
    for info in page.threads:
        title = clean_line(info.title or "")
        sizes = (f"{info.turns:,}", f"{info.messages:,}")
        mark = [unfinished.get(info.id, "")] if unfinished else []
        parent = [clean_line(info.parent.thread_id if info.parent else "")] if has_forks else []
        table.add_row(clean_line(info.id), title, *sizes, shown_time(info.updated_at), *mark, *parent)
    return table
