"""Drafts: the steps of a running turn, beside the thread's records.

The thread's head names the draft and the number of its steps. A step is created in the same batch that raises this
number, so each step is saved once, and only on the draft that it belongs to. The batch of an append takes the draft out
of the head and deletes its steps.
"""

from __future__ import annotations

import msgspec

from recuerda.cosmos import cutting, directory, threads
from recuerda.cosmos.container import MAX_BATCH, Backoff, Container, run_all
from recuerda.cosmos.heads import Head, load, made_alive, record_at
from recuerda.cosmos.items import (
    HEAD_ID,
    DraftItem,
    DraftMark,
    HeadItem,
    read_body,
    step_item_id,
    thread_partition,
    write_body,
)
from recuerda.ids import new_id
from recuerda.storage.drafts import DraftInfo, DraftStep
from recuerda.storage.operations import Guard
from recuerda.storage.rules import check_history, is_new_step


async def save(container: Container, thread_id: str, step: DraftStep, guard: Guard) -> str:
    """Save one step if `is_new_step` allows it. A first step replaces a draft that has ended."""
    backoff = Backoff(container, thread_id)
    while True:
        head = await load(container, thread_id)
        head.check_user(guard)
        await _check_history(container, head, guard)
        if not await _is_new(container, head, step):
            return "" if head.alive is None else head.alive.incarnation
        if step.number == 1:
            head.check_state(guard)
        if (written := await _write(container, head, step, guard)) is not None:
            return written.incarnation
        await backoff.wait()


async def _check_history(container: Container, head: Head, guard: Guard) -> None:
    item = head.alive
    record_id: str | None = "" if item is None else item.record_id
    if item is not None and guard.record_id and guard.revision and guard.revision < item.revision:
        # A summary came after the turn had begun. This is rare, so one more query is acceptable.
        known = await record_at(container, item, guard.revision)
        record_id = known and known.original_id
    elif not guard.revision:
        record_id = ""
    check_history(
        head.thread_id,
        guard,
        revision=head.revision,
        incarnation=None if item is None else item.incarnation,
        record_id=record_id,
    )


async def _is_new(container: Container, head: Head, step: DraftStep) -> bool:
    draft = None if head.alive is None else head.alive.draft
    is_same_turn = draft is not None and draft.turn_id == step.turn_id
    return is_new_step(
        head.thread_id,
        step,
        first=None if draft is None else DraftStep(turn_id=draft.turn_id, revision=draft.revision, number=1, body=b""),
        same=await _step(container, head, draft, step.number) if draft is not None and is_same_turn else None,
        newest=0 if draft is None else draft.steps,
        newest_id="" if draft is None else draft.last_id,
        revision=head.revision,
    )


async def _step(container: Container, head: Head, draft: DraftMark, number: int) -> DraftStep | None:
    """Return a step of the draft; None if it has no such step."""
    if number > draft.steps:
        return None
    values = {"id": step_item_id(draft.id, number)}
    found = await container.query_all(thread_partition(head.thread_id), "c.id = @id", values)
    return next((_read(item) for item in found if isinstance(item, DraftItem)), None)


async def _write(container: Container, head: Head, step: DraftStep, guard: Guard) -> HeadItem | None:
    """Write a step, and return the new head; None if another writer was first."""
    item = head.alive
    if step.number == 1:
        item = await threads.prepared(container, head, now_us=step.created_us, guard=guard)
    if item is None:
        return None
    old = item.draft
    if step.number > 1 and old is not None:
        draft, ended = msgspec.structs.replace(old, steps=step.number, last_id=step.id), ()
    else:
        draft = DraftMark(id=new_id(), turn_id=step.turn_id, revision=step.revision, steps=1, last_id=step.id)
        ended = step_ids(item)
    fits = len(ended) <= MAX_BATCH
    new = made_alive(item, step.created_us, guard) if step.number == 1 else _written(item)
    new = msgspec.structs.replace(new, draft=draft, is_unfinished=item.is_unfinished or not fits)
    if await container.commit(new, create=_item(new, draft, step), delete=ended if fits else ()) is None:
        return None
    if not fits:
        await cutting.finish(container, new)
    if item.life == "new" or item.user_id != new.user_id:
        await directory.publish(container, directory.entry_of(new.info(), writes=new.writes, pending=new.writes))
    return new


