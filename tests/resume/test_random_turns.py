"""Whatever happens to turns, in any order, the log is valid, moves on, and holds no deed that was done twice.

Runs, crashes at any boundary, cancellations, lost acknowledgements, rivals on the same thread, resumes with all kinds
of decisions, discards and undos, by chance (a failure names its seed). A crash is that of a process: from there on its
storage hears nothing of it, however it clears up.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recuerda import (
    Agent,
    ChatMessage,
    ChatRequest,
    DraftConflict,
    FunctionCallContent,
    FunctionResultContent,
    FunctionTool,
    InvalidInput,
    StorageError,
    ThreadConflict,
    ToolOutcomeUnknown,
    TurnPending,
)
from recuerda.agent import journal
from recuerda.agent.resuming import DENIED
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import Turn
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import NewTurn
from recuerda.testing.scripted import ScriptedChatClient
from tests.resume.conversations import check_sendable, stored_turns

T = TypeVar("T")
HOOKS = ("_append", "_read", "_save_draft", "_load_draft")
REFUSALS = (ThreadConflict, TurnPending, InvalidInput, DraftConflict, ToolOutcomeUnknown, StorageError)
"""What a run or a resume may raise when others were there first, or the storage failed."""


class Died(BaseException):
    """The process is no more."""


@dataclass(frozen=True)
class Mishap:
    """What happens at the boundary of a number."""

    kind: Literal["crash", "cancel", "fail", "rival turn", "rival resume", "rival discard"]
    at: int


@dataclass(frozen=True)
class Run:
    """Begin a turn; `plan` has the tools of each answer's calls. A stream may be left after some updates."""

    plan: tuple[tuple[str, ...], ...]
    mishap: Mishap | None
    durability: Literal["turn", "steps"]
    on_pending: Literal["raise", "resume", "discard"]
    keep_partial: bool
    is_again: bool
    left_after: int | None = None


@dataclass(frozen=True)
class Resume:
    """Go on with the turn that is there."""

    decision: Literal["allow", "refuse", "edit", "some", "none"]
    mishap: Mishap | None
    keep_partial: bool


Other = Literal["discard", "undo", "turn"]
OTHERS: tuple[Other, ...] = ("discard", "undo", "turn")

MISHAPS = ("crash", "crash", "cancel", "fail", "rival turn", "rival resume", "rival discard")
TOOLS = ("once", "again", "guarded")


def a_story(luck: random.Random) -> list[Run | Resume | Other]:
    """Return what happens: a few turns, and what follows each."""
    story: list[Run | Resume | Other] = []
    for _ in range(luck.randint(1, 4)):
        story.append(_a_run(luck))
        story.extend(_what_follows(luck) for _ in range(luck.randint(0, 4)))
    return story


def _what_follows(luck: random.Random) -> Resume | Other:
    return _a_resume(luck) if luck.random() < 0.8 else luck.choice(OTHERS)


def _a_run(luck: random.Random) -> Run:
    return Run(
        plan=tuple(tuple(luck.choices(TOOLS, k=luck.randint(1, 3))) for _ in range(luck.randint(0, 3))),
        mishap=_a_mishap(luck, 40),
        durability=luck.choice(("steps", "steps", "steps", "turn")),
        on_pending=luck.choice(("raise", "raise", "resume", "discard")),
        keep_partial=luck.random() < 0.3,
        is_again=luck.random() < 0.3,
        left_after=luck.randrange(8) if luck.random() < 0.3 else None,
    )


def _a_resume(luck: random.Random) -> Resume:
    decision = luck.choice(("allow", "refuse", "edit", "some", "none"))
    return Resume(decision, _a_mishap(luck, 20), keep_partial=luck.random() < 0.2)


def _a_mishap(luck: random.Random, boundaries: int) -> Mishap | None:
    return Mishap(luck.choice(MISHAPS), luck.randrange(boundaries)) if luck.random() < 0.7 else None


