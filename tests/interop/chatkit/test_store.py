"""`RecuerdaStore` keeps the contract of ChatKit's stores, under ChatKit's own server."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from chatkit.server import ChatKitServer, NonStreamingResult, StreamingResult
from chatkit.store import NotFoundError, StoreItemType
from chatkit.types import (
    ActiveStatus,
    AssistantMessageContent,
    AssistantMessageItem,
    Attachment,
    ClientToolCallItem,
    ClosedStatus,
    FeedbackKind,
    FileAttachment,
    GeneratedImage,
    GeneratedImageItem,
    HiddenContextItem,
    ImageAttachment,
    InferenceOptions,
    StructuredInputItem,
    TaskItem,
    ThreadItem,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    UserMessageTextContent,
    WidgetItem,
    WorkflowItem,
)
from chatkit.widgets import DynamicWidgetRoot
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyUrl, TypeAdapter

from recuerda import ChatMessageStore, MemoryStorage, Storage, ThreadConflict
from recuerda.interop.chatkit import RecuerdaStore, generate_id
from recuerda.interop.openai_agents import RecuerdaSession
from recuerda.testing import ScriptedChatClient


@dataclass
class Request:
    """The context of one request of a user."""

    user_id: str = "ana"


Ours = RecuerdaStore[Request]


def opened(storage: Storage) -> Ours:
    return RecuerdaStore(storage, user_of=lambda request: request.user_id)


@pytest.fixture
def store(storage: Storage) -> Ours:
    return opened(storage)


NOW = datetime(2026, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - ChatKit's times have no zone


def asked(id: str, text: str = "q", **more: Any) -> UserMessageItem:
    content = [UserMessageTextContent(text=text)]
    return UserMessageItem(
        id=id, thread_id="t", created_at=NOW, content=[*content], inference_options=InferenceOptions(), **more
    )


def answered(id: str, text: str = "a") -> AssistantMessageItem:
    return AssistantMessageItem(
        id=id, thread_id="t", created_at=NOW, content=[AssistantMessageContent(text=text, annotations=[])]
    )


def called(id: str, status: Any = "pending", output: Any = None) -> ClientToolCallItem:
    return ClientToolCallItem(
        id=id, thread_id="t", created_at=NOW, call_id="c", name="f", arguments={"x": None}, status=status, output=output
    )


def widget(id: str, thread_id: str = "t") -> WidgetItem:
    root = {"type": "Card", "children": [{"type": "Text", "value": "Hi.", "id": "x"}]}
    return WidgetItem.model_validate({"id": id, "thread_id": thread_id, "created_at": NOW, "widget": root})


async def begun(store: Ours, id: str = "t", user_id: str = "ana") -> ThreadMetadata:
    thread = ThreadMetadata(id=id, created_at=NOW)
    await store.save_thread(thread, Request(user_id))
    return thread


async def said(store: Ours, *turns: Sequence[ThreadItem]) -> None:
    for items in turns:
        request = Request()
        for item in items:
            await store.add_thread_item("t", item, request)


async def ids(store: Ours, **more: Any) -> list[str]:
    given: dict[str, Any] = {"after": None, "limit": 100, "order": "asc", **more}
    page = await store.load_thread_items("t", given["after"], given["limit"], given["order"], Request())
    return [item.id for item in page.data]


async def walked(store: Ours, order: str, limit: int, *, by_id: bool = False) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = await store.load_thread_items("t", after, limit, order, Request())
        found += [item.id for item in page.data]
        assert len(page.data) <= limit
        if not page.has_more:
            return found
        after = page.data[-1].id if by_id else page.after


# -- items -------------------------------------------------------------------------------------------------------------


async def test_a_response_is_one_turn_that_other_readers_see(store: Ours, storage: Storage) -> None:
    await begun(store)
    task = TaskItem.model_validate(
        {"id": "i2", "thread_id": "t", "created_at": NOW, "task": {"type": "thought", "content": "Hm."}}
    )
    request = Request()
    await store.add_thread_item("t", asked("i1", "My name is Riker."), request)
    await store.add_thread_item("t", task, request)
    assert await ChatMessageStore(storage=storage, thread_id="t").list_turns() == []
    assert await ids(store) == ["i1", "i2"]
    await store.add_thread_item("t", answered("i3", "Hello."), request)
    await store.add_thread_item("t", widget("i4"), request)
    (turn,) = await ChatMessageStore(storage=storage, thread_id="t").list_turns()
    assert [message.role for message in turn.messages] == ["user", "assistant", "assistant", "assistant"]
    assert await ids(store) == ["i1", "i2", "i3", "i4"]
    assert await ids(opened(storage), order="desc") == ["i4", "i3", "i2", "i1"]
    items: list[Any] = [*await RecuerdaSession("t", storage).get_items()]
    assert items[0]["role"] == "user"
    assert "My name is Riker." in str(items[0]["content"])
    await said(store, [asked("i5"), answered("i6")])
    assert [len(one.messages) for one in await ChatMessageStore(storage=storage, thread_id="t").list_turns()] == [4, 2]


async def test_a_client_tool_is_answered_in_a_later_request_of_the_same_turn(store: Ours, another: Storage) -> None:
    await begun(store)
    await said(store, [asked("i1"), called("i2")])
    other = opened(another)
    request = Request()
    item = await other.load_item("t", "i2", request)
    assert item == called("i2")
    await other.save_item("t", called("i2", "completed", {"y": None}), request)
    await other.add_thread_item("t", answered("i3"), request)
    (turn,) = await ChatMessageStore(storage=another, thread_id="t").list_turns()
    assert [message.role for message in turn.messages] == ["user", "assistant", "tool", "assistant"]
    assert await other.load_item("t", "i2", request) == called("i2", "completed", {"y": None})


async def test_items_are_changed_and_deleted_in_place(store: Ours, storage: Storage) -> None:
    await begun(store)
    await said(store, [asked("i1"), answered("i2"), widget("i3")], [asked("i4"), answered("i5")])
    await store.save_item("t", answered("i2", "secret"), Request())
    assert await store.load_item("t", "i2", Request()) == answered("i2", "secret")
    await store.save_item("t", called("i3", "completed", 1), Request())
    assert await store.load_item("t", "i3", Request()) == called("i3", "completed", 1)
    assert await ids(store) == ["i1", "i2", "i3", "i4", "i5"]
    await store.delete_thread_item("t", "i2", Request())
    await store.delete_thread_item("t", "i2", Request())
    with pytest.raises(NotFoundError):
        await store.load_item("t", "i2", Request())
    for gone in ("i5", "i4"):
        await store.delete_thread_item("t", gone, Request())
    assert await ids(store) == ["i1", "i3"]
    found = await storage.read("t")
    assert len(found.records) == 1
    assert b"secret" not in found.records[0].body
    await store.save_item("t", asked("i6"), Request())
    assert await ids(store) == ["i1", "i3", "i6"]


async def test_an_item_that_is_added_twice_is_stored_once(store: Ours, storage: Storage) -> None:
    await begun(store)
    for _ in range(2):
        await said(store, [asked("i1")])
    await said(store, [answered("i2")])
    await said(store, [answered("i2", "b")])
    assert await ids(store) == ["i1", "i2"]
    assert len((await storage.read("t")).records) == 1


async def test_a_question_without_an_answer_stays(store: Ours, another: Storage) -> None:
    await begun(store)
    await said(store, [asked("i1")])
    await said(opened(another), [asked("i2"), answered("i3")])
    turns = await ChatMessageStore(storage=another, thread_id="t").list_turns()
    assert [(len(turn.messages), turn.turn.is_interrupted) for turn in turns] == [(1, True), (2, False)]
    assert await ids(store) == ["i1", "i2", "i3"]


async def test_a_response_that_was_overtaken_conflicts(store: Ours, another: Storage) -> None:
    await begun(store)
    first, second = Request(), Request()
    other = opened(another)
    await store.add_thread_item("t", asked("i1"), first)
    await other.add_thread_item("t", asked("i2"), second)
    with pytest.raises(ThreadConflict):
        await store.add_thread_item("t", answered("i3"), first)
    await other.add_thread_item("t", answered("i4"), second)
    assert await ids(store) == ["i1", "i2", "i4"]


async def test_a_response_that_went_on_while_another_began_does_not_get_into_it(
    store: Ours, another: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begun(store)
    first, second = Request(), Request()
    other = opened(another)
    await store.add_thread_item("t", asked("i1"), first)
    save = another.save_draft

    async def late(*args: Any, **kwargs: Any) -> str:
        # The second response has cut the first one off, and has not begun its own turn yet.
        monkeypatch.setattr(another, "save_draft", save)
        await store.add_thread_item("t", called("i3", "completed"), first)
        return await save(*args, **kwargs)

    monkeypatch.setattr(another, "save_draft", late)
    await other.add_thread_item("t", asked("i2"), second)
    with pytest.raises(ThreadConflict):
        await store.add_thread_item("t", answered("i4"), first)
    await other.add_thread_item("t", answered("i5"), second)
    assert await ids(store) == ["i1", "i3", "i2", "i5"]


async def test_two_writers_at_once_lose_nothing(store: Ours, another: Storage) -> None:
    await begun(store)
    other = opened(another)

    async def hidden(one: Ours, number: int) -> None:
        item = HiddenContextItem(id=f"h{number}", thread_id="t", created_at=NOW, content={"a": None})
        await one.add_thread_item("t", item, Request())

    await asyncio.gather(*(hidden(one, 2 * n + m) for n in range(3) for m, one in enumerate((store, other))))
    assert sorted(await ids(store)) == [f"h{number}" for number in range(6)]


async def test_pages_walk_through_every_item_once_in_both_orders(store: Ours, another: Storage) -> None:
    await begun(store)
    expected: list[str] = []
    for number in range(30):
        turn = [asked(f"q{number}"), answered(f"a{number}"), *([widget(f"w{number}")] if number % 7 == 0 else [])]
        await said(store, turn)
        expected += [item.id for item in turn]
    await said(store, [asked("last")])
    expected.append("last")
    for limit in (1, 4, 100):
        for one in (store, opened(another)):
            assert await walked(one, "asc", limit) == expected
            assert await walked(one, "desc", limit) == expected[::-1]
    assert await walked(opened(another), "asc", 7, by_id=True) == expected
    assert await walked(opened(another), "desc", 7, by_id=True) == expected[::-1]
    for gone in ("q10", "a10", "q0", "a0", "w0", "a20"):
        await store.delete_thread_item("t", gone, Request())
        expected.remove(gone)
    assert await walked(store, "asc", 3) == expected
    assert await walked(store, "desc", 3) == expected[::-1]
    with pytest.raises(NotFoundError):
        await store.load_thread_items("t", "unknown", 3, "asc", Request())


class Counted(MemoryStorage):
    """Count what is read and written."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = {"reads": 0, "records": 0, "writes": 0}

    async def read(self, *given: Any, **named: Any) -> Any:
        found = await super().read(*given, **named)
        self.counts["reads"] += 1
        self.counts["records"] += len(found.records) + (found.found is not None)
        return found

    async def append(self, *given: Any, **named: Any) -> Any:
        self.counts["writes"] += 1
        return await super().append(*given, **named)

    async def save_draft(self, *given: Any, **named: Any) -> str:
        self.counts["writes"] += 1
        return await super().save_draft(*given, **named)


