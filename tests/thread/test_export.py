"""Threads travel as JSON Lines."""

import json

import pytest

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    CorruptTurn,
    NewTurn,
    StateError,
    Storage,
    ThreadNotFound,
    Turn,
    UnknownContent,
)
from recuerda.threads.transfer import import_lines
from tests.conversation import exchange, texts


async def filled(storage: Storage, thread_id: str = "t") -> ChatMessageStore:
    store = ChatMessageStore(storage=storage, thread_id=thread_id)
    for name in ("one", "two"):
        await store.add_messages(exchange(name))
    return store


async def test_an_import_makes_the_same_thread(storage: Storage) -> None:
    store = await filled(storage)
    copy = ChatMessageStore(storage=storage, thread_id="copy")
    assert await copy.import_jsonl(await store.export_jsonl()) == 2
    assert [(turn.id, turn.created_us, turn.turn) for turn in await copy.list_turns()] == [
        (turn.id, turn.created_us, turn.turn) for turn in await store.list_turns()
    ]


async def test_an_export_is_a_line_about_the_thread_and_a_line_a_turn(storage: Storage) -> None:
    store = await filled(storage)
    lines = [json.loads(line) for line in (await store.export_jsonl()).splitlines()]
    assert lines[0] == {"format": "recuerda-thread", "version": 1, "id": "t", "title": "one"}
    assert [sorted(line) for line in lines[1:]] == [["created_us", "id", "turn"]] * 2


async def test_importing_twice_adds_nothing(storage: Storage) -> None:
    store = await filled(storage)
    export = await store.export_jsonl()
    copy = ChatMessageStore(storage=storage, thread_id="copy")
    assert [await copy.import_jsonl(export) for _ in range(3)] == [2, 0, 0]
    assert await store.import_jsonl(export) == 0


async def test_an_import_goes_on_where_an_earlier_one_ended(storage: Storage) -> None:
    store = await filled(storage)
    copy = ChatMessageStore(storage=storage, thread_id="copy")
    await copy.import_jsonl(await store.export_jsonl())
    await store.add_messages(exchange("three"))
    assert await copy.import_jsonl(await store.export_jsonl()) == 1
    assert texts(await copy.list_messages()) == texts(await store.list_messages())


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\n", "\r\n"])
async def test_a_text_may_hold_any_line_break(storage: Storage, separator: str) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t")
    await store.add_messages(exchange(f"a{separator}b"))
    copy = ChatMessageStore(storage=storage, thread_id="copy")
    await copy.import_jsonl(await store.export_jsonl())
    assert await copy.list_messages() == await store.list_messages()


