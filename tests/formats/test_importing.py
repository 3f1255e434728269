"""Imports: repeatable, all or nothing, and open about what they leave out."""

from __future__ import annotations

from pathlib import Path

import pytest

from recuerda import ChatMessageStore, MemoryStorage
from recuerda.errors import InvalidInput, StateError, ThreadOwnershipError
from recuerda.formats import READABLE, import_threads, read, stored_thread
from tests.formats.native import LISTS, NATIVE, as_bytes


@pytest.mark.parametrize("name", LISTS)
async def test_a_repeated_import_adds_nothing_and_a_longer_one_only_the_new_turns(name: str) -> None:
    storage = MemoryStorage()
    items = NATIVE[name]
    for length, added in ((len(items) - 2, 2), (len(items), 1), (len(items), 0)):
        (arrival,) = await import_threads(storage, as_bytes(items[:length]), thread_id="riker")
        assert (arrival.thread_id, arrival.added, arrival.differing) == ("riker", added, 0)
    thread = await stored_thread(storage, "riker")
    assert len(thread.turns) == 3
    assert len(await ChatMessageStore(storage=storage, thread_id="riker").list_messages()) == len(thread.messages)


async def test_tags_and_archived_threads_survive_the_way_through_an_own_export() -> None:
    source, target = MemoryStorage(), MemoryStorage()
    await import_threads(source, as_bytes(NATIVE["openai-chat"]), thread_id="riker")
    await source.update_thread("riker", tags=["work"], archived=True)
    export = await ChatMessageStore(storage=source, thread_id="riker").export_jsonl()
    await import_threads(target, export.encode())
    info = await target.head("riker")
    assert info is not None
    assert (info.tags, info.archived) == (("work",), True)
    moved = await stored_thread(target, "riker")
    assert (moved.tags, moved.archived) == (("work",), True)


async def test_imported_threads_stay_in_the_order_in_which_they_were_used() -> None:
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    days = {"new": "2024-03-09", "newest": "2025-01-01", "old": "2023-05-01"}
    chats = [
        {
            "uuid": name,
            "name": f"About {name}",
            "chat_messages": [
                {"uuid": f"{name}-{i}", "sender": who, "text": one["content"], "created_at": f"{day}T10:00:0{i}Z"}
                for i, (who, one) in enumerate(zip(("human", "assistant"), said, strict=True))
            ],
        }
        for name, day in days.items()
    ]
    storage, other = MemoryStorage(), MemoryStorage()
    for _ in range(2):
        await import_threads(storage, as_bytes(chats), "claude")
        threads = (await storage.list_threads()).threads
        assert [(info.id, info.title, info.updated_at.year) for info in threads] == [
            ("newest", "About newest", 2025),
            ("new", "About new", 2024),
            ("old", "About old", 2023),
        ]
    await storage.update_thread("old", metadata={"seen": True})
    for info in (await storage.list_threads()).threads:
        export = await ChatMessageStore(storage=storage, thread_id=info.id).export_jsonl()
        await import_threads(other, export.encode())
    assert [info.id for info in (await other.list_threads()).threads] == ["old", "newest", "new"]


async def test_a_question_whose_answer_came_later_is_told() -> None:
    storage = MemoryStorage()
    question, answer = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
    await import_threads(storage, as_bytes([question]), thread_id="riker")
    (arrival,) = await import_threads(storage, as_bytes([question, answer]), thread_id="riker")
    assert (arrival.added, arrival.differing) == (0, 1)


async def test_a_dry_run_checks_everything_and_writes_nothing() -> None:
    storage = MemoryStorage()
    given = as_bytes([{"id": "a", "messages": NATIVE["openai-chat"]}, {"id": "b", "messages": NATIVE["openai-chat"]}])
    arrivals = await import_threads(storage, given, is_dry_run=True)
    assert [(one.thread_id, one.turns, one.added) for one in arrivals] == [("a", 3, 0), ("b", 3, 0)]
    assert [one async for one in storage.threads()] == []


async def test_a_damaged_last_thread_leaves_the_storage_empty() -> None:
    storage = MemoryStorage()
    good = {"id": "a", "messages": NATIVE["openai-chat"]}
    lasts: list[dict[str, object]] = [
        {"id": "b", "messages": [1]},
        {"id": "a", "messages": []},
        {"id": "x" * 600, "messages": []},
    ]
    for last in lasts:
        with pytest.raises(StateError):
            await import_threads(storage, as_bytes([good, last]), "openai-chat")
    assert [one async for one in storage.threads()] == []


async def test_the_thread_of_another_user_stops_the_import_before_it_begins() -> None:
    storage = MemoryStorage()
    await import_threads(storage, as_bytes(NATIVE["openai-chat"]), thread_id="b", user_id="bo")
    given = as_bytes([{"id": one, "messages": NATIVE["openai-chat"]} for one in ("a", "b")])
    with pytest.raises(ThreadOwnershipError):
        await import_threads(storage, given, user_id="ana")
    assert [one.id async for one in storage.threads()] == ["b"]


async def test_the_file_names_the_thread_and_the_first_words_give_the_title(tmp_path: Path) -> None:
    storage = MemoryStorage()
    path = tmp_path / "riker.json"
    path.write_bytes(as_bytes(NATIVE["openai-chat"][1:]))
    await import_threads(storage, path)
    await import_threads(storage, str(path), thread_id="other")
    titles = {one.id: (one.title, one.title_turn) async for one in storage.threads()}
    assert titles == {"riker": ("What is this?", 1), "other": ("What is this?", 1)}


async def test_only_a_single_conversation_gets_another_id() -> None:
    given = as_bytes([{"id": one, "messages": NATIVE["openai-chat"]} for one in ("a", "b")])
    with pytest.raises(StateError, match="several conversations"):
        await import_threads(MemoryStorage(), given, thread_id="c")


async def test_an_unknown_format_and_an_unknown_file_are_told() -> None:
    for given, format in (("no.json", None), (b"[]", "nonsense"), (b'{"a": 1}', None), (b"[]", "markdown")):
        with pytest.raises(InvalidInput):
            [_ async for _ in read(given, format)]
    assert "openai-chat" in READABLE
