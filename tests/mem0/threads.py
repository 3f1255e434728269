"""Threads and messages, as a run would hand them to a provider."""

from __future__ import annotations

from recuerda import AgentThread, ChatMessage, ChatMessageStore
from recuerda.mem0 import Mem0Provider


def thread_of(user_id: str | None = None, thread_id: str | None = None) -> AgentThread:
    return AgentThread(message_store=ChatMessageStore(thread_id=thread_id, user_id=user_id))


def user(text: str) -> list[ChatMessage]:
    return [ChatMessage("user", text)]


def assistant(text: str) -> list[ChatMessage]:
    return [ChatMessage("assistant", text)]


async def teach(provider: Mem0Provider, *facts: str, thread: AgentThread | None = None) -> None:
    """Let the provider learn from a turn a fact, and wait until it has."""
    thread = thread or thread_of()
    for fact in facts:
        await provider.invoked(user(fact), assistant("Noted."), thread=thread)
    await provider._learning.finish()  # pyright: ignore[reportPrivateUsage] - what a run must not wait for


async def recalled(provider: Mem0Provider, text: str, thread: AgentThread | None = None) -> str:
    """Return what the provider shows the model for an input; empty when it shows nothing."""
    context = await provider.invoking(user(text), thread=thread or thread_of())
    return "\n".join(message.text for message in context.messages) if context else ""
