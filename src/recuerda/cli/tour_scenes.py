"""The scenes of the tour. Each scene runs the code that it shows, and reports the real answers."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from recuerda.agent.agent import Agent
from recuerda.agent.chat import ChatRequest, ChatResponse
from recuerda.agent.client import ChatClient
from recuerda.agent.summarizer import Summarizer
from recuerda.cli import tour_clerk
from recuerda.cli.tour_texts import TourTexts
from recuerda.errors import RecuerdaError, ThreadConflict, ToolOutcomeUnknown
from recuerda.offline import OfflineChatClient, OfflineNotesClient
from recuerda.threads.thread import AgentThread
from recuerda.window.window import ContextWindow

THREAD = "riker"
SHOWN_URL = "sqlite:///memory.db"
SHOWN_STATE = 66
"""The number of characters that are shown of the saved JSON."""


@dataclass(frozen=True, slots=True)
class Step:
    """A line of code or a shell command, its result, and a remark. Each of them may be empty."""

    code: str
    gave: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One scene: its steps, the expected result and the real result."""

    id: str
    steps: tuple[Step, ...]
    expected: str
    got: str

    @property
    def is_well(self) -> bool:
        """True when the scene gave the expected result."""
        return self.expected == self.got


class CountingClient(ChatClient):
    """The tour's model: the offline stand-in, which counts its calls."""

    def __init__(self) -> None:
        self.calls: int = 0
        self._model = OfflineChatClient()

    async def respond(self, request: ChatRequest) -> ChatResponse:
        self.calls += 1
        return await self._model.respond(request)