async def test_the_cost_of_a_turn_and_of_a_page_is_flat() -> None:
    costs: list[list[dict[str, int]]] = []
    for turns in (120, 360):
        storage = Counted()
        store = opened(storage)
        await begun(store)
        for number in range(turns):
            await said(store, [asked(f"q{number}"), answered(f"a{number}")])
        costs.append([])
        middle = f"q{turns // 2}@{turns // 2 + 1}.0"

        async def turn(store: Ours = store) -> None:
            await said(store, [asked("q"), answered("a")])
            await store.load_item("t", "a7", Request())

        async def newest(storage: Storage = storage) -> None:
            await opened(storage).load_thread_items("t", None, 20, "desc", Request())

        async def oldest(storage: Storage = storage) -> None:
            await opened(storage).load_thread_items("t", None, 20, "asc", Request())

        async def up(storage: Storage = storage, middle: str = middle) -> None:
            await opened(storage).load_thread_items("t", middle, 20, "asc", Request())

        async def down(storage: Storage = storage, middle: str = middle) -> None:
            await opened(storage).load_thread_items("t", middle, 20, "desc", Request())

        for work in (turn, newest, oldest, up, down):
            storage.counts = dict.fromkeys(storage.counts, 0)
            await work()
            costs[-1].append(storage.counts)
        await storage.close()
    assert costs[0] == costs[1]
    assert costs[0][0] == {"reads": 4, "records": 4, "writes": 2}
    assert [cost["reads"] for cost in costs[0][1:]] == [1, 1, 1, 1]
    assert max(cost["records"] for cost in costs[0]) <= 60


