"""Retention: what is too old or too much goes, whole turns at a time, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from recuerda import ChatMessage, ChatMessageStore, DataContent, InvalidInput, NewTurn, Storage, Turn, TurnGone
from recuerda.retention import RetentionPolicy
from recuerda.storage.drafts import DraftStep
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import Blob, from_microseconds
from recuerda.testing.scripted import ScriptedChatClient
from recuerda.threads.new_turn import new_turn
from tests.conversation import texts

DAY_US = 24 * 60 * 60 * 1_000_000
CAT, DOG, SHIP = [bytes([number]) * 5000 for number in range(3)]


async def fill(storage: Storage, thread_id: str, *ages_days: int, user_id: str | None = None) -> None:
    for age in ages_days:
        created_us = storage.clock() - age * DAY_US
        turn = NewTurn(body=str(age).encode(), message_count=2, created_us=created_us)
        await storage.append(thread_id, turn, user_id=user_id)


async def show(storage: Storage, thread_id: str, *turns: tuple[int, bytes]) -> None:
    """Append a turn with a question, a picture and an answer for each age in days."""
    for age, picture in turns:
        said = (
            ChatMessage("user", [f"{age} days ago", DataContent(picture, "image/png", f"{age}.png", "low")]),
            ChatMessage("assistant", f"{age}!"),
        )
        turn = replace(new_turn(Turn(messages=said), storage), created_us=storage.clock() - age * DAY_US)
        await storage.append(thread_id, turn)


async def pictures(storage: Storage, thread_id: str) -> list[bytes]:
    """Return the pictures of the whole thread as a reader of messages gets them."""
    messages = await ChatMessageStore(storage=storage, thread_id=thread_id).list_messages()
    return [part.data for message in messages for part in message.contents if isinstance(part, DataContent)]


async def held(storage: Storage, thread_id: str) -> set[bytes]:
    """Return the pictures of which the thread holds the bytes, whether or not a turn shows them."""
    return set((await storage.read_blobs(thread_id, [Blob.of(one).digest for one in (CAT, DOG, SHIP)])).values())


async def ages(storage: Storage, thread_id: str) -> list[int]:
    return [int(record.body) for record in (await storage.read(thread_id)).records]


async def test_old_turns_go_and_the_others_stay(storage: Storage) -> None:
    await fill(storage, "a", 40, 31, 29, 1)
    await fill(storage, "b", 2, 1)
    receipt = await RetentionPolicy(keep_days=30).apply(storage)
    assert (receipt.threads, receipt.trimmed, receipt.turns, receipt.postponed) == (2, 1, 2, 0)
    assert await ages(storage, "a") == [29, 1]
    assert await ages(storage, "b") == [2, 1]


async def test_a_thread_that_is_all_old_keeps_its_settings_and_goes_on(storage: Storage) -> None:
    await fill(storage, "a", 40, 39)
    await storage.update_thread("a", metadata={"k": 1})
    assert (await RetentionPolicy(keep_days=30).apply(storage)).turns == 2
    info = await storage.head("a")
    assert info is not None
    assert (info.turns, info.messages, info.metadata, info.revision) == (0, 0, {"k": 1}, 3)
    await fill(storage, "a", 0)
    assert await ages(storage, "a") == [0]
    assert (await RetentionPolicy(keep_days=30).apply(storage)).turns == 0


async def test_an_old_interrupted_turn_that_goes_on_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    old_us = storage.clock() - 40 * DAY_US
    await storage.save_draft("a", DraftStep(turn_id="t", revision=0, number=1, body=b"1", created_us=old_us))
    drop_draft = storage.drop_draft

    async def late(thread_id: str, **options: Any) -> bool:
        await storage.save_draft(thread_id, DraftStep(turn_id="t", revision=0, number=2, body=b"2"))
        return await drop_draft(thread_id, **options)

    monkeypatch.setattr(storage, "drop_draft", late)
    assert (await RetentionPolicy(keep_days=30).apply(storage)).drafts == 0
    draft = await storage.load_draft("a")
    assert draft is not None
    assert [step.body for step in draft.steps] == [b"1", b"2"]


async def test_an_old_interrupted_turn_goes_and_a_younger_one_stays(storage: Storage) -> None:
    await fill(storage, "old", 40, 1)
    now_us = storage.clock()
    for thread_id, last_days in (("old", 31), ("begun", 31), ("goes on", 29)):
        revision = 2 if thread_id == "old" else 0
        for number, age_days in ((1, 40), (2, last_days)):
            created_us = now_us - age_days * DAY_US
            step = DraftStep(turn_id="t", revision=revision, number=number, body=b"", created_us=created_us)
            await storage.save_draft(thread_id, step, user_id="ana")
    receipt = await RetentionPolicy(keep_days=30).apply(storage, user_id="ana")
    assert (receipt.threads, receipt.turns, receipt.drafts) == (2, 0, 1)
    receipt = await RetentionPolicy(keep_days=30).apply(storage)
    assert (receipt.threads, receipt.turns, receipt.drafts) == (3, 1, 1)
    assert [name for name in ("old", "begun", "goes on") if await storage.load_draft(name)] == ["goes on"]
    assert (await RetentionPolicy(keep_turns=1).apply(storage)).drafts == 0


async def test_more_turns_than_are_kept_go(storage: Storage) -> None:
    await fill(storage, "a", *range(5, 0, -1))
    assert (await RetentionPolicy(keep_turns=2).apply(storage)).turns == 3
    assert await ages(storage, "a") == [2, 1]


async def test_both_limits_hold_together(storage: Storage) -> None:
    await fill(storage, "a", 9, 3, 2, 1)
    assert (await RetentionPolicy(keep_days=5, keep_turns=2).apply(storage)).turns == 2
    assert await ages(storage, "a") == [2, 1]


async def test_a_file_goes_with_the_last_turn_that_shows_it(storage: Storage, another: Storage) -> None:
    await show(storage, "a", (40, CAT), (35, DOG), (3, CAT), (2, SHIP))
    await show(storage, "b", (40, DOG))
    assert (await RetentionPolicy(keep_days=30).apply(storage)).turns == 3
    assert await pictures(another, "a") == [CAT, SHIP]
    assert [await held(another, name) for name in ("a", "b")] == [{CAT, SHIP}, set()]
    assert (await RetentionPolicy(keep_turns=1).apply(another)).turns == 1
    assert (await pictures(storage, "a"), await held(storage, "a")) == ([SHIP], {SHIP})
    assert (await RetentionPolicy(keep_days=1).apply(storage)).turns == 1
    assert (await pictures(storage, "a"), await held(storage, "a")) == ([], set())


async def test_a_fork_keeps_its_own_turns_and_files_and_its_turns_keep_their_ages(
    storage: Storage, another: Storage
) -> None:
    await show(storage, "a", (40, CAT), (20, DOG), (2, SHIP))
    fork = await ChatMessageStore(storage=storage, thread_id="a").fork(before=3, thread_id="fork")
    inner = await fork.fork(thread_id="inner")
    await show(storage, "inner", (1, CAT))
    assert (await RetentionPolicy(keep_days=30).apply(storage)).turns == 3
    assert [await pictures(another, name) for name in ("a", "fork", "inner")] == [[DOG, SHIP], [DOG], [DOG, CAT]]
    assert (await RetentionPolicy(keep_days=10).apply(storage)).turns == 3
    assert [await pictures(another, name) for name in ("a", "fork", "inner")] == [[SHIP], [], [CAT]]
    assert [await held(another, name) for name in ("a", "fork", "inner")] == [{SHIP}, set(), {CAT}]
    info = await inner.info()
    assert info is not None
    assert info.parent is not None
    assert info.parent.thread_id == "fork"
    assert [branch.id for branch in await fork.list_branches()] == ["inner"]


async def test_an_answer_given_again_counts_once_and_a_turn_that_went_is_not_replaced(
    storage: Storage, another: Storage
) -> None:
    agent = ScriptedChatClient(["again", "and again"]).create_agent(storage=storage)
    await show(storage, "a", (9, CAT), (8, DOG), (7, SHIP))
    thread = agent.get_thread("a")
    (oldest, *_) = await thread.list_turns()
    await agent.regenerate(thread)
    assert (await RetentionPolicy(keep_turns=2).apply(another)).turns == 1
    assert await pictures(another, "a") == [DOG, SHIP]
    with pytest.raises(TurnGone):
        await agent.run("other words", thread=thread, replaces=oldest)
    with pytest.raises(InvalidInput):
        await agent.edit(thread, oldest, "other words")
    await agent.regenerate(thread)
    assert texts(await thread.list_messages()) == ["8 days ago", "8!", "7 days ago", "and again"]
    assert (await RetentionPolicy(keep_days=5).apply(another)).turns == 1
    assert (await pictures(storage, "a"), await held(storage, "a")) == ([SHIP], {SHIP})


async def test_a_policy_can_be_for_one_user(storage: Storage) -> None:
    await fill(storage, "a", 9, user_id="ana")
    await fill(storage, "b", 9, user_id="bo")
    await RetentionPolicy(keep_days=1).apply(storage, user_id="ana")
    assert await ages(storage, "a") == []
    assert await ages(storage, "b") == [9]


async def test_a_long_thread_is_read_only_as_far_as_it_is_kept(storage: Storage) -> None:
    turns = [
        NewTurn(body=b"x", message_count=1, created_us=storage.clock() - (160 - i) * DAY_US, id=f"t{i}")
        for i in range(160)
    ]
    await storage.append_all("a", turns)
    before = from_microseconds(storage.clock()) - timedelta(days=40, hours=1)
    assert await storage.trim("a", before=before) == 120
    found = await storage.read("a")
    assert [record.id for record in found.records] == [f"t{i}" for i in range(120, 160)]
    assert await storage.trim("a", before=before) == 0


@pytest.mark.parametrize("limits", [{}, {"keep_days": 0}, {"keep_days": float("nan")}, {"keep_turns": 0}])
def test_a_policy_that_says_nothing_or_everything_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        RetentionPolicy(**limits)  # pyright: ignore[reportArgumentType]  # on purpose
