"""Files that clients upload, through OpenAI's own client."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from openai import APIStatusError, AsyncOpenAI, BadRequestError, NotFoundError, UnprocessableEntityError

from recuerda import Storage, open_storage
from recuerda._drivers.bearer_keys import digest_of, new_key
from recuerda.server import Limits, ServerSettings, TenantKeys
from recuerda.storage import MemoryStorage
from recuerda.testing import ScriptedOpenAIServer
from tests.server.serving import MODEL, running, sdk

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
PAPER = b"%PDF-1.7\r\n--boundary\r\n" + bytes(range(256)) * 30
ON_THREE = pytest.mark.parametrize("storage_url", ["sqlite", "postgresql", "file"], indirect=True)


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"


def shown(*parts: dict[str, Any]) -> Any:
    return [{"role": "user", "content": [*parts]}]


async def ids(client: AsyncOpenAI, **query: Any) -> list[str]:
    return [file.id async for file in client.files.list(**query)]


@ON_THREE
async def test_a_file_is_uploaded_listed_downloaded_and_deleted(
    client: AsyncOpenAI, tmp_path: Path, storage: Storage
) -> None:
    path = tmp_path / "the paper.pdf"
    path.write_bytes(PAPER)
    sources: list[Any] = [PAPER, path, ("señal.png", PICTURE), ("note.txt", b"short", "text/plain"), ("empty", b"")]
    made = [await client.files.create(file=source, purpose="user_data") for source in sources]
    assert [(one.object, one.status, one.purpose, one.expires_at) for one in made] == [
        ("file", "processed", "user_data", None)
    ] * 5
    assert [one.filename for one in made[1:]] == ["the paper.pdf", "señal.png", "note.txt", "empty"]
    assert [one.bytes for one in made] == [len(PAPER), len(PAPER), len(PICTURE), 5, 0]
    for one, data in zip(made, (PAPER, PAPER, PICTURE, b"short", b""), strict=True):
        assert await client.files.retrieve(one.id) == one
        answer = await client.files.content(one.id)
        assert answer.content == data
        assert answer.response.headers["content-disposition"].startswith("attachment;")
    assert await ids(client) == [one.id for one in reversed(made)]
    stored = await storage.read("uploaded_files", blobs=None)
    assert sorted(map(len, stored.blobs.values())) == sorted({len(PAPER), len(PICTURE)})
    for one in made[1:]:
        assert (await client.files.delete(one.id)).deleted
        with pytest.raises(NotFoundError, match=one.id):
            await client.files.content(one.id)
        with pytest.raises(NotFoundError, match=one.id):
            await client.files.delete(one.id)
    assert await ids(client) == [made[0].id]
    assert list((await storage.read("uploaded_files", blobs=None)).blobs.values()) == [PAPER]


async def test_a_list_is_paged_in_both_orders_and_by_purpose(client: AsyncOpenAI) -> None:
    made: list[str] = []
    for number in range(9):
        purpose: Any = "batch" if number % 3 == 0 else "vision"
        made.append((await client.files.create(file=(f"{number}.txt", b"x"), purpose=purpose)).id)
    for gone in (made.pop(4), made.pop(-1)):
        await client.files.delete(gone)
    for limit in (1, 2, 7, 100):
        assert await ids(client, order="asc", limit=limit) == made
        assert await ids(client, limit=limit) == made[::-1]
        assert await ids(client, purpose="batch", order="asc", limit=limit) == [made[0], made[3], made[5]]
    page = await client.files.list(limit=3, after=made[5])
    assert ([one.id for one in page.data], page.has_more) == (made[4:1:-1], True)
    assert await ids(client, after=made[0]) == []
    with pytest.raises(BadRequestError, match="file-unknown"):
        await client.files.list(after="file-unknown")


@ON_THREE
async def test_the_model_gets_a_file_that_is_named_by_its_id(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, storage_url: str
) -> None:
    model.default = "Read."
    paper = await client.files.create(file=("b.pdf", PAPER), purpose="user_data")
    picture = await client.files.create(file=PICTURE, purpose="vision")
    parts = (
        {"type": "input_file", "file_id": paper.id},
        {"type": "input_image", "file_id": picture.id, "detail": "low"},
        {"type": "input_file", "file_id": paper.id, "filename": "c.pdf", "extra": None},
    )
    made = await client.conversations.create()
    first = await client.responses.create(input=shown(*parts), conversation=made.id)
    sent: Any = model.requests[-1].messages
    url = data_url(PAPER, "application/pdf")
    expected = [
        {"type": "file", "file": {"filename": "b.pdf", "file_data": url}},
        {"type": "image_url", "image_url": {"url": data_url(PICTURE, "image/png"), "detail": "low"}},
        {"type": "file", "file": {"filename": "c.pdf", "file_data": url}},
    ]
    assert sent[0]["content"] == expected
    # The items come back as they came, and the turn stays whole when the files are deleted.
    for one in (paper, picture):
        await client.files.delete(one.id)
    answer = await client.get(f"/responses/{first.id}/input_items", cast_to=httpx2.Response)
    assert answer.json()["data"][0]["content"] == list(parts)
    async with open_storage(storage_url) as again, running(again, model.base_url) as url, sdk(url) as other:
        await other.responses.create(input="And?", conversation=made.id)
    assert cast("Any", model.requests[-1].messages)[0]["content"] == expected
    with pytest.raises(NotFoundError, match=paper.id):
        await client.responses.create(input=shown(parts[0]))


async def test_outputs_and_items_of_conversations_name_files_too(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "Read."
    picture = await client.files.create(file=("a.png", PICTURE), purpose="vision")
    part = {"type": "input_image", "file_id": picture.id}
    items: Any = [
        *shown(part),
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": [part]},
    ]
    made = await client.conversations.create(items=items[:1])
    await client.conversations.items.create(made.id, items=items[1:])
    await client.responses.create(input="What is it?", conversation=made.id)
    image = {"type": "image_url", "image_url": {"url": data_url(PICTURE, "image/png")}}
    sent: Any = model.requests[-1].messages
    assert [message["content"][-1] for message in sent if isinstance(message["content"], list)] == [image, image]
    # A client that sends the same output or the same item again adds nothing.
    await client.responses.create(input=items[2:], conversation=made.id)
    listed = (await client.get(f"/conversations/{made.id}/items?order=asc", cast_to=httpx2.Response)).json()["data"]
    await client.responses.create(input=[listed[0]], conversation=made.id)
    assert (listed[0]["content"], listed[2]["output"]) == ([part], [part])
    assert sum("image_url" in str(message) for message in cast("Any", model.requests[-1].messages)) == 2


async def test_a_file_that_cannot_be_given_is_refused_by_name(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    paper = await client.files.create(file=("b.pdf", PAPER), purpose="user_data")
    with pytest.raises(BadRequestError, match=f"{paper.id}' is not an image but application/pdf"):
        await client.responses.create(input=shown({"type": "input_image", "file_id": paper.id}))
    for unknown in ("file-000000000000000000000000", "file-x", "conv_1", "../x"):
        with pytest.raises(NotFoundError, match="not found"):
            await client.responses.create(input=shown({"type": "input_file", "file_id": unknown}))
        with pytest.raises(NotFoundError, match="not found"):
            await client.conversations.create(items=shown({"type": "input_file", "file_id": unknown}))
    with pytest.raises(BadRequestError, match="'file_id'"):
        await client.responses.create(input=shown({"type": "input_file"}))
    assert model.requests == []


async def test_a_form_that_cannot_be_used_is_refused(client: AsyncOpenAI) -> None:
    wrong: Any = "homework"
    with pytest.raises(BadRequestError, match="purpose"):
        await client.files.create(file=b"x", purpose=wrong)
    for expires in ({"anchor": "created_at", "seconds": 60}, {"anchor": "now", "seconds": 4000}, {"seconds": 4000}):
        with pytest.raises(BadRequestError, match="expires_after"):
            await client.files.create(file=b"x", purpose="batch", expires_after=cast("Any", expires))
    form = "multipart/form-data; boundary=b"
    head = b"--b\r\ncontent-disposition: form-data; "
    bodies: list[tuple[bytes, str]] = [
        (b"{}", "application/json"),
        (b"", "multipart/form-data"),
        (b"nonsense", form),
        (b"--b\r\n\r\nx\r\n--b--", form),
        (head + b'name="purpose"\r\n\r\nbatch\r\n--b--', form),
        (head + b'name="file"; filename="\xff"\r\n\r\nx\r\n--b--', form),
    ]
    async with httpx2.AsyncClient(base_url=str(client.base_url)) as http:
        for body, media_type in bodies:
            answer = await http.post("files", content=body, headers={"content-type": media_type})
            assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error"), body
        for path in ("vector_stores", "vector_stores/vs_1/search", "uploads"):
            answer = await http.post(path, json={})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unsupported")
            assert "This server" in answer.json()["error"]["message"]


async def test_a_file_that_is_too_large_is_refused(model: ScriptedOpenAIServer) -> None:
    settings = ServerSettings(model=MODEL, limits=Limits(max_file_bytes=10_000, max_body_bytes=5000))
    async with (
        MemoryStorage() as storage,
        running(storage, model.base_url, settings=settings) as url,
        sdk(url) as client,
    ):
        for size in (10_001, 200_000):
            with pytest.raises(APIStatusError, match=r"10,000|75,536") as caught:
                await client.files.create(file=bytes(size), purpose="batch")
            assert caught.value.status_code == 413
        assert (await client.files.create(file=b"[" * 10_000, purpose="batch")).bytes == 10_000
        assert (await storage.read("uploaded_files")).info is not None


async def test_an_expired_file_is_gone(model: ScriptedOpenAIServer) -> None:
    hours = 0
    storage = MemoryStorage(clock=lambda: 1_800_000_000_000_000 + hours * 3_600_000_000)
    async with storage, running(storage, model.base_url) as url, sdk(url) as client:
        lasting = await client.files.create(file=PAPER, purpose="batch")
        expires: Any = {"anchor": "created_at", "seconds": 7200}
        await client.files.create(file=PICTURE, purpose="vision", expires_after=expires)
        brief = await client.files.create(file=PICTURE, purpose="vision", expires_after=expires)
        assert brief.expires_at == brief.created_at + 7200
        assert len(await ids(client)) == 3
        hours = 2
        with pytest.raises(NotFoundError):
            await client.responses.create(input=shown({"type": "input_image", "file_id": brief.id}))
        assert await ids(client) == [lasting.id]
        assert list((await storage.read("uploaded_files", blobs=None)).blobs.values()) == [PAPER]


async def test_a_retry_with_a_key_uploads_once(client: AsyncOpenAI) -> None:
    key = {"Idempotency-Key": "paper"}

    async def upload(data: bytes) -> str:
        return (await client.files.create(file=("b.pdf", data), purpose="user_data", extra_headers=key)).id

    assert await upload(PAPER) == await upload(PAPER)
    with pytest.raises(UnprocessableEntityError, match="another request"):
        await upload(PICTURE)
    (id,) = await ids(client)
    await client.files.delete(id)
    with pytest.raises(UnprocessableEntityError, match="deleted"):
        await upload(PAPER)
    assert await ids(client) == []


@pytest.fixture
async def tenants(storage: Storage, model: ScriptedOpenAIServer) -> AsyncIterator[tuple[AsyncOpenAI, AsyncOpenAI]]:
    keys = {name: new_key() for name in ("acme", "umbra")}
    known = TenantKeys({digest_of(key): name for name, key in keys.items()})
    async with (
        running(storage, model.base_url, keys=known) as url,
        sdk(url, keys["acme"]) as acme,
        sdk(url, keys["umbra"]) as umbra,
    ):
        yield acme, umbra


async def test_a_file_is_its_tenants_only_and_is_erased_with_the_tenant(
    tenants: tuple[AsyncOpenAI, AsyncOpenAI], storage: Storage, model: ScriptedOpenAIServer
) -> None:
    acme, umbra = tenants
    file = await acme.files.create(file=PAPER, purpose="user_data")
    other = await umbra.files.create(file=PICTURE, purpose="vision")
    for call in (umbra.files.retrieve, umbra.files.content, umbra.files.delete):
        with pytest.raises(NotFoundError):
            await call(file.id)
    with pytest.raises(NotFoundError):
        await umbra.responses.create(input=shown({"type": "input_file", "file_id": file.id}))
    assert (await ids(acme), await ids(umbra)) == ([file.id], [other.id])
    assert model.requests == []
    assert (await storage.erase_user("acme")).threads == 1
    assert (await ids(acme), await ids(umbra)) == ([], [other.id])
    with pytest.raises(NotFoundError):
        await acme.files.content(file.id)
