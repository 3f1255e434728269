"""The records of a part of a thread, as far as they can be read. The cost does not grow with the thread."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from recuerda.errors import DecryptionError, ThreadNotFound
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import Draft
from recuerda.storage.thread_info import Expected, ThreadInfo
from recuerda.studio.threads.drafts import ShownDraft, shown_draft
from recuerda.studio.threads.entries import Entry, entry_of, sealed_entry

MOST_OTHERS = 200
"""The largest number of undos, trims and summaries that are looked for between the turns of a page."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a thread.

    Attributes:
        info: the information about the thread.
        entries: the records, in order.
        before: the number before which earlier turns are; None at the beginning.
        after: the number after which later records are; None at the end.
        has_draft: whether the thread has an unfinished turn.
    """

    info: ThreadInfo
    entries: Sequence[Entry]
    before: int | None
    after: int | None
    has_draft: bool


async def read_part(storage: Storage, thread_id: str, *, before: int | None, turns: int) -> Part:
    """Return a page of a thread that ends before a number, with this number of turns at most.

    Raises:
        ThreadNotFound: there is no such thread.
    """
    try:
        found = await storage.read(thread_id, before=before, last_turns=turns)
    except DecryptionError:
        return await _read_one_by_one(storage, thread_id, before=before, turns=turns)
    if found.info is None:
        raise ThreadNotFound(thread_id)
    records = found.records
    revision = found.info.revision
    first = records[0].number if records else revision + 1
    last = revision if before is None else min(before - 1, revision)
    others = last - first + 1 - len(records)
    if records and 0 < others <= MOST_OTHERS:
        # Only a read that continues returns records that are not turns.
        between = await storage.read(thread_id, after=first, before=last + 1)
        if between.is_continued:
            records = (records[0], *between.records)
    return Part(
        info=found.info,
        entries=[entry_of(record, thread_id) for record in records],
        before=first if len(found.records) == turns and first > found.info.first else None,
        after=last if last < revision else None,
        has_draft=found.has_draft,
    )


async def read_part_from(storage: Storage, thread_id: str, number: int, *, turns: int) -> Part:
    """Return a page of a thread that begins with a number from 1, with this number of records at most.

    The page is empty if the thread has nothing from this number on.

    Raises:
        ThreadNotFound: there is no such thread.
    """
    while True:
        part = await _read_stretch(storage, thread_id, number, turns=turns)
        number = max(number + turns, part.info.first)
        if part.entries or number > part.info.revision:
            return part  # otherwise all turns of this stretch were undone or deleted


async def _read_stretch(storage: Storage, thread_id: str, start: int, *, turns: int) -> Part:
    """Return the records from one number on, below the number that is `turns` higher."""
    end = start + turns
    if start == 1:
        return await read_part(storage, thread_id, before=end, turns=turns)
    try:
        found = await storage.read(thread_id, after=start - 1, before=end)
    except DecryptionError:
        part = await _read_one_by_one(storage, thread_id, before=end, turns=turns)
        return msgspec.structs.replace(part, entries=[entry for entry in part.entries if entry.number >= start])
    if found.info is None:
        raise ThreadNotFound(thread_id)
    return Part(
        info=found.info,
        entries=[entry_of(record, thread_id) for record in found.records],
        before=start if start > found.info.first else None,
        after=end - 1 if end <= found.info.revision else None,
        has_draft=found.has_draft,
    )


async def _read_one_by_one(storage: Storage, thread_id: str, *, before: int | None, turns: int) -> Part:
    """Return the page with a sealed entry for each turn that cannot be decrypted."""
    entries: list[Entry] = []
    info = await storage.head(thread_id)
    if info is None:
        raise ThreadNotFound(thread_id)
    place = before
    while len(entries) < turns:
        try:
            found = await storage.read(thread_id, before=place, last_turns=1)
        except DecryptionError as error:
            if error.number is None:
                break
            entries.append(sealed_entry(error, error.number, thread_id))
            place = error.number
        else:
            if not found.records:
                place = None
                break
            entries.append(entry_of(found.records[0], thread_id))
            place = found.records[0].number
        if place <= 1:
            place = None
            break
    last = info.revision if before is None else before - 1
    return Part(
        info=info,
        entries=entries[::-1],
        before=place if entries else None,
        after=last if last < info.revision else None,
        has_draft=False,
    )


async def read_entry(
    storage: Storage, thread_id: str, number: int, *, is_whole: bool = False
) -> tuple[ThreadInfo, Entry | None]:
    """Return one turn; None if the thread does not hold it.

    Raises:
        ThreadNotFound: there is no such thread.
    """
    try:
        found = await storage.read(thread_id, before=number + 1, last_turns=1)
    except DecryptionError as error:
        info = await storage.head(thread_id)
        if info is None:
            raise ThreadNotFound(thread_id) from None
        return info, sealed_entry(error, number, thread_id)
    if found.info is None:
        raise ThreadNotFound(thread_id)
    held = [record for record in found.records if record.number == number]
    return found.info, entry_of(held[0], thread_id, is_whole=is_whole) if held else None


async def read_draft(storage: Storage, thread_id: str) -> ShownDraft | None:
    """Return the unfinished turn of a thread; None if it has none."""
    try:
        draft: Draft | None = await storage.load_draft(thread_id)
    except DecryptionError:
        return ShownDraft(state="sealed")
    return None if draft is None else shown_draft(draft, thread_id)


async def read_new(storage: Storage, thread_id: str, after: Expected) -> tuple[ThreadInfo | None, list[Entry], bool]:
    """Return the records after a version, and whether they continue from it."""
    try:
        found = await storage.read(thread_id, after=after)
    except DecryptionError as error:
        return await storage.head(thread_id), [sealed_entry(error, error.number or 0, thread_id)], True
    return found.info, [entry_of(record, thread_id) for record in found.records], found.is_continued
