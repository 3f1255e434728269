"""`RecuerdaSession` keeps the contract of the SDK's sessions, and what the SDK's own sessions do not promise."""

import asyncio
import gc
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest
from agents import RunContextWrapper
from agents.memory import SessionSettings
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    DataContent,
    EncodeError,
    FunctionCallContent,
    FunctionResultContent,
    MemoryStorage,
    Storage,
    TextContent,
    ThreadConflict,
    ThreadOwnershipError,
    Turn,
)
from recuerda.interop import turn_items
from recuerda.interop.forms import Form, keep, restore
from recuerda.interop.openai_agents import RecuerdaSession
from recuerda.interop.responses_items import ResponsesForm
from recuerda.interop.warm_threads import warm_threads
from recuerda.storage.operations import ReadQuery, ThreadSlice
from recuerda.testing import ScriptedChatClient
from recuerda.threads.new_turn import new_turn
from tests.between import before
from tests.conversation import Counts

USER: Any = {"role": "user", "content": "What is the weather in Lisbon?"}
CALL: Any = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city":"Lisbon"}',
    "status": "completed",
}
OUTPUT: Any = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
NOTHING: list[Any] = []
ANSWER: Any = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "It is sunny.", "annotations": NOTHING, "logprobs": NOTHING}],
}
RUN = [USER, CALL, OUTPUT, ANSWER]


def said(text: str) -> Any:
    return {"role": "user", "content": text}


def answered(text: str) -> Any:
    return {"role": "assistant", "content": text}


async def talk(session: RecuerdaSession, *, turns: int) -> None:
    """Add turns: "q0" and "a0", "q1" and "a1", and so on."""
    for number in range(turns):
        await session.add_items([said(f"q{number}"), answered(f"a{number}")])


async def items_of(session: RecuerdaSession, limit: int | None = None) -> list[Any]:
    return [*await session.get_items(limit)]


