"""Threads travel as JSON Lines."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    CorruptTurn,
    MemoryStorage,
    NewTurn,
    StateError,
    Storage,
    ThreadNotFound,
    ThreadOwnershipError,
    ThreadParent,
    Turn,
    UnknownContent,
)
from recuerda.errors import StorageFull
from recuerda.threads.transfer import export_lines, import_lines
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
    first = {"format": "recuerda-thread", "version": 1, "id": "t", "title": "one", "title_turn": lines[1]["id"]}
    assert lines[0] == first | {"updated_us": lines[-1]["created_us"]}
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
    await storage.update_thread("mine", user_id="ana", title="Mine", metadata={"tags": []})
    await mine.import_jsonl(export)
    kept = await storage.head("mine")
    assert kept is not None
    assert (kept.user_id, kept.title, kept.metadata) == ("ana", "Mine", {"tags": []})


async def test_a_made_title_stays_bound_to_its_turn_and_a_set_title_stays_set(storage: Storage) -> None:
    store = await filled(storage)
    await import_lines(storage, (await store.export_jsonl()).split("\n"), thread_id="made")
    await storage.update_thread("t", title="Set")
    await import_lines(storage, (await store.export_jsonl()).split("\n"), thread_id="set")
    assert await title_of(storage, "made") == ("one", 1)
    assert await title_of(storage, "set") == ("Set", None)
    await storage.trim("made", keep_turns=1)
    assert await title_of(storage, "made") == (None, 0)


async def title_of(storage: Storage, thread_id: str) -> tuple[str | None, int | None]:
    info = await storage.head(thread_id)
    assert info is not None
    return info.title, info.title_turn


async def test_turns_that_a_trim_deleted_stay_away_when_an_import_is_repeated(storage: Storage) -> None:
    store = await filled(storage)
    lines = (await store.export_jsonl()).split("\n")
    await storage.trim("t", keep_turns=1)
    assert [one.added for one in await import_lines(storage, lines)] == [0]
    await storage.trim("t", before=datetime.now(UTC) + timedelta(days=1))
    assert [one.added for one in await import_lines(storage, lines)] == [0]
    assert (await storage.read("t")).records == ()


def two_threads(second: str) -> list[str]:
    turn = '{"id":"1","turn":{"messages":[{"role":"user","content":"a"}]}}'
    return ['{"format":"recuerda-thread","version":1,"id":"first"}', turn, *second.split("\n")]


TURN = '{"id":"1","turn":{"messages":[{"role":"user"}]}}'
OTHER_TURN = '{"id":"1","turn":{"messages":[{"role":"user","content":"b"}]}}'
TURN_TOO_DEEP = TURN.replace('"user"', f'"user","additional_properties":{{"a":{"[" * 300}{"]" * 300}}}')
HEAD = '{"format":"recuerda-thread","version":1,"id":"second"'


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (f'{HEAD},"user_id":""}}', "line 3 .* user id"),
        (f'{HEAD},"user_id":"{"x" * 600}"}}', "line 3 .* user id"),
        (f'{HEAD},"user_id":"a\\u0000b"}}', "line 3 .* NUL"),
        (f'{HEAD},"metadata":{{"a":{"[" * 900}{"]" * 900}}}}}', "line 3 .* deep"),
        (f'{HEAD},"metadata":{{"a":{"[" * 90_000}{"]" * 90_000}}}}}', "line 3"),
        (f'{HEAD},"metadata":{{"a":1e999}}}}', "line 3"),
        (f"{HEAD}}}\n{TURN_TOO_DEEP}", "line 4 .* deep"),
        (f"{HEAD}}}\n{TURN}\n{OTHER_TURN}", "line 5.* two different turns"),
    ],
    ids=["empty-user", "long-user", "nul", "deep", "very-deep", "infinite", "deep-turn", "id-twice"],
)
async def test_every_line_of_every_thread_is_checked_before_the_first_is_written(second: str, problem: str) -> None:
    storage = MemoryStorage()
    with pytest.raises(StateError, match=problem):
        await import_lines(storage, two_threads(second))
    assert [info.id async for info in storage.threads()] == []


async def test_a_turn_that_the_storage_cannot_keep_is_refused_before_the_first_is_written() -> None:
    storage = MemoryStorage()
    storage.max_body_bytes = 100  # pyright: ignore[reportAttributeAccessIssue]  # a storage with a limit
    turn = f'{{"id":"1","turn":{{"messages":[{{"role":"user","content":"{"x" * 100}"}}]}}}}'
    with pytest.raises(StateError, match=r"line 4: the turn has 1\d\d bytes, and this storage keeps at most 100"):
        await import_lines(storage, two_threads(f"{HEAD}}}\n{turn}"))
    assert [info.id async for info in storage.threads()] == []


async def test_another_users_thread_refuses_the_whole_import(storage: Storage) -> None:
    await storage.append("second", NewTurn(body=b"of bo", message_count=1), user_id="bo")
    with pytest.raises(ThreadOwnershipError, match="'second'"):
        await import_lines(storage, two_threads(f'{HEAD},"user_id":"ana"}}'))
    assert {info.id async for info in storage.threads()} == {"second"}


async def test_an_import_that_the_storage_refuses_later_says_how_far_it_came_and_goes_on(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = two_threads(f'{HEAD}}}\n{{"id":"1","turn":{{"messages":[{{"role":"user","content":"b"}}]}}}}')
    append_all = storage.append_all

    async def full(thread_id: str, *arguments: Any, **options: Any) -> Any:
        if thread_id == "second":
            raise StorageFull("no space is left")
        return await append_all(thread_id, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "append_all", full)
        with pytest.raises(StorageFull) as failure:
            await import_lines(storage, lines)
    assert "1 of 2 threads were imported before this, and thread 'second'" in failure.value.__notes__[0]
    assert [(one.thread_id, one.added) for one in await import_lines(storage, lines)] == [("first", 0), ("second", 1)]


async def test_an_export_of_a_fork_names_its_parent() -> None:
    parent = ThreadParent(thread_id="a", incarnation="i", turn_id="t1", number=3, turns=1)
    source, target = MemoryStorage(), MemoryStorage()
    store = ChatMessageStore(storage=source, thread_id="fork", user_id="ana")
    await store.add_messages(exchange("one"))
    await source.update_thread("fork", parent=parent)
    lines = (await store.export_jsonl()).splitlines()
    for thread_id, user_id, expected in (("fork", None, parent.in_any_life()), ("bobs", "bob", None)):
        await import_lines(target, lines, thread_id=thread_id, user_id=user_id)
        info = await target.head(thread_id)
        assert info is not None
        assert info.parent == expected
    await source.update_thread("fork", user_id=None)
    await source.update_thread("fork", parent=parent)
    exported = [line async for line in export_lines(source, "fork")]
    await import_lines(target, exported, thread_id="anas", user_id="ana")
    info = await target.head("anas")
    assert info is not None
    assert info.parent == parent.in_any_life()


async def test_an_export_keeps_tags_and_what_is_archived() -> None:
    source, target = MemoryStorage(), MemoryStorage()
    store = ChatMessageStore(storage=source, thread_id="a")
    await store.add_messages(exchange("one"))
    await source.update_thread("a", tags=["work"], archived=True)
    lines = (await store.export_jsonl()).splitlines()
    await import_lines(target, lines)
    info = await target.head("a")
    assert info is not None
    assert (info.tags, info.archived) == (("work",), True)
    await target.update_thread("a", tags=["home"], archived=False)
    await import_lines(target, lines)
    info = await target.head("a")
    assert info is not None
    assert (info.tags, info.archived) == (("home", "work"), False)


async def test_an_export_with_a_parent_that_cannot_be_is_refused() -> None:
    line = '{"format":"recuerda-thread","version":1,"id":"a","parent":{"thread_id":""}}'
    with pytest.raises(StateError, match="line 1"):
        await import_lines(MemoryStorage(), [line])
