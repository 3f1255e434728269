"""The page of what is remembered: lists, queries with reasons, facts, what was forgotten, and whose it is."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from recuerda import ChatMessage, ChatMessageStore, MemoryStorage, Storage
from recuerda.recall import RecallProvider, SQLiteRecallIndex
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import pair, say
from tests.studio.client import settings_of, studio_client

EVIL = "<script>alert(1)</script>\u202e my password=hunter2hunter2"


@pytest.fixture
async def index() -> AsyncIterator[SQLiteRecallIndex]:
    async with SQLiteRecallIndex(":memory:") as index:
        yield index


@pytest.fixture
async def storage(index: SQLiteRecallIndex) -> Storage:
    """A storage with memories of ana, some corrected and forgotten, of eva, and of a thread without a user."""
    storage = MemoryStorage()
    for text in ("I live in Oslo.", "I like tea.", "My dentist is Dr. Okafor.", "From now on, answer in one line."):
        await say(storage, "home", *pair(text))
    for number in range(60):
        await say(storage, "long", *pair(f"I saw bird number {number} today.", "Nice."))
    await say(storage, "of eva", *pair("A secret of Eva."), user="eva")
    await say(storage, "alone", *pair("Nobody lives in Lima."), user=None)
    recall = RecallProvider(index, storage=storage, user_id="ana")
    memory = (await recall.search("Where do I live?", roles=["user"]))[0]
    await recall.correct(memory, "I live in Bergen.")
    await recall.forget(thread="home", turn=2)
    await recall.close()
    return storage


@pytest.fixture
async def client(storage: Storage, index: SQLiteRecallIndex) -> AsyncIterator[httpx2.AsyncClient]:
    async with studio_client(settings_of(storage, recall_index=index)) as client:
        yield client


async def data(client: httpx2.AsyncClient, path: str = "/memory", **query: str) -> Any:
    answer = await client.get(f"/api{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_everything_that_is_remembered_of_a_user_is_listed_page_by_page(client: httpx2.AsyncClient) -> None:
    texts: list[str] = []
    page = await data(client, user="ana")
    assert (page["first_href"], page["q"]) == (None, "")
    while True:
        texts += [one["text"] for one in page["memories"]]
        if page["next_href"] is None:
            break
        page = (await client.get(f"/api{page['next_href']}")).json()
    assert len(texts) == 120 + 6 + 1
    assert not {"I like tea.", "A secret of Eva.", "Nobody lives in Lima."} & set(texts)
    assert texts.index("I live in Bergen.") + 1 == texts.index("I live in Oslo.")


async def test_a_query_shows_scores_with_reasons_that_add_up(client: httpx2.AsyncClient) -> None:
    page = await data(client, user="ana", q="Who is my dentist?")
    first = page["memories"][0]
    assert first["text"] == "My dentist is Dr. Okafor."
    assert math.isclose(sum(part["points"] for part in first["parts"]), first["score"])
    assert [part["word"] for part in first["parts"] if part["reason"] == "word"] == ["dentist"]
    assert first["href"] == "/threads/home/turns/3"
    html = (await client.get("/memory", params={"user": "ana", "q": "Who is my dentist?"})).text
    assert "It has the word" in html
    assert "Tiene la palabra" in (await client.get("/memory?user=ana&q=dentist&lang=es")).text


async def test_facts_show_what_they_replaced_and_forgotten_turns_are_named(client: httpx2.AsyncClient) -> None:
    page = await data(client, user="ana")
    (fact,) = page["facts"]
    assert (fact["text"], fact["corrects"]) == ("I live in Bergen.", "I live in Oslo.")
    assert fact["sources"][0]["href"] == "/threads/home/turns/1"
    assert [one["text"] for one in page["standing"]] == ["From now on, answer in one line."]
    assert [(one["thread_id"], one["first"], one["last"]) for one in page["forgotten"]] == [("home", 2, 2)]
    assert "like tea" not in (await client.get("/memory?user=ana")).text


async def test_a_turn_shows_what_is_remembered_of_it_and_leads_back(client: httpx2.AsyncClient) -> None:
    page = await data(client, "/threads/home/turns/1/memories")
    assert [one["text"] for one in page["memories"]] == ["I live in Oslo.", "I see."]
    assert [fact["text"] for fact in page["facts"]] == ["I live in Bergen."]
    assert (page["all_href"], page["is_forgotten"]) == ("/memory?user=ana", False)
    gone = await data(client, "/threads/home/turns/2/memories")
    assert (gone["memories"], gone["is_forgotten"]) == ([], True)
    assert (await data(client, "/threads/alone/turns/1/memories"))["all_href"] == "/memory?thread=alone"
    assert (await client.get("/threads/none/turns/1/memories")).status_code == 404
    for path in ("home/turns/1", "home/turns/2", "home/turns/99"):
        assert (await client.get(f"/threads/{path}/memories", params={"lang": "es"})).status_code == 200, path
    assert "/threads/home/turns/1/memories" in (await client.get("/threads/home")).text


async def test_a_thread_without_a_user_has_its_own_memories(client: httpx2.AsyncClient) -> None:
    page = await data(client, thread="alone")
    assert [one["text"] for one in page["memories"]] == ["I see.", "Nobody lives in Lima."]
    assert (await data(client, thread="home"))["memories"] == []


async def test_without_a_user_the_page_suggests_users_and_shows_no_memory(client: httpx2.AsyncClient) -> None:
    page = await data(client)
    assert (set(page["users"]), page["memories"]) == ({"ana", "eva"}, [])


async def test_a_studio_of_one_user_shows_no_other_user(storage: Storage, index: SQLiteRecallIndex) -> None:
    async with studio_client(settings_of(storage, recall_index=index, user_id="eva")) as client:
        for query in ({}, {"user": "ana"}, {"user": "ana", "q": "dentist"}, {"thread": "alone"}, {"thread": "home"}):
            page = await data(client, **query)
            assert page["user"] == "eva"
            texts = [one["text"] for one in page["memories"]]
            assert texts in (["I see.", "A secret of Eva."], [])
            assert (page["facts"], page["forgotten"]) == ([], [])
        assert (await client.get("/threads/home/turns/1/memories")).status_code == 404


async def test_hostile_memories_are_shown_without_secrets_and_never_run(index: SQLiteRecallIndex) -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="<b>", user_id="<i>")
    await store.add_messages([ChatMessage("user", EVIL, author_name=EVIL[:20]), ChatMessage("assistant", "no")])
    async with studio_client(settings_of(storage, recall_index=index)) as client:
        for query in ({"user": "<i>"}, {"user": "<i>", "q": "password"}, {}):
            html = (await client.get("/memory", params=query)).text
            assert "<script>alert" not in html
            assert "hunter2" not in html
            assert "<i>" not in html
            assert "\u202e" not in html


async def test_a_wrong_cursor_or_user_is_refused_and_no_index_is_said_to_be_missing(
    client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    assert (await client.get("/api/memory?user=ana&cursor=x")).status_code == 400
    assert (await client.get("/api/memory", params={"user": "x" * 5000})).status_code == 400
    async with SQLiteStorage(tmp_path / "memory.db") as bare, studio_client(settings_of(bare)) as other:
        assert not (await data(other))["has_index"]
        assert "no index of memories" in (await other.get("/memory")).text
