"""An agent with a tool and a provider on one thread, for tests that disturb its runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from recuerda import Agent, AgentResponse, ChatMessage, ChatMessageStore, FunctionTool, Storage, Usage
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.agent.recording import Recorder
from tests.conversation import texts

MINUTE = timedelta(minutes=1)
WHOLE = ["go", "", "", "done"]
USAGE = Usage(input_tokens=3, output_tokens=2)


@dataclass
class Scene:
    """A thread, and what the provider and the tool of its agents have seen."""

    thread: str
    provider: Recorder = field(default_factory=Recorder)
    acted: int = 0

    async def act(self) -> str:
        """Act."""
        self.acted += 1
        return "acted"

    def agent(self, storage: Storage, *answers: str | ChatMessage, needs_approval: bool = False) -> Agent:
        """Return an agent whose model gives these answers; by default it calls the tool, and then says "done"."""
        client = ScriptedChatClient(answers or [call("act"), "done"], usage=USAGE)
        act = FunctionTool.of(self.act, needs_approval=needs_approval)
        return client.create_agent(storage=storage, lease=MINUTE, context_providers=self.provider, tools=act)

    async def messages(self, storage: Storage) -> list[str]:
        """Return the messages of the thread."""
        return texts(await ChatMessageStore(storage=storage, thread_id=self.thread).list_messages())

    @property
    def created(self) -> int:
        """How often the provider was told that the thread was created."""
        return sum(event.startswith("p.thread_created") for event in self.provider.events)

    @property
    def told(self) -> list[str]:
        """The ends of runs that the provider was told of."""
        return [event for event in self.provider.events if event.startswith("p.invoked")]


Way: TypeAlias = Callable[[Scene, Storage], Awaitable[AgentResponse]]


async def run(scene: Scene, storage: Storage) -> AgentResponse:
    """Run an agent."""
    return await scene.agent(storage).run("go", thread=scene.thread, turn_id="mine")


async def run_stream(scene: Scene, storage: Storage) -> AgentResponse:
    """Run an agent, and read the stream of its answer."""
    async with scene.agent(storage).run_stream("go", thread=scene.thread, turn_id="mine") as stream:
        async for _ in stream:
            await asyncio.sleep(0)
        return stream.response


async def ask(scene: Scene, storage: Storage) -> AgentResponse:
    """Begin a turn whose call waits for approval."""
    return await scene.agent(storage, call("act"), needs_approval=True).run("go", thread=scene.thread, turn_id="mine")


async def resume(scene: Scene, storage: Storage) -> AgentResponse:
    """Allow the call of a turn that waits, and go on with the turn."""
    return await scene.agent(storage, "done", needs_approval=True).resume(scene.thread, approvals={"call_1": True})
