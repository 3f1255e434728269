"""Namespaces: what a user told one agent is not told to another agent of the same user, unless it may be."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recuerda import Agent, AgentThread, ChatMessage, ChatMessageStore
from recuerda.errors import InvalidInput, StorageUnavailable
from recuerda.json_value import JsonObject
from recuerda.recall import FactExtractor, RecallProvider, SQLiteRecallIndex
from recuerda.recall.index import RecallIndex
from recuerda.recall.scopes import MAX_NAMESPACE_BYTES, NAMESPACE_KEY, Whose, owner_of, thread_scope, user_scope
from recuerda.sqlite import SQLiteStorage
from recuerda.testing.scripted import ScriptedChatClient
from tests.recall.talking import pair, say
from tests.recall.test_facts import finds
from tests.recall.test_scopes import HOSTILE


@pytest.fixture
async def index(index_path: Path) -> AsyncIterator[SQLiteRecallIndex]:
    async with SQLiteRecallIndex(index_path) as index:
        yield index


@pytest.fixture
def therapist(index: RecallIndex, storage: SQLiteStorage) -> RecallProvider:
    return RecallProvider(index, storage=storage, namespace="therapist")


@pytest.fixture
def shop(index: RecallIndex, storage: SQLiteStorage) -> RecallProvider:
    return RecallProvider(index, storage=storage, namespace="shop", reads=["default"])


@pytest.fixture
def everyday(index: RecallIndex, storage: SQLiteStorage) -> RecallProvider:
    return RecallProvider(index, storage=storage)


def agent_of(recall: RecallProvider, storage: SQLiteStorage) -> tuple[Agent, ScriptedChatClient]:
    model = ScriptedChatClient(default="I see.")
    return model.create_agent(storage=storage, context_providers=[recall]), model


async def tell(recall: RecallProvider, storage: SQLiteStorage, thread: str, text: str, user: str | None = "ana") -> str:
    """Say something in a run, and return everything that the model got."""
    agent, model = agent_of(recall, storage)
    reply = await agent.run(text, thread=agent.get_thread(thread, user_id=user))
    assert not reply.warnings
    return "\n".join(message.text for message in model.requests[-1].messages)


async def found(recall: RecallProvider, query: str, user: str = "ana") -> set[str]:
    return {memory.text for memory in await recall.search(query, user_id=user) if memory.role == "user"}


async def test_an_agent_is_not_told_what_was_said_in_another_namespace(
    storage: SQLiteStorage, therapist: RecallProvider, shop: RecallProvider, everyday: RecallProvider
) -> None:
    await tell(therapist, storage, "couch", "I steal lanterns at night.")
    await tell(shop, storage, "counter", "I would like a red lantern.")
    await tell(everyday, storage, "kitchen", "My lantern is broken.")
    asked = {
        name: await tell(recall, storage, f"{name} asks", "What do you know about a lantern?")
        for name, recall in (("therapist", therapist), ("shop", shop), ("everyday", everyday))
    }
    seen = {name: {word for word in ("steal", "red", "broken") if word in text} for name, text in asked.items()}
    assert seen == {"therapist": {"steal"}, "shop": {"red", "broken"}, "everyday": {"broken"}}
    assert await therapist.search("lantern", user_id="ben") == []


async def test_all_namespaces_that_are_read_are_ranked_together(
    storage: SQLiteStorage, shop: RecallProvider, everyday: RecallProvider
) -> None:
    for number in range(4):
        await tell(shop, storage, f"s{number}", f"I bought a lantern, number {number}.")
    await tell(everyday, storage, "d", "The password of the lantern is walnut.")
    best = (await shop.search("What is the password of the lantern?", user_id="ana"))[0]
    assert (best.text, best.thread_id) == ("The password of the lantern is walnut.", "d")


async def test_a_lost_index_is_rebuilt_with_each_thread_in_its_namespace(
    storage: SQLiteStorage, therapist: RecallProvider, shop: RecallProvider, everyday: RecallProvider
) -> None:
    await tell(therapist, storage, "couch", "I steal lanterns at night.")
    await tell(shop, storage, "counter", "I would like a red lantern.")
    async with SQLiteRecallIndex(":memory:") as fresh:
        anew = [RecallProvider(fresh, storage=storage, namespace=name) for name in ("default", "therapist", "shop")]
        await anew[0].catch_up()
        assert [await found(recall, "lantern") for recall in anew] == [
            set(),
            {"I steal lanterns at night."},
            {"I would like a red lantern."},
        ]
        await anew[2].rebuild()
        assert [len(await found(recall, "lantern")) for recall in anew] == [0, 1, 1]
    assert await found(everyday, "lantern") == set()


async def test_a_thread_keeps_the_namespace_of_its_first_turn(
    storage: SQLiteStorage, therapist: RecallProvider, shop: RecallProvider, everyday: RecallProvider
) -> None:
    await tell(therapist, storage, "couch", "I steal lanterns at night.")
    await tell(shop, storage, "couch", "I would like a red lantern.")
    await tell(everyday, storage, "kitchen", "My lantern is broken.")
    await tell(shop, storage, "kitchen", "My lantern is mended.")
    assert len(await found(therapist, "lantern")) == 2
    assert await found(shop, "lantern") == await found(everyday, "lantern")
    assert len(await found(everyday, "lantern")) == 2


async def test_a_thread_is_named_before_its_first_turn_and_no_more(
    storage: SQLiteStorage, therapist: RecallProvider, everyday: RecallProvider
) -> None:
    await tell(everyday, storage, "kitchen", "My lantern is broken.")
    assert NAMESPACE_KEY not in await metadata(storage, "kitchen")
    agent, model = agent_of(therapist, storage)
    model.answers.append(RuntimeError("down"))
    with pytest.raises(RuntimeError):
        await agent.run("I steal lanterns at night.", thread=agent.get_thread("couch", user_id="ana"))
    assert await metadata(storage, "couch") == {NAMESPACE_KEY: "therapist"}
    edits = await storage.head("couch")
    for _ in range(2):
        await agent.run("I steal lanterns at night.", thread=agent.get_thread("couch", user_id="ana"))
    now = await storage.head("couch")
    assert edits is not None
    assert now is not None
    assert (now.edits, now.turns) == (edits.edits, 2)


async def test_a_thread_that_could_not_be_named_before_its_turn_is_named_after_it(
    storage: SQLiteStorage, therapist: RecallProvider, everyday: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_away(*arguments: object, **options: object) -> None:
        monkeypatch.undo()
        raise StorageUnavailable("the storage is away")

    agent, _ = agent_of(therapist, storage)
    monkeypatch.setattr(SQLiteStorage, "_update", is_away)
    reply = await agent.run("I steal lanterns.", thread=agent.get_thread("couch", user_id="ana"))
    assert len(reply.warnings) == 1
    assert await found(everyday, "lanterns") == set()
    assert await found(therapist, "lanterns") == {"I steal lanterns."}


async def metadata(storage: SQLiteStorage, thread_id: str) -> dict[str, object]:
    info = await storage.head(thread_id)
    assert info is not None
    return info.metadata


async def test_a_fork_is_in_the_namespace_of_its_thread(
    storage: SQLiteStorage, therapist: RecallProvider, everyday: RecallProvider
) -> None:
    await tell(therapist, storage, "couch", "I steal lanterns at night.")
    await ChatMessageStore(storage=storage, thread_id="couch", user_id="ana").fork(thread_id="copy")
    assert await found(everyday, "lanterns") == set()
    assert len(await therapist.search("lanterns", user_id="ana", thread_id="copy", roles=["user"])) == 1


async def test_a_thread_is_moved_by_its_metadata_and_takes_its_facts_along(
    storage: SQLiteStorage, index: RecallIndex, shop: RecallProvider
) -> None:
    model = ScriptedChatClient([finds({"text": "Ana steals lanterns."})])
    therapist = RecallProvider(index, storage=storage, namespace="therapist", facts=FactExtractor(model))
    await tell(therapist, storage, "couch", "I steal lanterns at night.")
    await therapist.flush()
    assert len(await therapist.facts(user_id="ana")) == 1
    await storage.update_thread("couch", metadata={NAMESPACE_KEY: "shop"})
    assert await found(therapist, "lanterns") == set()
    assert await therapist.facts(user_id="ana") == []
    assert await found(shop, "lanterns") == {"I steal lanterns at night."}


async def test_an_erasure_takes_all_namespaces_of_a_user_and_nothing_else(
    storage: SQLiteStorage, index: RecallIndex, shop: RecallProvider, everyday: RecallProvider
) -> None:
    therapist = RecallProvider(
        index,
        storage=storage,
        namespace="therapist",
        facts=FactExtractor(ScriptedChatClient([finds({"text": "Ana steals."})])),
    )
    await tell(therapist, storage, "couch", "I steal lanterns at night.")
    await therapist.flush()
    await tell(shop, storage, "nobody's", "I would like a red lantern.", user=None)
    for user, text in (("ana/x", "A blue lantern."), ("an", "A green lantern."), ("ana", "A grey lantern.")):
        await tell(shop, storage, f"of {user}", text, user=user)
    (*_, answer) = (await storage.erase_user("ana")).followers
    assert answer.outcome in ("removed", "nothing")
    assert await index.facts(user_scope("ana", "therapist")) == []
    assert [await found(shop, "lantern", user=user) for user in ("ana", "ana/x", "an")] == [
        set(),
        {"A blue lantern."},
        {"A green lantern."},
    ]
    assert (await everyday.stats()).threads == 3


async def test_a_thread_of_nobody_that_a_provider_of_a_user_followed_is_erased_with_the_user(
    storage: SQLiteStorage, index: RecallIndex
) -> None:
    shop = RecallProvider(index, storage=storage, user_id="ana", namespace="shop")
    await tell(shop, storage, "nobody's", "I would like a red lantern.", user=None)
    assert await found(shop, "lantern") == {"I would like a red lantern."}
    await storage.erase_user("ana")
    assert (await index.stats()).documents == 0


async def test_a_thread_of_nobody_is_searched_in_its_namespace_alone(
    storage: SQLiteStorage, therapist: RecallProvider, shop: RecallProvider
) -> None:
    await tell(therapist, storage, "couch", "I steal lanterns at night.", user=None)
    assert len(await therapist.search("lanterns", thread_id="couch", roles=["user"])) == 1
    assert await shop.search("lanterns", thread_id="couch") == []


async def test_a_provider_forgets_by_words_and_by_user_where_it_reads(
    storage: SQLiteStorage, therapist: RecallProvider, shop: RecallProvider
) -> None:
    await tell(therapist, storage, "couch", "I steal lanterns at night.")
    await tell(shop, storage, "counter", "I would like a red lantern.")
    assert await shop.forget(query="lantern", user="ana") == 2
    await tell(shop, storage, "counter", "I would like a red lantern.")
    assert await shop.forget(user="ana") == 2
    assert await found(therapist, "lanterns") == {"I steal lanterns at night."}


def test_names_of_owners_and_of_namespaces_are_never_confused() -> None:
    names = [*(name[:100] for name in HOSTILE), "a/b", "a%2Fb", "ana/shop", "thread/ana/shop"]
    scopes = [make(name, namespace) for make in (user_scope, thread_scope) for name in names for namespace in names]
    assert len(set(scopes)) == len(scopes)
    for name in names:
        for namespace in names:
            assert owner_of(user_scope(name, namespace), ()) == Whose(user_id=name, namespaces=())
            assert owner_of(thread_scope(name, namespace), ()) == Whose(thread_id=name, namespaces=())


def test_a_namespace_that_cannot_be_used_is_refused() -> None:
    for name in ("", "a\x00", "x" * (MAX_NAMESPACE_BYTES + 1)):
        with pytest.raises(InvalidInput, match="namespace"):
            RecallProvider(namespace=name)
    with pytest.raises(InvalidInput, match=r"reads=\['shared'\]"):
        RecallProvider(reads="shared")


async def test_a_thread_in_ram_that_is_saved_and_restored_is_in_its_namespace(tmp_path: Path) -> None:
    model = ScriptedChatClient(default="I see.")
    state: object = None
    for place in ("here", "there"):
        recall = RecallProvider(tmp_path / f"{place}.db", namespace="therapist")
        agent = model.create_agent(context_providers=[recall])
        thread = agent.get_thread("couch") if state is None else await agent.deserialize_thread(state)
        await agent.run("I steal lanterns at night.", thread=thread)
        state = await thread.serialize()
        assert thread.turn_store is not None
        everyday = RecallProvider(tmp_path / f"{place}.db", storage=thread.turn_store.storage)
        assert await everyday.search("lanterns", thread_id="couch") == [], place
        assert await recall.search("lanterns", thread_id="couch"), place
        await everyday.close()
        await recall.close()
    broken_states: list[JsonObject] = [{NAMESPACE_KEY: 5}, {}]
    for broken in broken_states:
        thread = AgentThread(message_store=ChatMessageStore(thread_id="other"))
        thread.provider_states["RecallProvider"] = broken
        async with RecallProvider() as unnamed:
            assert await unnamed.invoking([ChatMessage("user", "lanterns")], thread=thread) is None


async def test_a_namespace_in_metadata_that_cannot_be_used_is_the_default(
    storage: SQLiteStorage, everyday: RecallProvider
) -> None:
    for number, name in enumerate([5, "", {"a": 1}, "x" * 200]):
        await say(storage, f"t{number}", *pair(f"Lantern number {number}."))
        await storage.update_thread(f"t{number}", metadata={NAMESPACE_KEY: name})
    assert len(await found(everyday, "lantern")) == 4


async def test_a_thread_gets_its_namespace_from_the_application_too(
    storage: SQLiteStorage, therapist: RecallProvider, everyday: RecallProvider
) -> None:
    await storage.update_thread("imported", metadata={NAMESPACE_KEY: "therapist"}, user_id="ana")
    await say(storage, "imported", *pair("I steal lanterns."))
    thread = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="new", user_id="ana"))
    assert await everyday.invoking([ChatMessage("user", "lanterns")], thread=thread) is None
    assert await found(therapist, "lanterns") == {"I steal lanterns."}
