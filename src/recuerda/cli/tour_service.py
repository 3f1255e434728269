"""The tour on a service: `recuerda serve` keeps the history, in a separate process, in front of an offline model.

The agent speaks to the service as to OpenAI, through OpenAI's own client. For each thread, it
keeps only the service's id.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast
from urllib.parse import quote

from recuerda.agent.agent import Agent
from recuerda.agent.chat import ChatModel, ChatRequest, ChatResponse
from recuerda.agent.client import ChatClient
from recuerda.cli.tour_scenes import (
    Scene,
    Stage,
    Step,
    ask_in_another_thread,
    save_as_json,
    talk_in_a_thread,
    talk_without_a_thread,
)
from recuerda.cli.tour_texts import TourTexts
from recuerda.errors import ServiceThreadNotFound, StorageUnavailable

START_S = 20


class Service:
    """`recuerda serve` as a child process that can be killed and started again at the same address."""

    def __init__(self, database: Path) -> None:
        self.storage: str = "sqlite:///" + quote(database.as_posix(), safe="/:")
        self.url: str = ""
        self._port: str = "0"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> int:
        """Start the process, wait until it listens, and return its id."""
        options = (
            "serve",
            "--upstream",
            "offline",
            "--storage",
            self.storage,
            "--port",
            self._port,
            "--drain-for",
            "0",
        )
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "recuerda", *options)
        environ = {**os.environ, "NO_COLOR": "1"}
        self._process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environ)
        assert self._process.stdout is not None  # noqa: S101 - the process was given a pipe
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
        """End the process, by default without a warning."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.communicate()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStage(Stage):
    """A stage with a service."""

    service: Service
    pid: int


@asynccontextmanager
async def service_stage(texts: TourTexts, database: Path) -> AsyncGenerator[ServiceStage]:
    """Start the service and an agent that uses it, and stop both at the end."""
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


async def _same_thread(on: ServiceStage) -> Scene:
    thread = on.agent.get_new_thread()
    first = Step(f'client = OpenAIResponsesClient(base_url="{on.service.url}", …)')
    scene = await talk_in_a_thread(on, thread, first)
    return replace(scene, steps=(*scene.steps, Step("thread.service_thread_id", str(thread.service_thread_id))))


async def _json(on: ServiceStage) -> Scene:
    return await save_as_json(on, on.agent)


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
    """A client that counts its requests."""

    def __init__(self, client: ChatClient) -> None:
        self._client = client
        self.count = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Count a request and pass it on."""
        self.count += 1
        return await self._client.respond(request)


def _mirrored(client: ChatModel, on: ServiceStage) -> Agent:
    """Return an agent that mirrors its threads in a database beside the service's."""
    return Agent(client, mirror=on.service.storage.replace("memory.db", "mirror.db"))


SERVICE_SCENES: dict[str, Callable[[ServiceStage], Awaitable[Scene]]] = {
    "same_thread": _same_thread,
    "other_thread": ask_in_another_thread,
    "no_thread": talk_without_a_thread,
    "json": _json,
    "restart": _restart,
    "retry": _retry,
    "forgotten": _forgotten,
}
"""The scenes in order."""
