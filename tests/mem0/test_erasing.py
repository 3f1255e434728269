"""What Mem0 has learned of a user or a thread is deleted with the user or the thread."""

from __future__ import annotations

import pytest

from recuerda import AgentThread, ChatMessageStore, ProviderError, StorageUnavailable
from recuerda.mem0 import Mem0Provider
from recuerda.storage import MemoryStorage
from tests.mem0.threads import recalled, teach, user
from tests.servers.mem0_platform import Fault, Mem0Platform


def thread_on(storage: MemoryStorage, thread_id: str, user_id: str | None = None) -> AgentThread:
    return AgentThread(message_store=ChatMessageStore(storage=storage, thread_id=thread_id, user_id=user_id))


async def test_erasing_a_user_deletes_the_users_memories_and_no_others(platform: Mem0Platform) -> None:
    storage = MemoryStorage()
    provider = Mem0Provider(api_key=platform.key, host=platform.host)
    for name in ("ada", "bob"):
        await teach(provider, f"{name} drinks tea.", thread=thread_on(storage, f"{name}'s", name))
    receipt = await storage.erase_user("ada")
    assert [(one.name, one.outcome, one.items) for one in receipt.followers] == [("Mem0Provider", "removed", 2)]
    assert {memory["user_id"] for memory in platform.memories} == {"bob"}
    assert await recalled(provider, "tea", thread=thread_on(storage, "new", "ada")) == ""
    await provider.close()


async def test_memories_of_other_agents_and_applications_stay(platform: Mem0Platform) -> None:
    storage = MemoryStorage()
    shop = Mem0Provider(api_key=platform.key, host=platform.host, user_id="ada", application_id="shop")
    cook = Mem0Provider(api_key=platform.key, host=platform.host, user_id="ada", agent_id="cook")
    for provider in (shop, cook):
        await teach(provider, "I drink tea.", thread=thread_on(storage, "one"))
    assert await shop.forget([], user_id="ada") == 2
    assert [memory["metadata"] for memory in platform.memories] == [{"agent": "cook"}] * 2
    await shop.close()
    await cook.close()


async def test_more_memories_than_a_page_are_deleted(platform: Mem0Platform, provider: Mem0Provider) -> None:
    await teach(provider, *(f"tea {number}" for number in range(60)))
    assert len(platform.memories) == 120
    assert await provider.forget([], user_id="ada") == 120
    assert platform.memories == []


async def test_a_provider_of_one_user_deletes_nothing_of_another(
    platform: Mem0Platform, provider: Mem0Provider
) -> None:
    await teach(provider, "I drink tea.")
    assert await provider.forget(["t"], user_id="bob") == 0
    assert await provider.forget([], user_id="*") == 0
    assert len(platform.memories) == 2


async def test_deleting_a_thread_deletes_its_own_memories_only_if_threads_have_their_own(
    platform: Mem0Platform,
) -> None:
    storage = MemoryStorage()
    own = Mem0Provider(api_key=platform.key, host=platform.host, scope_to_per_operation_thread_id=True)
    shared = Mem0Provider(api_key=platform.key, host=platform.host)
    for provider in (own, shared):
        for thread_id in ("one", "two"):
            await teach(provider, f"tea in {thread_id}", thread=thread_on(storage, thread_id, "ada"))
    await storage.delete("one")
    assert {memory["run_id"] for memory in platform.memories} == {"two", None}
    assert len(platform.memories) == 6
    await storage.erase_user("ada")
    await own.forget([], user_id="ada")
    assert platform.memories == []
    await own.close()
    await shared.close()


async def test_a_turn_that_is_being_learned_is_deleted_too(platform: Mem0Platform) -> None:
    storage = MemoryStorage()
    platform.on_add.append(Fault(delay_s=0.2))
    provider = Mem0Provider(api_key=platform.key, host=platform.host)
    await provider.invoked(user("I drink tea."), [], thread=thread_on(storage, "one", "ada"))
    receipt = await storage.erase_user("ada")
    assert receipt.followers[0].outcome == "removed"
    assert platform.memories == []
    await provider.close()


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(Fault(status=503), "not reachable"), (Fault(status=429), "not reachable"), (Fault(status=400), "failed")],
    ids=["the service fails", "too many requests", "refused"],
)
async def test_the_receipt_says_that_mem0_did_not_delete(platform: Mem0Platform, fault: Fault, outcome: str) -> None:
    storage = MemoryStorage()
    provider = Mem0Provider(api_key=platform.key, host=platform.host)
    await teach(provider, "I drink tea.", thread=thread_on(storage, "one", "ada"))
    platform.on_list.extend([fault] * 10)
    receipt = await storage.erase_user("ada")
    assert [(one.name, one.outcome) for one in receipt.followers] == [("Mem0Provider", outcome)]
    assert "cannot delete memories" in (receipt.followers[0].problem or "")
    platform.on_list.clear()
    await provider.close()


async def test_a_mem0_that_is_away_is_not_reachable(platform: Mem0Platform) -> None:
    provider = Mem0Provider(api_key=platform.key, host="http://127.0.0.1:9", user_id="ada")
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        await provider.forget([], user_id="ada")
    await provider.close()


async def test_a_client_that_cannot_delete_says_so() -> None:
    class Reader:
        def add(self, messages: object, **options: object) -> None: ...

        def search(self, query: str, *, filters: object, top_k: int) -> list[object]:
            return []

    provider = Mem0Provider(Reader(), user_id="ada")
    with pytest.raises(ProviderError, match="has no get_all; delete them in Mem0"):
        await provider.forget([], user_id="ada")
