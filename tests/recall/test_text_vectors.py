"""Embedders in the background: a service that wants to be asked later, is down, or hangs at the end."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from recuerda import AgentThread, ChatMessage, ChatMessageStore
from recuerda.errors import EmbedderError
from recuerda.recall import RecallProvider, text_vectors
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import pair, say
from tests.recall.test_meaning import Meanings, tell

HELLO = "Hello."


class Service(Meanings):
    """An embedder that refuses texts with a status for a while, but always accepts a short one."""

    def __init__(self, status: int, failures: int, *, retry_after_s: float | None = None, is_own: bool = True) -> None:
        super().__init__()
        self.status, self.failures, self.retry_after_s, self.is_own = status, failures, retry_after_s, is_own

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.calls += 1
        self.is_asked.set()
        if self.failures and list(texts) != [HELLO]:
            self.failures -= 1
            if self.is_own:
                raise EmbedderError("refused", status=self.status, retry_after_s=self.retry_after_s)
            raise Refused(self.status)
        return await super().embed(texts)


class Refused(Exception):
    """The error of another library."""

    def __init__(self, status_code: int) -> None:
        super().__init__("no")
        self.status_code = status_code


def provider(storage: SQLiteStorage, embedder: Meanings) -> RecallProvider:
    return RecallProvider(storage=storage, user_id="ana", embedder=embedder)


@pytest.mark.parametrize("is_own", [True, False], ids=["EmbedderError", "another error"])
@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_service_that_is_busy_or_down_refuses_no_text(
    storage: SQLiteStorage, caplog: pytest.LogCaptureFixture, status: int, *, is_own: bool
) -> None:
    await tell(storage)
    embedder = Service(status, failures=1, is_own=is_own)
    recall = provider(storage, embedder)
    with pytest.raises((EmbedderError, Refused)):
        await recall.catch_up()
    assert embedder.calls == 1
    assert (await recall.stats()).vectors == 0
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    assert "without a vector" not in caplog.text
    await recall.close()


@pytest.mark.parametrize("is_own", [True, False], ids=["EmbedderError", "another error"])
@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_text_that_a_service_refuses_costs_the_others_nothing(
    storage: SQLiteStorage, caplog: pytest.LogCaptureFixture, status: int, *, is_own: bool
) -> None:
    await tell(storage)
    recall = provider(storage, Service(status, failures=3, is_own=is_own))  # the batch, and one text twice
    await recall.catch_up()
    assert (await recall.stats()).vectors == 6
    assert "1 texts are remembered without a vector" in caplog.text
    await recall.close()


async def test_work_in_the_background_asks_a_busy_service_later_and_searches_do_not_wait(
    storage: SQLiteStorage,
) -> None:
    await tell(storage)
    embedder = Service(429, failures=4, retry_after_s=0.05)
    recall = provider(storage, embedder)
    making = asyncio.create_task(recall.catch_up())
    await asyncio.wait_for(embedder.is_asked.wait(), 5)
    calls = embedder.calls
    assert (await recall.search("puppy"))[0].text == "We got a puppy."
    assert embedder.calls == calls
    assert (await making).vectors == 6
    assert (await recall.search("hound?"))[0].text == "We got a puppy."
    await recall.close()


async def test_a_search_does_not_wait_for_a_busy_service_again_and_again(storage: SQLiteStorage) -> None:
    await tell(storage)
    embedder = Service(429, failures=100, retry_after_s=3_600)
    recall = provider(storage, embedder)
    assert await recall.search("hound?") == []
    await recall.flush()
    assert embedder.calls == 2  # the search's, and one in the background
    assert (await recall.search("puppy"))[0].text == "We got a puppy."
    await recall.close()


class Slow(Meanings):
    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        await asyncio.sleep(0.1)
        return await super().embed(texts)


async def test_a_failure_that_took_long_is_not_waited_for_at_once_again(storage: SQLiteStorage) -> None:
    await tell(storage)
    embedder = Slow()
    embedder.failure = EmbedderError("the service failed", status=500)
    recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder)
    recall._of().meaning._patience.limit_s = 0.3  # pyright: ignore[reportPrivateUsage]
    for _ in range(4):
        assert (await recall.search("puppy"))[0].text == "We got a puppy."
        await recall.flush()
    assert embedder.calls == 2  # one of them in the background
    await recall.close()


@pytest.mark.parametrize("way", ["hangs", "wants to be asked later"])
async def test_closing_does_not_wait_for_an_embedder_that_hangs(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(text_vectors, "END_S", 0.1)
    await tell(storage)
    embedder = Meanings() if way == "hangs" else Service(429, failures=100, retry_after_s=60)
    embedder.hangs = way == "hangs"
    recall = provider(storage, embedder)
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await store.add_messages([ChatMessage("user", "A ship sank.")])
    await recall.invoked([], [], thread=AgentThread(message_store=store))
    await asyncio.wait_for(embedder.is_asked.wait(), 5)
    began = time.monotonic()
    await recall.close()
    assert time.monotonic() - began < 30  # and not the minute that a batch may take
    again = provider(storage, Meanings())
    assert (await again.search("boat?"))[0].text in ("A ship sank.", "He built a canoe.")
    await again.close()


async def test_closing_leaves_a_backlog_of_vectors_to_the_next_process(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_vectors, "END_S", 0.15)
    for number in range(100):
        await say(storage, f"thread {number % 5}", *pair(f"We got puppy number {number}."))
    embedder = Slow()
    recall = provider(storage, embedder)
    await recall.search("hound?")
    await embedder.is_asked.wait()
    await recall.close()
    assert len(embedder.asked) < 100
    again = provider(storage, Meanings())
    await again.catch_up()
    assert (await again.stats()).vectors == 200
    await again.close()