@dataclass
class World:
    """What lasts: the threads, what was done, and what each turn's model would say."""

    threads: MemoryStorage = field(default_factory=MemoryStorage)
    deeds: Counter[str] = field(default_factory=Counter[str])
    plans: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict[str, Any])
    told: set[str] = field(default_factory=set[str])
    revision: int = 0

    def process(self, mishap: Mishap | None = None) -> Process:
        """Return a new process on the same threads."""
        return Process(self, mishap)

    async def rival(self, kind: str) -> None:
        """Let another process do something in between."""
        match kind:
            case "rival turn":
                await append_turn(self.threads)
            case "rival resume":
                await self.process().resume(Resume("allow", None, keep_partial=False))
            case _:
                await self.threads.drop_draft("t")

    async def check(self) -> None:
        """See that the log is valid, moves on, and that what it tells was done, and done once."""
        turns = await stored_turns(self.threads)
        check_sendable([message for turn in turns for message in turn.messages])
        assert len({turn.id for turn in turns}) == len(turns)
        info = await self.threads.head("t")
        revision = info.revision if info else 0
        assert revision >= self.revision
        self.revision = revision
        assert info is None or (info.turns, info.messages) == (len(turns), sum(len(turn.messages) for turn in turns))
        for call, count in self.deeds.items():
            assert count == 1 or "again" in call, f"{call} was done {count} times"
        for turn in turns:
            for part in (part for message in turn.messages for part in message.contents):
                if isinstance(part, FunctionResultContent) and not part.is_error:
                    call = str(part.result).removeprefix("did ")
                    assert self.deeds[call] == 1 or "again" in call or call in self.told


class Process:
    """An agent in a process, in which something may happen at a boundary."""

    def __init__(self, world: World, mishap: Mishap | None) -> None:
        self._world = world
        self._mishap = mishap
        self._left = mishap.at if mishap else -1
        self.is_dead = False
        self._task: asyncio.Task[Any] | None = None
        storage = MemoryStorage()
        for name in ("_logs", "_leases", "_mutex"):
            setattr(storage, name, getattr(world.threads, name))
        for name in HOOKS:
            setattr(storage, name, self._around(getattr(storage, name)))
        self.agent = self._agent(storage)

    async def run(self, run: Run, text: str) -> None:
        """Begin a turn; the caller tries again once with the same id, if it is one who does.

        Nobody does who has dropped the steps of the first try, or did not save them: that does all deeds again.
        """
        is_dropped = run.mishap is not None and run.mishap.kind in ("rival turn", "rival discard")
        are_saved = run.durability == "steps" and run.on_pending != "discard" and not is_dropped
        for _ in range(1 + (run.is_again and are_saved)):
            await self._carry_out(lambda: self._run(run, text))

    async def _run(self, run: Run, text: str) -> None:
        stream = self.agent.run_stream(
            text,
            thread="t",
            turn_id=text,
            durability=run.durability,
            on_pending=run.on_pending,
            keep_partial=run.keep_partial,
        )
        seen = 0
        async with stream:
            async for _ in stream:
                seen += 1
                if seen == run.left_after:
                    break

    async def resume(self, resume: Resume) -> None:
        """Go on with the turn that is there, and settle what is unknown by looking."""
        await self._carry_out(lambda: self._resume(resume))

    async def _resume(self, resume: Resume) -> None:
        pending = await self.agent.pending_turn("t")
        if pending is None:
            return
        approvals: dict[str, Any] = {}
        for number, call in enumerate(call for call in pending.calls if not call.is_started):
            if resume.decision == "none" or (resume.decision == "some" and number % 2):
                continue
            edited = {"what": f"{call.call_id} edited"}
            approvals[call.call_id] = {"refuse": False, "edit": edited}.get(resume.decision, True)
        outcomes: dict[str, Any] = {}
        for call in pending.calls:
            what = str(call.arguments["what"]) if not isinstance(call.arguments, str) else ""
            if call.is_started and call.name != "again" and resume.decision != "none":
                outcomes[call.call_id] = f"did {what}" if self._world.deeds[what] else "it was not done"
                self._world.told.add(what if self._world.deeds[what] else "it was not done")
        await self.agent.resume("t", approvals=approvals, outcomes=outcomes, keep_partial=resume.keep_partial)

    async def _carry_out(self, work: Callable[[], Awaitable[Any]]) -> None:
        self._task = asyncio.ensure_future(work())
        with suppress(asyncio.CancelledError, Died, *REFUSALS):
            await self._task

    async def _cross(self) -> None:
        if self.is_dead:
            raise Died
        self._left -= 1
        if self._left != -1 or self._mishap is None:
            return
        match self._mishap.kind:
            case "crash":
                self.is_dead = True
                raise Died
            case "cancel":
                assert self._task is not None
                self._task.cancel()
                await asyncio.sleep(0)
            case "fail":
                raise StorageError("the storage is away")
            case rival:
                await self._world.rival(rival)

    def _around(self, hook: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def crossing(*given: Any) -> T:
            await self._cross()
            result = await hook(*given)
            await self._cross()
            return result

        return crossing

    def _agent(self, storage: MemoryStorage) -> Agent:
        async def act(what: str) -> str:
            await self._cross()
            self._world.deeds[what] += 1
            await self._cross()
            return f"did {what}"

        async def once(what: str) -> str:
            """Do what must not be done twice."""
            return await act(what)

        async def again(what: str) -> str:
            """Do what may be done again."""
            return await act(what)

        async def guarded(what: str) -> str:
            """Do what has to be allowed."""
            return await act(what)

        def answer(request: ChatRequest) -> ChatMessage | str:
            check_sendable(list(request.messages[:-1]) if request.messages[-1].role == "user" else [])
            last = max(i for i, message in enumerate(request.messages) if message.role == "user")
            said = sum(message.role == "assistant" for message in request.messages[last:])
            text = request.messages[last].text
            plan = self._world.plans[text]
            if said >= len(plan):
                return f"done: {text}"
            names = [f"{text} {said}.{i} {tool}" for i, tool in enumerate(plan[said])]
            parts = [
                FunctionCallContent(name, tool, {"what": name}) for name, tool in zip(names, plan[said], strict=True)
            ]
            return ChatMessage("assistant", parts)

        return ScriptedChatClient(default=answer).create_agent(
            storage=storage,
            durability="steps",
            tools=[
                once,
                FunctionTool.of(again, retry_safe=True),
                FunctionTool.of(guarded, needs_approval=True),
            ],
        )


async def append_turn(storage: MemoryStorage) -> None:
    """Append a turn, whoever else is at work."""
    turn = Turn(messages=(ChatMessage("user", "I was here"), ChatMessage("assistant", "So you were")))
    await storage.append("t", NewTurn(body=encode_turn(turn), message_count=2))


async def tell(story: list[Run | Resume | Other]) -> World:
    world = World()
    for number, event in enumerate(story):
        match event:
            case Run():
                text = f"turn {number}"
                world.plans[text] = event.plan
                await world.process(event.mishap).run(event, text)
            case Resume():
                await world.process(event.mishap).resume(event)
            case "discard":
                await world.threads.drop_draft("t")
            case "undo":
                await world.threads.undo("t")
            case _:
                await append_turn(world.threads)
        await world.check()
    return world


async def end(world: World) -> None:
    """Bring what is left to an end: no thread is ever stuck."""
    for _ in range(12):
        if await world.threads.load_draft("t") is None:
            break
        await world.process().resume(Resume("allow", None, keep_partial=False))
        await world.check()
    else:
        await world.threads.drop_draft("t")
    world.plans["the end"] = ()
    reply = await world.process().agent.run("the end", thread="t")
    assert reply.text == "done: the end"
    await world.check()


@pytest.fixture(autouse=True, scope="module")
def no_pause() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "PAUSE_S", 0)
        yield


