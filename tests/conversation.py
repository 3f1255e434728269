"""Small words for tests about conversations."""

from collections.abc import Iterable, Sequence

import pytest

from recuerda import Agent, AgentResponse, Appended, ChatMessage, Storage, ThreadSlice
from recuerda.agent.agent import RunInput
from recuerda.storage.operations import Guard, NewRecord, ReadQuery

LOCAL = ("memory", "sqlite", "file")
"""The storages that need no server: what is above storages is tested on these."""


def exchange(text: str) -> list[ChatMessage]:
    """Return a turn's messages: `text`, and its answer."""
    return [ChatMessage("user", text), ChatMessage("assistant", f"{text}!")]


def texts(messages: Iterable[ChatMessage]) -> list[str]:
    """Return what was said, in order."""
    return [message.text for message in messages]


async def answered(
    agent: Agent, messages: RunInput, *, is_streamed: bool, thread: str | None = None, turn_id: str | None = None
) -> AgentResponse:
    """Run an agent, whole or streamed to the end."""
    if not is_streamed:
        return await agent.run(messages, thread=thread, turn_id=turn_id)
    stream = agent.run_stream(messages, thread=thread, turn_id=turn_id)
    shown = "".join([update.text async for update in stream])
    assert shown.endswith(stream.response.text) or stream.response.is_replay
    return stream.response


class Counts:
    """Count what a storage is asked: how many records each read gave, and how many appends there were."""

    def __init__(self, storage: Storage, patch: pytest.MonkeyPatch) -> None:
        self.reads: list[int] = []
        self.appends = 0
        # The hooks, because a user's view of the storage calls them too.
        read, append = storage._read, storage._append  # pyright: ignore[reportPrivateUsage] - as above

        async def counting_read(thread_id: str, query: ReadQuery) -> ThreadSlice:
            found = await read(thread_id, query)
            self.reads.append(len(found.records))
            return found

        async def counting_append(thread_id: str, record: NewRecord, guard: Guard) -> Appended:
            self.appends += 1
            return await append(thread_id, record, guard)

        patch.setattr(storage, "_read", counting_read)
        patch.setattr(storage, "_append", counting_append)

    def taken(self) -> tuple[Sequence[int], int]:
        """Return the counts so far, and start anew."""
        counts = self.reads, self.appends
        self.reads, self.appends = [], 0
        return counts
