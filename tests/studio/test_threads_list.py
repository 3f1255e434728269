"""The list of threads: its conditions, its pages, and the same as JSON."""

from __future__ import annotations

import httpx2

from recuerda import ChatMessage, ChatMessageStore, MemoryStorage, Storage
from tests.studio.client import settings_of, studio_client


async def ids(client: httpx2.AsyncClient, query: str = "") -> list[str]:
    answer = await client.get(f"/api/threads{query}")
    assert answer.status_code == 200, answer.text
    return [thread["id"] for thread in answer.json()["threads"]]


async def test_the_list_shows_the_threads_the_newest_first(client: httpx2.AsyncClient) -> None:
    assert await ids(client) == ["trip/1", "..", "bill", "trip/2"]
    page = await client.get("/threads")
    assert page.status_code == 200
    assert "When does the ferry to Tangier leave?" in page.text
    assert 'href="/threads/trip%2F1"' in page.text
    assert 'href="/threads/~.."' in page.text


async def test_each_condition_leaves_out_the_other_threads(client: httpx2.AsyncClient) -> None:
    for query, expected in (
        ("?user=ana", ["trip/1", "trip/2"]),
        ("?q=ferry", ["trip/1"]),
        ("?q=fez&user=ana", ["trip/2"]),
        ("?tag=travel", ["trip/1"]),
        ("?metadata=channel%3Dweb", ["trip/1"]),
        ("?since=2999-01-01", []),
        ("?until=1999-01-01", []),
        ("?since=9999-12-31&until=9999-12-31", []),
        ("?archived=only", []),
        ("?state=unfinished", []),
        ("?state=damaged", []),
    ):
        assert await ids(client, query) == expected, query


async def test_a_condition_that_cannot_be_used_is_refused_with_its_form(client: httpx2.AsyncClient) -> None:
    for query in ("since=yesterday", "state=odd", "archived=perhaps", "metadata=channel", "cursor=odd"):
        answer = await client.get(f"/api/threads?{query}")
        assert answer.status_code == 400, query
        assert answer.json()["error"]["message"]


async def test_a_studio_of_one_user_lists_the_threads_of_this_user_alone(storage: Storage) -> None:
    async with studio_client(settings_of(storage, user_id="ana")) as client:
        assert await ids(client) == ["trip/1", "trip/2"]
        assert (await client.get("/api/threads?user=ben")).status_code == 404


async def test_words_that_were_said_are_found_and_marked(client: httpx2.AsyncClient) -> None:
    found = (await client.get("/api/threads?q=nine&user=ana")).json()["threads"]
    assert [thread["id"] for thread in found] == ["trip/1"]
    hit = found[0]["hits"][0]
    assert [hit["text"][start:end] for start, end in hit["matches"]] == ["nine"]
    assert (hit["who"], hit["href"]) == ("assistant", "/threads/trip%2F1/turns/1")
    assert "<mark>nine</mark>" in (await client.get("/threads?q=nine&user=ana")).text


async def test_a_part_of_a_message_shows_no_part_of_a_secret() -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="t", user_id="ana")
    text = f"{'so ' * 40} Bearer {'s3cret' * 8} the ferry postgresql://me:{'pass' * 9}@db {'so ' * 40}"
    await store.add_messages([ChatMessage("user", text)])
    await store.add_messages([ChatMessage("user", "a" * 19_900 + f" postgresql://me:{'pass' * 40}@db")])
    async with studio_client(settings_of(storage)) as client:
        hit = (await client.get("/api/threads?q=ferry&user=ana")).json()["threads"][0]["hits"][0]
        assert [hit["text"][start:end] for start, end in hit["matches"]] == ["ferry"]
        assert "s3cret" not in hit["text"]
        assert "pass" not in hit["text"].replace("[redacted: password]", "")
        assert "passpass" not in (await client.get("/threads/t")).text
