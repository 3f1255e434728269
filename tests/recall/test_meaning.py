"""Vectors beside words: another model, another dimension, an embedder that fails; with numpy and without."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recuerda import AgentThread, ChatMessage, ChatMessageStore
from recuerda.errors import EmbedderError
from recuerda.providers.embedding import embed_question
from recuerda.recall import Progress, RecallProvider, SQLiteRecallIndex, vectors
from recuerda.recall.meaning import EMBED_AT_ONCE
from recuerda.sqlite import SQLiteStorage
from recuerda.testing import ScriptedChatClient
from tests.recall.talking import pair, person, say

MEANINGS = {"dog": 0, "hound": 0, "puppy": 0, "boat": 1, "canoe": 1, "ship": 1}


class Meanings:
    """An embedder that knows a few words: those that mean the same have the same direction."""

    def __init__(self, model_id: str = "meanings", dimensions: int = 3) -> None:
        self.model_id = model_id
        self.dimensions = dimensions
        self.asked: list[str] = []
        self.failure: BaseException | None = None
        self.always: list[float] | None = None
        self.hangs = False
        self.calls = 0
        self.is_asked = asyncio.Event()
        self._released = asyncio.Event()

    def release(self) -> None:
        """End the waiting of all calls, and wait no more."""
        self.hangs = False
        self._released.set()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.calls += 1
        self.is_asked.set()
        if self.hangs:
            await self._released.wait()
        if self.failure is not None:
            raise self.failure
        self.asked.extend(texts)
        if self.always is not None:
            return [self.always for _ in texts]
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * (self.dimensions - 1) + [0.1]
        for word in text.lower().replace(".", " ").replace("?", " ").split():
            if word in MEANINGS:
                vector[MEANINGS[word]] += 7.0
        return vector


async def provider_with(storage: SQLiteStorage, embedder: Meanings) -> RecallProvider:
    return RecallProvider(storage=storage, user_id="ana", embedder=embedder)


async def tell(storage: SQLiteStorage) -> None:
    await say(storage, "one", *pair("We got a puppy."))
    await say(storage, "two", *pair("He built a canoe."))
    await say(storage, "three", *pair("It rained."))


async def test_what_means_the_same_is_found_without_a_word_in_common(storage: SQLiteStorage) -> None:
    await tell(storage)
    recall = await provider_with(storage, Meanings())
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    assert (await recall.search("ship?"))[0].text == "He built a canoe."
    assert (await recall.stats()).vectors == 6
    await recall.close()


async def test_each_message_is_embedded_once_behind_the_answer(storage: SQLiteStorage) -> None:
    embedder = Meanings()
    recall = await provider_with(storage, embedder)
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    for text in ("We got a puppy.", "It rained."):
        await store.add_messages([ChatMessage("user", text)])
        await recall.invoked([], [], thread=AgentThread(message_store=store))
        await recall.flush()
    assert embedder.asked == ["We got a puppy.", "It rained."]
    await recall.close()


@pytest.mark.parametrize(
    "successor", [Meanings("other"), Meanings("other", dimensions=8)], ids=["same dimension", "other dimension"]
)
async def test_with_another_model_vectors_are_made_again(storage: SQLiteStorage, successor: Meanings) -> None:
    await tell(storage)
    first = await provider_with(storage, Meanings())
    await first.search("hound?")
    await first.close()
    recall = await provider_with(storage, successor)
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    assert "We got a puppy." in successor.asked
    assert (await recall.stats()).vectors == 6
    await recall.close()


async def test_vectors_of_another_dimension_under_the_same_name_are_not_compared(storage: SQLiteStorage) -> None:
    await tell(storage)
    first = await provider_with(storage, Meanings())
    await first.search("hound?")
    await first.close()
    recall = await provider_with(storage, Meanings(dimensions=8))
    assert "We got a puppy." not in [memory.text for memory in await recall.search("hound?")]
    assert (await recall.search("a puppy"))[0].text == "We got a puppy."
    await recall.close()


async def test_an_embedder_that_fails_leaves_the_words(
    storage: SQLiteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    await tell(storage)
    embedder = Meanings()
    embedder.failure = EmbedderError("the model is down")
    recall = await provider_with(storage, embedder)
    assert (await recall.search("puppy"))[0].text == "We got a puppy."
    assert "the embedder failed: the model is down" in caplog.text
    store = ChatMessageStore(storage=storage, thread_id="four", user_id="ana")
    await store.add_messages([ChatMessage("user", "The canoe leaks.")])
    await recall.invoked([], [], thread=AgentThread(message_store=store))
    await recall.flush()
    assert (await recall.search("leaks"))[0].text == "The canoe leaks."
    embedder.failure = None
    assert (await recall.search("ship?"))[0].text in ("The canoe leaks.", "He built a canoe.")
    await recall.close()


class Panic(BaseException):
    """What a tokenizer that is written in another language raises."""


@pytest.mark.parametrize(
    "failure",
    [
        EmbedderError("down"), RuntimeError("a bug"), OSError("no route"), TimeoutError(), Panic(),
        asyncio.CancelledError(), None,
    ],
    ids=lambda failure: type(failure).__name__,
)  # fmt: skip
async def test_a_run_gets_memories_by_words_whatever_the_embedder_does(
    storage: SQLiteStorage, failure: BaseException | None
) -> None:
    await tell(storage)
    embedder = Meanings()
    embedder.failure, embedder.hangs = failure, failure is None
    recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder, timeout=timedelta(seconds=2))
    thread = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="new", user_id="ana"))
    agent = ScriptedChatClient(default="I see.").create_agent(storage=storage, context_providers=recall)
    reply = await agent.run("Who has a puppy?", thread=thread)
    assert not reply.warnings
    context = await recall.invoking([ChatMessage("user", "Who has a puppy?")], thread=agent.get_thread("other"))
    assert context is not None
    assert "We got a puppy." in context.messages[0].text
    embedder.release()
    await recall.close()


async def test_a_cancelled_search_ends_although_the_embedder_hangs(storage: SQLiteStorage) -> None:
    await tell(storage)
    embedder = Meanings()
    embedder.hangs = True
    recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder, timeout=None)
    searching = asyncio.create_task(recall.search("hound?"))
    await asyncio.wait_for(embedder.is_asked.wait(), 5)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    embedder.release()
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    await recall.close()


async def test_searches_do_not_wait_again_for_an_embedder_that_took_too_long(
    storage: SQLiteStorage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(storage)
    embedder = Meanings()
    recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder, timeout=timedelta(seconds=1))
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    embedder.hangs = True
    calls = embedder.calls
    for _ in range(5):
        assert (await recall.search("puppy"))[0].text == "We got a puppy."
    assert embedder.calls == calls + 1
    assert len([record for record in caplog.records if "by words only" in record.getMessage()]) == 1
    embedder.release()
    later = time.monotonic() + 10
    monkeypatch.setattr("recuerda.recall.patience.time.monotonic", lambda: later)
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    await recall.close()


async def test_a_search_waits_for_few_vectors_and_not_for_many(
    storage: SQLiteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    await tell(storage)
    for number in range(EMBED_AT_ONCE):
        await say(storage, "many", person("Ana", f"The weather of day {number}."))
    embedder = Meanings()
    embedder.hangs = True
    recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder, timeout=None)
    for _ in range(3):
        assert (await recall.search("puppy"))[0].text == "We got a puppy."
        assert await recall.search("hound?") == []
    assert caplog.text.count("many have no vector yet") == 1
    embedder.release()
    await recall.flush()
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    assert [embedder.asked.count(f"The weather of day {number}.") for number in range(EMBED_AT_ONCE)] == [
        1
    ] * EMBED_AT_ONCE
    await recall.close()


async def test_what_is_embedded_in_the_background_is_not_embedded_for_a_search_too(storage: SQLiteStorage) -> None:
    await tell(storage)
    embedder = Meanings()
    embedder.hangs = True
    recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder, timeout=None)
    making = asyncio.create_task(recall.catch_up())
    await asyncio.wait_for(embedder.is_asked.wait(), 5)
    searching = asyncio.create_task(recall.search("hound?"))
    await asyncio.sleep(0.05)
    embedder.release()
    assert (await searching)[0].text == "We got a puppy."
    await making
    assert sorted(embedder.asked) == ["He built a canoe.", "I see.", "It rained.", "We got a puppy.", "hound?"]
    await recall.close()


async def test_forks_have_the_vectors_of_their_origin_at_once(storage: SQLiteStorage) -> None:
    await tell(storage)
    embedder = Meanings()
    recall = await provider_with(storage, embedder)
    await recall.catch_up()
    origin = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="one", user_id="ana"))
    for number in range(EMBED_AT_ONCE):
        await origin.fork(thread_id=f"fork {number}")
    embedder.asked.clear()
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    assert embedder.asked == ["hound?"]
    stats = await recall.stats()
    assert stats.vectors == stats.documents > 6 + EMBED_AT_ONCE
    await recall.close()


class Choosy(Meanings):
    """A model that refuses some texts, as a filter of contents does."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if any("canoe" in text for text in texts):
            self.calls += 1
            raise EmbedderError("the input was refused")
        return await super().embed(texts)