@pytest.mark.chaos
def test_whatever_happens_the_log_is_valid_and_no_deed_is_done_twice(*, is_long: bool) -> None:
    async def play(story: list[Run | Resume | Other]) -> None:
        await end(await tell(story))

    for seed in range(400 if is_long else 100):
        story = a_story(random.Random(seed))
        try:
            asyncio.run(play(story))
        except Exception as error:
            error.add_note(f"seed {seed}: {story}")
            raise


@settings(max_examples=settings().max_examples // 10)
@given(st.lists(st.lists(st.sampled_from(["once", "again"]), min_size=1, max_size=3).map(tuple), max_size=4))
def test_a_crash_at_each_boundary_ends_in_the_whole_turn(plan: list[tuple[str, ...]]) -> None:
    async def play() -> None:
        for at in range(200):
            world = World(plans={"turn": tuple(plan)})
            process = world.process(Mishap("crash", at))
            run = Run(tuple(plan), None, "steps", "raise", keep_partial=False, is_again=False)
            await process.run(run, "turn")
            for _ in range(3):
                await world.process().resume(Resume("allow", None, keep_partial=False))
            await world.process().run(run, "turn")
            await world.check()
            (turn,) = await stored_turns(world.threads)
            assert len(turn.messages) == 2 + 2 * len(plan)
            results = [part for message in turn.messages for part in message.contents]
            assert DENIED not in [part.result for part in results if isinstance(part, FunctionResultContent)]
            if not process.is_dead:
                break
        else:
            pytest.fail("the turn has no end")

    asyncio.run(play())