async def test_a_turn_may_have_the_formats_name_as_its_id(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t")
    await store.append(Turn(messages=tuple(exchange("one"))), turn_id="recuerda-thread")
    assert await ChatMessageStore(storage=storage, thread_id="copy").import_jsonl(await store.export_jsonl()) == 1


async def test_an_export_that_another_program_wrote_again_is_read(storage: Storage) -> None:
    export = await (await filled(storage)).export_jsonl()
    spaced = "\r\n".join(json.dumps(json.loads(line), sort_keys=True) for line in export.splitlines())
    copy = ChatMessageStore(storage=storage, thread_id="copy")
    assert await copy.import_jsonl(f"\n{spaced}\n\n") == 2


async def test_unknown_parts_travel_unharmed(storage: Storage) -> None:
    part = {"type": "hologram", "x": [1, {"y": None}], "n": 10**30}
    store = ChatMessageStore(storage=storage, thread_id="t")
    await store.add_messages([ChatMessage("user", [UnknownContent(part)])])
    copy = ChatMessageStore(storage=storage, thread_id="copy")
    await copy.import_jsonl(await store.export_jsonl())
    (message,) = await copy.list_messages()
    assert message.contents == (UnknownContent(part),)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 3"),
        ("not json", "line 3"),
        ("[]", "line 3"),
        ('{"id":"x"}', "line 3 is not a turn"),
        ('{"id":"x","created_us":1,"turn":{"v":1,"messages":[]}}', "line 3 is not a turn"),
        ('{"id":"x","created_us":-1,"turn":{"v":1,"messages":[{"role":"user"}]}}', "line 3 is not a turn"),
        ('{"id":"","created_us":1,"turn":{"v":1,"messages":[{"role":"user"}]}}', "line 3 is not a turn"),
        ('{"id":"x","created_us":1,"turn":{"v":9,"messages":[{"role":"user"}]}}', "version 9"),
        ('{"id":"x","created_us":1,"turn":{"v":1,"messages":[{"role":""}]}}', "line 3 is not a turn"),
        ('{"id":"x","created_us":1,"turn":{"v":1,"messages":[{"role":"user","content":"\\ud800"}]}}', "line 3"),
        ('{"format":"recuerda-thread","version":2,"id":"x"}', "version 2"),
        ('{"format":"else","version":1,"id":"x"}', "line 3"),
        ('{"format":"recuerda-thread","version":1,"id":""}', "line 3"),
        ('{"format":"recuerda-thread","version":1,"id":"other"}', "holds 2 threads"),
    ],
)
async def test_a_line_that_is_none_of_an_export_is_named_and_nothing_is_added(
    storage: Storage, line: str, problem: str
) -> None:
    export = await (await filled(storage)).export_jsonl()
    lines = export.splitlines()
    with pytest.raises(StateError, match=problem):
        await ChatMessageStore(storage=storage, thread_id="copy").import_jsonl(
            "\n".join([*lines[:2], line, *lines[2:]])
        )
    assert await storage.head("copy") is None


@pytest.mark.parametrize("text", ["", "\n\n", '{"id":"x","created_us":1,"turn":{"v":1,"messages":[{"role":"user"}]}}'])
async def test_an_export_without_its_first_line_is_refused(storage: Storage, text: str) -> None:
    with pytest.raises(StateError):
        await ChatMessageStore(storage=storage, thread_id="copy").import_jsonl(text)


async def test_a_thread_that_does_not_exist_cannot_be_exported(storage: Storage) -> None:
    with pytest.raises(ThreadNotFound):
        await ChatMessageStore(storage=storage, thread_id="t").export_jsonl()


async def test_a_corrupt_turn_is_named_by_the_export(storage: Storage) -> None:
    store = await filled(storage)
    await storage.append("t", NewTurn(body=b"?", message_count=1))
    with pytest.raises(CorruptTurn, match="turn 3"):
        await store.export_jsonl()


async def test_several_threads_travel_together(storage: Storage, another: Storage) -> None:
    export = [await (await filled(storage, name)).export_jsonl() for name in ("a", "b")]
    for name in ("a", "b"):
        await storage.delete(name)
    imported = await import_lines(another, "".join(export).split("\n"))
    assert [(one.thread_id, one.added, one.turns) for one in imported] == [("a", 2, 2), ("b", 2, 2)]
    assert texts(await ChatMessageStore(storage=storage, thread_id="b").list_messages()) == [
        "one",
        "one!",
        "two",
        "two!",
    ]


async def test_a_threads_settings_travel_with_it_and_do_not_replace_others(storage: Storage) -> None:
    store = await filled(storage)
    await storage.update_thread("t", user_id="ana", title="Trip", metadata={"tags": ["x"]})
    export = await store.export_jsonl()
    await ChatMessageStore(storage=storage, thread_id="copy").import_jsonl(export)
    copied = await storage.head("copy")
    assert copied is not None
    assert (copied.user_id, copied.title, copied.metadata) == ("ana", "Trip", {"tags": ["x"]})

    mine = await filled(storage, "mine")
    await storage.update_thread("mine", user_id="bob", title="Mine")
    await mine.import_jsonl(export)
    kept = await storage.head("mine")
    assert kept is not None
    assert (kept.user_id, kept.title) == ("bob", "Mine")
