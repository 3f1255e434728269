"""Corrections: the right words are recalled in place of the wrong ones, which stay readable as history."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from msgspec import structs

from recuerda import AgentThread, ChatMessage, ChatMessageStore, NewTurn, Storage, Turn
from recuerda.errors import EmbedderError, InvalidInput, ThreadOwnershipError
from recuerda.messages.codec import encode_turn
from recuerda.recall import Fact, FactExtractor, Memory, RecallProvider
from recuerda.recall.quoting import fitting
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.records import to_microseconds
from recuerda.testing.scripted import ScriptedChatClient
from tests.recall.talking import holds_bytes, pair, person, say
from tests.recall.test_facts import finds
from tests.recall.test_meaning import Meanings

START = datetime(2026, 5, 20, 12, tzinfo=UTC)
WHERE = "Where do I live?"


@pytest.fixture
async def recall(storage: SQLiteStorage) -> AsyncIterator[RecallProvider]:
    """A provider whose clock is an hour later with each look at it."""
    hours = count(1)
    recall = RecallProvider(
        storage=storage, user_id="ana", clock=lambda: to_microseconds(START + timedelta(hours=next(hours)))
    )
    yield recall
    await recall.close()


async def texts(recall: RecallProvider, query: str = WHERE, *, has_history: bool = False) -> list[str]:
    return [memory.text for memory in await recall.search(query, roles=["user"], has_history=has_history)]


async def the_one(recall: RecallProvider, query: str = WHERE) -> Memory:
    return (await recall.search(query, roles=["user"]))[0]


async def asked(recall: RecallProvider, storage: Storage, thread_id: str, query: str = WHERE) -> str:
    """Return the quotes that a run gets."""
    thread = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id=thread_id, user_id="ana"))
    context = await recall.invoking([ChatMessage("user", query)], thread=thread)
    return "" if context is None else "\n".join(context.messages[0].text.splitlines()[2:])


async def test_the_right_words_are_recalled_in_place_of_the_wrong_ones(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START)
    await say(storage, "two", *pair("My cat is called Fuga."), at=START)
    fact = await recall.correct(await the_one(recall), "I live in Bergen, in Sandviken.")
    assert (fact.text, fact.corrects) == ("I live in Bergen, in Sandviken.", "I live in Oslo.")
    for query in (WHERE, "Oslo", "Bergen", "Sandviken"):
        assert await texts(recall, query) == ["I live in Bergen, in Sandviken."], query
    assert await texts(recall, "What is my cat called?") == ["My cat is called Fuga."]
    assert (await asked(recall, storage, "three")).splitlines()[-1] == (
        "- On 20 May 2026, a memory of what the user said earlier in another conversation was corrected to: "
        '"I live in Bergen, in Sandviken."'
    )
    messages = await ChatMessageStore(storage=storage, thread_id="one").list_messages()
    assert messages[0].text == "I live in Oslo."


async def test_corrections_come_along_when_a_thread_is_given_to_another_user(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START, turn_id="told")
    await recall.correct(await the_one(recall), "I live in Bergen.")
    await recall.correct(await the_one(recall), "I live in Narvik.")
    await storage.update_thread("one", user_id="anna")
    assert await texts(recall, has_history=True) == []
    index = recall._of().index  # pyright: ignore[reportPrivateUsage] - one index for both
    annas = RecallProvider(index, storage=storage, user_id="anna", clock=recall._clock)  # pyright: ignore[reportPrivateUsage]
    assert await texts(annas) == ["I live in Narvik."]
    assert await texts(annas, has_history=True) == ["I live in Narvik.", "I live in Bergen.", "I live in Oslo."]
    assert await texts(recall, has_history=True) == []
    # A thread that was begun anew under the id is another one.
    await storage.delete("one")
    await say(storage, "one", *pair("I live in Oslo."), turn_id="told")
    assert await texts(recall, has_history=True) == ["I live in Oslo."]
    assert await texts(annas, has_history=True) == []
    await annas.close()


async def test_corrections_of_a_fork_come_along_and_stay(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START, turn_id="told")
    ones = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await ones.fork(thread_id="two")
    await ones.fork(thread_id="three")
    oslo = await the_one(recall)
    await recall.correct(oslo, "I live in Bergen.")
    # A memory of the fork is the same message, so its correction replaces the other one.
    fork = "two" if oslo.thread_id != "two" else "three"
    narvik = await recall.correct(structs.replace(oslo, thread_id=fork), "I live in Narvik.")
    assert await texts(recall) == ["I live in Narvik."]
    index = recall._of().index  # pyright: ignore[reportPrivateUsage] - one index for both
    annas = RecallProvider(index, storage=storage, user_id="anna", clock=recall._clock)  # pyright: ignore[reportPrivateUsage]
    await storage.update_thread(fork, user_id="anna")
    for provider in (annas, recall):
        assert await texts(provider, has_history=True) == ["I live in Narvik.", "I live in Bergen.", "I live in Oslo."]
    # Each of them may correct it now; if the threads come together again, the newest correction is valid.
    (annas_own,) = await annas.search(WHERE, roles=["user"])
    await annas.correct(annas_own, "I live in Bodø.")
    assert await texts(recall) == ["I live in Narvik."]
    with pytest.raises((InvalidInput, ThreadOwnershipError)):
        await annas.take_back(narvik)
    await storage.update_thread("one", user_id="anna")
    assert await texts(annas) == ["I live in Bodø."]
    assert await texts(recall) == ["I live in Narvik."]
    await storage.update_thread(fork, user_id="ana")
    assert await texts(recall) == ["I live in Bodø."]
    await annas.close()


async def test_the_wrong_words_stay_readable_with_their_time(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START)
    first = await recall.correct(await the_one(recall), "I live in Bergen.")
    second = await recall.correct(await the_one(recall), "I live in Narvik.")
    assert await texts(recall) == ["I live in Narvik."]
    found = await recall.search(WHERE, roles=["user"], has_history=True)
    assert [(memory.text, memory.corrected_us, memory.valid_until_us) for memory in found] == [
        ("I live in Narvik.", second.valid_from_us, None),
        ("I live in Bergen.", first.valid_from_us, second.valid_from_us),
        ("I live in Oslo.", None, first.valid_from_us),
    ]
    assert [(fact.text, fact.superseded_by) for fact in await recall.facts(has_history=True)] == [
        ("I live in Bergen.", second.id),
        ("I live in Narvik.", None),
    ]


async def test_a_correction_is_taken_back_by_its_fact_or_by_its_memory(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START)
    assert not await recall.take_back(await the_one(recall))
    first = await recall.correct(await the_one(recall), "I live in Bergen.")
    second = await recall.correct(await the_one(recall), "I live in Narvik.")
    assert not await recall.take_back(first)
    assert await recall.take_back(second)
    assert await texts(recall) == ["I live in Bergen."]
    assert await recall.take_back(await the_one(recall))
    assert await texts(recall, has_history=True) == ["I live in Oslo."]
    assert await recall.facts(has_history=True) == []
    assert not await recall.take_back(first)


async def test_earlier_messages_with_the_same_words_are_corrected_and_later_ones_are_not(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    for number, text in enumerate(("I live in Oslo.", "In Oslo I live!", "I live in Oslo.")):
        await say(storage, f"t{number}", *pair(text), at=START + number * timedelta(seconds=1))
    await ChatMessageStore(storage=storage, thread_id="t0").fork(thread_id="copy")
    await recall.correct(await the_one(recall), "I live in Bergen.")
    assert await texts(recall) == ["I live in Bergen."]
    await ChatMessageStore(storage=storage, thread_id="t1").fork(thread_id="another copy")
    assert await texts(recall) == ["I live in Bergen."]
    await say(storage, "back", *pair("I live in Oslo."), at=START + timedelta(days=1))
    assert set(await texts(recall)) == {"I live in Oslo.", "I live in Bergen."}


async def test_a_message_of_one_speaker_is_corrected_for_that_speaker(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    for name in ("Ana", "Ben"):
        await say(storage, "group", person(name, "The boat is red."), at=START)
    (bens,) = [one for one in await recall.search("boat") if one.speaker == "Ben"]
    await recall.correct(bens, "The boat is green.")
    assert {(one.speaker, one.text) for one in await recall.search("boat")} == {
        ("Ana", "The boat is red."),
        ("Ben", "The boat is green."),
    }


async def test_the_right_words_are_recalled_in_the_very_thread_and_in_order_of_time(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START)
    await recall.correct(await the_one(recall), "I live in Bergen.")
    assert "Bergen" in await asked(recall, storage, "one")
    assert "Oslo" not in await asked(recall, storage, "one")


def _texts(messages: Sequence[ChatMessage]) -> bytes:
    return encode_turn(Turn(messages=tuple(messages)))


async def test_a_correction_goes_with_the_turn_from_which_its_memory_comes(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, recall: RecallProvider
) -> None:
    async def rewrite() -> None:
        await elsewhere.rewrite("one", {1: _texts(pair("I live in Rome."))})

    ways = {
        "undone": lambda: elsewhere.undo("one"),
        "deleted": lambda: elsewhere.delete("one"),
        "forgotten": lambda: recall.forget(thread="one"),
        "rewritten": rewrite,
        "erased": lambda: elsewhere.erase_user("ana"),
    }
    for name, remove in ways.items():
        await storage.delete("one")
        await say(storage, "one", *pair("I live in Oslo."), at=START)
        await recall.correct(await the_one(recall), "I live in Bergen.")
        await remove()
        assert await texts(recall, has_history=True) == (["I live in Rome."] if name == "rewritten" else []), name
        assert await recall.facts(has_history=True) == [], name


async def test_no_byte_of_a_correction_is_left_when_it_is_taken_back_or_erased(
    storage: SQLiteStorage, recall: RecallProvider, tmp_path: Path
) -> None:
    for number in range(2):
        await say(storage, "one", *pair(f"I live in Oslo {number}."), at=START)
        fact = await recall.correct(await the_one(recall), "I live in Quixotrope.")
        assert holds_bytes(tmp_path, b"Quixotrope")
        if number == 0:
            await recall.take_back(fact)
        else:
            await storage.erase_user("ana")
    await recall.close()
    assert not holds_bytes(tmp_path, b"Quixotrope")
    assert not holds_bytes(tmp_path, b"Oslo")


async def test_a_correction_survives_a_rebuild(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START)
    await recall.correct(await the_one(recall), "I live in Bergen.")
    await recall.rebuild()
    assert await texts(recall) == ["I live in Bergen."]
    assert await texts(recall, has_history=True) == ["I live in Bergen.", "I live in Oslo."]


async def test_a_correction_of_another_user_s_memory_is_refused(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START)
    memory = await the_one(recall)
    fact = await recall.correct(memory, "I live in Bergen.")
    bens = RecallProvider(storage=storage, user_id="ben")
    shop = RecallProvider(storage=storage, namespace="shop")
    for one in (memory, fact):
        for change in (bens.correct(one, "I live in Rome."), bens.take_back(one)):
            with pytest.raises(ThreadOwnershipError):
                await change
    with pytest.raises(InvalidInput, match="namespace"):
        await shop.correct(memory, "I live in Rome.")
    assert await texts(recall) == ["I live in Bergen."]
    await bens.close()
    await shop.close()


async def test_what_is_gone_or_empty_is_not_corrected(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START)
    memory = await the_one(recall)
    with pytest.raises(InvalidInput, match="empty"):
        await recall.correct(memory, " \x00\n")
    fact = await recall.correct(memory, "I live in Bergen.")
    changed = await the_one(recall)
    await recall.take_back(fact)
    for wrong in (fact, changed):
        with pytest.raises(InvalidInput, match="gone"):
            await recall.correct(wrong, "I live in Rome.")
    await recall.forget(thread="one")
    with pytest.raises(InvalidInput, match="gone"):
        await recall.correct(memory, "I live in Rome.")
    await storage.delete("one")
    for wrong in (memory, fact):
        with pytest.raises(InvalidInput, match="gone"):
            await recall.correct(wrong, "I live in Rome.")
    assert await recall.facts(has_history=True) == []


async def test_a_fact_is_corrected_and_the_correction_taken_back(storage: SQLiteStorage) -> None:
    model = ScriptedChatClient([finds({"text": "Ana lives in Oslo."})], default=finds())
    recall = RecallProvider(storage=storage, user_id="ana", facts=FactExtractor(model))
    await say(storage, "one", *pair("I live in Oslo."), at=START)
    thread = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="one", user_id="ana"))
    await recall.invoked([], [], thread=thread)
    await recall.flush()
    (wrong,) = await recall.facts()
    right = await recall.correct(wrong, "Ana lives in Bergen.")
    assert (await recall.facts(), right.corrects, right.sources) == ([right], None, wrong.sources)
    assert [(fact.text, fact.superseded_by) for fact in await recall.facts(has_history=True)] == [
        ("Ana lives in Oslo.", right.id),
        ("Ana lives in Bergen.", None),
    ]
    with pytest.raises(InvalidInput, match="replaced"):
        await recall.correct(wrong, "Ana lives in Rome.")
    assert not await recall.take_back(wrong)
    assert await recall.take_back(right)
    assert await recall.facts() == [wrong]
    await recall.close()


async def test_the_next_statement_replaces_a_correction(storage: SQLiteStorage) -> None:
    model = ScriptedChatClient(default=finds())
    recall = RecallProvider(storage=storage, user_id="ana", facts=FactExtractor(model))
    await say(storage, "one", *pair("I live in Oslo."), at=START)
    wrong = await recall.correct(await the_one(recall), "I live in Bergen.")
    await say(storage, "two", *pair("I have moved to Rome."), at=START + timedelta(days=900))
    model.answers.append(finds({"text": "Ana lives in Rome.", "replaces": [wrong.id]}))
    thread = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="two", user_id="ana"))
    await recall.invoked([], [], thread=thread)
    await recall.flush()
    assert "I live in Bergen." in model.requests[-1].messages[0].text
    assert await texts(recall, "live in Oslo or Bergen") == []
    assert "Known from earlier conversations:\n- Ana lives in Rome." in await quotes(recall, storage)
    await recall.close()


async def quotes(recall: RecallProvider, storage: Storage) -> str:
    thread = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="new", user_id="ana"))
    context = await recall.invoking([ChatMessage("user", WHERE)], thread=thread)
    assert context is not None
    return context.messages[0].text


async def test_a_corrected_instruction_stands_with_its_right_words(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    for number, text in enumerate(("Always answer in French.", "Always greet me first.")):
        await say(storage, f"t{number}", *pair(text), at=START)
    await recall.correct(await the_one(recall, "answer in French"), "Always answer in German.")
    await recall.correct(await the_one(recall, "greet me first"), "Greetings are nice.")
    assert [memory.text for memory in await recall.standing()] == ["Always answer in German."]


async def test_the_right_words_are_found_by_their_meaning(storage: SQLiteStorage) -> None:
    await say(storage, "one", *pair("He sold it in spring."), at=START)
    await say(storage, "two", *pair("It rained."), at=START)
    embedder = Meanings()
    recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder)
    await recall.correct(await the_one(recall, "sold"), "He sold the boat in spring.")
    assert (await texts(recall, "a ship?"))[0] == "He sold the boat in spring."
    assert embedder.asked.count("He sold the boat in spring.") == 1
    assert (await texts(recall, "a canoe?"))[0] == "He sold the boat in spring."
    assert embedder.asked.count("He sold the boat in spring.") == 1
    embedder.failure = EmbedderError("the model is down")
    await recall.correct(await the_one(recall, "sold"), "He sold the puppy in spring.")
    embedder.failure = None
    assert (await texts(recall, "a hound?"))[0] == "He sold the puppy in spring."
    await recall.close()


class HangsAt(Meanings):
    """An embedder that hangs at one text."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.hangs = any("the boat" in text for text in texts)
        return await super().embed(texts)