def count_records(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of records of each later read."""
    counts: list[int] = []
    read = type(storage)._read  # pyright: ignore[reportPrivateUsage] - it counts records

    async def counted(self: Storage, thread_id: str, query: ReadQuery) -> ThreadSlice:
        found = await read(self, thread_id, query)
        counts.append(len(found.records))
        return found

    monkeypatch.setattr(type(storage), "_read", counted)
    return counts


async def test_items_come_back_in_order_and_unchanged(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    odd: Any = [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "x",
        },
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "https://a/b.png"}]},
        {"type": "item_reference", "id": "msg_9"},
        {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "x"}], "max_output_length": None},
        {"role": "developer", "content": ""},
        {"role": "assistant", "content": [], "id": None},
        {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "three"}]},
    ]
    for item in (*RUN, *odd):
        await session.add_items([item])
    assert await session.get_items() == [*RUN, *odd]
    assert await RecuerdaSession("t", storage).get_items() == [*RUN, *odd]
    warm_threads(storage).histories.clear()  # as in another process
    assert await RecuerdaSession("t", storage).get_items() == [*RUN, *odd]


async def test_a_picture_is_stored_once(storage: Storage) -> None:
    picture = "data:image/png;base64," + "QUJD" * 2500
    parts = [{"type": "input_image", "image_url": picture, "detail": "high", "more": None}]
    item: Any = {"type": "message", "role": "user", "content": parts}
    session = RecuerdaSession("t", storage)
    await session.add_items([item, answered("A picture.")])
    assert await session.get_items() == [item, answered("A picture.")]
    (message, _) = await ChatMessageStore(storage=storage, thread_id="t").list_messages()
    assert message.contents == (DataContent(b"ABC" * 2500, "image/png", detail="high"),)
    (record,) = (await storage.read("t")).records
    assert (len(record.blobs), len(record.body) < 1000) == (1, True)
    for reader in (session, RecuerdaSession("t", storage)):
        assert await reader.get_items(limit=2) == [item, answered("A picture.")]


async def test_a_picture_in_a_result_is_a_part_of_it_and_is_stored_once(storage: Storage) -> None:
    picture = "data:image/png;base64," + "QUJD" * 2500
    output = [{"type": "input_text", "text": "Here:"}, {"type": "input_image", "image_url": picture, "more": None}]
    item: Any = {"type": "function_call_output", "call_id": "call_1", "output": output}
    session = RecuerdaSession("t", storage)
    await session.add_items([item, answered("A picture.")])
    assert (await session.get_items())[0] == item
    result = (await ChatMessageStore(storage=storage, thread_id="t").list_messages())[0].contents[0]
    parts = (TextContent("Here:"), DataContent(b"ABC" * 2500, "image/png"))
    assert result == FunctionResultContent("call_1", parts=parts)
    assert len((await storage.read("t")).records[0].body) < 11_000


async def test_a_limit_gives_the_newest_items(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    items = [one for number in range(9) for one in (said(f"q{number}"), answered(f"a{number}"))]
    for number in range(0, 18, 2):
        await session.add_items(items[number : number + 2])
    for limit in range(1, 19):
        assert await session.get_items(limit) == items[-limit:]
    assert await session.get_items(0) == []
    assert await session.get_items(100) == items
    settings: list[Any] = [SessionSettings(limit=3), {"limit": 3}]
    for given_settings in settings:
        limited = RecuerdaSession("t", storage, session_settings=given_settings)
        assert limited.session_settings == SessionSettings(limit=3)
        assert await limited.get_items() == items[-3:]
        assert await limited.get_items(5) == items[-5:]
    with pytest.raises(TypeError, match="limitt"):
        RecuerdaSession("t", storage, session_settings={"limitt": 3})


async def test_a_limit_reads_few_records_of_a_long_thread(
    storage: Storage, another: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = RecuerdaSession("t", storage)
    await talk(session, turns=60)
    counts = count_records(another, monkeypatch)
    assert await RecuerdaSession("t", another).get_items(2) == [said("q59"), answered("a59")]
    assert sum(counts) <= 5


async def test_a_new_session_on_the_same_storage_reads_only_new_records(
    storage: Storage, another: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = RecuerdaSession("t", storage)
    await talk(first, turns=60)
    assert len(await first.get_items()) == 120
    await RecuerdaSession("t", another).add_items([said("hi"), answered("OK")])
    counts = count_records(storage, monkeypatch)
    assert (await RecuerdaSession("t", storage).get_items())[-4:] == [
        *(said("q59"), answered("a59")),
        *(said("hi"), answered("OK")),
    ]
    assert len(await RecuerdaSession("t", storage).get_items(7)) == 7
    assert sum(counts) <= 1


async def test_sessions_share_no_items(storage: Storage) -> None:
    item: Any = {"role": "user", "content": [{"type": "input_text", "text": "Hi.", "more": [{"a": 1}]}]}
    await RecuerdaSession("t", storage).add_items([item, answered("OK")])
    for limit in (None, 2, 3, None):
        items: Any = await RecuerdaSession("t", storage).get_items(limit)
        assert items == [item, answered("OK")]
        items[0]["content"][0]["text"] = "changed"
        items[0]["content"][0].setdefault("more", []).append("changed")


async def test_a_session_sees_what_was_rewritten_deleted_and_begun_anew(storage: Storage, another: Storage) -> None:
    await RecuerdaSession("t", storage).add_items([said("secret"), answered("OK")])
    assert await items_of(RecuerdaSession("t", storage)) == [said("secret"), answered("OK")]
    body = new_turn(Turn(messages=(ChatMessage("user", "gone"),)), another).body
    await another.rewrite("t", {1: body})
    assert await items_of(RecuerdaSession("t", storage)) == [{"role": "user", "content": "gone"}]
    await another.delete("t")
    assert await items_of(RecuerdaSession("t", storage)) == []
    await RecuerdaSession("t", another).add_items([said("new"), answered("OK")])
    assert await items_of(RecuerdaSession("t", storage), 1) == [answered("OK")]


async def test_a_thread_that_is_kept_in_memory_stays_closed_to_other_users(storage: Storage) -> None:
    await RecuerdaSession("t", storage, user_id="ana").add_items([said("q"), answered("a")])
    assert len(await RecuerdaSession("t", storage, user_id="ana").get_items()) == 2
    with pytest.raises(ThreadOwnershipError):
        await RecuerdaSession("t", storage, user_id="bob").get_items()


async def test_a_limit_leaves_out_a_result_whose_call_is_in_the_turn_before(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    await session.add_items([said("q"), CALL])
    await session.add_items([said("another question")])  # the call is left open
    await session.add_items([answered("a")])
    late = Turn(messages=(ChatMessage("tool", FunctionResultContent("call_1", "late")), ChatMessage("assistant", "b")))
    await ChatMessageStore(storage=storage, thread_id="t").append(late)
    assert await session.get_items(2) == [{"role": "assistant", "content": "b"}]
    assert await session.get_items(3) == [
        answered("a"),
        OUTPUT | {"output": "late"},
        {"role": "assistant", "content": "b"},
    ]


async def test_a_limit_that_reaches_past_a_long_turn_reads_few_records(
    storage: Storage, another: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = RecuerdaSession("t", storage)
    await talk(session, turns=40)
    long = [*(said(f"line {number}") for number in range(50)), answered("Long.")]
    await session.add_items(long)
    await session.add_items([said("q"), answered("a")])
    counts = count_records(another, monkeypatch)
    fresh = RecuerdaSession("t", another)
    assert await fresh.get_items(8) == [*long[-6:], said("q"), answered("a")]
    assert sum(counts) <= 9
    counts.clear()
    assert await fresh.get_items(55) == [said("q39"), answered("a39"), *long, said("q"), answered("a")]
    assert sum(counts) <= 60


async def test_a_limit_never_begins_with_a_result_without_its_call(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    await session.add_items(RUN)
    assert await session.get_items(2) == [ANSWER]
    assert await session.get_items(3) == [CALL, OUTPUT, ANSWER]


async def test_a_run_is_one_turn_and_its_draft_is_gone(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    for item in RUN:
        await session.add_items([item])
    found = await storage.read("t")
    assert [record.message_count for record in found.records] == [4]
    assert not found.has_draft
    roles = [message.role for message in await ChatMessageStore(storage=storage, thread_id="t").list_messages()]
    assert roles == ["user", "assistant", "tool", "assistant"]


async def test_an_unfinished_run_is_seen_by_the_next_process_and_not_by_a_window(
    storage: Storage, another: Storage
) -> None:
    await RecuerdaSession("t", storage).add_items([USER])
    await RecuerdaSession("t", storage).add_items([CALL])
    assert await ChatMessageStore(storage=another, thread_id="t").list_messages() == []
    later = RecuerdaSession("t", another)
    assert await later.get_items() == [USER, CALL]
    await later.add_items([OUTPUT])
    await later.add_items([ANSWER])
    assert await RecuerdaSession("t", storage).get_items() == RUN
    assert len((await another.read("t")).records) == 1


async def test_a_new_question_ends_the_run_that_was_left(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    await session.add_items([USER, CALL])
    await session.add_items([said("Never mind."), answered("All right.")])
    turns = await ChatMessageStore(storage=storage, thread_id="t").list_turns()
    assert [len(stored.messages) for stored in turns] == [2, 2]
    assert [stored.turn.is_interrupted for stored in turns] == [True, False]
    assert await session.get_items() == [USER, CALL, said("Never mind."), answered("All right.")]


async def test_a_question_beside_a_run_that_is_under_way_loses_nothing(storage: Storage, another: Storage) -> None:
    slow, quick = RecuerdaSession("t", storage), RecuerdaSession("t", another)
    ana, bo = RunContextWrapper(None), RunContextWrapper(None)
    await slow.get_items(wrapper=ana)
    await slow.add_items([said("From Ana.")], wrapper=ana)
    assert await quick.get_items(wrapper=bo) == [said("From Ana.")]
    await quick.add_items([said("From Bo.")], wrapper=bo)
    with pytest.raises(ThreadConflict):
        await slow.add_items([answered("Hello, Ana.")], wrapper=ana)
    await quick.add_items([answered("Hello, Bo.")], wrapper=bo)
    assert await quick.get_items() == [said("From Ana."), said("From Bo."), answered("Hello, Bo.")]


async def test_pop_within_a_turn_is_one_write(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    session = RecuerdaSession("t", storage)
    await session.add_items(RUN)
    counts = Counts(storage, monkeypatch)
    assert await session.pop_item() == RUN[-1]
    assert counts.appends == 1
    assert await RecuerdaSession("t", storage).get_items() == RUN[:-1]


async def test_pops_at_once_return_each_item_once(storage: Storage, another: Storage) -> None:
    items = [one for number in range(3) for one in (said(f"q{number}"), answered(f"a{number}"))]
    await RecuerdaSession("t", storage).add_items(items)
    sessions = [RecuerdaSession("t", one) for one in (storage, another)] * 4
    popped: list[Any] = await asyncio.gather(*(session.pop_item() for session in sessions))
    assert sorted(item["content"] for item in popped if item is not None) == ["a0", "a1", "a2", "q0", "q1", "q2"]
    assert popped.count(None) == 2
    assert await RecuerdaSession("t", storage).get_items() == []


@pytest.mark.parametrize("method", ["drop_draft", "undo"])
async def test_the_last_item_is_not_popped_again_after_another_pop_took_it(
    storage: Storage, another: Storage, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    session, faster = RecuerdaSession("t", storage), RecuerdaSession("t", another)
    await session.add_items([said("q")] if method == "drop_draft" else [said("q"), answered("a")])
    if method == "undo":
        assert await session.pop_item() == answered("a")
    taken: list[Any] = []

    async def pop() -> None:
        taken.append(await faster.pop_item())

    before(monkeypatch, session.log.store.view, method, pop)
    assert await session.pop_item() is None
    assert taken == [said("q")]


async def test_pop_removes_the_newest_item_of_a_draft_and_of_a_turn(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    await session.add_items(RUN)
    await session.add_items([said("And now?")])
    assert await session.pop_item() == said("And now?")
    for left in range(3, -1, -1):
        assert await session.pop_item() == RUN[left]
        assert await session.get_items() == RUN[:left]
        assert await RecuerdaSession("t", storage).get_items() == RUN[:left]
    assert await session.pop_item() is None
    await session.add_items(RUN)
    assert await session.get_items() == RUN


async def test_clear_removes_the_thread_with_its_draft(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    await session.add_items(RUN)
    await session.add_items([USER])
    await session.clear_session()
    assert await session.get_items() == []
    assert await storage.head("t") is None


async def test_two_runs_that_read_the_same_conflict(storage: Storage, another: Storage) -> None:
    first, second = RecuerdaSession("t", storage), RecuerdaSession("t", another)
    await first.add_items([said("Hello."), answered("Hi.")])
    ana, bo = RunContextWrapper(None), RunContextWrapper(None)
    await first.get_items(wrapper=ana)
    await second.get_items(wrapper=bo)
    await first.add_items([said("From Ana.")], wrapper=ana)
    with pytest.raises(ThreadConflict):
        await second.add_items([said("From Bo.")], wrapper=bo)
    await first.add_items([answered("Hello, Ana.")], wrapper=ana)
    assert (await second.get_items())[2:] == [said("From Ana."), answered("Hello, Ana.")]


async def test_a_run_goes_on_after_its_first_turn_is_committed(storage: Storage) -> None:
    session, run = RecuerdaSession("t", storage), RunContextWrapper(None)
    await session.get_items(wrapper=run)
    for item in (said("Hello."), answered("Hi."), said("And now?"), answered("Bye.")):
        await session.add_items([item], wrapper=run)
    assert len(await session.get_items()) == 4
    assert len((await storage.read("t")).records) == 2


async def test_two_runs_of_one_session_conflict(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    ana, bo = RunContextWrapper(None), RunContextWrapper(None)
    await session.get_items(wrapper=ana)
    await session.get_items(wrapper=bo)
    await session.add_items([said("From Ana."), answered("Hello.")], wrapper=ana)
    with pytest.raises(ThreadConflict):
        await session.add_items([said("From Bo.")], wrapper=bo)
    assert len(session.places) == 2
    del ana, bo
    # A storage's threads, one that reads and one that writes, hold their last job and its error until the next one.
    await session.get_items()
    await storage.update_thread("t", title="After the conflict")
    gc.collect()
    assert session.places == {}


async def test_writers_without_a_run_lose_nothing(storage: Storage) -> None:
    sessions = [RecuerdaSession("t", storage) for _ in range(4)]

    async def write(name: int) -> None:
        for number in range(5):
            await sessions[name].add_items([said(f"{name}.{number}"), answered("ok")])

    await asyncio.gather(*map(write, range(4)))
    texts = [item["content"] for item in await items_of(sessions[0]) if item["role"] == "user"]
    assert sorted(texts) == sorted(f"{name}.{number}" for name in range(4) for number in range(5))


async def test_a_retry_with_the_same_turn_id_sees_the_same_history_and_is_stored_once(storage: Storage) -> None:
    await RecuerdaSession("t", storage).add_items([said("Hello."), answered("Hi.")])
    for _ in range(3):
        retried = RecuerdaSession("t", storage, turn_id="request-7")
        assert await retried.get_items() == [said("Hello."), answered("Hi.")]
        await retried.add_items([USER])
        await retried.add_items([CALL, OUTPUT])
        assert (await retried.get_items())[2:] in ([USER, CALL, OUTPUT], RUN, [*RUN, USER, CALL, OUTPUT])
        await retried.add_items([ANSWER])
    assert await RecuerdaSession("t", storage).get_items() == [said("Hello."), answered("Hi."), *RUN]


async def test_a_retry_of_a_run_that_was_killed_begins_anew(storage: Storage) -> None:
    killed = RecuerdaSession("t", storage, turn_id="request-7")
    await killed.add_items([USER])
    await killed.add_items([CALL])
    retried = RecuerdaSession("t", storage, turn_id="request-7")
    assert await retried.get_items() == []
    await retried.add_items([USER])
    assert await retried.get_items() == [USER]
    await retried.add_items([CALL, OUTPUT, ANSWER])
    assert await RecuerdaSession("t", storage).get_items() == RUN
    assert len((await storage.read("t")).records) == 1


async def test_a_retry_of_a_run_that_another_question_has_cut_off_is_not_lost(storage: Storage) -> None:
    await RecuerdaSession("t", storage, turn_id="request-7").add_items([USER])
    await RecuerdaSession("t", storage).add_items([said("From Bo."), answered("Hello, Bo.")])
    for _ in range(2):
        retried = RecuerdaSession("t", storage, turn_id="request-7")
        assert await retried.get_items() == [USER, said("From Bo."), answered("Hello, Bo.")]
        await retried.add_items(RUN)
    whole = [USER, said("From Bo."), answered("Hello, Bo."), *RUN]
    assert await RecuerdaSession("t", storage).get_items() == whole


async def test_a_thread_of_another_user_is_refused(storage: Storage) -> None:
    await RecuerdaSession("t", storage, user_id="ana").add_items(RUN)
    stranger = RecuerdaSession("t", storage, user_id="bo")
    for refused in (stranger.get_items(), stranger.add_items([USER]), stranger.pop_item(), stranger.clear_session()):
        with pytest.raises(ThreadOwnershipError):
            await refused
    assert await RecuerdaSession("t", storage, user_id="ana").get_items() == RUN


async def test_an_item_that_is_not_json_writes_nothing(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    with pytest.raises(EncodeError, match=r"items\[1\]"):
        await session.add_items([USER, said(cast("str", object()))])
    assert await session.get_items() == []
    assert await storage.head("t") is None


async def test_a_caller_may_change_the_items_that_it_got(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    await session.add_items(RUN)
    for item in await items_of(session):
        item.clear()
    assert await session.get_items() == RUN


async def test_a_draft_outlives_an_undo_of_the_turn_before_it(storage: Storage) -> None:
    session = RecuerdaSession("t", storage)
    await session.add_items([said("Hello."), answered("Hi.")])
    await session.add_items([USER])
    await storage.undo("t")
    assert await session.get_items() == [USER]
    await session.add_items([CALL])
    await session.add_items([OUTPUT, ANSWER])
    assert await session.get_items() == RUN


async def test_a_session_reads_what_recuerdas_agent_has_written(storage: Storage) -> None:
    agent = ScriptedChatClient(["Hello, Ana."]).create_agent(storage=storage)
    await agent.run("I am Ana.", thread="t")
    assert await RecuerdaSession("t", storage).get_items() == [said("I am Ana."), answered("Hello, Ana.")]


async def test_another_frameworks_ids_are_not_sent_to_the_service(storage: Storage) -> None:
    call = FunctionCallContent("call_1", "weather", "{}")
    messages = [
        ChatMessage("user", "Hi.", message_id="other-0"),
        ChatMessage("assistant", ["Hello.", call], message_id="other-1"),
    ]
    await ChatMessageStore(storage=storage, thread_id="t").add_messages(messages)
    items = await items_of(RecuerdaSession("t", storage))
    assert [item.get("id") for item in items] == [None, None, None]


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["type", "role", "content", "call_id", "name", "arguments", "output", "id", "status", "summary", "text", "more"]
)
VALUES = JSON | st.sampled_from(
    ["message", "function_call", "function_call_output", "reasoning", "user", "assistant", "input_text", "output_text"]
)
PARTS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=3)


@given(st.lists(st.dictionaries(NAMES, VALUES | PARTS, max_size=6) | st.sampled_from(RUN), min_size=1, max_size=5))
async def test_any_json_object_comes_back_the_same(items: list[Any]) -> None:
    storage = MemoryStorage()
    session = RecuerdaSession("t", storage)
    await session.add_items(items)
    for _ in range(2):
        # Python says that 1, 1.0 and True are equal; the texts tell them apart.
        found, written = (msgspec.json.encode(one, order="sorted") for one in (await session.get_items(), items))
        assert found == written
        warm_threads(storage).histories.clear()  # as in another process


async def test_items_that_a_session_has_added_are_not_made_from_messages(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(messages: Sequence[ChatMessage], form: Form) -> list[Any]:
        made.append(len(messages))
        return restore(messages, form)

    monkeypatch.setattr(turn_items, "restore", counted)
    await RecuerdaSession("t", storage).add_items(RUN)  # finds no thread that could be kept in memory
    session = RecuerdaSession("t", storage)
    assert await items_of(session) == RUN
    made.clear()
    run: list[Any] = [said("And in Porto?"), {**CALL, "odd": 1.0}, OUTPUT, ANSWER]
    for item in run:
        await session.add_items([item])
    assert await items_of(RecuerdaSession("t", storage)) == [*RUN, *run]
    assert made == []
    await session.pop_item()
    assert await items_of(RecuerdaSession("t", storage), 3) == run[:3]


def test_the_items_that_the_sdk_makes_are_not_kept_beside_their_messages() -> None:
    assert not any(message.additional_properties for message in keep(RUN, ResponsesForm()))


async def test_items_that_follow_a_known_end_do_not_join_the_turn_of_a_thread_that_was_begun_anew(
    storage: Storage,
) -> None:
    log = RecuerdaSession("t", storage).log
    await log.add(RUN)
    place = await log.add([USER])
    draft = await storage.load_draft("t")
    assert draft is not None
    await storage.delete("t")
    await RecuerdaSession("t", storage).log.add(RUN)
    await storage.save_draft("t", replace(draft.steps[0], body=b"new"))
    with pytest.raises(ThreadConflict):
        await log.add([CALL], at=place)
    draft = await storage.load_draft("t")
    assert draft is not None
    assert [step.body for step in draft.steps] == [b"new"]