def _written(head: HeadItem) -> HeadItem:
    return msgspec.structs.replace(head, writes=head.writes + 1)


async def load_steps(container: Container, thread_id: str, guard: Guard) -> list[DraftStep]:
    """Return the steps of the valid draft, in order."""
    backoff = Backoff(container, thread_id)
    while True:
        values = {"head": HEAD_ID}
        found = await container.query_all(thread_partition(thread_id), "c.id = @head OR c.kind = 'draft'", values)
        head = Head(thread_id, next((item for item in found if isinstance(item, HeadItem)), None))
        head.check_user(guard)
        if head.alive is None or head.alive.draft is None:
            return []
        draft = head.alive.draft
        steps = {item.step: item for item in found if isinstance(item, DraftItem) and item.draft == draft.id}
        if len(steps) == draft.steps or await _is_unchanged(container, head.alive):
            # Only of an expired draft are steps missing.
            return [_read(steps[number]) for number in sorted(steps)] if 1 in steps else []
        await backoff.wait()


async def _is_unchanged(container: Container, head: HeadItem) -> bool:
    now = (await load(container, head.thread_id)).item
    return now is not None and now.etag == head.etag


async def list_drafts(container: Container) -> list[DraftInfo]:
    """Return the entries of all threads with a valid draft."""
    firsts = await container.query_all(None, "c.kind = 'draft' AND c.step = 1", fields=f"{_FIELDS}, c.created_us")
    found: list[DraftInfo] = []

    async def check(item: DraftItem) -> None:
        head = await load(container, item.partition.removeprefix(thread_partition("")))
        if head.alive is not None and head.alive.draft is not None and head.alive.draft.id == item.draft:
            user_id = head.alive.user_id
            found.append(DraftInfo(thread_id=head.thread_id, user_id=user_id, begun_us=int(item.created_us)))

    # An item may be left over from a draft that has ended. Only its thread shows that.
    await run_all(check(item) for item in firsts if isinstance(item, DraftItem))
    return found


async def drop(container: Container, thread_id: str, turn_id: str | None, guard: Guard) -> bool:
    """Delete the draft if it is this turn's; return False if there is no such draft."""
    backoff = Backoff(container, thread_id)
    call = new_id()
    while True:
        head = await load(container, thread_id)
        if head.alive is not None and head.alive.call == call:
            return True  # the change succeeded, and its answer was lost
        head.check_user(guard)
        if head.alive is None or head.alive.draft is None or turn_id not in (None, head.alive.draft.turn_id):
            return False
        head.check_state(guard)
        head.check_last_step(guard, head.alive.draft.turn_id)
        if await end(container, head.alive, call=call) is not None:
            return True
        await backoff.wait()


async def end(container: Container, head: HeadItem, *, call: str = "") -> HeadItem | None:
    """Take the draft out of a thread, and return the new head; None if another writer was first."""
    steps = step_ids(head)
    fits = len(steps) <= MAX_BATCH
    new = msgspec.structs.replace(_written(head), draft=None, call=call, is_unfinished=head.is_unfinished or not fits)
    etag = await container.commit(new, delete=steps if fits else ())
    if etag is None:
        return None
    if not fits:
        await cutting.finish(container, new)
    return msgspec.structs.replace(new, etag=etag)


def step_ids(head: HeadItem | None) -> list[str]:
    """Return the ids of the items of a thread's draft."""
    if head is None or head.draft is None:
        return []
    return [step_item_id(head.draft.id, number) for number in range(1, head.draft.steps + 1)]


def _item(head: HeadItem, draft: DraftMark, step: DraftStep) -> DraftItem:
    text, data = write_body(step.body)
    return DraftItem(
        partition=head.partition,
        id=step_item_id(draft.id, step.number),
        kind="draft",
        incarnation=head.incarnation,
        draft=draft.id,
        step=step.number,
        step_id=step.id,
        turn_id=step.turn_id,
        revision=step.revision,
        created_us=str(step.created_us),
        text=text,
        data=data,
    )


def _read(item: DraftItem) -> DraftStep:
    return DraftStep(
        turn_id=item.turn_id,
        revision=item.revision,
        number=item.step,
        body=read_body(item.text, item.data),
        created_us=int(item.created_us),
        id=item.step_id,
    )


_FIELDS = "c.partition, c.id, c.kind, c.incarnation, c.draft, c.step, c.turn_id, c.revision"
