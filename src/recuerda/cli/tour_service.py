"""The tour with the history on a service: `recuerda serve`, in a process of its own, in front of an offline model.

The agent speaks to it as to OpenAI, through OpenAI's own client. What it holds of a thread is the service's reference.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

from recuerda.agent.agent import Agent
from recuerda.agent.chat import ChatModel, ChatRequest, ChatResponse
from recuerda.agent.client import ChatClient
from recuerda.cli.tour_scenes import Scene, Step
from recuerda.cli.tour_texts import TourTexts
from recuerda.errors import RecuerdaError, ServiceThreadNotFound, StorageUnavailable

START_S = 20
SHOWN_STATE = 90


class Service:
    """`recuerda serve` as a child process, which can be killed and started again at its address."""

    def __init__(self, database: Path) -> None:
        self.storage = "sqlite:///" + quote(database.as_posix(), safe="/:")
        self.url = ""
        self._port: str = "0"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> int:
        """Start it, wait until it listens, and return its process id."""
        options = ("serve", "--upstream", "offline", "--storage", self.storage, "--port", self._port)
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "recuerda", *options)
        environ = {**os.environ, "NO_COLOR": "1"}
        self._process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environ)
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        async with asyncio.timeout(START_S):
            line = (await self._process.stdout.readline()).decode()
        if not line.startswith("serving"):
            _, complaint = await self._process.communicate()
            said = complaint.decode(errors="replace").strip().removeprefix("error: ")
            raise StorageUnavailable(f"the tour's service did not start: {said or 'it said nothing'}")
        self.url = line.split()[-1]
        self._port = self.url.rpartition(":")[2].partition("/")[0]
        return self._process.pid

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End the process, by default without any warning."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.communicate()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStage:
    """What the scenes share."""

    texts: TourTexts
    service: Service
    client: ChatClient
    agent: Agent
    pid: int

    def memory(self, answer: str, word: str) -> str:
        """Say whether an answer shows that a word was remembered."""
        return self.texts.remembered if word in answer else self.texts.not_remembered


@asynccontextmanager
async def service_stage(texts: TourTexts, database: Path) -> AsyncGenerator[ServiceStage]:
    """Start the service and an agent of it; stopped at the end."""
    from recuerda.openai import OpenAIResponsesClient

    service = Service(database)
    try:
        pid = await service.start()
        async with (
            OpenAIResponsesClient(model_id="offline", base_url=service.url, api_key="none") as client,
            client.create_agent() as agent,
        ):
            yield ServiceStage(texts=texts, service=service, client=client, agent=agent, pid=pid)
    finally:
        await service.kill(signal.SIGTERM)


async def play_on_service(scene_id: str, on: ServiceStage) -> Scene:
    """Play one scene; one that breaks off is a scene that went wrong."""
    try:
        return await SERVICE_SCENES[scene_id](on)
    except (RecuerdaError, OSError) as error:
        return Scene(id=scene_id, steps=(), expected=on.texts.titles[scene_id], got=f"{type(error).__name__}: {error}")


async def _same_thread(on: ServiceStage) -> Scene:
    texts, thread = on.texts, on.agent.get_new_thread()
    told = await on.agent.run(texts.say_name, thread=thread)
    asked = await on.agent.run(texts.ask_name, thread=thread)
    steps = (
        Step(f'client = OpenAIResponsesClient(base_url="{on.service.url}", …)'),
        Step(f'await agent.run("{texts.say_name}", thread=thread)', told.text),
        Step(f'await agent.run("{texts.ask_name}", thread=thread)', asked.text),
        Step("thread.service_thread_id", str(thread.service_thread_id)),
    )
    return Scene(id="same_thread", steps=steps, expected=texts.remembered, got=on.memory(asked.text, texts.name))


async def _other_thread(on: ServiceStage) -> Scene:
    texts = on.texts
    asked = await on.agent.run(texts.ask_name, thread=on.agent.get_new_thread())
    step = Step(f'await agent.run("{texts.ask_name}", thread=agent.get_new_thread())', asked.text)
    return Scene(id="other_thread", steps=(step,), expected=texts.not_remembered, got=on.memory(asked.text, texts.name))


async def _no_thread(on: ServiceStage) -> Scene:
    texts = on.texts
    await on.agent.run(texts.say_name)
    asked = await on.agent.run(texts.ask_name)
    step = Step(f'await agent.run("{texts.ask_name}")', asked.text)
    return Scene(id="no_thread", steps=(step,), expected=texts.not_remembered, got=on.memory(asked.text, texts.name))


async def _json(on: ServiceStage) -> Scene:
    texts, thread, other = on.texts, on.agent.get_new_thread(), on.client.create_agent()
    await on.agent.run(texts.say_name, thread=thread)
    saved = json.dumps(await thread.serialize())
    asked = await other.run(texts.ask_place, thread=await other.deserialize_thread(json.loads(saved)))
    steps = (
        Step("saved = json.dumps(await thread.serialize())", f"{saved[:SHOWN_STATE]}…"),
        Step("thread = await other_agent.deserialize_thread(json.loads(saved))"),
        Step(f'await other_agent.run("{texts.ask_place}", thread=thread)', asked.text),
    )
    return Scene(id="json", steps=steps, expected=texts.remembered, got=on.memory(asked.text, texts.place))


async def _restart(on: ServiceStage) -> Scene:
    texts, thread = on.texts, on.agent.get_new_thread()
    await on.agent.run(texts.say_name, thread=thread)
    await on.service.kill()
    pid = await on.service.start()
    asked = await on.agent.run(texts.ask_name, thread=thread)
    steps = (
        Step("$ kill -9 …; recuerda serve …", texts.processes.format(on.pid, pid)),
        Step(f'await agent.run("{texts.ask_name}", thread=thread)', asked.text),
    )
    return Scene(id="restart", steps=steps, expected=texts.remembered, got=on.memory(asked.text, texts.name))


async def _retry(on: ServiceStage) -> Scene:
    texts, calls = on.texts, _Counting(on.client)
    async with _mirrored(cast("ChatModel", calls), on) as agent:
        thread = agent.get_thread("retried")
        first = await agent.run(texts.say_allergy, thread=thread, turn_id="visit-17")
        again = await agent.run(texts.say_allergy, thread=thread, turn_id="visit-17")
        info = await agent.storage.head("retried")
    code = f'await agent.run("{texts.say_allergy}", thread=thread, turn_id="visit-17")'
    steps = (
        Step("agent = client.create_agent(mirror=…)"),
        Step(code, first.text),
        Step(code, again.text, texts.retry_comment),
    )
    got = texts.retried.format(calls.count, 0 if info is None else info.turns)
    return Scene(id="retry", steps=steps, expected=texts.retried.format(1, 1), got=got)


async def _forgotten(on: ServiceStage) -> Scene:
    texts = on.texts
    failure = ""
    async with _mirrored(on.client, on) as agent:
        thread = agent.get_thread("mirrored")
        await agent.run(texts.say_name, thread=thread)
        await on.client.delete_thread(thread.service_thread_id or "")
        try:
            await agent.run(texts.ask_name, thread=thread)
        except ServiceThreadNotFound as error:
            failure = f"ServiceThreadNotFound: {error}"
        await thread.detach()
        asked = await agent.run(texts.ask_name, thread=thread)
    run = f'await agent.run("{texts.ask_name}", thread=thread)'
    steps = (
        Step("await client.delete_thread(thread.service_thread_id)"),
        Step(run, failure),
        Step("await thread.detach()"),
        Step(run, asked.text),
    )
    return Scene(id="forgotten", steps=steps, expected=texts.remembered, got=on.memory(asked.text, texts.name))


class _Counting:
    """A client, with a count of what it was asked."""

    def __init__(self, client: ChatClient) -> None:
        self._client = client
        self.count = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Pass a request on."""
        self.count += 1
        return await self._client.respond(request)


def _mirrored(client: ChatModel, on: ServiceStage) -> Agent:
    """Return an agent that keeps copies of its threads, in a database beside the service's."""
    return Agent(client, mirror=on.service.storage.replace("memory.db", "mirror.db"))


SERVICE_SCENES: dict[str, Callable[[ServiceStage], Awaitable[Scene]]] = {
    "same_thread": _same_thread,
    "other_thread": _other_thread,
    "no_thread": _no_thread,
    "json": _json,
    "restart": _restart,
    "retry": _retry,
    "forgotten": _forgotten,
}
"""The scenes in their order."""
