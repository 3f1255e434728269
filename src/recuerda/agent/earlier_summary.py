"""The view of a thread with an earlier summary.

A run needs it that replaces a turn which the newest summary tells of, and so does the preview of a past turn. A storage
reads the newest summary in one step. It also keeps the earlier ones, because an undo removes the newest. They are among
the earlier records, so this goes back in growing steps. The records since the earlier summary are the turns that the
run sends, so little is read in vain.
"""

from __future__ import annotations

from collections.abc import Callable

from recuerda.errors import StateError
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.records import TurnRecord
from recuerda.threads.history import History
from recuerda.threads.store import ChatMessageStore
from recuerda.window.summary import Summary, decode_summary

FIRST_STEP = 100
"""The number of records that the first read goes back; each further read goes back four times as far."""


async def read_earlier_summary(
    store: ChatMessageStore, newest: TurnRecord, *, keep_files: int | None
) -> tuple[History, Summary] | None:
    """Read a thread with the newest summary that does not cover its newest turn, and the turns after that summary.

    Return None if there is no such summary, or if it cannot be read.

    Args:
        store: the thread's store.
        newest: the thread's newest summary, which covers the newest turn.
        keep_files: the number of the newest turns whose files are read too; None for all turns.
    """
    return await _read_back(store, newest.number, None, _summary_before_newest_turn, keep_files=keep_files)


async def read_past_summary(
    store: ChatMessageStore, number: int, *, keep_files: int | None
) -> tuple[History, Summary] | None:
    """Read a thread as it was before a record: with the newest summary before it, and the turns between the two.

    Return None if there is no such summary, or if it cannot be read. The arguments mean the same as above.
    """
    return await _read_back(store, number, number, _newest_summary, keep_files=keep_files)


async def _read_back(
    store: ChatMessageStore,
    number: int,
    before: int | None,
    chosen: Callable[[ThreadSlice], TurnRecord | None],
    *,
    keep_files: int | None,
) -> tuple[History, Summary] | None:
    step = FIRST_STEP
    after = number - step
    while True:
        found = await store.view.read(store.thread_id, after=max(1, after), before=before, blobs=keep_files)
        summary = chosen(found)
        if summary is not None and after <= (summary.target or 0):
            return _view(store.thread_id, found, summary)
        if summary is not None:
            after = summary.target or 0  # the turns since the summary begin before this read
        elif after <= 1 or found.info is None or not found.is_continued:
            return None
        else:
            step *= 4
            after = number - step


def _newest_summary(found: ThreadSlice) -> TurnRecord | None:
    return next((record for record in reversed(found.records) if record.kind == "summary"), None)


def _summary_before_newest_turn(found: ThreadSlice) -> TurnRecord | None:
    newest = max((record.number for record in found.records if record.kind == "turn"), default=0)
    summaries = [one for one in found.records if one.kind == "summary" and (one.target or 0) < newest]
    return summaries[-1] if summaries else None


def _view(thread_id: str, found: ThreadSlice, summary: TurnRecord) -> tuple[History, Summary] | None:
    try:
        told = decode_summary(summary.body)
    except StateError:
        return None
    start = (summary.target or 0) + 1
    turns = tuple(one for one in found.records if one.kind == "turn" and one.number >= start)
    history = History(thread_id, with_summary=True)
    history.take(
        ThreadSlice(info=found.info, records=turns, start=start, summary=summary, has_draft=found.has_draft),
        last_messages=None,
    )
    history.files.add(found.blobs)
    return history, told