async def test_a_thread_of_another_program_goes_on(store: Ours, storage: Storage) -> None:
    agent = ScriptedChatClient(["Hello, Ana.", "Bye."]).create_agent(storage=storage)
    await agent.run("I am Ana.", thread="t")
    page = await store.load_thread_items("t", None, 10, "asc", Request())
    question, answer = page.data
    assert isinstance(question, UserMessageItem)
    assert isinstance(answer, AssistantMessageItem)
    assert answer.content[0].text == "Hello, Ana."
    assert (await store.load_thread("t", Request())).title == "I am Ana."
    assert await store.load_item("t", answer.id, Request()) == answer
    await said(store, [asked("i1", "Where am I?"), answered("i2", "Here.")])
    await agent.run("Bye.", thread="t")
    assert len(await walked(store, "desc", 1)) == 6
    assert len(await walked(store, "asc", 1)) == 6
    await store.delete_thread_item("t", answer.id, Request())
    assert len(await ids(store)) == 5


# -- threads and attachments -------------------------------------------------------------------------------------------


async def test_a_thread_comes_back_as_it_was_saved(store: Ours, another: Storage) -> None:
    thread = ThreadMetadata(id="t", created_at=NOW, metadata={"x": [1, None]}, allowed_image_domains=["a.example"])
    await store.save_thread(thread, Request())
    assert await opened(another).load_thread("t", Request()) == thread
    await said(store, [asked("i1"), answered("i2")])
    assert await store.load_thread("t", Request()) == thread
    for title, status in (("A", ClosedStatus(reason="done")), (None, ActiveStatus())):
        thread = thread.model_copy(update={"title": title, "status": status, "metadata": {}})
        await store.save_thread(thread, Request())
        assert await store.load_thread("t", Request()) == thread
    await store.delete_thread("t", Request())
    for missing in ("t", "never"):
        with pytest.raises(NotFoundError):
            await store.load_thread(missing, Request())
        with pytest.raises(NotFoundError):
            await store.add_thread_item(missing, answered("i3"), Request())
        with pytest.raises(NotFoundError):
            await store.load_thread_items(missing, None, 5, "asc", Request())


