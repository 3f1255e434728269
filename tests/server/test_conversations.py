"""Conversations and their items, through OpenAI's own client."""

from __future__ import annotations

from typing import Any, cast

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError

from recuerda import ChatMessageStore, Storage, open_storage
from recuerda.storage.operations import ReadQuery, ThreadSlice
from recuerda.testing import ScriptedOpenAIServer
from tests.server.serving import running, sdk

ON_BOTH = pytest.mark.parametrize("storage_url", ["sqlite", "postgresql"], indirect=True)


def said(*texts: str) -> list[Any]:
    return [{"role": "user", "content": text} for text in texts]


def texts(items: list[Any]) -> list[str]:
    return [item.content[0].text for item in items]


@ON_BOTH
async def test_a_conversation_lasts_until_it_is_deleted(client: AsyncOpenAI) -> None:
    made = await client.conversations.create(items=said("I am Riker."), metadata={"ship": "Enterprise"})
    assert (await client.conversations.retrieve(made.id)).metadata == {"ship": "Enterprise"}
    updated = await client.conversations.update(made.id, metadata={"ship": "Titan"})
    assert (updated.id, updated.metadata) == (made.id, {"ship": "Titan"})
    assert texts((await client.conversations.items.list(made.id)).data) == ["I am Riker."]
    assert (await client.conversations.delete(made.id)).deleted
    with pytest.raises(NotFoundError, match=made.id):
        await client.conversations.retrieve(made.id)
    with pytest.raises(NotFoundError):
        await client.conversations.items.list(made.id)


async def test_a_conversation_is_there_for_another_server_on_the_same_storage(
    client: AsyncOpenAI, storage_url: str, model: ScriptedOpenAIServer
) -> None:
    made = await client.conversations.create(items=said("Hello."))
    async with open_storage(storage_url) as again, running(again, model.base_url) as url, sdk(url) as other:
        await other.conversations.items.create(made.id, items=said("Again."))
    assert texts((await client.conversations.items.list(made.id, order="asc")).data) == ["Hello.", "Again."]


@ON_BOTH
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 20, 100])
async def test_pages_give_every_item_once_and_in_order(client: AsyncOpenAI, order: Any, limit: int) -> None:
    made = await client.conversations.create()
    expected: list[str] = []
    for size in (1, 20, 2, 1, 7):
        batch = [f"{len(expected) + i}" for i in range(size)]
        await client.conversations.items.create(made.id, items=said(*batch))
        expected += batch
    listed = [item async for item in await client.conversations.items.list(made.id, order=order, limit=limit)]
    assert texts(listed) == (expected if order == "asc" else expected[::-1])


async def test_a_first_page_says_that_there_is_more_whatever_the_turns_are(client: AsyncOpenAI) -> None:
    made = await client.conversations.create()
    for _ in range(2):
        await client.conversations.items.create(made.id, items=said(*"abcdefghijklmnopqrst"))
    page = await client.conversations.items.list(made.id, limit=20)
    assert (len(page.data), page.has_more) == (20, True)


@ON_BOTH
async def test_a_page_reads_its_own_turns_and_no_others(
    client: AsyncOpenAI, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await client.conversations.create()
    turns = [[f"{i}", f"{i}!"] for i in range(60)]
    for turn in turns:
        await client.conversations.items.create(made.id, items=said(*turn))
    missing = (20, 21, 22, 40)
    for number in missing:
        await storage.undo(made.id, number=number)
    expected = [text for i, turn in enumerate(turns, 1) if i not in missing for text in turn]
    counts: list[int] = []
    read = type(storage)._read  # pyright: ignore[reportPrivateUsage] - it counts records

    async def counted(self: Storage, thread_id: str, query: ReadQuery) -> ThreadSlice:
        found = await read(self, thread_id, query)
        counts.append(len(found.records) + (found.found is not None))
        return found

    monkeypatch.setattr(type(storage), "_read", counted)
    for order in ("asc", "desc"):
        found: list[str] = []
        page = await client.conversations.items.list(made.id, order=order, limit=10)
        while True:
            assert sum(counts) <= 14, (order, len(found))
            counts.clear()
            found += texts(page.data)
            if not page.has_more:
                break
            page = await client.conversations.items.list(made.id, order=order, limit=10, after=page.last_id or "")
        assert found == (expected if order == "asc" else expected[::-1])


async def test_items_come_back_exactly_as_they_were(client: AsyncOpenAI, service: str, storage: Storage) -> None:
    items: list[Any] = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Look:"}], "future": {"a": [1]}},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0=", "detail": "high"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
            ],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "Well", "annotations": [{"type": "url_citation", "url": "x"}]},
                {"type": "refusal", "refusal": "no"},
            ],
        },
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "c2VhbGVk"},
        {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": '{"a": 1 }', "namespace": "math"},
        {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "2"}]},
        {"type": "function_call_output", "call_id": "call_1", "output": [], "future": 1},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [
                {"type": "input_text", "text": "3", "future": 1},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0=", "detail": "low", "future": 2},
                {"type": "input_file", "file_data": "JVBERi0=", "filename": "b.pdf"},
            ],
            "future": 3,
        },
        {"type": "some_future_call", "id": "sfc_1", "payload": {"deep": [None, True, 1.5]}},
    ]
    made = await client.conversations.create()
    url = f"{service}/v1/conversations/{made.id}/items"
    created = await client.post(url, cast_to=cast("Any", object), body={"items": items})
    for sent, kept in zip(items, created["data"], strict=True):
        assert {name: kept[name] for name in sent} == sent
        one: Any = await client.get(f"{url}/{kept['id']}", cast_to=cast("Any", object))
        assert one == kept
    assert created["data"][-1]["id"] == "sfc_1"
    kept = (await storage.read(made.id)).records[0].body
    assert (kept.count(b"iVBORw0="), kept.count(b"JVBERi0=")) == (2, 2)  # a file is never kept twice
    listed: Any = await client.get(f"{url}?order=asc", cast_to=cast("Any", object))
    assert listed["data"] == created["data"]


