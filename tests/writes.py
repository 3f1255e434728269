"""One operation of each kind that writes, on two threads of three turns and one turn; each builds on the last one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from recuerda import NewTurn, Storage
from recuerda.storage.drafts import DraftStep

Operation: TypeAlias = Callable[[Storage], Awaitable[object]]


def named_turn(name: str) -> NewTurn:
    return NewTurn(body=name.encode(), message_count=1, id=name)


async def _lease(storage: Storage) -> None:
    async with storage.lease("a"):
        pass


WRITES: dict[str, Operation] = {
    "append": lambda storage: storage.append("a", named_turn("4"), expected=3),
    "append_all": lambda storage: storage.append_all("a", [named_turn("5"), named_turn("6")], expected=4),
    "undo": lambda storage: storage.undo("a"),
    "trim": lambda storage: storage.trim("a", keep_turns=2),
    "summarize": lambda storage: storage.summarize("a", b"sum", through=4),
    "update_thread": lambda storage: storage.update_thread("a", title="T"),
    "rewrite": lambda storage: storage.rewrite("a", {5: b"five"}),
    "lease": _lease,
    "save_draft": lambda storage: storage.save_draft("b", DraftStep(turn_id="t", revision=1, number=1, body=b"step")),
    "drop_draft": lambda storage: storage.drop_draft("b"),
    "delete": lambda storage: storage.delete("b"),
}