async def test_searches_do_not_wait_again_for_an_embedder_that_hangs_at_the_right_words(storage: SQLiteStorage) -> None:
    await say(storage, "one", *pair("He sold it in spring."), at=START)
    embedder = HangsAt()
    recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder, timeout=timedelta(seconds=0.4))
    await recall.correct(await the_one(recall, "sold"), "He sold the boat in spring.")
    assert (await texts(recall, "sold in spring?"))[0] == "He sold the boat in spring."
    calls = embedder.calls
    assert (await texts(recall, "sold in spring?"))[0] == "He sold the boat in spring."
    assert embedder.calls == calls
    embedder.release()
    await recall.close()


async def test_an_index_without_corrections_is_not_asked_for_them(
    storage: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START)
    await recall.search(WHERE)
    index = recall._of().index  # pyright: ignore[reportPrivateUsage] - to count its queries
    calls: list[str] = []

    async def corrections(scope: str) -> list[object]:
        calls.append(scope)
        return []

    monkeypatch.setattr(index, "corrections", corrections)
    await recall.search(WHERE)
    assert calls == []


def test_the_newest_of_facts_that_fit_comes_first_also_if_an_older_one_has_more_of_the_words() -> None:
    older = Fact(id=1, text="The home of Ana is in the city of Oslo.", valid_from_us=1)
    newer = Fact(id=2, text="The home of Ana is in Bergen.", valid_from_us=2)
    other = Fact(id=3, text="Ana has a cat.", valid_from_us=3)
    for question in ("Where is my home?", "In which city is my home?"):
        assert fitting([older, newer, other], question, 1) == [newer], question


