"""The bytes of pictures and files in items: kept once beside their turns, and given back as they came."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, cast

import httpx2
import pytest
from openai import AsyncOpenAI

from recuerda import ChatMessageStore, Storage, UriContent, open_storage
from recuerda.storage.records import Blob
from recuerda.testing import ScriptedOpenAIServer
from tests.server.serving import running, sdk

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
PAPER = b"%PDF-1.7\n" + bytes(range(256)) * 30
PICTURE_URL = f"data:image/png;base64,{b64encode(PICTURE).decode()}"
PAPER_URL = f"data:application/pdf;base64,{b64encode(PAPER).decode()}"


async def raw(client: AsyncOpenAI, path: str) -> Any:
    """Return the JSON of an answer, without the types of the SDK."""
    return (await client.get(path, cast_to=httpx2.Response)).json()


async def kept(storage: Storage, thread_id: str) -> tuple[list[set[str]], set[bytes], int]:
    """Return the digests that each turn names, the bytes of the thread's blobs, and the length of all bodies."""
    found = await storage.read(thread_id, blobs=None)
    return (
        [set(record.blobs) for record in found.records],
        set(found.blobs.values()),
        sum(len(record.body) for record in found.records),
    )


def items() -> list[Any]:
    """Return items with pictures and files in each place where an item may have them."""
    picture = {"type": "input_image", "image_url": PICTURE_URL, "detail": "low", "extra": None}
    paper = {"type": "input_file", "filename": "b.pdf", "file_data": PAPER_URL}
    bare = {"type": "input_file", "filename": "b.pdf", "file_data": b64encode(PAPER).decode()}
    shown = [{"type": "input_text", "text": "map"}, picture]
    screen = {"type": "computer_screenshot", "image_url": PICTURE_URL}
    return [
        {"role": "user", "content": [picture, paper, bare]},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": shown},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "look", "input": ""},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": shown},
        {"type": "computer_call_output", "call_id": "call_3", "output": screen},
        {"type": "image_generation_call", "status": "completed", "result": b64encode(PICTURE).decode()},
    ]


async def test_bytes_of_items_are_kept_once_and_come_back_as_they_came(
    client: AsyncOpenAI, storage: Storage, storage_url: str, model: ScriptedOpenAIServer
) -> None:
    made = await client.conversations.create(items=items())
    await client.conversations.items.create(made.id, items=items()[:1])
    names, data, length = await kept(storage, made.id)
    pair = {Blob.of(PICTURE).digest, Blob.of(PAPER).digest}
    assert (names, data) == ([pair, pair], {PICTURE, PAPER})
    assert length < 6000
    async with open_storage(storage_url) as again, running(again, model.base_url) as url, sdk(url) as other:
        for reader in (client, other):
            listed = (await raw(reader, f"/conversations/{made.id}/items?order=asc"))["data"]
            for item, given in zip(listed, [*items(), items()[0]], strict=True):
                assert {name: item[name] for name in given} == given
            assert await raw(reader, f"/conversations/{made.id}/items/{listed[4]['id']}") == listed[4]


async def test_a_picture_of_an_item_is_a_picture_for_every_reader(client: AsyncOpenAI, storage: Storage) -> None:
    made = await client.conversations.create(items=items()[:1])
    (message,) = await ChatMessageStore(storage=storage, thread_id=made.id).list_messages()
    contents = cast("tuple[UriContent, ...]", message.contents)
    assert [(part.uri, part.name, part.detail) for part in contents] == [
        (PICTURE_URL, None, "low"),
        (PAPER_URL, "b.pdf", None),
        (PAPER_URL, "b.pdf", None),
    ]


async def test_a_client_that_sends_its_history_again_stores_a_picture_once(
    client: AsyncOpenAI, storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = "Seen."
    question: Any = {"role": "user", "content": [{"type": "input_image", "image_url": PICTURE_URL}]}
    first = await client.responses.create(input=[question])
    second = await client.responses.create(input=[question], previous_response_id=first.id)
    sent = [part["image_url"]["url"] for part in _images(model.requests[-1].messages)]
    assert sent == [PICTURE_URL, PICTURE_URL]
    (info,) = [info async for info in storage.threads()]
    names, data, length = await kept(storage, info.id)
    assert (names, data, length < 3000) == ([{Blob.of(PICTURE).digest}] * 2, {PICTURE}, True)
    for response in (first, second):
        (item,) = (await raw(client, f"/responses/{response.id}/input_items"))["data"]
        assert item["content"] == question["content"]
    # A copy of the chain has the picture of its own.
    await client.responses.create(input="And?", previous_response_id=first.id)
    assert [part["image_url"]["url"] for part in _images(model.requests[-1].messages)] == [PICTURE_URL]
    assert len([info async for info in storage.threads()]) == 2


async def test_a_retry_shows_the_items_with_their_bytes(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    made = await client.conversations.create()
    key = {"Idempotency-Key": "picture"}
    first = await client.conversations.items.create(made.id, items=items()[:1], extra_headers=key)
    again = await client.conversations.items.create(made.id, items=items()[:1], extra_headers=key)
    assert again.to_dict() == first.to_dict()
    assert cast("Any", again.data[0]).content[0].image_url == PICTURE_URL
    assert model.requests == []


@pytest.mark.parametrize("storage_url", ["sqlite", "postgresql"], indirect=True)
async def test_a_deleted_item_takes_its_bytes_unless_another_item_has_them(
    client: AsyncOpenAI, storage: Storage
) -> None:
    made = await client.conversations.create(items=items())
    listed = (await client.conversations.items.list(made.id, order="asc")).data
    await client.conversations.items.delete(cast("str", listed[0].id), conversation_id=made.id)
    assert (await kept(storage, made.id))[:2] == ([{Blob.of(PICTURE).digest}], {PICTURE})
    for item in listed[1:]:
        await client.conversations.items.delete(cast("str", item.id), conversation_id=made.id)
    assert (await kept(storage, made.id))[:2] == ([set()], set())


async def test_a_deleted_response_in_the_middle_of_a_chain_takes_its_bytes(
    client: AsyncOpenAI, storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = "Seen."
    question: Any = {"role": "user", "content": [{"type": "input_image", "image_url": PICTURE_URL}]}
    first = await client.responses.create(input=[question])
    second = await client.responses.create(input="And?", previous_response_id=first.id)
    await client.responses.delete(first.id)
    (info,) = [info async for info in storage.threads()]
    assert (await kept(storage, info.id))[:2] == ([set(), set()], set())
    await client.responses.create(input="Still there?", previous_response_id=second.id)
    assert _images(model.requests[-1].messages) == []


async def test_a_small_file_stays_in_its_turn(client: AsyncOpenAI, storage: Storage) -> None:
    small = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0="}
    made = await client.conversations.create(items=[{"role": "user", "content": [cast("Any", small)]}])
    assert (await kept(storage, made.id))[:2] == ([set()], set())
    (item,) = (await raw(client, f"/conversations/{made.id}/items"))["data"]
    assert item["content"] == [small]


def _images(messages: Any) -> list[Any]:
    parts = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
    return [part for part in parts if part["type"] == "image_url"]
