"""Drafts: the steps of a running turn, beside the thread's records.

The first step's item has a fixed id, so a thread has one draft. The item holds the revision that the thread had, and is
valid only until a turn is appended. So the append ends the draft in the same atomic step. Later steps belong to the
draft that the first step names. A later step's item is only created, and the first step's item is only replaced if it
is unchanged since it was read. So each step is saved once.

Before a step is written, the draft is read to check that the step is the next one. In between, a turn may be appended
or the draft may be replaced. Then the step belongs to a draft that has ended, as if it had been saved just before.
"""

from __future__ import annotations

from recuerda.cosmos.container import Backoff, Container, run_all
from recuerda.cosmos.heads import Head, load
from recuerda.cosmos.items import (
    DRAFT_NUMBER,
    FIRST_STEP_ID,
    STEP_NUMBER,
    DraftItem,
    read_body,
    thread_partition,
    write_body,
)
from recuerda.ids import new_id
from recuerda.storage.hooks import is_new_step
from recuerda.storage.records import DraftStep


async def save(container: Container, thread_id: str, step: DraftStep) -> None:
    """Save one step if `is_new_step` allows it. A first step replaces a draft that has ended."""
    backoff = Backoff(container, thread_id)
    while True:
        head = await load(container, thread_id)
        steps = await _steps(container, thread_id, head, {1, step.number - 1, step.number})
        before, same = steps.get(step.number - 1), steps.get(step.number)
        is_new = is_new_step(
            thread_id,
            step,
            first=_step(steps[1]) if 1 in steps else None,
            same=None if same is None else _step(same),
            newest=step.number if same is not None else step.number - 1 if before is not None else 0,
            revision=head.revision,
        )
        if not is_new or await _write(container, head, _item(thread_id, head, step, steps.get(1))):
            return
        await backoff.wait()


async def load_steps(container: Container, thread_id: str) -> list[DraftStep]:
    """Return the steps of the valid draft, in order."""
    head = await load(container, thread_id)
    steps = await _steps(container, thread_id, head, None)
    return [_step(steps[number]) for number in range(1, len(steps) + 1) if number in steps]


async def list_drafts(container: Container, limit: int) -> list[str]:
    """Return the ids of up to `limit` threads with a valid draft, in order."""
    firsts = await container.query_all(None, "c.kind = 'draft' AND c.step = 1", fields=_FIELDS)
    found: list[str] = []

    async def check(thread_id: str) -> None:
        if (await load(container, thread_id)).living_draft is not None:
            found.append(thread_id)

    # An item may be left over from a draft that has ended. Only its thread shows that.
    await run_all(check(item.partition.removeprefix(thread_partition(""))) for item in firsts)
    return sorted(found)[:limit]


async def drop(container: Container, thread_id: str) -> bool:
    """Delete the draft; return False if there is no valid draft.

    The first step is deleted first, which ends the draft.
    """
    backoff = Backoff(container, thread_id)
    while True:
        head = await load(container, thread_id)
        if head.draft is None:
            return False
        if await clear(container, thread_id, head.draft):
            return head.living_draft is not None
        await backoff.wait()


async def clear(container: Container, thread_id: str, first: DraftItem) -> bool:
    """Delete a draft and the steps that older drafts have left; return False if another draft has replaced it."""
    if not await container.delete(first.partition, first.id, etag=first.etag):
        return False
    await clear_rest(container, thread_id, base=first.base, draft=first.draft)
    return True


async def clear_rest(container: Container, thread_id: str, *, base: int, draft: str) -> None:
    """Delete the later steps of a draft that has ended, and of the drafts that were begun before it."""
    rest = await container.query_all(
        thread_partition(thread_id),
        "c.kind = 'draft' AND c.step > 1 AND (c.draft = @draft OR c.base < @base)",
        {"draft": draft, "base": base},
        fields=_FIELDS,
    )
    await run_all(container.delete(item.partition, item.id) for item in rest)


async def _steps(container: Container, thread_id: str, head: Head, numbers: set[int] | None) -> dict[int, DraftItem]:
    """Return the steps of the valid draft that have the given numbers, by number; all steps if `numbers` is None."""
    first = head.living_draft
    if first is None:
        return {}
    where = "c.kind = 'draft' AND c.draft = @draft"
    values: dict[str, object] = {"draft": first.draft}
    if numbers is not None:
        where += " AND ARRAY_CONTAINS(@numbers, c.step)"
        values["numbers"] = sorted(numbers)
    found = await container.query_all(thread_partition(thread_id), where, values)
    steps = {item.step: item for item in found if isinstance(item, DraftItem)}
    return steps if 1 in steps else {}


async def _write(container: Container, head: Head, item: DraftItem) -> bool:
    """Write a step; return False if another writer was first."""
    old = head.draft
    if item.step > 1 or old is None:
        return await container.create(item) is not None
    if await container.replace(item, etag=old.etag) is None:
        return False
    await clear_rest(container, item.partition.removeprefix(thread_partition("")), base=old.base, draft=old.draft)
    return True


def _item(thread_id: str, head: Head, step: DraftStep, first: DraftItem | None) -> DraftItem:
    draft = new_id() if first is None or step.number == 1 else first.draft
    text, data = write_body(step.body)
    return DraftItem(
        partition=thread_partition(thread_id),
        id=FIRST_STEP_ID if step.number == 1 else f"{FIRST_STEP_ID}.{draft}.{step.number}",
        kind="draft",
        number=DRAFT_NUMBER if step.number == 1 else STEP_NUMBER,
        draft=draft,
        step=step.number,
        turn_id=step.turn_id,
        revision=step.revision,
        base=head.revision,
        created_us=str(step.created_us),
        incarnation=None if head.living is None else head.living.incarnation,
        text=text,
        data=data,
    )


def _step(item: DraftItem) -> DraftStep:
    return DraftStep(
        turn_id=item.turn_id,
        revision=item.revision,
        number=item.step,
        body=read_body(item.text, item.data),
        created_us=int(item.created_us),
    )


_FIELDS = "c.partition, c.id, c.kind, c.draft, c.step, c.turn_id, c.revision, c.base"
