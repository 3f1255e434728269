"""The index follows versions: what a storage that was put back or rewritten no longer holds is not remembered."""

from __future__ import annotations

import asyncio
import itertools
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recuerda import AgentThread, ChatMessage, ChatMessageStore, Turn
from recuerda.messages.codec import encode_turn
from recuerda.recall import FactExtractor, RecallProvider
from recuerda.storage.ram import MemoryStorage
from recuerda.testing.scripted import ScriptedChatClient
from tests.conversation import Counts
from tests.recall.talking import pair, say
from tests.recall.test_facts import finds


class Rewindable(MemoryStorage):
    """A storage that can be put back to an earlier state, as by a backup."""

    def kept(self) -> object:
        return deepcopy(self._logs)

    def put_back(self, kept: object) -> None:
        self._logs = deepcopy(kept)  # pyright: ignore[reportAttributeAccessIssue] - what `kept` returned


def thread_on(storage: MemoryStorage, thread_id: str = "one") -> AgentThread:
    return AgentThread(message_store=ChatMessageStore(storage=storage, thread_id=thread_id, user_id="ana"))


async def texts(recall: RecallProvider, query: str) -> set[str]:
    return {memory.text for memory in await recall.search(query) if memory.role == "user"}


async def run(recall: RecallProvider, storage: MemoryStorage, text: str) -> None:
    """Do what an agent's run does to the memories of a thread."""
    thread = thread_on(storage)
    await recall.invoking([ChatMessage("user", text)], thread=thread)
    await thread.on_new_messages(pair(text))
    await recall.invoked([], [], thread=thread)


@pytest.mark.parametrize("is_run", [False, True], ids=["by a search", "by a run"])
async def test_a_storage_that_was_put_back_and_went_on_is_remembered_as_it_is(*, is_run: bool) -> None:
    storage = Rewindable()
    recall = RecallProvider(storage=storage, user_id="ana")
    await say(storage, "one", *pair("I collect amber."))
    kept = storage.kept()
    await say(storage, "one", *pair("I collect basalt."))
    assert "I collect basalt." in await texts(recall, "basalt")
    storage.put_back(kept)
    if is_run:
        await run(recall, storage, "I collect cobalt.")
    else:
        await say(storage, "one", *pair("I collect cobalt."))
    assert "I collect basalt." not in await texts(recall, "collect basalt")
    assert {"I collect amber.", "I collect cobalt."} <= await texts(recall, "collect amber cobalt")
    await recall.close()


async def test_a_turn_that_the_put_back_storage_lacks_is_not_recalled() -> None:
    storage = Rewindable()
    recall = RecallProvider(storage=storage, user_id="ana")
    await say(storage, "one", *pair("I collect amber."))
    kept = storage.kept()
    await say(storage, "one", *pair("I collect basalt."))
    assert "I collect basalt." in await texts(recall, "basalt")
    storage.put_back(kept)
    assert "I collect basalt." not in await texts(recall, "basalt")
    assert (await recall.stats()).documents == 2
    await recall.close()


async def test_a_rewritten_turn_is_remembered_as_it_is_now() -> None:
    storage = Rewindable()
    recall = RecallProvider(storage=storage, user_id="ana")
    await say(storage, "one", *pair("I collect amber."))
    await say(storage, "one", *pair("I collect basalt."))
    assert "I collect amber." in await texts(recall, "amber")
    await storage.rewrite("one", {1: encode_turn(Turn(messages=pair("I collect nothing.")))})
    assert "I collect amber." not in await texts(recall, "amber")
    assert {"I collect nothing.", "I collect basalt."} <= await texts(recall, "collect nothing basalt")
    await recall.close()


async def test_a_storage_that_lost_a_change_of_settings_is_followed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Rewindable()
    recall = RecallProvider(storage=storage, user_id="ana")
    await say(storage, "one", *pair("I collect amber."))
    kept = storage.kept()
    await storage.rewrite("one", {1: encode_turn(Turn(messages=pair("I collect nothing.")))})
    assert "I collect nothing." in await texts(recall, "collect")
    storage.put_back(kept)
    assert await texts(recall, "collect") == {"I collect amber."}
    counts = Counts(storage, monkeypatch)
    await storage.update_thread("one", metadata={"topic": "stones"})
    await recall.catch_up()
    assert counts.reads == []
    await recall.close()


async def test_a_turn_costs_two_reads_and_an_undo_reads_no_turn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Rewindable()
    recall = RecallProvider(storage=storage, user_id="ana")
    for number in range(20):
        await say(storage, "one", *pair(f"I collect stone {number}."))
    await recall.catch_up()
    thread = thread_on(storage)
    counts = Counts(storage, monkeypatch)
    await recall.invoking([], thread=thread)
    await say(storage, "one", *pair("I collect amber."))
    await recall.invoked([], [], thread=thread)
    assert counts.taken() == ([0, 1], 1)
    await storage.undo("one")
    counts.taken()
    await recall.invoking([], thread=thread)
    assert counts.taken() == ([1], 0)  # the undo's own record
    assert (await recall.stats()).documents == 40
    await recall.close()


async def test_a_thread_that_has_only_a_draft_is_not_read_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Rewindable()
    recall = RecallProvider(storage=storage, user_id="ana")
    await storage.update_thread("one", user_id="ana", metadata={"topic": "stones"})
    await recall.catch_up()
    counts = Counts(storage, monkeypatch)
    await recall.catch_up()
    assert counts.reads == []
    await say(storage, "one", *pair("I collect amber."))
    assert await texts(recall, "amber") == {"I collect amber."}
    await recall.close()


