"""The titles that a model writes, and the titles that it leaves alone."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from recuerda import ChatClientError, ChatMessage, DataContent, Storage, ThreadInfo, Titler, UriContent
from recuerda.storage import MemoryStorage
from recuerda.testing.scripted import ScriptedChatClient


async def info_of(storage: Storage, thread_id: str = "t") -> ThreadInfo:
    info = await storage.head(thread_id)
    assert info is not None
    return info


async def test_a_model_titles_a_new_thread_once(storage: Storage) -> None:
    names = ScriptedChatClient(["“Trip to Porto.”\n\nI hope you like it"])
    agent = ScriptedChatClient(default="ok").create_agent(storage=storage, titler=Titler(names))
    await agent.run("please help me to plan a trip", thread="t", turn_id="one")
    await agent.run("and by train?", thread="t")
    await agent.run("please help me to plan a trip", thread="t", turn_id="one")
    await agent.close()
    assert "user: please help me to plan a trip\nassistant: ok" in names.requests[0].messages[0].text
    assert len(names.requests) == 1
    assert ((await info_of(storage)).title, (await info_of(storage)).title_turn) == ("Trip to Porto", 1)


async def test_a_written_title_goes_with_its_turn_and_the_next_turn_gets_its_own() -> None:
    storage = MemoryStorage()
    names = ScriptedChatClient(["First", "Second", "Third"])
    titler = Titler(names)
    agent = ScriptedChatClient(default="ok").create_agent(storage=storage, titler=titler)
    thread = agent.get_thread("t")
    await agent.run("one", thread=thread)
    await titler.close()
    assert (await info_of(storage)).title == "First"
    await storage.undo("t")
    assert (await info_of(storage)).title is None
    await agent.run("two", thread=thread)
    await titler.close()
    assert (await info_of(storage)).title == "Second"
    await agent.close()


async def test_a_turn_that_is_regenerated_gets_a_title_of_its_own(storage: Storage) -> None:
    names = ScriptedChatClient(["First", "Second"])
    titler = Titler(names)
    agent = ScriptedChatClient(default="ok").create_agent(storage=storage, titler=titler)
    await agent.run("one", thread="t")
    await titler.close()
    await agent.regenerate("t")
    await agent.close()
    info = await info_of(storage)
    assert (info.title, info.title_turn, info.turns, len(names.requests)) == ("Second", info.revision, 1, 2)


async def test_a_title_that_somebody_sets_stays() -> None:
    storage = MemoryStorage()
    started, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Titler):
        async def title(self, messages: Sequence[ChatMessage]) -> str:
            started.set()
            await go_on.wait()
            return "By a model"

    agent = ScriptedChatClient(default="ok").create_agent(storage=storage, titler=Slow(ScriptedChatClient()))
    # The answer does not wait for the title.
    await agent.run("one", thread="t")
    await started.wait()
    await storage.update_thread("t", title="By hand")
    go_on.set()
    await agent.close()
    assert ((await info_of(storage)).title, (await info_of(storage)).title_turn) == ("By hand", None)

    await storage.update_thread("u", title="Before")
    await agent.run("one", thread="u")
    await agent.close()
    assert (await info_of(storage, "u")).title == "Before"


async def test_a_title_is_written_beside_turns_and_other_settings() -> None:
    storage = MemoryStorage()
    agent = ScriptedChatClient(default="ok").create_agent(storage=storage)

    class Busy(Titler):
        async def title(self, messages: Sequence[ChatMessage]) -> str:
            await agent.run("two", thread="t")
            await storage.update_thread("t", metadata={"k": 1})
            return "Busy"

    titled = ScriptedChatClient(default="ok").create_agent(storage=storage, titler=Busy(ScriptedChatClient()))
    await titled.run("one", thread="t")
    await titled.close()
    info = await info_of(storage)
    assert (info.title, info.title_turn, info.turns, info.metadata) == ("Busy", 1, 2, {"k": 1})


async def test_nothing_is_titled_when_the_turn_is_gone_meanwhile() -> None:
    storage = MemoryStorage()

    class Undone(Titler):
        async def title(self, messages: Sequence[ChatMessage]) -> str:
            await storage.undo("t")
            return "Gone"

    agent = ScriptedChatClient(default="ok").create_agent(storage=storage, titler=Undone(ScriptedChatClient()))
    await agent.run("one", thread="t")
    await agent.close()
    assert (await info_of(storage)).title is None


@pytest.mark.parametrize("answer", [ChatClientError("the service is down"), ' "" \n', asyncio.CancelledError()])
async def test_a_failed_title_leaves_the_first_words_and_a_warning(answer: str | BaseException) -> None:
    storage = MemoryStorage()
    titler = Titler(ScriptedChatClient([answer]))
    agent = ScriptedChatClient(default="ok").create_agent(storage=storage, titler=titler)
    first = await agent.run("one", thread="t")
    await titler.close()
    second = await agent.run("two", thread="t")
    await agent.close()
    assert (first.warnings, len(second.warnings)) == ((), 1)
    assert second.warnings[0].startswith("Titler: work after a reply failed (t): ")
    assert (await info_of(storage)).title == "one"


async def test_a_title_that_takes_too_long_is_given_up() -> None:
    class Stuck(Titler):
        async def title(self, messages: Sequence[ChatMessage]) -> str:
            await asyncio.Event().wait()
            return ""

    titler = Stuck(ScriptedChatClient(), timeout=timedelta(milliseconds=10))
    agent = ScriptedChatClient(default="ok").create_agent(titler=titler)
    await agent.run("one", thread="t")
    await agent.close()
    assert "TimeoutError" in titler.take_failures()[0]


async def test_a_thread_that_begins_with_a_picture_gets_a_title() -> None:
    storage = MemoryStorage()
    names = ScriptedChatClient(["A cat"])
    agent = ScriptedChatClient(default="That is a cat.").create_agent(storage=storage, titler=Titler(names))
    picture = ChatMessage("user", [DataContent(data=b"png", media_type="image/png")])
    await agent.run(picture, thread="t")
    await agent.close()
    assert ((await info_of(storage)).title, (await info_of(storage)).title_turn) == ("A cat", 1)


@pytest.mark.parametrize(
    ("parts", "title"),
    [
        ([DataContent(b"png", "image/png", "my\n cat.png"), DataContent(b"png", "image/png", "b.png")], "my cat.png"),
        ([DataContent(bytes(9000), "image/png")], "image"),
        ([UriContent("https://e.com/a.bin", "application/x")], "file"),
        ([DataContent(b"png", "image/png", "a.png"), "Which cat?\nThis one?"], "Which cat?"),
        ([DataContent(b"wav", "audio/wav", "s" * 100)], "s" * 59 + "…"),
    ],
)
async def test_a_thread_without_words_has_the_name_of_its_first_file(
    storage: Storage, parts: list[str | DataContent | UriContent], title: str
) -> None:
    agent = ScriptedChatClient(default="I see.").create_agent(storage=storage)
    await agent.run(ChatMessage("user", parts), thread="t")
    await agent.run("and now some words", thread="t")
    assert ((await info_of(storage)).title, (await info_of(storage)).title_turn) == (title, 1)


async def test_a_long_title_is_cut_and_a_stream_is_titled_too() -> None:
    storage = MemoryStorage()
    titler = Titler(ScriptedChatClient(["w" * 500]), max_characters=10)
    agent = ScriptedChatClient(default="ok").create_agent(storage=storage, titler=titler)
    async for _ in agent.run_stream("one", thread="t"):
        pass
    await agent.close()
    assert (await info_of(storage)).title == "w" * 9 + "…"
