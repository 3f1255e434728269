"""A thread belongs to the user in the config, and no other user's graph reads, writes or resumes it."""

import pytest

from recuerda import MemoryStorage, Storage, ThreadOwnershipError
from recuerda.interop.langgraph import RecuerdaSaver
from tests.interop.langgraph.graphs import RIKER, chat, said, thread

WILL = thread("riker", user_id="will")
TOM = thread("riker", user_id="tom")


async def test_a_thread_belongs_to_the_user_who_began_it(storage: Storage) -> None:
    saver = RecuerdaSaver(storage)
    await chat(saver).ainvoke(said("one"), WILL)
    for one in (saver, RecuerdaSaver(storage)):
        with pytest.raises(ThreadOwnershipError):
            await chat(one).ainvoke(said("two"), TOM)
        with pytest.raises(ThreadOwnershipError):
            await chat(one).aget_state(TOM)
        with pytest.raises(ThreadOwnershipError):
            [found async for found in one.alist(TOM)]
    assert len((await chat(saver).ainvoke(said("two"), WILL))["messages"]) == 4
    assert len((await chat(saver).aget_state(RIKER)).values["messages"]) == 4  # a program without a user is not refused


async def test_erasing_the_user_erases_the_graph_s_threads() -> None:
    storage = MemoryStorage()
    saver = RecuerdaSaver(storage)
    await chat(saver).ainvoke(said("one"), WILL)
    receipt = await storage.erase_user("will")
    assert receipt.threads == 1
    assert (await chat(saver).aget_state(RIKER)).values == {}
    assert len((await chat(saver).ainvoke(said("anew"), TOM))["messages"]) == 2


async def test_a_view_for_one_user_keeps_other_users_threads_out_of_lists_and_deletions() -> None:
    storage = MemoryStorage()
    await chat(RecuerdaSaver(storage)).ainvoke(said("one"), WILL)
    view = RecuerdaSaver(storage.for_user("tom"))
    assert [one async for one in view.alist(None)] == []
    await view.adelete_for_runs(["any"])
    with pytest.raises(ThreadOwnershipError):
        await view.adelete_thread("riker")
    with pytest.raises(ThreadOwnershipError):
        await view.acopy_thread("riker", "mine")
    assert (await chat(RecuerdaSaver(storage)).aget_state(RIKER)).values["messages"]


async def test_without_a_user_key_the_config_s_user_means_nothing() -> None:
    storage = MemoryStorage()
    saver = RecuerdaSaver(storage, user_key=None)
    await chat(saver).ainvoke(said("one"), WILL)
    assert len((await chat(saver).ainvoke(said("two"), TOM))["messages"]) == 4


async def test_a_config_without_a_thread_is_refused() -> None:
    with pytest.raises(ValueError, match="thread_id"):
        await RecuerdaSaver(MemoryStorage()).aget_tuple({})
