"""Replacing bodies, for keys that are rotated: other bytes, and everything else as it was."""

from __future__ import annotations

import msgspec
import pytest

from recuerda import ChatMessage, ChatMessageStore, NewTurn, Storage
from recuerda.encryption import EncryptedStorage, KeyRing


def turn(body: bytes, id: str) -> NewTurn:
    return NewTurn(body=body, message_count=1, id=id)


@pytest.fixture
async def thread(storage: Storage) -> Storage:
    for i in range(4):
        await storage.append("t", turn(b'{"n":%d}' % i, f"id{i}"), user_id="ana", title="About t")
    return storage


async def test_bodies_are_replaced_and_nothing_else(thread: Storage) -> None:
    before = await thread.read("t")
    assert before.info is not None
    edits = await thread.rewrite("t", {2: b"\x00\xff sealed", 4: b'{"other":true}'})
    after = await thread.read("t")
    assert edits is not None
    assert edits > before.info.edits
    assert after.info == msgspec.structs.replace(before.info, edits=edits, rewritten=edits)
    assert [record.body for record in after.records] == [b'{"n":0}', b"\x00\xff sealed", b'{"n":2}', b'{"other":true}']
    assert [(r.number, r.id, r.created_us) for r in after.records] == [
        (r.number, r.id, r.created_us) for r in before.records
    ]


async def test_a_rewritten_thread_goes_on(thread: Storage, another: Storage) -> None:
    await another.read("t")
    await thread.rewrite("t", {4: b"other"})
    await thread.update_thread("t", title="New")
    await thread.rewrite("t", {1: b"one"})
    assert (await another.append("t", turn(b"x", "id2"), expected=9)).replayed
    assert (await another.append("t", turn(b"x", "new"), expected=4)).revision == 5
    info = await thread.head("t")
    assert info is not None
    assert (info.title, info.turns, info.messages) == ("New", 5, 5)
    assert (await thread.read("t", last_turns=2)).records[0].body == b"other"


async def test_turns_and_threads_that_are_gone_are_passed_over(thread: Storage) -> None:
    await thread.undo("t")
    await thread.trim("t", keep_turns=2)
    await thread.rewrite("t", {1: b"gone", 4: b"gone", 99: b"never"})
    assert await thread.rewrite("nowhere", {1: b"x"}) is None
    assert [record.body for record in (await thread.read("t")).records] == [b'{"n":1}', b'{"n":2}']
    assert await thread.head("nowhere") is None


async def test_keys_are_rotated_on_every_storage(storage: Storage) -> None:
    old, new = b"1" * 32, b"2" * 32
    # The inner storage is closed by the fixture.
    sealed = EncryptedStorage(storage, KeyRing({"old": old}, current="old"))
    store = ChatMessageStore(storage=sealed, thread_id="t")
    for text in ("one", "two"):
        await store.add_messages([ChatMessage("user", text)])
    await sealed.summarize("t", b"in short", through=1)
    await sealed.update_thread("t", metadata={"a": 1})
    both = EncryptedStorage(storage, KeyRing({"old": old, "new": new}, current="new"))
    assert await both.rotate("t") == 3
    only_new = EncryptedStorage(storage, KeyRing({"new": new}, current="new"))
    messages = await ChatMessageStore(storage=only_new, thread_id="t").list_messages()
    assert [message.text for message in messages] == ["one", "two"]
    summary = (await only_new.read("t", with_summary=True)).summary
    assert summary is not None
    assert summary.body == b"in short"
    info = await only_new.head("t")
    assert info is not None
    assert (info.title, info.title_turn, info.metadata) == ("one", 1, {"a": 1})
