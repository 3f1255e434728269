"""Whose memories they are: never another tenant's, whatever the ids and the texts look like."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recuerda import AgentThread, ChatMessage, ChatMessageStore
from recuerda.errors import ConfigurationError, InvalidInput, ThreadOwnershipError
from recuerda.recall import RecallProvider, ThreadSearch
from recuerda.recall.text import MAX_TEXT
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.ram import MemoryStorage
from recuerda.testing.scripted import ScriptedChatClient
from tests.recall.talking import pair, person, say

HOSTILE = (
    "ana",
    "user:ana",
    "thread:ana",
    "ana' OR '1'='1",
    'ana" OR "a"="a',
    "*",
    "%",
    "ana AND user:ben",
    "../ana",
    "🦜",
    "a\nb",
    "x" * 512,
)


async def test_nobody_finds_what_another_user_said(storage: SQLiteStorage) -> None:
    recall = RecallProvider(storage=storage)
    for number, name in enumerate(HOSTILE):
        await say(storage, f"{name[:400]} {number}", *pair(f"My secret is word{number}."), user=name)
    for number, name in enumerate(HOSTILE):
        found = await recall.search("What is my secret word? " + " ".join(f"word{n}" for n in range(20)), user_id=name)
        assert {memory.text for memory in found if memory.role == "user"} == {f"My secret is word{number}."}
    await recall.close()


ASKED: dict[str, Callable[[RecallProvider, ThreadSearch, str], Awaitable[object]]] = {
    "search": lambda recall, _, user: recall.search("Where do I hide amber?", user_id=user),
    "explain": lambda recall, _, user: recall.explain("Where do I hide amber?", user_id=user),
    "memories": lambda recall, _, user: _memories(recall, user),
    "standing": lambda recall, _, user: recall.standing(user_id=user),
    "forgotten": lambda recall, _, user: recall.forgotten(user_id=user),
    "forget by words": lambda recall, _, user: recall.forget(query="amber", user=user),
    "forget all": lambda recall, _, user: recall.forget(user=user),
    "threads": lambda _, threads, user: threads.search("amber", user_id=user),
}


async def _memories(recall: RecallProvider, user: str) -> object:
    return (await recall.memories(user_id=user)).memories


@pytest.mark.parametrize("first", ["ana", "ben"])
@pytest.mark.parametrize("asked", ASKED)
async def test_a_thread_that_was_given_away_is_its_new_owners_alone(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, index_path: Path, asked: str, first: str
) -> None:
    recall = RecallProvider(index_path, storage=storage)
    threads = ThreadSearch(storage, index_path)
    ask = ASKED[asked]
    await say(storage, "one", *pair("Always hide my amber in the attic."), turn_id="told")
    await say(storage, "one", *pair("Never say amber aloud."))
    await recall.forget(thread="one", turn=2)
    for user in ("ana", "ben"):  # each user was searched before, so the index is not compared with all threads again
        await recall.search("amber", user_id=user)
        await threads.search("amber", user_id=user)
    await elsewhere.update_thread("one", user_id="ben")
    for user in (first, "ben" if first == "ana" else "ana"):
        found = await ask(recall, threads, user)
        assert bool(found) == (user == "ben"), user
    await threads.close()
    await recall.close()


async def test_a_provider_of_one_user_is_not_asked_for_another(recall: RecallProvider) -> None:
    for ask in (recall.search("secret", user_id="ben"), recall.facts(user_id="ben"), recall.catch_up("ben")):
        with pytest.raises(ThreadOwnershipError, match="another user"):
            await ask


async def test_a_provider_of_one_user_neither_recalls_nor_learns_in_another_s_thread(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "ben's", *pair("I collect amber."), user="ben")
    thread = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="ben's"))
    with pytest.raises(ThreadOwnershipError, match='"ben\'s" belongs to another user'):
        await recall.invoking([ChatMessage("user", "amber")], thread=thread)
    with pytest.raises(ThreadOwnershipError):
        await recall.invoked([], [], thread=thread)
    assert await recall.search("amber") == []


async def test_a_thread_of_nobody_remembers_only_itself(storage: SQLiteStorage) -> None:
    recall = RecallProvider(storage=storage)
    await say(storage, "one", *pair("I collect amber."), user=None)
    await say(storage, "two", *pair("I collect red amber."), user=None)
    found = await recall.search("amber", thread_id="one")
    assert {memory.thread_id for memory in found} == {"one"}
    with pytest.raises(ConfigurationError, match="whose memories"):
        await recall.search("amber")
    await recall.close()


async def test_a_thread_of_nobody_is_the_provider_s_user_s_once_it_ran_there(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("I collect amber."), user=None)
    assert await recall.search("amber") == []
    thread = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="one"))
    await recall.invoked([], [], thread=thread)
    assert (await recall.search("amber"))[0].text == "I collect amber."


async def test_a_new_thread_of_another_user_is_refused_before_anything_is_searched(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("I collect amber."))
    thread = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="new", user_id="ben"))
    with pytest.raises(ThreadOwnershipError, match="another user"):
        await recall.invoking([ChatMessage("user", "amber")], thread=thread)
    with pytest.raises(ThreadOwnershipError, match="another user"):
        await recall.invoked([], [], thread=thread)
    assert (await recall.stats()).threads == 0


async def test_a_thread_of_nobody_stays_with_the_first_user_for_whom_a_provider_ran(storage: SQLiteStorage) -> None:
    recalls = {name: RecallProvider(storage=storage, user_id=name) for name in ("ana", "ben")}
    client = ScriptedChatClient(default="I see.")
    agents = {name: client.create_agent(storage=storage, context_providers=recall) for name, recall in recalls.items()}
    await agents["ana"].run("I collect amber.", thread="default")
    reply = await agents["ben"].run("I collect basalt.", thread="default")
    assert len(reply.warnings) == 2
    assert all("belongs to another user" in warning for warning in reply.warnings)
    assert await recalls["ben"].search("collect amber basalt") == []
    assert "I collect amber." in {memory.text for memory in await recalls["ana"].search("amber")}
    for recall in recalls.values():
        await recall.close()


async def test_a_provider_of_all_users_lends_no_other_memories_to_a_thread_of_nobody(storage: SQLiteStorage) -> None:
    anas, everybodys = RecallProvider(storage=storage, user_id="ana"), RecallProvider(storage=storage, recent_turns=0)
    await say(storage, "secret", *pair("My secret stone is amber."))
    await say(storage, "default", *pair("My favourite stone is basalt."), user=None)
    thread = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="default"))
    await anas.invoked([], [], thread=thread)
    context = await everybodys.invoking([ChatMessage("user", "Which stone?")], thread=thread)
    assert context is not None
    assert "basalt" in context.messages[0].text
    assert "amber" not in context.messages[0].text
    await anas.close()
    await everybodys.close()


async def test_a_group_has_memories_of_its_own_in_which_each_speaker_is_found(storage: SQLiteStorage) -> None:
    recall = RecallProvider(storage=storage)
    for number, (name, text) in enumerate(
        (("Ana", "I would name the boat Walrus."), ("Ben", "I would name the boat Heron."), ("Zoe", "No boat for me."))
    ):
        await say(storage, f"group {number}", person(name, text), user="group")
    await say(storage, "private", *pair("I hate the boat, tell nobody."))
    for name, word in (("Ana", "Walrus"), ("Ben", "Heron"), ("Zoe", "No boat")):
        best = (await recall.search(f"What did {name} say about the boat?", user_id="group"))[0]
        assert (best.speaker, word in best.text) == (name, True)
    seen: dict[str, str] = {}
    for thread_id, user in (("group new", "group"), ("private new", "ana")):
        store = ChatMessageStore(storage=storage, thread_id=thread_id, user_id=user)
        thread = AgentThread(message_store=store)
        context = await recall.invoking([person("Ana", "What do you know about the boat?")], thread=thread)
        assert context is not None
        seen[user] = context.messages[0].text
    assert [word in seen["group"] for word in ("Walrus", "Heron", "No boat", "hate")] == [True, True, True, False]
    assert [word in seen["ana"] for word in ("Walrus", "Heron", "No boat", "hate")] == [False, False, False, True]
    await recall.close()


async def test_memories_of_one_thread_alone_are_found(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "one", *pair("I collect amber."))
    await say(storage, "two", *pair("I collect red amber."))
    found = await recall.search("amber", thread_id="two")
    assert {memory.thread_id for memory in found} == {"two"}


@pytest.mark.parametrize("bad", ["", "a\x00b", "\ud800", "x" * 513], ids=["empty", "NUL", "surrogate", "long"])
async def test_an_id_that_cannot_be_one_is_refused(storage: SQLiteStorage, bad: str) -> None:
    with pytest.raises(InvalidInput):
        RecallProvider(storage=storage, user_id=bad)
    recall = RecallProvider(storage=storage)
    with pytest.raises(InvalidInput):
        await recall.search("amber", user_id=bad)
    await recall.close()


QUERIES = {
    "": False,
    "   ": False,
    "?": False,
    "the of and": False,
    'amber" OR scope:*': True,
    "amber* NEAR(x y) -z ^a (": True,
    "\x00\x00amber\x00": True,
    "\ud83d amber": True,
    "ámbêr" * 3: True,
    "âmêbr" * 3: False,
    "amber " * 100_000: True,
}
"""Texts, and whether they find a message about amber."""


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
async def test_any_text_is_a_query(storage: SQLiteStorage, recall: RecallProvider, query: str) -> None:
    await say(storage, "one", *pair("I collect amber."))
    assert bool(await recall.search(query)) == QUERIES[query]


async def test_a_message_of_any_size_is_remembered_by_its_beginning(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", ChatMessage("user", "I collect amber. " + "x y z " * 8_000_000))
    found = await recall.search("amber")
    assert len(found[0].text) <= MAX_TEXT
    assert found[0].text.startswith("I collect amber.")


async def test_bytes_that_are_no_text_do_no_harm(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "one", ChatMessage("user", "I collect\x00amber \x1b[31m\u202e now", author_name="A\x00na"))
    found = await recall.search("amber")
    assert "\x00" not in found[0].text
    assert found[0].speaker == "A na"


@settings(max_examples=settings().max_examples // 2)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=6), st.text(max_size=60))
def test_any_texts_can_be_remembered_and_asked_for(said: list[str], query: str) -> None:
    async def run() -> None:
        storage = MemoryStorage()
        recall = RecallProvider(storage=storage, user_id="ana")
        kept = [text.encode(errors="replace").decode() for text in said]
        for text in kept:
            await say(storage, "one", ChatMessage("user", text))
        await recall.search(query)
        expected = sum(bool(text.replace("\x00", " ").strip()) for text in kept)
        assert (await recall.stats()).documents == expected
        await recall.forget(thread="one")
        assert (await recall.stats()).documents == 0
        await recall.close()

    asyncio.run(run())
