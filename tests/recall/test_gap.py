"""Each earlier turn of a thread is sent or recalled: never both, never neither, whatever happened in the thread."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recuerda import (
    Agent,
    AgentThread,
    ChatMessage,
    Context,
    ContextProvider,
    ContextWindow,
    FunctionCallContent,
    MemoryStorage,
    TextContent,
)
from recuerda.recall import RecallProvider, SQLiteRecallIndex
from recuerda.testing.scripted import ScriptedChatClient
from recuerda.window import TokenCounter

Step = tuple[str, int, int]
"""What happens, in which of two processes, and how long the result of a tool is, in words."""

KINDS = ["run", "run", "tool", "tool", "retry", "fail", "keep", "undo", "replace", "regenerate", "window"]
steps = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 1), st.integers(0, 5_000)), min_size=8, max_size=25)
windows = st.lists(
    st.none()
    | st.builds(ContextWindow, max_messages=st.integers(1, 12))
    | st.builds(
        ContextWindow,
        max_tokens=st.sampled_from([12_000, 30_000]),
        keep_results=st.sampled_from([None, 2]),
        counter=st.sampled_from([None, TokenCounter(lambda text: len(text) // 2)]),
    ),
    min_size=1,
    max_size=4,
)
NAME = re.compile(r"(?:trombone|viola|cello)\d+x")
LONG: list[Step] = [("tool", 0, 4_000)] * 10


def look(words: int) -> str:
    """Return a long result. Nobody remembers it, so it takes room in the window, and none in the quotes."""
    return "result " * words


def names_in(messages: Sequence[ChatMessage]) -> set[str]:
    return {name for message in messages for name in NAME.findall(message.text)}


class Talk:
    """A thread on which the agents of two processes run, and the names that were said in each of its turns."""

    def __init__(self, recent_turns: int) -> None:
        self.model = ScriptedChatClient()
        self.storage = MemoryStorage()
        self.index = SQLiteRecallIndex(":memory:")
        self.recalls = [self._provider(recent_turns) for _ in range(2)]
        self.turns: list[set[str]] = []

    def _provider(self, recent_turns: int) -> RecallProvider:
        """Return a provider that quotes all that it may quote."""
        return RecallProvider(
            self.index,
            storage=self.storage,
            min_relevance=0,
            limit=1_000,
            max_characters=10**6,
            recent_turns=recent_turns,
        )

    def agents(self, window: ContextWindow | None) -> list[Agent]:
        return [
            self.model.create_agent(storage=self.storage, window=window, context_providers=[recall], tools=[look])
            for recall in self.recalls
        ]

    async def run(self, kind: str, agent: Agent, other: Agent, number: int, words: int) -> None:
        question, answer = f"trombone{number}x", f"cello{number}x"
        asked = f"The orchestra has {question}."
        thread = agent.get_thread("one", user_id="ana")
        newest = self.turns.pop() if kind in ("replace", "regenerate") else set[str]()
        earlier = list(self.turns)
        told = {question, answer}
        self.model.answers.append(RuntimeError() if kind in ("fail", "keep") else f"The orchestra has {answer}.")
        if kind in ("fail", "keep"):
            with pytest.raises(RuntimeError):
                await agent.run(asked, thread=thread, keep_failed=kind == "keep")
            told = {question} if kind == "keep" else set[str]()
        elif kind == "replace":
            await agent.run(asked, thread=thread, replaces=(await thread.list_turns())[-1])
        elif kind == "regenerate":
            await agent.regenerate(thread)
            told = {answer, *(name for name in newest if name.startswith("trombone"))}
        else:
            if kind == "tool":
                said = TextContent(f"The orchestra has viola{number}x.")
                for nth in range(words % 3, -1, -1):
                    call = FunctionCallContent(f"call {nth}", "look", {"words": words // (1 + words % 3)})
                    contents = [said, call] if nth == 0 else [call]
                    self.model.answers.appendleft(ChatMessage("assistant", contents))
                told.add(f"viola{number}x")
            await agent.run(asked, thread=thread, turn_id=f"turn {number}")
            if kind == "retry":
                await other.run(asked, thread=other.get_thread("one", user_id="ana"), turn_id=f"turn {number}")
        if told:
            self.turns.append(told)
        self._check(earlier, own={question, *told})

    def _check(self, earlier: Sequence[set[str]], own: set[str]) -> None:
        """Check all requests of the newest run. When its turn grows, a later one has less room for the thread.

        Beside a very long turn, a window may send a part of the turn before it. That turn counts as sent.
        """
        for place, request in enumerate(self.model.requests):
            counts = Counter(name for message in request.messages for name in NAME.findall(message.text))
            names = set[str]().union(*earlier)
            assert counts.keys() - own <= names
            assert place or names <= counts.keys()
            assert all(not turn.isdisjoint(counts) for turn in earlier)
            assert {name for name, count in counts.items() if count > 1} == set()
        self.model.requests.clear()

    async def close(self) -> None:
        for recall in self.recalls:
            await recall.close()
        await self.index.close()


@given(steps=steps, chosen=windows, recent_turns=st.sampled_from([0, 1, 20, 500]))
@example(steps=LONG, chosen=[ContextWindow(max_tokens=12_000)], recent_turns=20)
@example(steps=[("run", 0, 0)] * 10, chosen=[ContextWindow(max_messages=3)], recent_turns=500)
@example(steps=[("run", 0, 0)] * 10, chosen=[ContextWindow(max_messages=3)], recent_turns=0)
def test_each_earlier_turn_is_sent_or_recalled_exactly_once(
    steps: list[Step], chosen: list[ContextWindow | None], recent_turns: int
) -> None:
    async def carry_out() -> None:
        talk = Talk(recent_turns)
        agents = talk.agents(chosen[0])
        for number, (kind, which, words) in enumerate(steps, start=1):
            if kind == "window":
                agents = talk.agents(chosen[number % len(chosen)])
            elif kind == "undo" and talk.turns:
                talk.turns.pop()
                await agents[which].get_thread("one", user_id="ana").undo()
            elif talk.turns or kind not in ("undo", "replace", "regenerate"):
                await talk.run(kind, agents[which], agents[1 - which], number, words)
        await talk.close()

    asyncio.run(carry_out())


async def test_a_growing_turn_keeps_its_quotes_if_the_provider_fails_when_it_is_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Once(ContextProvider):
        async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context | None:
            return Context(messages=[ChatMessage("user", "[memory] a viola")])

        async def preview(
            self, messages: Sequence[ChatMessage], *, thread: AgentThread, before: datetime | None = None
        ) -> Context | None:
            asked.append(thread.sent_from)
            raise RuntimeError("secret words")

    asked: list[int | None] = []
    model = ScriptedChatClient(default="Yes.")
    agent = model.create_agent(
        storage=MemoryStorage(), window=ContextWindow(max_tokens=6_000), context_providers=[Once()], tools=[look]
    )
    for _ in range(5):
        await agent.run("word " * 500, thread="one")
    assert not asked
    model.answers += [ChatMessage("assistant", [FunctionCallContent("call", "look", {"words": 2_000})]), "Done."]
    assert (await agent.run("Look!", thread="one")).text == "Done."
    (first,) = asked
    assert first is not None
    assert all("[memory] a viola" in [one.text for one in request.messages] for request in model.requests[-2:])
    assert "could not be asked again" in caplog.text
    assert "secret words" not in caplog.text


@pytest.mark.parametrize("script", ["latin", "chinese"])
@pytest.mark.parametrize("max_tokens", [1_500, 3_000, 4_500])
async def test_quotes_fit_into_the_room_that_the_window_keeps_for_them(script: str, max_tokens: int) -> None:
    storage, model = MemoryStorage(), ScriptedChatClient(default="Yes.")
    recall = RecallProvider(":memory:", storage=storage, max_characters=20_000)
    agent = model.create_agent(
        storage=storage, window=ContextWindow(max_tokens=max_tokens), context_providers=[recall], instructions="Help."
    )
    for number in range(1, 30):
        words = [
            f"word{number}of{place}" if script == "latin" else chr(0x4E00 + 31 * number + place) * 3
            for place in range(60)
        ]
        thread = agent.get_thread("one", user_id="ana")
        await agent.run(f"The orchestra has trombone{number}x. {' '.join(words)}", thread=thread)
        room, first = thread.context_room, thread.sent_from
        assert room is not None
        assert first is not None
        messages = model.requests[-1].messages
        quotes = [message for message in messages if message.text.startswith("[memory]")]
        assert room.count(quotes) <= room.tokens <= max_tokens // 4
        # What a run was told to be sent is sent, however long the quotes are, so it was right not to quote it.
        sent = names_in([message for message in messages if message not in quotes])
        assert sent == {f"trombone{one}x" for one in range(first, number + 1)}
    assert any(message.text.startswith("[memory]") for request in model.requests for message in request.messages)
    await recall.close()
