"""A step that another writer saves between a read of a draft and its commit is never lost.

`InBetween` does something else right before an append, as another process can.
"""

from collections.abc import Awaitable, Callable

import pytest
from agents import RunContextWrapper
from agents.items import TResponseInputItem
from chatkit.types import ThreadItem, ThreadMetadata

from recuerda.errors import ThreadConflict
from recuerda.interop.chatkit import RecuerdaStore
from recuerda.interop.openai_agents import RecuerdaSession
from recuerda.storage.operations import Appended, Guard, NewRecord
from recuerda.storage.ram import MemoryStorage
from tests.interop.kit.threads import NOW, OurThreads, Request

ITEMS = OurThreads()


class InBetween(MemoryStorage):
    """A storage in RAM that does something right before its next append."""

    before: Callable[[], Awaitable[object]] | None = None

    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        before, self.before = self.before, None
        if before is not None:
            await before()
        return await super()._append(thread_id, record, guard)


@pytest.fixture
def storage() -> InBetween:
    return InBetween()


def asked(text: str) -> TResponseInputItem:
    return {"role": "user", "content": text}


def called(call_id: str) -> TResponseInputItem:
    return {"type": "function_call", "call_id": call_id, "name": "pay", "arguments": "{}"}


async def kinds_of(store: RecuerdaStore[Request]) -> list[str]:
    page = await store.load_thread_items("t", None, 100, "asc", Request())
    return [item.type for item in page.data]


async def chat(storage: InBetween) -> RecuerdaStore[Request]:
    store: RecuerdaStore[Request] = RecuerdaStore(storage, user_of=None)
    await store.save_thread(ThreadMetadata(id="t", created_at=NOW), Request())
    return store


def saying(store: RecuerdaStore[Request], item: ThreadItem) -> Callable[[], Awaitable[object]]:
    return lambda: store.add_thread_item("t", item, Request())


async def test_a_question_in_chatkit_keeps_the_call_that_another_request_has_just_saved(storage: InBetween) -> None:
    store = await chat(storage)
    request = Request()
    await store.add_thread_item("t", ITEMS.make("question", "a"), request)
    storage.before = lambda: store.add_thread_item("t", ITEMS.make("call", "a"), request)
    await store.add_thread_item("t", ITEMS.make("question", "b"), Request())
    assert await kinds_of(store) == ["user_message", "client_tool_call", "user_message"]


async def test_a_deletion_in_chatkit_keeps_the_question_that_another_request_has_just_asked(
    storage: InBetween,
) -> None:
    store = await chat(storage)
    answer = ITEMS.make("answer", "a")
    for item in (ITEMS.make("question", "a"), answer):
        await store.add_thread_item("t", item, Request())
    await store.delete_thread_item("t", answer.id, Request())
    storage.before = saying(store, ITEMS.make("question", "b"))
    await store.add_thread_item("t", ITEMS.make("answer", "c"), Request())
    assert sorted(await kinds_of(store)) == ["assistant_message", "user_message", "user_message"]


async def test_an_add_without_a_run_keeps_the_item_that_another_session_has_just_added(storage: InBetween) -> None:
    mine, other = RecuerdaSession("t", storage), RecuerdaSession("t", storage)
    await mine.add_items([asked("a")])
    storage.before = lambda: other.add_items([called("c")])
    await RecuerdaSession("t", storage).add_items([asked("b")])
    found = await RecuerdaSession("t", storage).get_items()
    assert found == [asked("a"), called("c"), asked("b")]


async def test_a_run_that_has_not_read_the_newest_item_conflicts(storage: InBetween) -> None:
    mine, other = RecuerdaSession("t", storage), RecuerdaSession("t", storage)
    run_of_mine, run_of_other = RunContextWrapper(None), RunContextWrapper(None)
    await mine.get_items(wrapper=run_of_mine)
    await mine.add_items([asked("a")], wrapper=run_of_mine)
    await other.get_items(wrapper=run_of_other)
    storage.before = lambda: mine.add_items([called("c")], wrapper=run_of_mine)
    with pytest.raises(ThreadConflict):
        await other.add_items([asked("b")], wrapper=run_of_other)
    assert await other.get_items() == [asked("a"), called("c")]


async def test_a_pop_takes_the_item_that_another_session_has_just_added(storage: InBetween) -> None:
    mine, other = RecuerdaSession("t", storage), RecuerdaSession("t", storage)
    await mine.add_items([asked("a"), {"role": "assistant", "content": "b"}])
    storage.before = lambda: other.add_items([asked("c")])
    assert await mine.pop_item() == asked("c")
    assert len(await other.get_items()) == 2
