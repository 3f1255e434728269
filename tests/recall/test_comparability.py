"""Vectors that cannot be compared: of other dimensions under the same name, or of two processes with two models."""

import pytest

from recuerda.errors import EmbedderError
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import pair, say
from tests.recall.test_meaning import Meanings, tell

MANY = 40


def provider(storage: SQLiteStorage, embedder: Meanings) -> RecallProvider:
    return RecallProvider(storage=storage, user_id="ana", embedder=embedder)


async def texts(recall: RecallProvider, question: str) -> list[str]:
    return [memory.text for memory in await recall.search(question)]


async def test_a_question_with_other_dimensions_than_the_memories_is_asked_by_words_and_said_once(
    storage: SQLiteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    await tell(storage)
    first = provider(storage, Meanings())
    assert (await texts(first, "hound?"))[0] == "We got a puppy."
    await first.close()
    recall = provider(storage, Meanings(dimensions=8))
    assert await texts(recall, "hound?") == []
    assert (await texts(recall, "a puppy"))[0] == "We got a puppy."
    await say(storage, "four", *pair("Our hound sleeps."))
    assert await texts(recall, "dog?") == []  # a few new vectors are no reason to find nothing else
    assert caplog.text.count("vectors of 8 dimensions, but the memories have vectors of 3; rebuild the index") == 1
    assert caplog.text.count("by words only") == 1
    await recall.rebuild()
    assert set((await texts(recall, "dog?"))[:2]) == {"We got a puppy.", "Our hound sleeps."}
    await recall.close()


async def test_of_two_processes_with_two_models_the_first_one_gives_up_and_says_so(
    storage: SQLiteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(MANY):
        await say(storage, f"thread {number}", *pair(f"We got puppy number {number}.", f"Congratulations, {number}."))
    old, new = Meanings("old"), Meanings("new", dimensions=5)
    first, second = provider(storage, old), provider(storage, new)
    await first.catch_up()
    await first.search("hound?")
    for _ in range(3):
        await second.search("hound?")
        await second.flush()
        await first.search("hound?")
        await first.flush()
    assert len(old.asked) == 2 * MANY + 1
    assert len(new.asked) == 2 * MANY + 2  # and two questions
    assert caplog.text.count("another process gives the same memories vectors of new, in place of those of old") == 1
    assert len(await texts(second, "hound?")) == 10
    await say(storage, "next", *pair("We got a boat."))
    assert (await texts(second, "ship?"))[0] == "We got a boat."
    with pytest.raises(EmbedderError, match="let all processes use one model"):
        await first._of().meaning.embed_missing("user:ana")  # pyright: ignore[reportPrivateUsage]
    await first.catch_up()  # the application wants it
    assert (await texts(first, "ship?"))[0] == "We got a boat."
    await first.close()
    await second.close()


async def test_a_new_model_replaces_the_vectors_of_the_old_one_also_beside_single_new_messages(
    storage: SQLiteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(MANY):
        await say(storage, f"thread {number}", *pair(f"We got puppy number {number}.", f"Congratulations, {number}."))
    first, second = provider(storage, Meanings("old")), provider(storage, Meanings("new"))
    await first.catch_up()
    await second.catch_up()
    await say(storage, "next", *pair("We got a boat."))
    by_words = RecallProvider(storage=storage, user_id="ana")
    assert (await texts(by_words, "boat?"))[0] == "We got a boat."
    await by_words.close()
    index = second._of().index  # pyright: ignore[reportPrivateUsage]
    of_next = [one.key for one in await index.unembedded("user:ana", "new", 9)]
    await index.add_vectors("user:ana", "old", {key: [0.0, 1.0, 0.0] for key in of_next})
    assert await index.vector_models("user:ana") == {"new": 2 * MANY, "old": 2}
    assert (await texts(second, "ship?"))[0] == "We got a boat."
    assert await index.vector_models("user:ana") == {"new": 2 * MANY + 2}
    assert await index.vector_dimensions("user:ana", "new") == 3
    assert await index.vector_dimensions("user:ana", "old") is None
    assert "another process" not in caplog.text
    await first.close()
    await second.close()


async def test_an_embedder_may_change_its_model_in_one_process(storage: SQLiteStorage) -> None:
    for number in range(MANY):
        await say(storage, f"thread {number}", *pair(f"We got puppy number {number}.", f"Congratulations, {number}."))
    embedder = Meanings("old")
    recall = provider(storage, embedder)
    await recall.catch_up()
    assert len(await texts(recall, "hound?")) == 10
    for name in ("new", "old"):
        embedder.model_id = name
        assert await texts(recall, "hound?") == []
        await recall.flush()
        assert len(await texts(recall, "hound?")) == 10
        assert await recall._of().index.vector_models("user:ana") == {name: 2 * MANY}  # pyright: ignore[reportPrivateUsage]
    await recall.close()