async def test_threads_are_listed_in_pages_without_attachments_and_other_users(store: Ours) -> None:
    for number in range(7):
        await begun(store, f"t{number}")
        await store.save_attachment(FileAttachment(id=f"a{number}", name="n", mime_type="text/plain"), Request())
    await begun(store, "bo's", "bo")
    newest = [f"t{number}" for number in reversed(range(7))]
    for order, expected in (("desc", newest), ("asc", newest[::-1])):
        for by_id in (False, True):
            found: list[str] = []
            after: str | None = None
            while True:
                page = await store.load_threads(3, after, order, Request())
                found += [thread.id for thread in page.data]
                if not page.has_more:
                    break
                after = page.data[-1].id if by_id else page.after
            assert found == expected


async def test_another_user_finds_nothing(store: Ours, storage: Storage) -> None:
    thread = await begun(store)
    await said(store, [asked("i1"), answered("i2")])
    attachment = FileAttachment(id="a", name="n", mime_type="text/plain")
    await store.save_attachment(attachment, Request())
    bo = Request("bo")
    for refused in (
        store.load_thread("t", bo),
        store.save_thread(thread, bo),
        store.load_thread_items("t", None, 5, "asc", bo),
        store.load_item("t", "i1", bo),
        store.add_thread_item("t", answered("i3"), bo),
        store.save_item("t", answered("i2", "b"), bo),
        store.delete_thread_item("t", "i1", bo),
        store.delete_thread("t", bo),
        store.load_attachment("a", bo),
        store.save_attachment(attachment, bo),
        store.delete_attachment("a", bo),
        store.load_thread("chatkit-attachment:a", Request()),
    ):
        with pytest.raises(NotFoundError):
            await refused
    with pytest.raises(Exception, match="user id"):
        await store.load_thread("t", Request(None))  # pyright: ignore[reportArgumentType] - a program's fault
    assert await ids(store) == ["i1", "i2"]
    await storage.erase_user("ana")
    with pytest.raises(NotFoundError):
        await store.load_attachment("a", Request())