async def test_the_newest_statement_comes_first_also_if_an_older_one_has_more_of_the_words(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START - timedelta(days=300))
    await say(storage, "two", *pair("I live in Bergen now."), at=START)
    assert (await texts(recall))[0] == "I live in Bergen now."


@pytest.mark.parametrize("query", ["Bergen", "live Stavanger", "Oslo"])
async def test_a_message_is_forgotten_by_its_words_and_by_those_of_its_corrections(
    storage: SQLiteStorage, recall: RecallProvider, path: Path, query: str
) -> None:
    await say(storage, "one", *pair("I live in Oslo."), at=START)
    await say(storage, "two", *pair("I live with my cat in a house."), at=START)
    await recall.correct(await the_one(recall, "Oslo"), "I live in Bergen.")
    await recall.correct(await the_one(recall, "Bergen"), "I live in Stavanger.")
    assert await recall.forget(query="Bergen cat") == 0
    assert await recall.forget(query=query, dry_run=True) == 2
    assert await recall.forget(query=query) == 2
    assert await texts(recall, has_history=True) == ["I live with my cat in a house."]
    assert not holds_bytes(path.parent, b"Stavanger")


async def test_a_turn_without_an_owner_is_corrected_too(storage: SQLiteStorage) -> None:
    recall = RecallProvider(storage=storage)
    turn = NewTurn(body=_texts(pair("I live in Oslo.")), message_count=2)
    await storage.append("nobody's", turn)
    (memory,) = await recall.search(WHERE, thread_id="nobody's", roles=["user"])
    await recall.correct(memory, "I live in Bergen.")
    (memory,) = await recall.search(WHERE, thread_id="nobody's", roles=["user"])
    assert memory.text == "I live in Bergen."
    await recall.close()
