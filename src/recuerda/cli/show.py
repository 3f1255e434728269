"""`recuerda show`: show one thread, as far as it can be read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.text import Text

from recuerda.cli.messages import shown_turn
from recuerda.cli.options import JsonOption, StorageOption, opened_to_read
from recuerda.cli.output import clean_line, console, counted, fail, print_json, print_line
from recuerda.cli.pending import pending_json, shown_pending
from recuerda.cli.threads import thread_json
from recuerda.errors import CorruptTurn, ThreadNotFound
from recuerda.examination import read_pending
from recuerda.json_value import JsonObject
from recuerda.messages.codec import message_to_json
from recuerda.storage.drafts import Draft
from recuerda.storage.thread_info import ThreadInfo, ThreadParent
from recuerda.threads.history import StoredTurn, stored_turn


@dataclass(frozen=True, slots=True)
class _Thread:
    thread_id: str
    info: ThreadInfo
    turns: list[StoredTurn | CorruptTurn]
    draft: Draft | None

    @property
    def corrupt(self) -> list[CorruptTurn]:
        return [turn for turn in self.turns if isinstance(turn, CorruptTurn)]


EXAMPLES = (
    "recuerda show default",
    "recuerda show default --last 6",
    "recuerda show default --last 6 --before 40",
)


def show(
    thread_id: Annotated[str, typer.Argument(metavar="ID", help="The thread's id.")],
    last: Annotated[
        int | None,
        typer.Option(
            "--last", min=1, metavar="N", help="Show only the newest whole turns that hold at most N messages."
        ),
    ] = None,
    before: Annotated[
        int | None,
        typer.Option("--before", min=1, metavar="N", help="Show only turns before turn N, to page back."),
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a thread's messages, with the time of each turn and how long its run took.

    If a turn cannot be read, the other turns are shown and the exit code is 1. An interrupted turn is marked. If a turn
    is unfinished, `recuerda chat` offers to continue it or to drop it. It is shown at the end of the thread, with its
    calls that wait for approval. `recuerda pending` decides about them.

    With --json, the output is {"thread": {...}, "turns": [...], "corrupt": [...], "draft": {...} or null}.
    """
    thread = asyncio.run(_read(storage, thread_id, last=last, before=before))
    if as_json:
        print_json(_thread_json(thread))
    else:
        _print(thread)
    if thread.corrupt:
        fail(f"{len(thread.corrupt)} of {counted(len(thread.turns), 'turn')} cannot be read; the other turns are shown")
        raise typer.Exit(1)


async def _read(storage: str | None, thread_id: str, *, last: int | None, before: int | None) -> _Thread:
    async with opened_to_read(storage, may_be_new=True) as opened_storage:
        found = await opened_storage.read(thread_id, last_messages=last, before=before, blobs=None)
        if found.info is None:
            raise ThreadNotFound(thread_id)
        is_end = before is None or before > found.info.revision
        draft = await opened_storage.load_draft(thread_id) if found.has_draft and is_end else None
    turns: list[StoredTurn | CorruptTurn] = []
    for record in found.records:
        try:
            turns.append(stored_turn(record, thread_id, found.blobs))
        except CorruptTurn as error:
            turns.append(error)
    return _Thread(thread_id, found.info, turns, draft)


def _print(thread: _Thread) -> None:
    page = console()
    info, name = thread.info, clean_line(thread.thread_id)
    size = f"{counted(info.turns, 'turn')} · {counted(info.messages, 'message')}" if info.revision else "no turn yet"
    page.print(Text(clean_line(info.title) if info.title else name, style="bold"))
    page.print(Text(f"{name} · {size}", style="dim"))
    if info.parent is not None:
        page.print(Text(_branch(info.parent), style="dim"))
    for turn in thread.turns:
        if isinstance(turn, StoredTurn) and not turn.messages:
            continue  # a step of a framework in which nothing was said
        page.print()
        if isinstance(turn, CorruptTurn):
            print_line(page, Text(f"turn {turn.number} cannot be read: {clean_line(turn.reason)}", style="bold red"))
            continue
        for line in shown_turn(turn):
            print_line(page, line)
    if thread.draft is not None:
        page.print()
        for line in shown_pending(thread.draft, read_pending(thread.draft, thread.thread_id)):
            print_line(page, line)


def _branch(parent: ThreadParent) -> str:
    """Return a line that says where a fork left its parent."""
    place = f"after turn {parent.number}" if parent.number else "before the first turn"
    return f"a branch of {clean_line(parent.thread_id)}, {place}"


def _thread_json(thread: _Thread) -> JsonObject:
    draft = thread.draft
    return {
        "thread": thread_json(thread.info),
        "turns": [_turn_json(turn) for turn in thread.turns if isinstance(turn, StoredTurn)],
        "corrupt": [{"number": turn.number, "reason": turn.reason} for turn in thread.corrupt],
        "draft": None if draft is None else pending_json(draft, read_pending(draft, thread.thread_id)),
    }


def _turn_json(turn: StoredTurn) -> JsonObject:
    return {
        "number": turn.number,
        "id": turn.id,
        "created_at": turn.created_at.isoformat(),
        "started_at": turn.started_at and turn.started_at.isoformat(),
        "duration_s": None if turn.duration is None else turn.duration.total_seconds(),
        "runs": turn.run_count,
        "is_interrupted": turn.turn.is_interrupted,
        "error": turn.turn.error,
        "messages": [message_to_json(message) for message in turn.messages],
    }