async def test_attachments_are_kept_until_their_thread_is_deleted(store: Ours) -> None:
    given: list[Attachment] = [
        FileAttachment(id="a", name="n", mime_type="text/plain", metadata={"path": "x"}),
        ImageAttachment(id="b", name="n", mime_type="image/png", preview_url=AnyUrl("https://a.example/b.png")),
    ]
    for one in given:
        await store.save_attachment(one, Request())
        assert await store.load_attachment(one.id, Request()) == one
    await begun(store)
    item = asked("i1", attachments=given, quoted_text="x\ny")
    await said(store, [item, answered("i2")])
    assert await store.load_item("t", "i1", Request()) == item
    await store.delete_thread("t", Request())
    for one in given:
        with pytest.raises(NotFoundError):
            await store.load_attachment(one.id, Request())


async def test_bytes_are_kept_once_beside_their_turns_and_go_with_their_items(store: Ours, storage: Storage) -> None:
    picture = bytes(range(256)) * 40
    url = f"data:image/png;base64,{b64encode(picture).decode()}"
    await begun(store)
    given = [
        GeneratedImageItem(id=id, thread_id="t", created_at=NOW, image=GeneratedImage(id="g", url=url))
        for id in ("i2", "i3")
    ]
    await said(store, [asked("i1"), *given, answered("i4")])
    found = await storage.read("t", blobs=None)
    assert list(found.blobs.values()) == [picture]
    assert sum(len(record.body) for record in found.records) < 5000
    for reader in (store, opened(storage)):
        assert [await reader.load_item("t", one.id, Request()) for one in given] == given
    await store.delete_thread_item("t", "i2", Request())
    assert len((await storage.read("t", blobs=None)).blobs) == 1
    await store.delete_thread_item("t", "i3", Request())
    assert (await storage.read("t", blobs=None)).blobs == {}
    assert await ids(store) == ["i1", "i4"]


def test_ids_have_128_random_bits(storage: Storage) -> None:
    store = opened(storage)
    thread = ThreadMetadata(id="t", created_at=NOW)
    drawn = [
        store.generate_thread_id(Request()),
        store.generate_item_id("message", thread, Request()),
        generate_id("attachment"),
    ]
    assert [(one.partition("_")[0], len(one.partition("_")[2])) for one in drawn] == [
        ("thr", 32), ("msg", 32), ("atc", 32)
    ]  # fmt: skip


# -- any item ----------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=2)
DATES = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001
TIMES = DATES | DATES.map(lambda moment: moment.replace(tzinfo=UTC))


