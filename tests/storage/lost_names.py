"""Turns and operations for storages whose files lose their names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

from recuerda import NewTurn, Storage
from recuerda.storage.drafts import DraftStep

Operation: TypeAlias = Callable[[Storage], Awaitable[object]]


def a_turn(name: str) -> NewTurn:
    return NewTurn(body=b"{}", message_count=1, id=name)


async def _lease(storage: Storage) -> None:
    async with storage.lease("a", timedelta(seconds=9)):
        pass


OPERATIONS: tuple[Operation, ...] = (
    lambda storage: storage.append_all("b", [a_turn("late")]),
    lambda storage: storage.append_all("a", [a_turn("late")]),
    lambda storage: storage.update_thread("a", title="late"),
    lambda storage: storage.delete("a"),
    lambda storage: storage.trim("a", keep_turns=1),
    lambda storage: storage.undo("a"),
    lambda storage: storage.save_draft("a", DraftStep(turn_id="d", revision=1, number=1, body=b"1", created_us=1)),
    lambda storage: storage.drop_draft("a"),
    lambda storage: storage.erase_user("ana"),
    lambda storage: storage.list_threads(),
    lambda storage: storage.load_draft("a"),
    lambda storage: storage.list_drafts(),
    lambda storage: storage.list_leases(),
    lambda storage: storage.head("a"),
    _lease,
)
"""Each notices that the folder, or the file, of its storage is gone. The storage has a thread "a" of one turn."""
