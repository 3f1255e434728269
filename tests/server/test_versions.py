"""Changes that meet another writer, a deleted conversation, or a server that dies between two writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from openai import APIStatusError, AsyncOpenAI, ConflictError, InternalServerError, NotFoundError

from recuerda import NewTurn, Storage, open_storage
from recuerda._drivers.bearer_keys import digest_of
from recuerda.server import TenantKeys
from recuerda.testing import ScriptedOpenAIServer
from tests.between import before
from tests.server.serving import running, sdk
from tests.server.test_conversations import ON_BOTH, said, texts

ANN = "key-of-ann-0123456789"
OTHER = NewTurn(body=b'{"messages":[{"role":"user","content":"of another writer"}]}', message_count=1)


@pytest.fixture(autouse=True)
def answers(model: ScriptedOpenAIServer) -> None:
    model.default = "Yes."


async def dies() -> None:
    raise ConnectionResetError


async def first_item(client: AsyncOpenAI, conversation: str) -> str:
    return cast("str", (await client.conversations.items.list(conversation, order="asc")).data[0].id)


@ON_BOTH
@pytest.mark.parametrize("method", ["update_thread", "rewrite"])
async def test_a_server_that_dies_while_it_deletes_an_item_leaves_nothing_to_list_or_to_send_after_the_retry(
    client: AsyncOpenAI,
    storage: Storage,
    storage_url: str,
    model: ScriptedOpenAIServer,
    *,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    made = await client.conversations.create(items=said("My secret is swordfish.", "I like tea."))
    gone = await first_item(client, made.id)
    async with open_storage(storage_url) as again, running(again, model.base_url) as url, sdk(url) as other:
        await other.responses.create(conversation=made.id, input="Noted?")
        await other.conversations.items.list(made.id, order="asc")
        before(monkeypatch, storage, method, dies)
        with pytest.raises(InternalServerError):
            await client.conversations.items.delete(gone, conversation_id=made.id)
        await client.conversations.items.delete(gone, conversation_id=made.id)
        assert "swordfish" not in str((await other.conversations.items.list(made.id, order="asc")).data)
        await other.responses.create(conversation=made.id, input="What do I like?")
    assert "swordfish" not in str(model.requests[-1].messages)
    info = await storage.head(made.id)
    assert info is not None
    assert info.title is None


async def test_a_title_of_the_items_that_stay_is_kept(client: AsyncOpenAI, storage: Storage) -> None:
    made = await client.conversations.create(items=said("About tea.", "Green tea."))
    listed = (await client.conversations.items.list(made.id)).data
    await client.conversations.items.delete(cast("str", listed[0].id), conversation_id=made.id)
    info = await storage.head(made.id)
    assert info is not None
    assert info.title == "About tea."


async def test_an_item_is_deleted_although_another_server_adds_a_turn(
    client: AsyncOpenAI, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await client.conversations.create(items=said("One.", "Two."))
    gone = await first_item(client, made.id)
    before(monkeypatch, storage, "rewrite", lambda: storage.append(made.id, OTHER))
    await client.conversations.items.delete(gone, conversation_id=made.id)
    assert texts((await client.conversations.items.list(made.id, order="asc")).data) == ["Two."]
    assert (await storage.read(made.id)).records[-1].body == OTHER.body


async def test_a_change_that_always_meets_another_writer_is_a_conflict(
    client: AsyncOpenAI, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await client.conversations.create(items=said("One."))
    before(monkeypatch, storage, "update_thread", lambda: storage.append(made.id, OTHER), times=100)
    with pytest.raises(ConflictError):
        await client.conversations.update(made.id, metadata={"a": "b"})
    assert (await client.conversations.retrieve(made.id)).metadata == {}


async def test_a_clients_metadata_leaves_the_applications_alone(client: AsyncOpenAI, storage: Storage) -> None:
    made = await client.conversations.create(metadata={"a": "1", "b": "2"})
    await storage.update_thread(made.id, metadata={"application": [1]})
    assert (await client.conversations.update(made.id, metadata={"c": "3"})).metadata == {"c": "3"}
    info = await storage.head(made.id)
    assert info is not None
    assert info.metadata["application"] == [1]


async def _update(client: AsyncOpenAI, conversation: str) -> None:
    await client.conversations.update(conversation, metadata={"a": "b"})


async def _add_item(client: AsyncOpenAI, conversation: str) -> None:
    await client.conversations.items.create(conversation, items=said("Late."))


async def _delete_item(client: AsyncOpenAI, conversation: str) -> None:
    listed = (await client.conversations.items.list(conversation)).data
    await client.conversations.items.delete(cast("str", listed[0].id), conversation_id=conversation)


@pytest.mark.parametrize(
    ("method", "late"),
    [("update_thread", _update), ("append", _add_item), ("rewrite", _delete_item)],
    ids=["metadata", "items", "deletion"],
)
async def test_a_late_write_does_not_bring_a_deleted_conversation_back(
    client: AsyncOpenAI,
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    late: Callable[[AsyncOpenAI, str], Awaitable[object]],
) -> None:
    made = await client.conversations.create(items=said("One.", "Two."))
    before(monkeypatch, storage, method, lambda: storage.delete(made.id))
    with pytest.raises(NotFoundError):
        await late(client, made.id)
    assert await storage.head(made.id) is None


@ON_BOTH
@pytest.mark.parametrize("items", [(), ("One.",)], ids=["empty", "begun"])
async def test_an_answer_for_a_conversation_that_was_deleted_meanwhile_is_a_conflict(
    client: AsyncOpenAI, storage: Storage, monkeypatch: pytest.MonkeyPatch, items: tuple[str, ...]
) -> None:
    made = await client.conversations.create(items=said(*items))
    before(monkeypatch, storage, "append", lambda: storage.delete(made.id))
    with pytest.raises(ConflictError):
        await client.responses.create(conversation=made.id, input="Are you there?")
    assert await storage.head(made.id) is None
    with pytest.raises(NotFoundError):
        await client.responses.create(conversation=made.id, input="And now?")


async def test_a_turn_that_another_server_adds_survives_the_deletion_of_the_only_response(
    client: AsyncOpenAI,
    storage: Storage,
    storage_url: str,
    model: ScriptedOpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = await client.responses.create(input="a")
    async with open_storage(storage_url) as again, running(again, model.base_url) as url, sdk(url) as other:
        later: list[Any] = []

        async def goes_on() -> None:
            later.append(await other.responses.create(input="b", previous_response_id=first.id))

        before(monkeypatch, storage, "delete", goes_on)
        await client.responses.delete(first.id)
        assert (await client.responses.retrieve(later[0].id)).output_text == "Yes."
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(first.id)


async def test_a_copy_of_a_chain_that_was_deleted_meanwhile_is_a_conflict(
    client: AsyncOpenAI, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await client.responses.create(input="a")
    await client.responses.create(input="b", previous_response_id=first.id)
    chain = (await storage.list_threads()).threads[0].id
    real = storage.read

    async def read(thread_id: str, **options: Any) -> Any:
        if not options:  # only a copy reads a whole thread anew
            await storage.delete(chain)
        return await real(thread_id, **options)

    monkeypatch.setattr(storage, "read", read)
    with pytest.raises(ConflictError):
        await client.responses.create(input="c", previous_response_id=first.id)
    assert (await storage.list_threads()).threads == ()


async def test_a_retry_of_a_response_that_a_trim_deleted_asks_no_model(
    client: AsyncOpenAI, storage: Storage, model: ScriptedOpenAIServer
) -> None:
    made = await client.conversations.create()
    headers = {"Idempotency-Key": "k"}
    await client.responses.create(conversation=made.id, input="a", extra_headers=headers)
    await client.responses.create(conversation=made.id, input="b")
    await storage.trim(made.id, keep_turns=1)
    with pytest.raises(APIStatusError, match="deleted since") as refusal:
        await client.responses.create(conversation=made.id, input="a", extra_headers=headers)
    assert refusal.value.status_code == 422
    assert len(model.requests) == 2


async def test_a_conversation_that_changed_hands_is_not_found(storage: Storage, model: ScriptedOpenAIServer) -> None:
    keys = TenantKeys({digest_of(ANN): "ann"})
    async with running(storage, model.base_url, keys=keys) as url, sdk(url, ANN) as ann:
        made = await ann.conversations.create(items=said("One."))
        await ann.responses.create(conversation=made.id, input="a")
        await storage.update_thread(f"ann:{made.id}", user_id="bob")
        for request in (
            ann.responses.create(conversation=made.id, input="b"),
            ann.conversations.update(made.id, metadata={}),
            ann.conversations.items.create(made.id, items=said("Two.")),
            ann.conversations.delete(made.id),
        ):
            with pytest.raises(NotFoundError):
                await request
    info = await storage.head(f"ann:{made.id}")
    assert info is not None
    assert (info.user_id, info.turns) == ("bob", 2)


async def test_without_keys_a_users_thread_is_not_found(client: AsyncOpenAI, storage: Storage) -> None:
    made = await client.conversations.create(items=said("One."))
    await storage.update_thread(made.id, user_id="ana")
    for request in (
        client.conversations.retrieve(made.id),
        client.conversations.update(made.id, metadata={}),
        client.conversations.delete(made.id),
    ):
        with pytest.raises(NotFoundError):
            await request
