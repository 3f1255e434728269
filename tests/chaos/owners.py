"""Storm 3: threads change hands during runs, drafts and approvals.

A hand-over gives the thread with everything that it holds, so the new owner may resume or drop its draft.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from recuerda import Storage
from recuerda.agent.response import AgentResponse, PendingTurn
from recuerda.errors import RecuerdaError, ThreadOwnershipError
from recuerda.ids import new_id
from tests.chaos.clocks import clock_of
from tests.chaos.ledger import Ledger
from tests.chaos.places import Place
from tests.chaos.speaking import Speaker, check_thread
from tests.chaos.tally import Round

T = TypeVar("T")
USERS = ("ana", "bo")
THREADS = ("x", "y")


@dataclass(slots=True)
class Reign:
    """The time for which a user owns a thread.

    Attributes:
        user: the owner.
        after: the thread's revision at the hand-over; None while that is under way.
        sure: the moment after the hand-over to the user; None while it is under way.
        left: the moment after the next hand-over.
    """

    user: str
    after: int | None = None
    sure: int | None = None
    left: int | None = None


@dataclass(slots=True)
class Register:
    """Who owned which thread when, and who committed which turn."""

    reigns: dict[str, list[Reign]] = field(default_factory=lambda: {thread: [] for thread in THREADS})
    committers: dict[str, str] = field(default_factory=dict[str, str])
    now: int = 0

    def tick(self) -> int:
        """Return the next moment."""
        self.now += 1
        return self.now

    def may_own(self, user: str, thread: str, *, since: int) -> bool:
        """Return True if the user may have owned the thread at some moment since the given one."""
        return any(one.user == user and (one.left is None or one.left > since) for one in self.reigns[thread])

    def surely_owned(self, user: str, thread: str, *, since: int) -> bool:
        """Return True if the user has certainly owned the thread since the given moment."""
        last = self.reigns[thread][-1]
        return last.user == user and last.sure is not None and last.sure < since

    def owner_at(self, thread: str, number: int) -> str:
        """Return the owner for whom the record with a number was written."""
        return [one.user for one in self.reigns[thread] if one.after is not None and one.after < number][-1]


async def owners(place: Place, current: Round) -> None:
    """Let two users speak, wait for approvals, resume and drop turns in threads that change hands."""
    clock, ledger, register = clock_of(current), Ledger(), Register()
    async with AsyncExitStack() as stack:
        storages = [await stack.enter_async_context(place.open(clock)) for _ in USERS]
        for thread in THREADS:
            await _hand_over(storages[0], thread, register, current)
        works: list[Coroutine[Any, Any, None]] = []
        for user, storage in zip(USERS, storages, strict=True):
            for asks in (False, True):
                user_at_work = _User(
                    Speaker(user, storage, ledger, current, slowest_s=0.05, asks=asks), register, current
                )
                works.append(current.repeat(user_at_work.work))
        async with asyncio.TaskGroup() as tasks:
            for work in works:
                tasks.create_task(work)
            tasks.create_task(_hand_over_and_over(storages, register, current))
        await _check(storages[0], ledger, register, current)


class _User:
    """A user who tries everything, also in threads that are not the user's any more."""

    def __init__(self, speaker: Speaker, register: Register, current: Round) -> None:
        self._speaker = speaker
        self._register = register
        self._current = current

    async def work(self) -> None:
        """Do one thing in one thread."""
        thread = self._current.luck.choice(THREADS)
        handle = self._speaker.thread(thread)
        kind = self._current.luck.choice(("speak", "speak", "speak", "read", "save", "resume", "drop"))
        if kind == "speak":
            self._note(await self._checked(thread, self._speaker.speak(thread)))
        elif kind == "read":
            await self._checked(thread, self._current.attempt(handle.list_messages()))
        elif kind == "save":
            await self._checked(thread, self._current.attempt(self._set_note(thread)))
        elif kind == "resume":
            await self._resume(thread)
        else:
            await self._checked(thread, self._current.attempt(self._speaker.agent.discard_turn(handle)))

    async def _resume(self, thread: str) -> None:
        agent, handle = self._speaker.agent, self._speaker.thread(thread)
        pending = await self._checked(thread, self._current.attempt(agent.pending_turn(handle)))
        if isinstance(pending, PendingTurn) and pending.calls:
            approvals = {call.call_id: True for call in pending.calls}
            self._note(await self._checked(thread, self._speaker.resume(thread, approvals)))

    async def _set_note(self, thread: str) -> None:
        store = self._speaker.thread(thread).turn_store
        assert store is not None
        await store.view.update_thread(thread, metadata={self._speaker.user: new_id()})

    async def _checked(self, thread: str, operation: Awaitable[T | RecuerdaError]) -> T | RecuerdaError:
        """Check that an operation passes only for the owner, and is refused only for others."""
        since, user = self._register.tick(), self._speaker.user
        result = await operation
        if isinstance(result, ThreadOwnershipError):
            if self._register.surely_owned(user, thread, since=since):
                self._current.fault(thread, expected=f"{user} owns the thread", found=result)
        elif not isinstance(result, RecuerdaError) and not self._register.may_own(user, thread, since=since):
            self._current.fault(thread, expected=f"a handle of {user}, an earlier owner, is refused", found=result)
        return result

    def _note(self, reply: object) -> None:
        if isinstance(reply, AgentResponse) and reply.turn_id is not None and not reply.pending:
            self._register.committers[reply.turn_id] = self._speaker.user


async def _hand_over_and_over(storages: list[Storage], register: Register, current: Round) -> None:
    while current.goes_on:
        await current.pause(0.2)
        await _hand_over(current.luck.choice(storages), current.luck.choice(THREADS), register, current)
        current.disturbed("hand-overs")


async def _hand_over(storage: Storage, thread: str, register: Register, current: Round) -> None:
    reigns = register.reigns[thread]
    new = Reign(USERS[len(reigns) % len(USERS)])
    reigns.append(new)
    info = await storage.update_thread(thread, user_id=new.user)
    new.after, new.sure = info.revision, register.tick()
    for earlier in reigns[:-1]:
        earlier.left = earlier.left or new.sure
    current.tally.acknowledged += 1


async def _check(storage: Storage, ledger: Ledger, register: Register, current: Round) -> None:
    for thread in THREADS:
        for turn in await check_thread(current, storage, ledger, thread):
            committer = register.committers.get(turn.id)
            owner = register.owner_at(thread, turn.number)
            if committer is not None and committer != owner:
                expected = f"turn {turn.number} is committed by {owner}, who owned the thread"
                current.fault(thread, expected=expected, found=f"it was committed by {committer}")
