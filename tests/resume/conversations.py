"""What the tests of long turns share: a tool that notes what it did, agents that call it, a look at what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from recuerda import Agent, ChatMessage, FunctionCallContent, FunctionTool, Storage
from recuerda.openai.wire import wire_messages
from recuerda.testing.openai_rules import check_chat_request
from recuerda.testing.scripted import ScriptedChatClient
from recuerda.threads.history import StoredTurn
from recuerda.threads.store import ChatMessageStore
from recuerda.window.repair import is_sound


class Deed:
    """A tool that notes what it did, may break off in the middle, and may wait until it is cancelled."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fails_on: set[str] = set()
        self.waits_on: set[str] = set()
        self.is_waiting = asyncio.Event()

    async def act(self, what: str) -> str:
        """Do something."""
        if what in self.waits_on:
            self.is_waiting.set()
            await asyncio.Event().wait()
        self.done.append(what)
        if what in self.fails_on:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        return f"did {what}"


def calls(*ids: str, tool: str = "act", text: str = "") -> ChatMessage:
    """Return an answer that calls a tool once for each id, with the id as its argument."""
    parts = [FunctionCallContent(call_id, tool, {"what": call_id}) for call_id in ids]
    return ChatMessage("assistant", [*([text] if text else []), *parts])


def agent_of(
    answers: list[Any], storage: Storage, *tools: Callable[..., Any] | FunctionTool, **options: Any
) -> tuple[Agent, ScriptedChatClient]:
    """Return an agent that answers from a script and saves its steps, and its client."""
    client = ScriptedChatClient(answers)
    options.setdefault("durability", "steps")
    return client.create_agent(storage=storage, tools=list(tools), **options), client


async def stored_turns(storage: Storage, thread: str = "t") -> list[StoredTurn]:
    """Return a thread's turns, as a handle that has read nothing yet sees them."""
    return await ChatMessageStore(storage=storage, thread_id=thread).list_turns()


def check_sendable(messages: list[ChatMessage]) -> None:
    """Make sure that any service takes the messages with another of the user's behind them."""
    said = [*messages, ChatMessage("user", "and now?")]
    assert is_sound(said)
    check_chat_request({"model": "m", "messages": wire_messages(said)})  # pyright: ignore[reportArgumentType] - it is JSON
    roles = [message.role for message in said if message.role != "system"]
    assert all(before == "assistant" for before, role in pairwise(roles) if role == "user")