async def test_a_text_that_the_embedder_refuses_does_not_cost_the_others_their_vectors(
    storage: SQLiteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    await tell(storage)
    embedder = Choosy()
    recall = await provider_with(storage, embedder)
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    assert "1 texts are remembered without a vector, because meanings refuses them" in caplog.text
    assert (await recall.search("built"))[0].text == "He built a canoe."  # by its word
    calls = embedder.calls
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    assert embedder.calls == calls + 1
    await recall.close()


async def test_an_embedder_that_does_not_work_refuses_no_text(storage: SQLiteStorage) -> None:
    await tell(storage)
    embedder = Meanings()
    embedder.failure = EmbedderError("too many requests")
    recall = await provider_with(storage, embedder)
    assert await recall.search("hound?") == []
    with pytest.raises(EmbedderError, match="too many requests"):
        await recall.catch_up()
    assert (await recall.stats()).vectors == 0
    embedder.failure = None
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    await recall.close()


class Returned(Meanings):
    """A model that returns its vectors in another form."""

    def __init__(self, returned: Callable[[list[list[float]]], Any]) -> None:
        super().__init__()
        self._returned = returned

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return self._returned(await super().embed(texts))


_FORMS: dict[str, Callable[[list[list[float]]], object]] = {
    "array": np.array,
    "list of arrays": lambda found: [np.array(vector, dtype="float32") for vector in found],
    "tuples": lambda found: tuple(map(tuple, found)),
    "iterators": lambda found: (iter(vector) for vector in found),
    "huge": lambda found: [[1e200 * value for value in vector] for vector in found],
    "tiny": lambda found: [[1e-200 * value for value in vector] for vector in found],
}


@pytest.mark.parametrize("form", _FORMS)
async def test_an_embedder_may_return_arrays_and_vectors_of_any_length(storage: SQLiteStorage, form: str) -> None:
    await tell(storage)
    recall = await provider_with(storage, Returned(_FORMS[form]))
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    await recall.close()


async def test_an_answer_without_vectors_says_what_was_returned() -> None:
    answers: list[tuple[Any, str]] = [(None, "NoneType"), (["abc"], "list of str"), ([[None]], "list of list")]
    for answer, kinds in answers:

        def returned(_: object, answer: Any = answer) -> Any:
            return answer

        with pytest.raises(EmbedderError, match=f"must return a list of floats for each text, but returned {kinds}"):
            await embed_question(Returned(returned), "hound?")


async def test_missing_vectors_are_made_behind_a_search_that_did_not_wait_for_them(storage: SQLiteStorage) -> None:
    await tell(storage)
    embedder = Meanings()
    embedder.hangs = True
    recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder, timeout=timedelta(seconds=0.5))
    assert (await recall.search("hound?")) == []
    embedder.release()
    await recall.flush()
    assert (await recall.stats()).vectors == 6
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    await recall.close()