class _SlowClient(CountingClient):
    """A model that waits until it may answer."""

    def __init__(self) -> None:
        super().__init__()
        self.is_thinking = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def respond(self, request: ChatRequest) -> ChatResponse:
        self.is_thinking.set()
        await self.may_answer.wait()
        return await super().respond(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The values that all scenes share: the texts, a model, and an agent that uses it."""

    texts: TourTexts
    client: ChatClient
    agent: Agent

    def memory(self, answer: str, word: str) -> str:
        """Return the text that says whether a word was remembered, according to an answer."""
        return self.texts.remembered if word in answer else self.texts.not_remembered


AnyStage = TypeVar("AnyStage", bound=Stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStage(Stage):
    """A stage with a SQLite file, and a model that counts its calls."""

    url: str
    client: CountingClient


@asynccontextmanager
async def stage(texts: TourTexts, database: Path) -> AsyncGenerator[LocalStage]:
    """Open an agent on a SQLite file, and close it at the end."""
    url = "sqlite:///" + quote(database.as_posix(), safe="/:")
    client = CountingClient()
    async with client.create_agent(storage=url) as agent:
        yield LocalStage(texts=texts, url=url, client=client, agent=agent)


async def play(scenes: Mapping[str, Callable[[AnyStage], Awaitable[Scene]]], scene_id: str, on: AnyStage) -> Scene:
    """Play one scene. If it fails, return a scene with the error as its result."""
    try:
        return await scenes[scene_id](on)
    except (RecuerdaError, OSError, subprocess.SubprocessError) as error:
        return Scene(id=scene_id, steps=(), expected=on.texts.titles[scene_id], got=f"{type(error).__name__}: {error}")


# -- scenes of both tours ----------------------------------------------------------------------------------------------


async def talk_in_a_thread(on: Stage, thread: AgentThread, first: Step) -> Scene:
    """Tell the agent a name in a thread, and ask for it in the same thread."""
    texts = on.texts
    told = await on.agent.run(texts.say_name, thread=thread)
    asked = await on.agent.run(texts.ask_name, thread=thread)
    steps = (
        first,
        Step(f'await agent.run("{texts.say_name}", thread=thread)', told.text),
        Step(f'await agent.run("{texts.ask_name}", thread=thread)', asked.text),
    )
    return Scene(id="same_thread", steps=steps, expected=texts.remembered, got=on.memory(asked.text, texts.name))


async def ask_in_another_thread(on: Stage) -> Scene:
    """Ask for the name in a new thread."""
    texts = on.texts
    asked = await on.agent.run(texts.ask_name, thread=on.agent.get_new_thread())
    step = Step(f'await agent.run("{texts.ask_name}", thread=agent.get_new_thread())', asked.text)
    return Scene(id="other_thread", steps=(step,), expected=texts.not_remembered, got=on.memory(asked.text, texts.name))


async def talk_without_a_thread(on: Stage) -> Scene:
    """Tell the agent a name and ask for it, without a thread."""
    texts = on.texts
    told = await on.agent.run(texts.say_name)
    asked = await on.agent.run(texts.ask_name)
    steps = (
        Step(f'await agent.run("{texts.say_name}")', told.text),
        Step(f'await agent.run("{texts.ask_name}")', asked.text),
    )
    return Scene(id="no_thread", steps=steps, expected=texts.not_remembered, got=on.memory(asked.text, texts.name))


async def save_as_json(on: Stage, agent: Agent) -> Scene:
    """Save a thread of `agent` as JSON, and ask another agent in the restored thread."""
    texts, thread, other = on.texts, agent.get_new_thread(), on.client.create_agent()
    await agent.run(texts.say_name, thread=thread)
    saved = json.dumps(await thread.serialize())
    asked = await other.run(texts.ask_place, thread=await other.deserialize_thread(json.loads(saved)))
    steps = (
        Step("saved = json.dumps(await thread.serialize())", f"{saved[:SHOWN_STATE]}…"),
        Step("thread = await other_agent.deserialize_thread(json.loads(saved))"),
        Step(f'await other_agent.run("{texts.ask_place}", thread=thread)', asked.text),
    )
    return Scene(id="json", steps=steps, expected=texts.remembered, got=on.memory(asked.text, texts.place))


# -- scenes of the tour on a file --------------------------------------------------------------------------------------


async def _same_thread(on: LocalStage) -> Scene:
    return await talk_in_a_thread(on, on.agent.get_thread(THREAD), Step(f'thread = agent.get_thread("{THREAD}")'))


async def _json(on: LocalStage) -> Scene:
    return await save_as_json(on, on.client.create_agent())


async def _process(on: LocalStage) -> Scene:
    texts = on.texts
    options = ("chat", "--thread", THREAD, "--storage", on.url, "--model", "offline")
    command = (sys.executable, "-m", "recuerda", *options)
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    answer, complaint = await asyncio.wait_for(other.communicate(f"{texts.ask_name}\n".encode()), timeout=30)
    if other.returncode:
        raise subprocess.SubprocessError(complaint.decode(errors="replace").strip())
    text = answer.decode().strip()
    steps = (
        Step(f'$ echo "{texts.ask_name}" | recuerda chat --thread {THREAD} --storage {SHOWN_URL}', text),
        Step("", texts.processes.format(os.getpid(), other.pid)),
    )
    return Scene(id="process", steps=steps, expected=texts.remembered, got=on.memory(text, texts.name))


async def _retry(on: LocalStage) -> Scene:
    texts = on.texts
    turns, calls = await _turns(on.agent), on.client.calls
    first = await on.agent.run(texts.say_allergy, thread=THREAD, turn_id="visit-17")
    again = await on.agent.run(texts.say_allergy, thread=THREAD, turn_id="visit-17")
    code = f'await agent.run("{texts.say_allergy}", thread="{THREAD}", turn_id="visit-17")'
    steps = (Step(code, first.text), Step(code, again.text, texts.retry_comment))
    got = texts.retried.format(on.client.calls - calls, await _turns(on.agent) - turns)
    return Scene(id="retry", steps=steps, expected=texts.retried.format(1, 1), got=got)


async def _conflict(on: LocalStage) -> Scene:
    texts = on.texts
    turns = await _turns(on.agent)
    slow = _SlowClient()
    conflicts: list[ThreadConflict] = []
    async with slow.create_agent(storage=on.url) as laptop, on.client.create_agent(storage=on.url) as phone:
        answering = asyncio.create_task(laptop.run(texts.say_moved[0], thread=THREAD))
        await slow.is_thinking.wait()
        kept = await phone.run(texts.say_moved[1], thread=THREAD)
        slow.may_answer.set()
        try:
            await answering
        except ThreadConflict as error:
            conflicts.append(error)
    steps = (
        Step(f'await phone.run("{texts.say_moved[1]}", thread="{THREAD}")', kept.text),
        Step(
            f'await laptop.run("{texts.say_moved[0]}", thread="{THREAD}")',
            "".join(f"ThreadConflict: {error}" for error in conflicts),
            texts.conflict_comment,
        ),
    )
    got = texts.one_kept.format(await _turns(on.agent) - turns, len(conflicts))
    return Scene(id="conflict", steps=steps, expected=texts.one_kept.format(1, 1), got=got)


async def _summary(on: LocalStage) -> Scene:
    texts, thread, window = on.texts, "journey", ContextWindow(max_messages=4)
    notes = Summarizer(OfflineNotesClient(), keep_messages=2)
    async with (
        on.client.create_agent(storage=on.url, window=window) as short,
        on.client.create_agent(storage=on.url, window=window, summarizer=notes) as long,
    ):
        for said in (texts.say_name, *texts.small_talk):
            await long.run(said, thread=thread)
            await notes.close()
        forgot = await short.run(texts.ask_name, thread=thread)
        await short.get_thread(thread).undo()
        knew = await long.run(texts.ask_name, thread=thread)
    code = "agent = client.create_agent(window=ContextWindow(max_messages=4){})"
    run = f'await agent.run("{texts.ask_name}", thread="{thread}")'
    steps = (
        Step(code.format(""), remark=texts.summary_comment),
        Step(run, forgot.text),
        Step(code.format(", summarizer=Summarizer(client)")),
        Step(run, knew.text),
    )
    got = f"{on.memory(forgot.text, texts.name)}, {on.memory(knew.text, texts.name)}"
    return Scene(id="summary", steps=steps, expected=f"{texts.not_remembered}, {texts.remembered}", got=got)


async def _killed(on: LocalStage) -> Scene:
    texts = on.texts
    with tempfile.TemporaryDirectory(prefix="recuerda-tour-") as name:
        folder = Path(name)
        pid = await _kill_while_it_books(on.url, folder, texts.say_book)
        doubts: list[str] = []
        async with tour_clerk.clerk(on.url, folder) as agent:
            try:
                await agent.resume(tour_clerk.THREAD)
            except ToolOutcomeUnknown as unknown:
                doubts.append(f"ToolOutcomeUnknown: {unknown.name}({json.dumps(unknown.arguments)})")
            resumed = await agent.resume(tour_clerk.THREAD, outcomes={"call_2": texts.room_booked})
            turns = await _turns(agent, tour_clerk.THREAD)
        actions = tour_clerk.count(folder, "search"), tour_clerk.count(folder, tour_clerk.BOOKING)
    resume = 'await agent.resume("trip"{})'
    steps = (
        Step(f'await agent.run("{texts.say_book}", thread="trip")', texts.killed.format(pid)),
        Step(resume.format(""), "".join(doubts)),
        Step(resume.format(f', outcomes={{"call_2": "{texts.room_booked}"}}'), resumed.text, texts.killed_comment),
    )
    got = texts.booked.format(*actions, turns)
    return Scene(id="killed", steps=steps, expected=texts.booked.format(1, 1, 1), got=got)


async def _kill_while_it_books(url: str, folder: Path, text: str) -> int:
    """Start a process that begins a turn, kill it in the middle of its second tool, and return its id."""
    command = (sys.executable, "-m", "recuerda.cli.tour_clerk", url, str(folder), text)
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    assert other.stdout is not None  # noqa: S101 - the process was given a pipe
    try:
        async with asyncio.timeout(30):
            said = await other.stdout.readline()
    finally:
        if other.returncode is None:
            other.kill()
        _, complaint = await other.communicate()
    if said.decode().strip() != tour_clerk.BOOKING:
        raise subprocess.SubprocessError(complaint.decode(errors="replace").strip())
    return other.pid


async def _turns(agent: Agent, thread: str = THREAD) -> int:
    info = await agent.storage.head(thread)
    return 0 if info is None else info.turns


SCENES: dict[str, Callable[[LocalStage], Awaitable[Scene]]] = {
    "same_thread": _same_thread,
    "other_thread": ask_in_another_thread,
    "no_thread": talk_without_a_thread,
    "json": _json,
    "process": _process,
    "retry": _retry,
    "conflict": _conflict,
    "summary": _summary,
    "killed": _killed,
}
"""The scenes in order. Later scenes use the thread of the first scene."""
