"""Whatever two handles do with a thread, in whatever order, both always see what a plain list would."""

import asyncio
import tempfile
from pathlib import Path
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from recuerda import ChatMessage, ChatMessageStore, Storage
from recuerda.window.window import turn_of
from tests.storage.matrix import STORAGES

Step: TypeAlias = tuple[str, int, int | None]

STEPS = st.one_of(
    st.tuples(st.sampled_from(["append", "append", "replace"]), st.integers(0, 1), st.integers(1, 4)),
    st.tuples(st.just("read"), st.integers(0, 1), st.none() | st.integers(1, 9)),
    st.tuples(st.sampled_from(["undo", "delete", "read_both"]), st.integers(0, 1), st.none()),
    st.tuples(st.sampled_from(["trim_turns", "trim_messages"]), st.integers(0, 1), st.integers(1, 6)),
)


def tail(turns: list[list[str]], last: int | None) -> list[list[str]]:
    """Return the newest whole turns of at most so many messages; the newest in any case."""
    kept = list(turns)
    while last is not None and len(kept) > 1 and sum(map(len, kept)) > last:
        kept.pop(0)
    return kept


class Model:
    """Do the steps with two handles, and with a list of turns, each a list of texts."""

    def __init__(self, storages: list[Storage]) -> None:
        self.handles = [ChatMessageStore(storage=storage, thread_id="t") for storage in storages]
        self.turns: list[list[str]] = []
        self.said = 0

    async def do(self, step: Step) -> None:
        action, who, number = step
        handle = self.handles[who]
        match action, number:
            case "append", int(count):
                await self.append(handle, count)
            case "replace", int(count) if self.turns:
                await self.replace(handle, count)
            case "read", last:
                await self.check(handle, last)
            case "read_both", _:
                for each in self.handles:
                    await self.check(each, None)
            case "undo", _:
                undone = await handle.undo()
                expected = self.turns.pop() if self.turns else []
                assert [message.text for message in (undone.messages if undone else ())] == expected
            case "delete", _:
                await handle.clear()
                self.turns = []
            case "trim_turns", int(keep) if self.turns:
                assert await handle.trim(keep_turns=keep) == max(0, len(self.turns) - keep)
                self.turns = self.turns[-keep:]
            case "trim_messages", int(keep) if self.turns:
                kept = tail(self.turns, keep)
                assert await handle.trim(keep_messages=keep) == len(self.turns) - len(kept)
                self.turns = kept
            case _:
                pass

    async def append(self, handle: ChatMessageStore, count: int) -> None:
        turn = [str(self.said + i) for i in range(count)]
        self.said += count
        await handle.add_messages([ChatMessage("user", text) for text in turn])
        self.turns.append(turn)

    async def replace(self, handle: ChatMessageStore, count: int) -> None:
        """Replace the last turn, or the one before it."""
        replaced = max(0, len(self.turns) - 1 - self.said % 2)
        number = (await ChatMessageStore(storage=handle.storage, thread_id="t").list_turns())[replaced].number
        turn = [str(self.said + i) for i in range(count)]
        self.said += count
        await handle.append(turn_of([ChatMessage("user", text) for text in turn]), replaces=number)
        del self.turns[replaced]
        self.turns.append(turn)

    async def check(self, handle: ChatMessageStore, last: int | None) -> None:
        messages = await handle.list_messages(limit=last)
        assert [message.text for message in messages] == [text for turn in tail(self.turns, last) for text in turn]
        pages: list[list[str]] = []
        turns = await handle.list_turns(limit=last)
        while turns:
            assert last is None or len(turns) == min(last, len(self.turns) - len(pages))
            pages[:0] = [[message.text for message in turn.messages] for turn in turns]
            turns = await handle.list_turns(limit=last, before=turns[0].number)
        assert pages == self.turns


async def play(scheme: str, folder: Path, steps: list[Step]) -> None:
    first = STORAGES[scheme](folder)
    second = first if scheme == "memory" else STORAGES[scheme](folder)
    async with first, second:
        model = Model([first, second])
        for step in steps:
            await model.do(step)
        for handle in model.handles:
            for last in (None, 1, 3, 8):
                await model.check(handle, last)


@settings(max_examples=settings().max_examples * 4)
@given(steps=st.lists(STEPS, max_size=25))
def test_in_ram(steps: list[Step]) -> None:
    asyncio.run(play("memory", Path(), steps))


@settings(max_examples=settings().max_examples // 2)
@given(steps=st.lists(STEPS, max_size=20))
def test_on_sqlite(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play("sqlite", Path(folder), steps))


@settings(max_examples=settings().max_examples // 2)
@given(steps=st.lists(STEPS, max_size=20))
def test_in_files(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play("file", Path(folder), steps))
