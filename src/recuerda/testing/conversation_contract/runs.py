"""The runs that the tests write, and questions about the runs that a conversation has."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from recuerda.testing.conversation_contract.adapter import ConversationAdapter

RUN_LENGTH = 4
CONVERSATION = "t"
"""The conversation to which killed processes write."""


async def go_on() -> None:
    """Return at once: a `Pause` of a model that needs no time."""


def run_items(adapter: ConversationAdapter[Any, Any], name: str) -> list[Any]:
    """Return the items of a run: a question, a call, its result, an answer."""
    return [
        adapter.make("question", f"question {name}"),
        adapter.make("call", f"call-{name}"),
        adapter.make("result", f"call-{name}"),
        adapter.make("answer", f"answer {name}"),
    ]


@pytest.mark.asyncio
class ContractBase:
    """The base of the test classes.

    Attributes:
        adapter: uses the store that is tested.
    """

    adapter: ClassVar[ConversationAdapter[Any, Any]]

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        """Return the folder in which the tests open stores."""
        return tmp_path

    async def add(self, store: Any, conversation_id: str, *names: str) -> None:
        """Add one run for each name."""
        for run_id in names:
            items = run_items(self.adapter, run_id)
            await self.adapter.add_run(store, conversation_id, items, pause=go_on, run_id=run_id)

    async def repeat(self, store: Any, conversation_id: str, name: str) -> None:
        """Add a run again. A store may ignore it, or refuse it with an error."""
        with suppress(Exception):
            await self.add(store, conversation_id, name)

    async def dumps(self, store: Any, conversation_id: str, limit: int | None = None) -> list[bytes]:
        """Return the items of a conversation as bytes."""
        return self.dumped(await self.adapter.read(store, conversation_id, limit))

    def dumped(self, items: Sequence[Any]) -> list[bytes]:
        """Return items as bytes."""
        return [self.adapter.dump(item) for item in items]

    def run(self, *names: str) -> list[bytes]:
        """Return the items of runs as bytes."""
        return [dump for name in names for dump in self.dumped(run_items(self.adapter, name))]

    def place_of(self, found: Sequence[bytes], name: str) -> int | None:
        """Return where a whole run begins in a conversation; None if it is not there in one piece."""
        run = self.run(name)
        starts = [at for at in range(len(found)) if list(found[at : at + len(run)]) == run]
        return starts[0] if len(starts) == 1 else None