async def test_a_cancelled_close_closes_the_index_and_the_storage_nevertheless(
    storage: SQLiteStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    for kind in (SQLiteRecallIndex, SQLiteStorage):

        async def noted(one: Any, kind: Any = kind, close: Any = kind.close) -> None:
            await close(one)
            closed.append(kind.__name__)

        monkeypatch.setattr(kind, "close", noted)
    await tell(storage)
    embedder = Meanings()
    embedder.hangs = True
    recall = RecallProvider(
        storage=f"sqlite:///{path}", user_id="ana", embedder=embedder, timeout=timedelta(seconds=0.1)
    )
    assert (await recall.search("hound?")) == []
    closing = asyncio.create_task(recall.close())
    await asyncio.sleep(0.01)
    assert not closed
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert closed == ["SQLiteRecallIndex", "SQLiteStorage"]
    embedder.release()
    await recall.close()


class Narrow(Meanings):
    """A model whose vectors are all alike: its cosines differ in the second digit."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[*vector, 40.0] for vector in await super().embed(texts)]


async def test_the_scale_of_a_models_cosines_does_not_matter(storage: SQLiteStorage) -> None:
    await tell(storage)
    for number in range(8):
        await say(storage, f"rain {number}", *pair(f"It rained on day {number}."))
    for embedder in (Meanings("wide"), Narrow("narrow")):
        recall = await provider_with(storage, embedder)
        assert (await recall.search("hound on a day?", roles=["user"]))[0].text == "We got a puppy."
        await recall.close()


class Named(Meanings):
    """A model for which a name weighs more than any other word."""

    def _vector(self, text: str) -> list[float]:
        vector = super()._vector(text)
        vector[-1] += 50.0 * ("ben" in text.lower())
        return vector


async def test_the_name_of_a_speaker_does_not_count_as_meaning(storage: SQLiteStorage) -> None:
    await say(storage, "one", person("Ben", "We got a puppy."))
    await say(storage, "two", person("Ana", "Ben is late."))
    recall = await provider_with(storage, Named())
    assert (await recall.search("Which hound did Ben get?"))[0].text == "We got a puppy."
    await recall.close()


class Asked(Meanings):
    """A model that reads a question in another way than a text."""

    async def embed_questions(self, questions: Sequence[str]) -> list[list[float]]:
        return await self.embed([f"asked: {question}" for question in questions])


async def test_a_question_is_embedded_as_a_question(storage: SQLiteStorage) -> None:
    await tell(storage)
    embedder = Asked()
    recall = await provider_with(storage, embedder)
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    assert embedder.asked[-1] == "asked: hound?"
    assert not any(text.startswith("asked: ") for text in embedder.asked[:-1])
    await recall.close()


async def test_the_vector_of_a_question_is_checked_as_any_other() -> None:
    for embedder in (Meanings(), Asked()):
        with pytest.raises(EmbedderError, match="8 are needed"):
            await embed_question(embedder, "hound?", dimensions=8)
        embedder.always = [math.nan]
        with pytest.raises(EmbedderError, match="finite"):
            await embed_question(embedder, "hound?")


async def test_catching_up_and_rebuilding_make_all_vectors(storage: SQLiteStorage) -> None:
    await tell(storage)
    recall = RecallProvider(storage=storage, embedder=Meanings())
    told: list[Progress] = []
    for make in (partial(recall.catch_up, "ana"), recall.rebuild):
        assert await make(progress=told.append) == Progress(threads=3, messages=6, vectors=6)
        assert (await recall.stats()).vectors == 6
    assert [one.vectors for one in told] == 2 * [0, 0, 0, 6]
    await recall.close()


async def test_empty_vectors_or_infinite_ones_are_not_kept(
    storage: SQLiteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    await tell(storage)
    embedder = Meanings()
    recall = await provider_with(storage, embedder)
    for wrong in ([], [math.inf, 0.0, 0.0]):
        embedder.always = wrong
        assert (await recall.search("puppy"))[0].text == "We got a puppy."
        assert (await recall.stats()).vectors == 0
    assert "words only" in caplog.text
    await recall.close()


async def test_deleted_messages_leave_no_vectors(storage: SQLiteStorage) -> None:
    await tell(storage)
    recall = await provider_with(storage, Meanings())
    await recall.search("hound?")
    await storage.delete("one")
    assert "We got a puppy." not in [memory.text for memory in await recall.search("hound?")]
    await recall.catch_up()
    assert (await recall.stats()).vectors == 4
    await recall.close()


def test_similarities_are_the_same_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(number, vectors.pack(vectors.unit([number, 1.0, -2.0]))) for number in range(20)] + [(99, b"1234")]
    query = vectors.unit([1.0, 2.0, 3.0])
    fast = vectors.most_similar(query, rows)

    def missing() -> Any:
        return None

    monkeypatch.setattr(vectors, "_numpy", missing)
    slow = vectors.most_similar(query, rows)
    assert fast.keys() == slow.keys() == set(range(20))
    assert fast == pytest.approx(slow, abs=1e-6)


def test_a_vector_of_zeros_stays_one() -> None:
    assert vectors.unit([0.0, 0.0]) == [0.0, 0.0]
    assert vectors.unit([3.0, 4.0]) == pytest.approx([0.6, 0.8])
    assert vectors.unit([3e200, -4e200]) == pytest.approx([0.6, -0.8])
    assert vectors.unit([3e-200, 4e-200]) == pytest.approx([0.6, 0.8])
