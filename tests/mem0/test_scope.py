"""Whose memories: what is written is what is searched, and never anybody else's."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from recuerda import AgentThread, ChatMessageStore, ConfigurationError, InvalidInput, ThreadOwnershipError
from recuerda.mem0 import Mem0Provider
from recuerda.storage import MemoryStorage
from recuerda.testing import ScriptedChatClient
from tests.mem0.threads import assistant, recalled, teach, thread_of, user
from tests.servers.mem0_platform import Fault, Mem0Platform


def provider_of(platform: Mem0Platform, **scope: Any) -> Mem0Provider:
    return Mem0Provider(api_key=platform.key, host=platform.host, **scope)


@pytest.mark.parametrize(
    "scope",
    [
        {"user_id": "ada"},
        {"agent_id": "cook"},
        {"application_id": "shop"},
        {"thread_id": "t1"},
        {"user_id": "ada", "agent_id": "cook"},
        {"user_id": "ada", "application_id": "shop", "thread_id": "t1"},
        {"agent_id": "cook", "application_id": "shop"},
        {"user_id": "ada", "agent_id": "cook", "application_id": "shop", "thread_id": "t1"},
        {"user_id": "ada", "scope_to_per_operation_thread_id": True},
    ],
    ids="-".join,
)
async def test_what_is_written_with_a_scope_is_found_with_it(platform: Mem0Platform, scope: dict[str, Any]) -> None:
    provider = provider_of(platform, **scope)
    thread = thread_of()
    await teach(provider, "green tea", thread=thread)
    assert "green tea" in await recalled(provider, "tea", thread)
    await provider.close()


@pytest.mark.parametrize(
    "other",
    [
        {"user_id": "bob", "agent_id": "cook", "application_id": "shop", "thread_id": "t1"},
        {"user_id": "ada", "agent_id": "tutor", "application_id": "shop", "thread_id": "t1"},
        {"user_id": "ada", "agent_id": "cook", "application_id": "bank", "thread_id": "t1"},
        {"user_id": "ada", "agent_id": "cook", "application_id": "shop", "thread_id": "t2"},
        {"agent_id": "cook", "application_id": "shop", "thread_id": "t1"},
        {"application_id": "shop", "thread_id": "t1"},
    ],
    ids=["user", "agent", "application", "thread", "no-user", "neither"],
)
async def test_another_scope_finds_nothing(platform: Mem0Platform, other: dict[str, Any]) -> None:
    own = provider_of(platform, user_id="ada", agent_id="cook", application_id="shop", thread_id="t1")
    await teach(own, "green tea")
    another = provider_of(platform, **other)
    assert await recalled(another, "tea") == ""
    await own.close()
    await another.close()


async def test_each_users_thread_brings_its_user_along(platform: Mem0Platform) -> None:
    provider = provider_of(platform)
    await teach(provider, "green tea", thread=thread_of("ada"))
    await teach(provider, "black tea", thread=thread_of("bob"))
    assert "green" in (found := await recalled(provider, "tea", thread_of("ada")))
    assert "black" not in found
    assert "black" in await recalled(provider, "tea", thread_of("bob"))
    await provider.close()


async def test_threads_are_kept_apart_by_their_own_id_if_asked(platform: Mem0Platform) -> None:
    provider = provider_of(platform, user_id="ada", scope_to_per_operation_thread_id=True)
    await teach(provider, "green tea", thread=thread_of(thread_id="one"))
    assert await recalled(provider, "tea", thread_of(thread_id="two")) == ""
    assert "green" in await recalled(provider, "tea", thread_of(thread_id="one"))
    await provider.close()


async def test_without_a_scope_nothing_is_asked_or_written(platform: Mem0Platform) -> None:
    provider = provider_of(platform)
    for thread in (thread_of(), AgentThread(), AgentThread(service_thread_id="conv_1")):
        with pytest.raises(ConfigurationError, match="user_id, agent_id, application_id or thread_id"):
            await provider.invoking(user("tea"), thread=thread)
        with pytest.raises(ConfigurationError, match="get_thread"):
            await provider.invoked(user("tea"), assistant("Yes."), thread=thread)
    await provider.close()
    assert platform.calls == []


async def test_another_users_thread_is_refused_and_never_learnt(platform: Mem0Platform, provider: Mem0Provider) -> None:
    with pytest.raises(ThreadOwnershipError, match="another user"):
        await provider.invoking(user("tea"), thread=thread_of("bob"))
    with pytest.raises(ThreadOwnershipError, match="leave user_id out"):
        await provider.invoked(user("tea"), assistant("Yes."), thread=thread_of("bob"))
    await provider.close()
    assert platform.calls == []


@pytest.mark.parametrize(
    "stray",
    [{"user_id": "bob"}, {"run_id": "t2"}, {"app_id": "bank"}, {"agent_id": "tutor"}],
    ids=["user", "thread", "application", "agent"],
)
async def test_memories_of_others_that_come_anyway_are_left_out(
    platform: Mem0Platform, stray: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    provider = provider_of(platform, user_id="ada", agent_id="cook", application_id="shop", thread_id="t1")
    own = {"memory": "green tea", "user_id": "ada"}
    platform.on_search.append(Fault(body={"results": [{"memory": "black tea", **stray}, own]}))
    with caplog.at_level(logging.WARNING, "recuerda"):
        found = await recalled(provider, "tea")
    assert "green" in found
    assert "black" not in found
    assert "1 memories of another owner" in caplog.text
    assert "black" not in caplog.text
    await provider.close()


async def test_a_scope_without_a_user_shows_no_users_memories(platform: Mem0Platform) -> None:
    provider = provider_of(platform, agent_id="cook")
    platform.on_search.append(Fault(body={"results": [{"memory": "black tea", "user_id": "bob"}]}))
    assert await recalled(provider, "tea") == ""
    await provider.close()


@pytest.mark.parametrize("bad", ["*", " ada", "ada\n", "a da", "", "a\x00", "x" * 600])
@pytest.mark.parametrize("name", ["user_id", "agent_id", "application_id", "thread_id"])
def test_ids_that_mem0_would_take_for_others_are_refused(name: str, bad: str) -> None:
    with pytest.raises(InvalidInput, match=name.replace("_", " ")):
        Mem0Provider(api_key="k", **{name: bad})  # pyright: ignore[reportArgumentType] - one of the four


async def test_a_threads_user_that_means_everybody_is_refused(platform: Mem0Platform) -> None:
    provider = provider_of(platform)
    with pytest.raises(InvalidInput, match="memories of everybody"):
        await provider.invoking(user("tea"), thread=thread_of("*"))
    await provider.close()
    assert platform.calls == []


async def test_nothing_but_add_and_search_is_ever_asked_for(platform: Mem0Platform, provider: Mem0Provider) -> None:
    """Above all no deletion: Mem0's `delete_all` without a scope deletes everybody's memories."""
    await teach(provider, "green tea")
    await recalled(provider, "tea")
    await provider.close()
    assert {call.path for call in platform.calls} <= {
        "/v1/memories/",
        "/v3/memories/add/",
        "/v2/memories/search/",
        "/v3/memories/search/",
    }


async def test_a_thread_of_another_user_that_was_opened_without_a_user_is_refused(
    platform: Mem0Platform, provider: Mem0Provider
) -> None:
    storage = MemoryStorage()
    await ChatMessageStore(storage=storage, thread_id="bob's", user_id="bob").add_messages(user("I am Bob."))
    client = ScriptedChatClient(default="Noted.")
    async with client.create_agent(storage=storage, context_providers=provider) as agent:
        with pytest.raises(ThreadOwnershipError, match="another user"):
            await agent.run("What do I drink?", thread=agent.get_thread("bob's"))
    assert (client.requests, platform.calls) == ([], [])
