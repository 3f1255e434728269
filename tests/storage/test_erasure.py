"""Erasing a user's threads: everything of theirs, nothing of others, and a receipt."""

from __future__ import annotations

import pytest

from recuerda import InvalidInput, NewTurn, Storage


async def fill(storage: Storage) -> None:
    for user_id, thread_id, turns in (("ana", "a1", 3), ("ana", "a2", 1), ("bo", "b1", 2), (None, "n1", 1)):
        for _ in range(turns):
            await storage.append(thread_id, NewTurn(body=b"x", message_count=2), user_id=user_id)


async def test_a_dry_run_counts_and_deletes_nothing(storage: Storage) -> None:
    await fill(storage)
    receipt = await storage.erase_user("ana", dry_run=True)
    assert (receipt.threads, receipt.turns, receipt.messages, receipt.is_dry_run) == (2, 4, 8, True)
    assert await storage.head("a1") is not None


async def test_erasing_takes_all_of_one_user_and_nothing_of_others(storage: Storage) -> None:
    await fill(storage)
    receipt = await storage.erase_user("ana")
    assert (receipt.threads, receipt.turns, receipt.messages, receipt.is_dry_run) == (2, 4, 8, False)
    left = {info.id async for info in storage.threads()}
    assert left == {"b1", "n1"}
    assert (await storage.erase_user("ana")).threads == 0


async def test_more_threads_than_a_page_are_erased(storage: Storage, small_page: int) -> None:
    for i in range(small_page + 10):
        await storage.append(f"t{i}", NewTurn(body=b"x", message_count=1), user_id="ana")
    assert (await storage.erase_user("ana")).threads == small_page + 10
    assert (await storage.list_threads(user_id="ana")).threads == ()


async def test_an_empty_user_id_is_refused_and_erases_nobody(storage: Storage) -> None:
    await fill(storage)
    with pytest.raises(InvalidInput):
        await storage.erase_user("")
    assert len((await storage.list_threads()).threads) == 4
