"""Whatever is run, undone, replaced and summed up: each request tells of all turns of the thread, and of no other."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from recuerda import ChatRequest, ContextWindow, MemoryStorage, Storage, Summarizer
from recuerda.testing.scripted import ScriptedChatClient

FACT = re.compile(r"fact \d+")

steps = st.lists(st.sampled_from(["run", "run", "run", "undo", "replace", "again", "sum up"]), min_size=10, max_size=40)
windows = st.none() | st.builds(ContextWindow, max_messages=st.integers(2, 20))
summarizers = st.fixed_dictionaries(
    {
        "max_messages": st.integers(2, 30),
        "keep_messages": st.integers(1, 30),
        "max_characters": st.sampled_from([30, 70, 60_000]),
    }
)


def keep_all(request: ChatRequest) -> str:
    """Sum up without losing anything."""
    return " ".join(FACT.findall(request.messages[0].text)) or "nothing"


def told(request: ChatRequest) -> set[str]:
    texts = [request.instructions or "", *(message.text for message in request.messages)]
    return {fact for text in texts for fact in FACT.findall(text)}


async def summed_up(storage: Storage) -> bool:
    """Return whether the newest summary tells of the newest turn, as after an undo of the turn behind it."""
    found = await storage.read("t", with_summary=True)
    return found.summary is not None and not found.records


def check_replaced(facts: set[str], alive: list[str], *, is_summed_up: bool) -> None:
    """Check what a run is told that replaces the newest turn. It cannot use a summary that tells of that turn."""
    if is_summed_up:
        assert alive[-1] in facts
        assert facts <= set(alive)
    else:
        assert facts == set(alive)


@settings(max_examples=settings().max_examples * 4)
@example(  # a thread that fits whole, and in which a window without summaries would start at a rounder number
    steps=["run", "undo", "run", "run", "undo", "run", "run", "run", "run"],
    window=ContextWindow(max_messages=8),
    limits={"max_messages": 8, "keep_messages": 1, "max_characters": 30},
)
@given(steps=steps, window=windows, limits=summarizers)
def test_a_request_tells_of_every_turn_there_is_and_of_no_other(
    steps: list[str], window: ContextWindow | None, limits: dict[str, Any]
) -> None:
    async def carry_out() -> None:
        summarizer = Summarizer(ScriptedChatClient(default=keep_all), **limits)
        client = ScriptedChatClient(default="ok")
        agent = client.create_agent(storage=MemoryStorage(), summarizer=summarizer, window=window)
        thread = agent.get_thread("t")
        alive: list[str] = []
        for number, step in enumerate(steps):
            match step:
                case "run":
                    alive.append(f"fact {number}")
                    await agent.run(alive[-1], thread=thread)
                    await summarizer.close()  # the next run finds what this one had summed up
                    assert told(client.requests[-1]) == set(alive)
                case "replace" if alive:
                    alive[-1] = f"fact {number}"
                    newest = (await agent.get_thread("t").list_turns())[-1]
                    is_summed_up = await summed_up(agent.storage)
                    await agent.run(alive[-1], thread=thread, replaces=newest)
                    await summarizer.close()
                    check_replaced(told(client.requests[-1]), alive, is_summed_up=is_summed_up)
                case "again" if alive:
                    is_summed_up = await summed_up(agent.storage)
                    await agent.regenerate(thread)
                    await summarizer.close()
                    check_replaced(told(client.requests[-1]), alive, is_summed_up=is_summed_up)
                case "undo":
                    alive = alive[:-1]
                    await agent.get_thread("t").undo()
                case _:
                    await summarizer.summarize(agent.get_thread("t").message_store)  # pyright: ignore[reportArgumentType] - on a storage
        await agent.close()

    asyncio.run(carry_out())