def record(kind: str | None = None, /, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Draw an object with these fields."""
    return st.fixed_dictionaries({**({} if kind is None else {"type": st.just(kind)}), **fields})


def few(one: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(one, max_size=2)


TAG = record("input_tag", id=TEXT, text=TEXT, data=OBJECT)
FILE = record("file", id=TEXT, name=TEXT, mime_type=TEXT, metadata=st.none() | OBJECT)
NOTE = record(source=record("url", title=TEXT, url=TEXT), index=st.none() | st.integers(0, 9))
QUESTION = record("freeform", id=TEXT, question=TEXT, answer=st.none() | record(values=few(TEXT)))
FLOW = record(
    type=st.sampled_from(["custom", "reasoning"]),
    tasks=few(record("thought", content=TEXT)),
    summary=st.none() | record(duration=st.integers(0, 9)),
)
ITEMS = st.one_of(
    record(
        "user_message",
        created_at=TIMES,
        content=few(record("input_text", text=TEXT) | TAG),
        quoted_text=st.none() | TEXT,
        attachments=few(FILE),
        inference_options=record(model=st.none() | TEXT),
    ),
    record("assistant_message", created_at=TIMES, content=few(record(text=TEXT, annotations=few(NOTE)))),
    record(
        "client_tool_call",
        created_at=TIMES,
        status=st.sampled_from(["pending", "completed"]),
        call_id=TEXT,
        name=TEXT,
        arguments=OBJECT,
        output=JSON,
    ),
    record(
        "widget",
        created_at=TIMES,
        copy_text=st.none() | TEXT,
        widget=record(type=st.sampled_from(["Card", "ListView", "Basic"]), children=st.just([]), other=JSON),
    ),
    record("generated_image", created_at=TIMES, image=st.none() | record(id=TEXT, url=TEXT)),
    record(
        "structured_input",
        created_at=TIMES,
        status=st.sampled_from(["pending", "answered"]),
        inputs=few(QUESTION),
    ),
    record("workflow", created_at=TIMES, workflow=FLOW),
    record("task", created_at=TIMES, task=record("web_search", queries=few(TEXT))),
    record("hidden_context_item", created_at=TIMES, content=JSON),
    record("sdk_hidden_context", created_at=TIMES, content=TEXT),
    record("end_of_turn", created_at=TIMES),
)
_ITEMS: TypeAdapter[ThreadItem] = TypeAdapter(ThreadItem)


@given(st.lists(ITEMS, min_size=1, max_size=4))
async def test_any_item_comes_back_as_it_was(drawn: list[dict[str, Any]]) -> None:
    items = [_ITEMS.validate_python({"id": f"i{number}", "thread_id": "t", **one}) for number, one in enumerate(drawn)]
    async with MemoryStorage() as storage:
        store = opened(storage)
        await begun(store)
        for item in items:
            await store.add_thread_item("t", item, Request())
        page = await store.load_thread_items("t", None, 10, "asc", Request())
        assert [one.model_dump() for one in page.data] == [one.model_dump() for one in items]
        assert [one.model_dump_json() for one in page.data] == [one.model_dump_json() for one in items]
        await store.save_item("t", items[0], Request())
        assert (await store.load_item("t", "i0", Request())).model_dump() == items[0].model_dump()


async def test_a_widget_of_a_template_keeps_its_fields(store: Ours) -> None:
    await begun(store)
    root = DynamicWidgetRoot.model_validate({"type": "Card", "unknown": {"deep": [1]}, "children": []})
    item = WidgetItem(id="w", thread_id="t", created_at=NOW, widget=root)
    await said(store, [item])
    assert (await store.load_item("t", "w", Request())).model_dump_json() == item.model_dump_json()


# -- ChatKit's own server ----------------------------------------------------------------------------------------------


FORM = {
    "type": "multiple_choice",
    "id": "subject",
    "question": "Which subject?",
    "options": [{"value": "Math"}, {"value": "Science"}],
}


class Doctor(ChatKitServer[Request]):
    """Answer with a task, the number of items that it sees, and a widget."""

    def __init__(self, store: Ours) -> None:
        super().__init__(store)
        self.ours = store

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Request
    ) -> AsyncIterator[ThreadStreamEvent]:
        page = await self.ours.load_thread_items(thread.id, None, 100, "desc", context)
        new: dict[str, Any] = {"thread_id": thread.id, "created_at": datetime.now()}  # noqa: DTZ005 - as ChatKit does
        text = ""
        if input_user_message is not None and isinstance(part := input_user_message.content[0], UserMessageTextContent):
            text = part.text
        if text == "form" and not any(item.type == "structured_input" for item in page.data):
            id = self.ours.generate_item_id("message", thread, context)
            yield ThreadItemDoneEvent(item=StructuredInputItem.model_validate({"id": id, "inputs": [FORM], **new}))
            return
        if text == "call":
            id = self.ours.generate_item_id("tool_call", thread, context)
            yield ThreadItemDoneEvent(item=ClientToolCallItem(id=id, call_id="c", name="f", arguments={}, **new))
            return
        id = self.ours.generate_item_id("workflow", thread, context)
        flow = WorkflowItem.model_validate({"id": id, **new, "workflow": {"type": "custom", "tasks": []}})
        yield ThreadItemDoneEvent(item=flow)
        id = self.ours.generate_item_id("message", thread, context)
        content = [AssistantMessageContent(text=f"{len(page.data)} items")]
        yield ThreadItemDoneEvent(item=AssistantMessageItem(id=id, content=content, **new))
        if text == "wait":
            await asyncio.Event().wait()
        id = self.ours.generate_item_id("message", thread, context)
        shown = widget(id, thread.id)
        yield ThreadItemDoneEvent(item=shown)
        changed = shown.model_copy(update={"copy_text": "copied"})
        yield ThreadItemReplacedEvent(item=changed)
        thread.title = "A talk"

    async def add_feedback(self, thread_id: str, item_ids: list[str], feedback: FeedbackKind, context: Request) -> None:
        thread = await self.ours.load_thread(thread_id, context)
        thread.metadata["feedback"] = dict.fromkeys(item_ids, feedback)
        await self.ours.save_thread(thread, context)


async def sent(server: Doctor, op: str, user_id: str = "ana", /, **params: Any) -> list[dict[str, Any]]:
    result = await server.process(json.dumps({"type": op, "params": params}), Request(user_id))
    if isinstance(result, NonStreamingResult):
        return [json.loads(result.json)]
    assert isinstance(result, StreamingResult)
    return [json.loads(event.decode().removeprefix("data: ")) async for event in result]


def message(text: str) -> dict[str, Any]:
    return {"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}}


async def test_a_server_streams_retries_and_takes_feedback(storage: Storage, another: Storage) -> None:
    server = Doctor(opened(storage))
    events = await sent(server, "threads.create", input=message("Hello."))
    assert not [event for event in events if event["type"] == "error"]
    thread_id = events[0]["thread"]["id"]
    turns = await ChatMessageStore(storage=storage, thread_id=thread_id).list_turns()
    assert [[m.role for m in turn.messages] for turn in turns] == [["user", "assistant", "assistant", "assistant"]]

    server = Doctor(opened(another))
    await sent(server, "threads.add_user_message", thread_id=thread_id, input=message("Again."))
    (page,) = await sent(server, "items.list", thread_id=thread_id, limit=5, order="asc")
    assert page["has_more"]
    (rest,) = await sent(server, "items.list", thread_id=thread_id, limit=5, order="asc", after=page["after"])
    kinds = [item["type"] for item in page["data"] + rest["data"]]
    assert kinds == ["user_message", "workflow", "assistant_message", "widget"] * 2
    assert rest["data"][1]["content"][0]["text"] == "5 items"

    first = page["data"][0]["id"]
    events = await sent(server, "threads.retry_after_item", thread_id=thread_id, item_id=first)
    assert not [event for event in events if event["type"] == "error"]
    (page,) = await sent(server, "items.list", thread_id=thread_id, order="asc")
    assert [item["type"] for item in page["data"]] == kinds[:4]
    assert page["data"][2]["content"][0]["text"] == "1 items"
    assert page["data"][3]["copy_text"] == "copied"
    (turn,) = await ChatMessageStore(storage=another, thread_id=thread_id).list_turns()
    assert len(turn.messages) == 4

    answer = page["data"][2]["id"]
    await sent(server, "items.feedback", thread_id=thread_id, item_ids=[answer], kind="positive")
    assert (await server.ours.load_thread(thread_id, Request())).metadata == {"feedback": {answer: "positive"}}
    await sent(server, "threads.update", thread_id=thread_id, title="Mine")
    (listed,) = await sent(server, "threads.list")
    assert [(thread["id"], thread["title"]) for thread in listed["data"]] == [(thread_id, "Mine")]
    with pytest.raises(NotFoundError):
        await sent(server, "threads.get_by_id", "bo", thread_id=thread_id)
    await sent(server, "threads.delete", thread_id=thread_id)
    assert (await storage.list_threads()).threads == ()


async def test_a_server_goes_on_after_a_client_tool_in_another_process(storage: Storage, another: Storage) -> None:
    events = await sent(Doctor(opened(storage)), "threads.create", input=message("call"))
    thread_id = events[0]["thread"]["id"]
    server = Doctor(opened(another))
    events = await sent(server, "threads.add_client_tool_output", thread_id=thread_id, result={"x": 1})
    assert not [event for event in events if event["type"] == "error"]
    (turn,) = await ChatMessageStore(storage=storage, thread_id=thread_id).list_turns()
    roles = [one.role for one in turn.messages]
    assert roles == ["user", "assistant", "tool", "assistant", "assistant", "assistant"]


async def test_a_form_is_answered_in_another_process_and_in_its_place(storage: Storage, another: Storage) -> None:
    events = await sent(Doctor(opened(storage)), "threads.create", input=message("form"))
    thread_id = events[0]["thread"]["id"]
    (form,) = [event["item"] for event in events if event["type"] == "thread.item.done" and "inputs" in event["item"]]
    server = Doctor(opened(another))
    answer = {"status": "answered", "answers": {"subject": {"values": ["Math", "Science"]}}}
    params: Any = {"thread_id": thread_id, "item_id": form["id"], "input": answer}
    events = await sent(server, "threads.add_structured_input", **params)
    assert not [event for event in events if event["type"] == "error"]
    stored = await opened(storage).load_item(thread_id, form["id"], Request())
    assert isinstance(stored, StructuredInputItem)
    assert stored.inputs[0].answer is not None
    assert (stored.status, stored.inputs[0].answer.values) == ("answered", ["Math"])
    page = await server.ours.load_thread_items(thread_id, None, 100, "asc", Request())
    assert [item.type for item in page.data][:2] == ["user_message", "structured_input"]


async def test_a_subclass_may_make_ids_of_its_own(storage: Storage) -> None:
    class Numbered(RecuerdaStore[Request]):
        count = 0

        def generate_thread_id(self, context: Request) -> str:
            return f"{context.user_id}/thread"

        def generate_item_id(self, item_type: StoreItemType, thread: ThreadMetadata, context: Request) -> str:
            self.count += 1
            return f"{item_type} {self.count}"

    server = Doctor(Numbered(storage, user_of=lambda request: request.user_id))
    events = await sent(server, "threads.create", input=message("Hello."))
    assert events[0]["thread"]["id"] == "ana/thread"
    (page,) = await sent(server, "items.list", thread_id="ana/thread", order="asc")
    assert [item["id"] for item in page["data"]] == ["message 1", "workflow 2", "message 3", "message 4"]


async def test_a_cancelled_stream_leaves_one_whole_turn(storage: Storage) -> None:
    server = Doctor(opened(storage))
    started: list[str] = []
    is_waiting = asyncio.Event()

    async def run() -> None:
        result = await server.process(
            json.dumps({"type": "threads.create", "params": {"input": message("wait")}}), Request()
        )
        assert isinstance(result, StreamingResult)
        async for event in result:
            data = json.loads(event.decode().removeprefix("data: "))
            started.append(data["thread"]["id"] if data["type"] == "thread.created" else data["type"])
            if started.count("thread.item.done") == 3:
                is_waiting.set()

    task = asyncio.create_task(run())
    await is_waiting.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (turn,) = await ChatMessageStore(storage=storage, thread_id=started[0]).list_turns()
    assert [one.role for one in turn.messages] == ["user", "assistant", "assistant", "system"]