@pytest.fixture
def finder() -> ScriptedChatClient:
    return ScriptedChatClient([finds({"text": "Ana collects amber."})], default=finds())


@pytest.fixture
def stones() -> Rewindable:
    return Rewindable()


async def facts_of(recall: RecallProvider) -> list[str]:
    return [fact.text for fact in await recall.facts(has_history=True)]


async def test_a_fact_goes_with_the_text_that_it_came_from(finder: ScriptedChatClient, stones: Rewindable) -> None:
    recall = RecallProvider(storage=stones, user_id="ana", facts=FactExtractor(finder))
    await run(recall, stones, "I collect amber.")
    await recall.flush()
    assert await facts_of(recall) == ["Ana collects amber."]
    (record,) = (await stones.read("one")).records
    await stones.rewrite("one", {1: record.body})
    assert await facts_of(recall) == ["Ana collects amber."]  # as after a change of keys
    await stones.rewrite("one", {1: encode_turn(Turn(messages=pair("I collect nothing.")))})
    await recall.catch_up()
    assert await facts_of(recall) == []
    await recall.close()


async def test_a_turn_in_the_place_of_a_lost_one_is_searched_for_facts(
    finder: ScriptedChatClient, stones: Rewindable
) -> None:
    recall = RecallProvider(storage=stones, user_id="ana", facts=FactExtractor(finder))
    await run(recall, stones, "I collect amber.")
    await recall.flush()
    kept = stones.kept()
    for stone in ("basalt", "cobalt"):
        finder.answers.append(finds({"text": f"Ana collects {stone}."}))
        stones.put_back(kept)
        await run(recall, stones, f"I collect {stone}.")
        await recall.flush()
    assert sorted(await facts_of(recall)) == ["Ana collects amber.", "Ana collects cobalt."]
    await recall.close()


async def test_a_lost_turn_without_facts_leaves_its_place_to_be_searched(
    finder: ScriptedChatClient, stones: Rewindable
) -> None:
    recall = RecallProvider(storage=stones, user_id="ana", facts=FactExtractor(finder))
    await run(recall, stones, "I collect amber.")
    await recall.flush()
    kept = stones.kept()
    await run(recall, stones, "It rained.")
    await recall.flush()
    stones.put_back(kept)
    finder.answers.append(finds({"text": "Ana collects basalt."}))
    await run(recall, stones, "I collect basalt.")
    await recall.flush()
    assert "Ana collects basalt." in await facts_of(recall)
    await recall.close()


NUMBERS = itertools.count()
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["say", "undo", "trim", "delete", "rewrite", "settings", "keep", "put back", "run", "search"]),
        st.sampled_from(["x", "y"]),
        st.sampled_from(["amber", "basalt", "cobalt"]),
    ),
    max_size=30,
)


def unique() -> str:
    """Return another word each time, because equal messages are found once."""
    return f"number{next(NUMBERS)}"


async def change(storage: Rewindable, operation: str, thread: str, word: str) -> None:
    """Do one of the operations that change a thread."""
    if operation == "say":
        await say(storage, thread, ChatMessage("user", f"I collect {word} {unique()}"))
    elif operation == "delete":
        await storage.delete(thread)
    elif operation == "undo":
        await storage.undo(thread)
    elif (info := await storage.head(thread)) is not None and operation == "trim":
        await storage.trim(thread, keep_turns=2)
    elif info is not None and operation == "settings":
        await storage.update_thread(thread, metadata={"word": word})
    elif info is not None and operation == "rewrite":
        said = [ChatMessage("user", f"I collect {word} {unique()}") for _ in range(1, info.revision)]
        bodies = {number: encode_turn(Turn(messages=(one,))) for number, one in enumerate(said, start=1)}
        await storage.rewrite(thread, bodies)


@settings(max_examples=settings().max_examples // 2)
@given(OPERATIONS)
def test_whatever_a_storage_loses_or_rewrites_exactly_what_it_holds_is_found(
    operations: list[tuple[str, str, str]],
) -> None:
    async def holds(storage: Rewindable, word: str) -> list[tuple[str, int]]:
        return sorted(
            [
                (info.id, record.number)
                async for info in storage.threads()
                for record in (await storage.read(info.id)).records
                if word.encode() in record.body
            ]
        )

    async def go() -> None:
        storage = Rewindable()
        recall = RecallProvider(storage=storage, user_id="ana")
        kept = storage.kept()
        for operation, thread, word in [*operations, ("search", "x", "amber")]:
            if operation == "keep":
                kept = storage.kept()
            elif operation == "put back":
                storage.put_back(kept)
            elif operation == "run":
                await recall.invoking([], thread=thread_on(storage, thread))
            elif operation == "search":
                found = await recall.search(word, limit=100)
                assert sorted((m.thread_id, m.turn) for m in found if word in m.text) == await holds(storage, word)
            else:
                await change(storage, operation, thread, word)
        await recall.catch_up()
        assert (await recall.stats()).documents == sum(
            [len(await holds(storage, w)) for w in ("amber", "basalt", "cobalt")]
        )
        await recall.close()

    asyncio.run(go())
