"""A worker that replaces the newest turn of a thread again and again, and notes each turn before and after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias, TypeVar

from recuerda import Storage
from recuerda.agent.response import AgentResponse
from recuerda.errors import RecuerdaError
from recuerda.ids import new_id
from recuerda.testing.scripted import ScriptedChatClient
from recuerda.threads.history import StoredTurn
from tests.chaos.tally import UNKNOWN, Round

T = TypeVar("T")
Note: TypeAlias = Callable[[Literal["tried", "done"], str], None]

USER = "ana"
STAYING = ("one", "two", "three")
"""The ids of the turns that stay."""

FIRST = "first"
"""The id of the turn that is replaced first."""


class Replacer:
    """The worker of one thread, which has one worker at a time.

    Args:
        storage: a handle on the storage.
        thread: the thread's id.
        current: the round.
        note: gets the id of each turn, as "tried" before the run and as "done" once it is acknowledged.
    """

    def __init__(self, storage: Storage, thread: str, current: Round, note: Note) -> None:
        self._agent = ScriptedChatClient(default="so it is").create_agent(storage=storage)
        self._thread = self._agent.get_thread(thread, user_id=USER)
        self._current = current
        self._note = note

    async def begin(self) -> None:
        """Say the turns that stay, and the first turn that is replaced."""
        for turn_id in (*STAYING, FIRST):
            await self._agent.run(turn_id, thread=self._thread, turn_id=turn_id)

    async def act(self) -> None:
        """Replace the newest turn, by another answer or by another question."""
        if self._current.luck.random() < 0.5:
            await self.answer_again(new_id())
            return
        newest = await self._settled(lambda: self._thread.list_turns(limit=1))
        if not isinstance(newest, RecuerdaError):
            turn_id = new_id()
            await self._replace(
                turn_id, lambda: self._agent.run(turn_id, thread=self._thread, replaces=newest[-1], turn_id=turn_id)
            )

    async def answer_again(self, turn_id: str) -> None:
        """Replace the newest turn by another answer, unless the thread has the turn already."""
        await self._replace(turn_id, lambda: self._agent.regenerate(self._thread, turn_id=turn_id))

    async def turns(self) -> list[StoredTurn] | RecuerdaError:
        """Return the thread's turns, as the worker's warm handle sees them."""
        return await self._current.attempt(self._thread.list_turns())

    async def _replace(self, turn_id: str, run: Callable[[], Awaitable[AgentResponse]]) -> None:
        self._note("tried", turn_id)
        outcome = await self._settled(run)
        if isinstance(outcome, AgentResponse):
            self._note("done", turn_id)
        elif not isinstance(outcome, UNKNOWN):
            expected = f"turn {turn_id} takes the newest turn's place"
            self._current.fault(self._thread.id, expected=expected, found=repr(outcome))

    async def _settled(self, work: Callable[[], Awaitable[T]]) -> T | RecuerdaError:
        """Repeat some work until its outcome is known."""
        while True:
            outcome = await self._current.attempt(work())
            if not isinstance(outcome, UNKNOWN) or not self._current.goes_on:
                return outcome
            await self._current.pause(0.05)
