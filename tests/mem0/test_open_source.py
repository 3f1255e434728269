"""Mem0's own library, for real: its pipeline and its vector store on the disk; only the model is scripted."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from recuerda import ChatMessage, ConfigurationError
from recuerda.errors import ProviderError
from recuerda.mem0 import Mem0Provider
from recuerda.testing import ScriptedChatClient
from recuerda.testing.openai_server import Failure, RecordedRequest, ScriptedOpenAIServer
from tests.mem0.threads import assistant, recalled, teach, thread_of, user
from tests.servers.qdrant import open_no_stray_connection

KEY = "sk-mem0-test"


class Extractor:
    """The model that Mem0 asks what to remember: it finds what a test tells it, and keeps what it was sent."""

    def __init__(self) -> None:
        self.facts: list[str] = []
        self.asked: list[str] = []
        self.failure: Failure | None = None

    def __call__(self, request: RecordedRequest) -> str | Failure:
        self.asked.append(json.dumps(request.messages, ensure_ascii=False))
        if self.failure is not None:
            return self.failure
        memory = [{"id": "new", "text": fact, "event": "ADD", "attributed_to": "user"} for fact in self.facts]
        return json.dumps({"facts": self.facts, "memory": memory})  # version 1 asks for the one, then for the other


@pytest.fixture(autouse=True, scope="module")
def qdrant() -> None:
    open_no_stray_connection()


@pytest.fixture
def extractor() -> Extractor:
    return Extractor()


@pytest.fixture
def models(extractor: Extractor) -> Iterator[ScriptedOpenAIServer]:
    with ScriptedOpenAIServer(default=extractor) as server:
        yield server


def settings(server: ScriptedOpenAIServer, folder: Path) -> dict[str, Any]:
    connection = {"api_key": KEY, "openai_base_url": server.base_url}
    store = {"path": str(folder / "vectors"), "on_disk": True, "collection_name": "m", "embedding_model_dims": 64}
    return {
        "llm": {"provider": "openai", "config": {"model": "llm", **connection}},
        "embedder": {"provider": "openai", "config": {"model": "embedder", "embedding_dims": 64, **connection}},
        "vector_store": {"provider": "qdrant", "config": store},
        "history_db_path": str(folder / "history.db"),
    }


def closed(memory: Any) -> None:
    memory.vector_store.client.close()
    if (entities := getattr(memory, "_entity_store", None)) is not None:
        entities.client.close()
    if (history := getattr(memory, "db", None)) is not None:
        history.close()


@pytest.fixture
async def memory(models: ScriptedOpenAIServer, tmp_path: Path) -> AsyncIterator[Any]:
    from mem0 import AsyncMemory

    made: Any = AsyncMemory.from_config(settings(models, tmp_path))
    memory = await made if inspect.isawaitable(made) else made
    yield memory
    closed(memory)


async def learn(provider: Mem0Provider, extractor: Extractor, fact: str, **options: Any) -> None:
    extractor.facts = [fact]
    await teach(provider, fact, **options)


async def test_what_is_learnt_in_a_thread_is_recalled_in_another(memory: Any, extractor: Extractor) -> None:
    client = ScriptedChatClient(["Noted.", "Green tea.", "I do not know."])
    provider = Mem0Provider(mem0_client=memory)
    extractor.facts = ["Drinks green tea without sugar"]
    async with client.create_agent(context_providers=provider) as agent:
        await agent.run("I drink green tea without sugar.", thread=agent.get_thread("one", user_id="ada"))
        await provider._learning.finish()  # pyright: ignore[reportPrivateUsage] - what a run must not wait for
        await agent.run("Which tea without sugar?", thread=agent.get_thread("two", user_id="ada"))
        await agent.run("Which tea without sugar?", thread=agent.get_thread("three", user_id="bob"))
    assert '- "Drinks green tea without sugar"' in client.requests[1].messages[0].text
    assert [message.text for message in client.requests[2].messages] == ["Which tea without sugar?"]
    assert "I drink green tea without sugar." in extractor.asked[0]


@pytest.mark.parametrize(
    "scope",
    [
        {"user_id": "ada"},
        {"agent_id": "cook"},
        {"thread_id": "t1"},
        {"user_id": "ada", "agent_id": "cook"},
        {"user_id": "ada", "application_id": "shop", "thread_id": "t1"},
        {"user_id": "ada", "agent_id": "cook", "application_id": "shop"},
    ],
    ids="-".join,
)
async def test_what_is_written_with_a_scope_is_found_with_it(
    memory: Any, extractor: Extractor, scope: dict[str, str]
) -> None:
    provider = Mem0Provider(memory, **scope)  # pyright: ignore[reportArgumentType] - ids
    await learn(provider, extractor, "Drinks green tea")
    assert "Drinks green tea" in await recalled(provider, "green tea")
    await provider.close()


@pytest.mark.parametrize(
    "other",
    [
        {"user_id": "bob", "agent_id": "cook", "application_id": "shop"},
        {"user_id": "ada", "agent_id": "tutor", "application_id": "shop"},
        {"user_id": "ada", "agent_id": "cook", "application_id": "bank"},
        {"user_id": "ada", "agent_id": "cook", "application_id": "shop", "thread_id": "t1"},
        {"agent_id": "cook", "application_id": "shop"},
    ],
    ids=["user", "agent", "application", "thread", "no-user"],
)
async def test_another_scope_finds_nothing(memory: Any, extractor: Extractor, other: dict[str, str]) -> None:
    own = Mem0Provider(memory, user_id="ada", agent_id="cook", application_id="shop")
    await learn(own, extractor, "Drinks green tea")
    another = Mem0Provider(memory, **other)  # pyright: ignore[reportArgumentType] - ids
    assert await recalled(another, "green tea") == ""
    assert await recalled(own, "green tea") != ""
    await own.close()
    await another.close()


async def test_a_user_sees_the_memories_of_all_their_applications(memory: Any, extractor: Extractor) -> None:
    shop, everywhere = Mem0Provider(memory, user_id="ada", application_id="shop"), Mem0Provider(memory, user_id="ada")
    await learn(shop, extractor, "Drinks green tea")
    assert "Drinks green tea" in await recalled(everywhere, "green tea")
    await shop.close()
    await everywhere.close()


async def test_a_thread_without_a_user_sees_no_users_memories(
    memory: Any, extractor: Extractor, caplog: pytest.LogCaptureFixture
) -> None:
    """The library's search for an agent also finds what is a user's of that agent; the provider leaves it out."""
    await memory.add([{"role": "user", "content": "x"}], user_id="ada", agent_id="cook", infer=False)
    extractor.facts = []
    provider = Mem0Provider(memory, agent_id="cook")
    with caplog.at_level(logging.WARNING, "recuerda"):
        assert await recalled(provider, "x") == ""
    assert "of another owner" in caplog.text
    await provider.close()


async def test_memories_survive_a_restart(models: ScriptedOpenAIServer, extractor: Extractor, tmp_path: Path) -> None:
    from mem0 import AsyncMemory

    for expected in (None, "Drinks green tea"):
        made: Any = AsyncMemory.from_config(settings(models, tmp_path))
        memory = await made if inspect.isawaitable(made) else made
        provider = Mem0Provider(memory, user_id="ada")
        if expected is None:
            await learn(provider, extractor, "Drinks green tea")
        else:
            assert expected in await recalled(provider, "green tea")
        await provider.close()
        closed(memory)


async def test_over_many_turns_what_is_recalled_is_never_extracted_again(memory: Any, extractor: Extractor) -> None:
    fact = "Drinks green tea without any sugar"
    provider = Mem0Provider(memory, user_id="ada")
    await learn(provider, extractor, fact)
    extractor.facts = []
    extractor.asked.clear()
    client = ScriptedChatClient(default=f"You know: {fact}! Take sencha.")
    async with client.create_agent(context_providers=provider) as agent:
        for number in range(10):
            await agent.run(f"Which tea without sugar for dish {number}?", thread="t")
            await provider._learning.finish()  # pyright: ignore[reportPrivateUsage] - so that the next turn finds it
    assert all(fact in request.messages[-2].text for request in client.requests)
    assert len(extractor.asked) == 10
    for text in extractor.asked:
        assert "noted in earlier conversations" not in text
        assert "You know" not in text
        assert "Take sencha." in text


async def test_the_synchronous_library_works_beside_the_event_loop(
    models: ScriptedOpenAIServer, extractor: Extractor, tmp_path: Path
) -> None:
    from mem0 import Memory

    # SQLite's connection may be used from other threads; Mem0 opens it so.
    memory: Any = await asyncio.to_thread(Memory.from_config, settings(models, tmp_path))
    provider = Mem0Provider(memory, user_id="ada", application_id="shop")
    await learn(provider, extractor, "Drinks green tea")
    assert "Drinks green tea" in await recalled(provider, "green tea")
    await provider.close()
    closed(memory)


async def test_the_library_needs_more_than_an_application(memory: Any) -> None:
    provider = Mem0Provider(memory, application_id="shop")
    with pytest.raises(ConfigurationError, match="for an application_id alone"):
        await provider.invoking(user("tea"), thread=thread_of())
    await provider.close()


async def test_embeddings_that_fail_are_told(memory: Any, models: ScriptedOpenAIServer) -> None:
    provider = Mem0Provider(memory, user_id="ada")
    models.__exit__(None, None, None)
    memory.embedding_model.client = memory.embedding_model.client.with_options(max_retries=0)
    with pytest.raises(ProviderError, match="cannot be reached"):
        await provider.invoking(user("tea"), thread=thread_of())
    await provider.close()


async def test_a_model_that_fails_is_told_with_the_next_reply(memory: Any, extractor: Extractor) -> None:
    """Version 1 of the library logs this failure itself, and nobody else hears of it."""
    provider = Mem0Provider(memory, user_id="ada")
    extractor.failure = Failure(401, "wrong key", headers={"x-should-retry": "false"})
    await teach(provider, "tea")
    if version("mem0ai").startswith("1."):
        await provider.close()
        return
    with pytest.raises(ProviderError, match="cannot learn"):
        await provider.invoked(user("tea"), assistant("Yes."), thread=thread_of())
    await provider.close()


async def test_a_library_without_a_model_still_searches(memory: Any, extractor: Extractor) -> None:
    extractor.failure = Failure(401, "wrong key", headers={"x-should-retry": "false"})
    provider = Mem0Provider(memory, user_id="ada")
    messages = [ChatMessage("user", "green tea")]
    assert await provider.invoking(messages, thread=thread_of()) is None
    await provider.close()


async def test_an_erased_user_is_not_remembered_and_others_are(memory: Any, extractor: Extractor) -> None:
    provider = Mem0Provider(memory, application_id="shop")
    for name in ("ada", "bob"):
        await learn(provider, extractor, f"{name} drinks tea", thread=thread_of(user_id=name))
    assert await provider.forget(["one"], user_id="ada") == 1
    assert await recalled(provider, "tea", thread=thread_of(user_id="ada")) == ""
    assert "bob drinks tea" in await recalled(provider, "tea", thread=thread_of(user_id="bob"))
    await provider.close()
