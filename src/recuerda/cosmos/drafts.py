"""Drafts: the steps of a running turn, beside the thread's records.

The first step's item has a fixed id, so one write replaces a draft. Each step knows the revision that the thread had,
and counts only as long as it has: so the append that raises the revision ends the draft in the same atomic step.
"""

from __future__ import annotations

from recuerda.cosmos.container import Container, run_all
from recuerda.cosmos.heads import Head, load
from recuerda.cosmos.items import DraftItem, read_body, thread_partition, write_body
from recuerda.ids import new_id
from recuerda.records import DraftStep

_FIRST_ID = "draft"


async def save(container: Container, thread_id: str, step: DraftStep) -> None:
    """Save one step; the first one replaces the draft that was there."""
    head = await load(container, thread_id)
    held = _held(head, head.drafts)
    is_first = step.number == 1 or not held
    draft = new_id() if is_first else held[0].draft
    text, data = write_body(step.body)
    item = DraftItem(
        partition=thread_partition(thread_id),
        id=_FIRST_ID if is_first else f"{_FIRST_ID}.{draft}.{step.number}",
        kind="draft",
        draft=draft,
        step=step.number,
        turn_id=step.turn_id,
        revision=step.revision,
        base=head.revision,
        incarnation=None if head.living is None else head.living.incarnation,
        text=text,
        data=data,
    )
    await container.upsert(item)
    if is_first:
        await run_all(container.delete(old.partition, old.id) for old in head.drafts if old.id != _FIRST_ID)


async def load_steps(container: Container, thread_id: str) -> list[DraftStep]:
    """Return the steps of the draft that holds, in order."""
    head = await load(container, thread_id)
    if not _held(head, head.drafts):
        return []
    found = await container.query_all(thread_partition(thread_id), "c.kind = 'draft'")
    return [
        DraftStep(turn_id=one.turn_id, revision=one.revision, number=one.step, body=read_body(one.text, one.data))
        for one in _held(head, [item for item in found if isinstance(item, DraftItem)])
    ]


async def drop(container: Container, thread_id: str) -> bool:
    """Delete the draft; False when there is none that holds. The first step goes first: without it there is none."""
    head = await load(container, thread_id)
    held = _held(head, head.drafts)
    await container.delete(thread_partition(thread_id), _FIRST_ID)
    await run_all(container.delete(item.partition, item.id) for item in head.drafts if item.id != _FIRST_ID)
    return bool(held)


def _held(head: Head, items: tuple[DraftItem, ...] | list[DraftItem]) -> list[DraftItem]:
    """Return the items of the draft that holds, in the order of their steps."""
    first = next((item for item in items if item.id == _FIRST_ID), None)
    if first is None or first.base != head.revision:
        return []
    if head.living is not None and first.incarnation not in (None, head.living.incarnation):
        return []
    return sorted((item for item in items if item.draft == first.draft), key=lambda item: item.step)