async def test_parts_that_the_models_server_cannot_take_are_refused_by_name(client: AsyncOpenAI) -> None:
    image: Any = {"type": "input_image", "image_url": "ftp://example.com/a.png"}
    refused: list[tuple[Any, str]] = [
        ({"type": "input_file", "file_url": "https://example.com/a.pdf"}, "content[0].file_url"),
        ({"type": "input_file", "filename": "a.pdf"}, "content[0].file_data"),
        (image, "content[0].image_url"),
        ({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}, "content[0].type"),
    ]
    for part, param in refused:
        with pytest.raises(BadRequestError) as caught:
            await client.responses.create(model="m", input=[{"role": "user", "content": [part]}])
        assert caught.value.param == f"input[0].{param}"
    output: Any = {"type": "function_call_output", "call_id": "call_1", "output": [image]}
    with pytest.raises(BadRequestError, match=r"'image_url'"):
        await client.responses.create(model="m", input=[output])


async def test_files_of_messages_and_outputs_reach_the_model_as_files(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.script.append("Seen.")
    picture = "data:image/png;base64,iVBORw0="
    shown: Any = [{"type": "input_text", "text": "map"}, {"type": "input_image", "image_url": picture, "detail": "low"}]
    attached: Any = [{"type": "input_file", "file_data": "JVBERi0=", "filename": "b.pdf"}]
    items: Any = [
        {"role": "user", "content": attached},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": shown},
    ]
    await client.responses.create(model="m", input=items)
    sent: Any = model.requests[-1].messages
    file = {"filename": "b.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
    assert sent[0]["content"] == [{"type": "file", "file": file}]
    assert sent[2]["content"].startswith("map\n[image")
    assert sent[3]["content"][1] == {"type": "image_url", "image_url": {"url": picture, "detail": "low"}}


async def test_a_deleted_item_is_gone_from_pages_the_storage_and_the_next_prompt(
    client: AsyncOpenAI, storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.script.extend(["First answer.", "Second answer."])
    made = await client.conversations.create(items=said("My secret is swordfish.", "I like tea."))
    await client.responses.create(conversation=made.id, input="Noted?")
    listed = (await client.conversations.items.list(made.id, order="asc")).data
    gone = cast("str", listed[0].id)
    assert (await client.conversations.items.delete(gone, conversation_id=made.id)).id == made.id
    with pytest.raises(NotFoundError):
        await client.conversations.items.retrieve(gone, conversation_id=made.id)
    with pytest.raises(NotFoundError):
        await client.conversations.items.delete(gone, conversation_id=made.id)
    rest = (await client.conversations.items.list(made.id, order="asc")).data
    assert [item.id for item in rest] == [item.id for item in listed[1:]]
    await client.responses.create(conversation=made.id, input="What do I like?")
    assert "swordfish" not in str(model.requests[-1].messages)
    assert "tea" in str(model.requests[-1].messages)
    found = await storage.read(made.id)
    assert all(b"swordfish" not in record.body for record in found.records)
    assert found.info is not None
    assert found.info.title != "My secret is swordfish."


async def test_a_warm_server_sees_what_another_one_deleted(
    client: AsyncOpenAI, storage_url: str, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    made = await client.conversations.create(items=said("My secret is swordfish."))
    await client.responses.create(conversation=made.id, input="Noted?")
    items = [item async for item in await client.conversations.items.list(made.id, order="asc")]
    async with open_storage(storage_url) as again, running(again, model.base_url) as url, sdk(url) as other:
        await other.conversations.items.delete(cast("str", items[0].id), conversation_id=made.id)
    await client.responses.create(conversation=made.id, input="And now?")
    assert "swordfish" not in str(model.requests[-1].messages)
    assert len((await client.conversations.items.list(made.id, order="asc")).data) == 4


async def test_the_last_item_of_a_turn_can_be_deleted_as_well(client: AsyncOpenAI) -> None:
    made = await client.conversations.create(items=said("One.", "Two."))
    for item in (await client.conversations.items.list(made.id)).data:
        await client.conversations.items.delete(cast("str", item.id), conversation_id=made.id)
    assert (await client.conversations.items.list(made.id)).data == []
    await client.conversations.items.create(made.id, items=said("Three."))
    assert texts((await client.conversations.items.list(made.id)).data) == ["Three."]


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([], "items"),
        ([{"role": "user", "content": "x"}] * 21, "items"),
        ([{"role": "robot", "content": "x"}], "items[0].role"),
        ([{"role": "user"}], "items[0].content"),
        ([{"role": "user", "content": [{"type": "input_text"}]}], "items[0].content[0].text"),
        ([{"role": "user", "content": [{"type": "hologram"}]}], "items[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "input_text", "text": 1}]}], "items[0].content[0].text"),
        ([{"type": "function_call", "name": "f", "arguments": "{}"}], "items[0].call_id"),
        ([{"type": "function_call_output", "call_id": "c", "output": 7}], "items[0].output"),
        ([{"content": "x"}], "items[0].type"),
        ([{"type": "item_reference"}], "items[0].id"),
        ([{"role": "user", "content": "x", "id": "a/b"}], "items[0].id"),
    ],
    ids=["none", "too-many", "role", "content", "text", "part", "number", "call", "output", "type", "reference", "id"],
)
async def test_items_that_cannot_be_used_are_refused_by_their_path(client: AsyncOpenAI, items: Any, param: str) -> None:
    made = await client.conversations.create()
    with pytest.raises(BadRequestError) as refusal:
        await client.conversations.items.create(made.id, items=items)
    assert refusal.value.param == param
    assert (await client.conversations.items.list(made.id)).data == []


async def test_an_id_of_the_clients_own_is_kept_once(client: AsyncOpenAI) -> None:
    made = await client.conversations.create(items=cast("Any", [{"role": "user", "content": "x", "id": "msg_a"}]))
    assert (await client.conversations.items.retrieve("msg_a", conversation_id=made.id)).id == "msg_a"
    with pytest.raises(BadRequestError, match="already"):
        await client.conversations.items.create(
            made.id, items=cast("Any", [{"role": "user", "content": "y", "id": "msg_a"}])
        )


@pytest.mark.parametrize(
    "metadata", [{f"k{i}": "v" for i in range(17)}, {"k" * 65: "v"}, {"k": "v" * 513}], ids=["many", "key", "value"]
)
async def test_metadata_over_the_limits_is_refused(client: AsyncOpenAI, metadata: dict[str, str]) -> None:
    with pytest.raises(BadRequestError):
        await client.conversations.create(metadata=metadata)


async def test_a_conversation_reads_as_a_thread_of_recuerda(
    client: AsyncOpenAI, storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.script.append("Hello, Will.")
    made = await client.conversations.create()
    response = await client.responses.create(conversation=made.id, input="I am Will.")
    store = ChatMessageStore(storage=storage, thread_id=made.id)
    turns = await store.list_turns()
    assert [(m.role, m.text) for m in turns[0].messages] == [("user", "I am Will."), ("assistant", "Hello, Will.")]
    assert turns[0].usage is not None
    assert turns[0].usage.total_tokens == (response.usage.total_tokens if response.usage else None)
    info = await store.info()
    assert info is not None
    assert (info.title, info.turns) == ("I am Will.", 1)


@ON_BOTH
async def test_text_that_some_databases_refuse_is_kept(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.default = "a\x00b"
    odd = "\x00 \x1b \u2028 \U0001f600 \ufffe"
    made = await client.conversations.create(items=said(odd), metadata={odd: odd})
    response = await client.responses.create(conversation=made.id, input=odd, metadata={"a": odd})
    assert (await client.conversations.retrieve(made.id)).metadata == {odd: odd}
    listed = (await client.conversations.items.list(made.id, order="asc")).data
    assert texts(listed) == [odd, odd, "a\x00b"]
    assert (await client.responses.retrieve(response.id)).metadata == {"a": odd}


@ON_BOTH
async def test_integers_of_any_size_and_deep_values_are_kept_or_refused(client: AsyncOpenAI) -> None:
    made = await client.conversations.create()
    path = f"/conversations/{made.id}/items"
    odd: Any = {"type": "odd", "big": 10**30, "small": -(2**63), "float": 1e-300}
    created: Any = await client.post(path, cast_to=cast("Any", object), body={"items": [odd]})
    assert {name: created["data"][0][name] for name in odd} == odd
    deep: Any = []
    for _ in range(150):
        deep = [deep]
    with pytest.raises(BadRequestError, match="deep"):
        await client.post(path, cast_to=cast("Any", object), body={"items": [{"type": "odd", "deep": deep}]})
