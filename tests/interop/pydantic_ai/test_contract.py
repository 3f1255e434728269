"""The contract of Pydantic AI's conversation stores, written anew from its documentation.

Each test runs on Pydantic AI's own store in memory too, so what a test says is the contract. Its packages have no tests
in them.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
    InMemoryConversationStore,
)
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    ImageUrl,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage, RunUsage

from recuerda.interop.pydantic_ai import RecuerdaConversationStore
from tests.conversation import LOCAL
from tests.interop.pydantic_ai.conversations import answered, asked, saved, stored, texts
from tests.storage.matrix import STORAGES

_conversations: TypeAdapter[Conversation] = TypeAdapter(Conversation)


@pytest.fixture(params=["theirs", *LOCAL])
async def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ConversationStore]:
    if request.param == "theirs":
        yield InMemoryConversationStore()
        return
    async with STORAGES[request.param](tmp_path) as storage:
        yield RecuerdaConversationStore(storage)


async def test_a_saved_conversation_loads_equal(any_store: ConversationStore) -> None:
    usage = RunUsage(requests=2, tool_calls=1, input_tokens=7, details={"x": 1})
    conversation = Conversation(messages=[asked("q"), answered("a")], usage=usage, conversation_id="t")
    entries = await any_store.save(conversation)
    assert len(entries) == 2
    loaded = await any_store.load("t")
    assert loaded is not None
    assert (loaded.messages, loaded.usage, loaded.revision) == (conversation.messages, usage, conversation.revision)
    assert await any_store.load("unknown") is None
    assert await any_store.save(loaded) == []


async def test_only_new_messages_are_stored(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a")
    conversation.messages += [asked("q2"), answered("a2")]
    assert len(await any_store.save(conversation)) == 2
    entries = await any_store.load_entries("t")
    assert entries is not None
    assert [entry.parent_id for entry in entries] == [None, *(entry.id for entry in entries[:-1])]
    assert [entry.id for entry in [await any_store.read_entry(one.id) for one in entries]] == [e.id for e in entries]


async def test_a_limit_loads_the_last_messages(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a")
    for number in range(9):
        conversation.messages += [asked(f"q{number}"), answered(f"a{number}")]
        await any_store.save(conversation)
    for limit in (0, 1, 2, 5, 19, 20, 30):
        loaded = await any_store.load("t", limit=limit)
        assert loaded is not None
        assert texts(loaded.messages) == texts(conversation.messages[max(0, 20 - limit) :])
    window = await any_store.load("t", limit=2)
    assert window is not None
    window.messages += [asked("last")]
    await any_store.save(window)
    assert texts((await stored(any_store)).messages)[-2:] == ["a8", "last"]


async def test_a_save_after_another_save_conflicts(any_store: ConversationStore) -> None:
    await saved(any_store, "q", "a")
    first, second = await any_store.load("t"), await any_store.load("t")
    assert first is not None
    assert second is not None
    first.messages.append(asked("from first"))
    second.messages.append(asked("from second"))
    await any_store.save(first)
    with pytest.raises(ConversationConflict):
        await any_store.save(second)
    with pytest.raises(ConversationConflict):
        await saved(any_store, "q", "a")
    loaded = await any_store.load("t")
    assert loaded is not None
    assert texts(loaded.messages) == ["q", "a", "from first"]


async def test_a_rewritten_history_branches_off(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a", "q2", "a2")
    rewritten = Conversation(
        conversation_id="t", messages=[*conversation.messages[:2], asked("other")], revision=conversation.revision
    )
    assert len(await any_store.save(rewritten)) == 1
    loaded, record = await any_store.load("t"), await any_store.read_record("t")
    assert loaded is not None
    assert record is not None
    assert texts(loaded.messages) == ["q", "a", "other"]
    (left,) = record.branches
    back = await any_store.branch("t", from_entry=left, expected_revision=loaded.revision)
    assert texts(back.messages) == ["q", "a", "q2", "a2"]


async def test_a_branch_continues_from_an_earlier_message(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a", "q2", "a2")
    with pytest.raises(ConversationConflict):
        await any_store.branch("t", at=2, expected_revision="another")
    for out_of_range in (-1, 5):
        with pytest.raises(UserError):
            await any_store.branch("t", at=out_of_range, expected_revision=conversation.revision)
    branched = await any_store.branch("t", at=2, expected_revision=conversation.revision)
    branched.messages.append(asked("again"))
    await any_store.save(branched)
    assert texts((await stored(any_store)).messages) == ["q", "a", "again"]
    with pytest.raises(ConversationConflict):
        await any_store.save(conversation)
    empty = await any_store.branch("t", at=0, expected_revision=branched.revision)
    assert empty.messages == []
    assert (await stored(any_store)).messages == []


async def test_a_branch_and_a_save_at_once_conflict(any_store: ConversationStore) -> None:
    await saved(any_store, "q", "a", "q2", "a2")
    one, other = await stored(any_store), await stored(any_store)
    await any_store.branch("t", at=2, expected_revision=one.revision)
    other.messages.append(asked("late"))
    with pytest.raises(ConversationConflict):
        await any_store.save(other)


async def test_a_fork_goes_its_own_way_and_outlives_its_origin(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a", scope="ana")
    conversation.messages += [asked("q2"), answered("a2")]
    await any_store.save(conversation)
    forks = [await any_store.fork("t", at=3), await any_store.fork("t", at=0), await any_store.fork("t")]
    assert [texts(fork.messages) for fork in forks] == [["q", "a", "q2"], [], ["q", "a", "q2", "a2"]]
    record = await any_store.read_record(forks[0].conversation_id)
    assert record is not None
    assert (record.scope, record.forked_from) == ("ana", "t")
    with pytest.raises(ConversationConflict):
        await any_store.fork("t", new_conversation_id=forks[0].conversation_id)
    forks[0].messages.append(answered("other"))
    await any_store.save(forks[0])
    assert texts((await stored(any_store)).messages) == ["q", "a", "q2", "a2"]
    await any_store.delete("t")
    assert await any_store.load("t") is None
    assert texts((await stored(any_store, forks[0].conversation_id)).messages) == ["q", "a", "q2", "other"]


async def test_a_deleted_conversation_is_gone_with_its_messages(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a")
    entries = await any_store.load_entries("t")
    assert entries
    with pytest.raises(ConversationConflict):
        await any_store.delete_record("t", expected_revision="another")
    await any_store.delete("t")
    with pytest.raises(LookupError):
        await any_store.read_entry(entries[0].id)
    conversation.messages.append(asked("late"))
    with pytest.raises(ConversationConflict):
        await any_store.save(conversation)
    await saved(any_store, "new")
    assert texts((await stored(any_store)).messages) == ["new"]


async def test_a_scope_keeps_others_out_and_lists_its_own(any_store: ConversationStore) -> None:
    for number in range(5):
        await saved(any_store, "q", "a", id=f"ana-{number}", scope="ana")
    await saved(any_store, "q", "a", id="bo-0", scope="bo")
    await saved(any_store, "q", "a", id="free")
    listed = await any_store.list_conversations(scope="ana")
    assert [record.conversation_id for record in listed] == [f"ana-{number}" for number in (4, 3, 2, 1, 0)]
    assert len(await any_store.list_conversations(limit=3)) == 3
    assert len(await any_store.list_conversations()) == 7
    assert await any_store.load("ana-0", scope="bo") is None
    with pytest.raises(ConversationConflict):
        await any_store.save((await stored(any_store, "ana-0")), scope="bo")
    await any_store.delete("ana-0", scope="bo")
    assert await any_store.load("ana-0", scope="ana") is not None


async def test_a_record_of_another_conversations_entry_that_is_gone_conflicts(any_store: ConversationStore) -> None:
    with pytest.raises(ConversationConflict):
        await any_store.write_record(ConversationRecord(conversation_id="t", head_id="gone"), expected_revision=None)


async def test_an_empty_conversation_can_be_saved(any_store: ConversationStore) -> None:
    conversation = await saved(any_store)
    assert (await stored(any_store)).messages == []
    conversation.messages.append(asked("q"))
    await any_store.save(conversation)
    assert texts((await stored(any_store)).messages) == ["q"]


async def test_what_is_returned_can_be_changed(any_store: ConversationStore) -> None:
    messages: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart(["q", ImageUrl("https://example.com/a.png")])], metadata={"a": [1]}),
        ModelResponse(parts=[ToolCallPart("add", {"a": [1]}, "c1")], usage=RequestUsage(details={"x": 1})),
        ModelRequest(parts=[ToolReturnPart("add", {"b": {"c": [2]}}, "c1")]),
        answered("a"),
    ]
    await any_store.save(Conversation(conversation_id="t", messages=messages))
    before = ModelMessagesTypeAdapter.dump_json((await stored(any_store)).messages)
    changed: list[Any] = (await stored(any_store)).messages
    changed[0].parts[0].content[1].url = "https://example.com/b.png"
    changed[0].metadata["a"].append(2)
    changed[1].parts[0].args["a"].append(2)
    changed[1].usage.details["x"] = 2
    changed[2].parts[0].content["b"]["c"].append(3)
    changed[3].parts[0].content = "b"
    changed[3].parts.append(TextPart("c"))
    assert ModelMessagesTypeAdapter.dump_json((await stored(any_store)).messages) == before
    conversation = await stored(any_store)
    conversation.messages.clear()
    conversation.usage.requests = 99
    assert len((await stored(any_store)).messages) == 4
    assert (await stored(any_store)).usage.requests == 0


async def test_a_limit_below_zero_is_refused(any_store: ConversationStore) -> None:
    await saved(any_store, "q", "a")
    for call in (any_store.load("t", limit=-1), any_store.load_entries("t", limit=-1)):
        with pytest.raises(UserError):
            await call
    with pytest.raises(UserError):
        await any_store.list_conversations(limit=-1)
    assert await any_store.list_conversations(limit=0) == []


async def test_what_is_not_there_is_none_or_a_lookup_error(any_store: ConversationStore) -> None:
    assert await any_store.load("unknown") is None
    assert await any_store.load_entries("unknown") is None
    assert await any_store.read_record("unknown") is None
    assert await any_store.read_records() == []
    assert await any_store.read_history(None) == []
    with pytest.raises(LookupError):
        await any_store.read_entry("unknown")
    with pytest.raises(UserError):
        await any_store.branch("unknown", at=0, expected_revision=None)
    with pytest.raises(UserError):
        await any_store.fork("unknown")
    await any_store.delete("unknown")


async def test_a_result_is_saved_and_continued(any_store: ConversationStore) -> None:
    agent = Agent(TestModel(custom_output_text="a"))
    result = await agent.run("q", conversation=Conversation(conversation_id="t"))
    assert len(await any_store.save(result, scope="ana")) == 2
    assert await any_store.save(result) == []
    again = await agent.run("q2", conversation=result.conversation)
    entries = await any_store.save(again)
    assert texts([entry.message for entry in entries]) == ["q2", "a"]
    conversation = await stored(any_store)
    assert texts(conversation.messages) == ["q", "a", "q2", "a"]
    assert conversation.usage.requests == 2
    assert conversation.revision == again.conversation.revision
    with pytest.raises(ConversationConflict):
        await any_store.save(result)


async def test_every_save_has_a_new_revision(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a")
    revisions = [conversation.revision]
    await any_store.save(conversation)
    revisions.append(conversation.revision)
    await any_store.delete("t")
    revisions.append((await saved(any_store, "q", "a")).revision)
    assert len({*revisions}) == 3
    assert (await stored(any_store)).revision == revisions[-1]


async def test_a_window_that_was_serialized_is_compared_with_its_own_messages(any_store: ConversationStore) -> None:
    await saved(any_store, "q", "a", "q2", "a2", "q3", "a3")
    window = await any_store.load("t", limit=3)
    assert window is not None
    window = _conversations.validate_json(_conversations.dump_json(window))
    window.messages.append(asked("q4"))
    assert texts([entry.message for entry in await any_store.save(window)]) == ["q4"]
    assert len((await stored(any_store)).messages) == 7
    other = await any_store.load("t", limit=3)
    assert other is not None
    other = _conversations.validate_json(_conversations.dump_json(other))
    other.messages[1:] = [asked("instead")]
    await any_store.save(other)
    record = await any_store.read_record("t")
    assert record is not None
    assert len(record.branches) == 1
    assert texts((await stored(any_store)).messages) == ["q", "a", "q2", "a2", "q3", "instead"]


async def test_a_branch_or_a_fork_needs_one_place_that_exists(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a")
    entries = await any_store.load_entries("t")
    assert entries is not None
    places: list[dict[str, Any]] = [{}, {"at": 1, "from_entry": entries[0].id}, {"from_entry": "unknown"}]
    for given in places:
        with pytest.raises(UserError):
            await any_store.branch("t", expected_revision=conversation.revision, **given)
        if given:
            with pytest.raises(UserError):
                await any_store.fork("t", **given)
    assert (await stored(any_store)).revision == conversation.revision


async def test_branches_are_listed_from_the_oldest_and_can_be_taken_up(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a")
    tips: list[str] = []
    for text in ("one", "two"):
        branched = await any_store.branch("t", at=1, expected_revision=conversation.revision)
        entries = await any_store.load_entries("t")
        assert entries is not None
        branched.messages.append(answered(text))
        tips.append((await any_store.save(branched))[-1].id)
        conversation = branched
    record = await any_store.read_record("t")
    assert record is not None
    assert record.head_id == tips[1]
    assert record.branches[1:] == tips[:1]
    back = await any_store.branch("t", from_entry=tips[0], expected_revision=conversation.revision)
    assert texts(back.messages) == ["q", "one"]
    record = await any_store.read_record("t")
    assert record is not None
    assert record.branches[-1] == tips[1]
    assert tips[0] not in record.branches
    fork = await any_store.fork("t", from_entry=tips[1])
    assert texts(fork.messages) == ["q", "two"]


async def test_what_a_paused_run_waits_for_stays_with_its_history(any_store: ConversationStore) -> None:
    agent: Agent[None, Any] = Agent(TestModel(), output_type=[str, DeferredToolRequests])
    agent.tool_plain(requires_approval=True)(_pay)
    await any_store.save(await agent.run("Pay.", conversation=Conversation(conversation_id="t")))
    conversation = await stored(any_store)
    assert conversation.deferred_tool_requests is not None
    whole, part = await any_store.fork("t"), await any_store.fork("t", at=1)
    assert whole.deferred_tool_requests == conversation.deferred_tool_requests
    assert (whole.usage, part.usage) == (conversation.usage, RunUsage())
    assert part.deferred_tool_requests is None
    same = await any_store.branch("t", at=2, expected_revision=conversation.revision)
    assert same.deferred_tool_requests == conversation.deferred_tool_requests
    other = await any_store.branch("t", at=1, expected_revision=same.revision)
    assert other.deferred_tool_requests is None
    assert other.usage == conversation.usage


def _pay(amount: int) -> str:
    return f"paid {amount}"


async def test_a_fork_may_change_its_scope_and_must_name_the_one_of_its_source(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a", scope="ana")
    fork = await any_store.fork("t", scope="bo", source_scope="ana")
    record = await any_store.read_record(fork.conversation_id)
    assert record is not None
    assert (record.scope, record.forked_from) == ("bo", "t")
    assert record.forked_at == record.head_id
    with pytest.raises(UserError):
        await any_store.fork("t", source_scope="bo")
    with pytest.raises(UserError):
        await any_store.branch("t", at=1, expected_revision=conversation.revision, scope="bo")
    assert await any_store.load_entries("t", scope="bo") is None


async def test_the_conversation_that_was_saved_last_is_listed_first(any_store: ConversationStore) -> None:
    first = await saved(any_store, "q", id="first")
    await saved(any_store, "q", id="second")
    first.messages.append(answered("a"))
    await any_store.save(first)
    listed = await any_store.list_conversations()
    assert [record.conversation_id for record in listed] == ["first", "second"]
    assert [record.conversation_id for record in await any_store.list_conversations(limit=1)] == ["first"]
    assert listed[0] == await any_store.read_record("first")


async def test_a_write_that_conflicts_leaves_no_entry_behind(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a")
    record = await any_store.read_record("t")
    assert record is not None
    late = ConversationEntry(parent_id=record.head_id, message=asked("late"))
    for expected in (None, "another"):
        with pytest.raises(ConversationConflict):
            await any_store.write_record(
                ConversationRecord(conversation_id="t", head_id=late.id), new_entries=[late], expected_revision=expected
            )
    with pytest.raises(LookupError):
        await any_store.read_entry(late.id)
    assert (await stored(any_store)).revision == conversation.revision


async def test_an_object_that_is_saved_twice_at_once_is_stored_once(any_store: ConversationStore) -> None:
    conversation = await saved(any_store, "q", "a")
    conversation.messages.append(asked("q2"))
    saves = [any_store.save(conversation), any_store.save(conversation)]
    outcomes = await asyncio.gather(*saves, return_exceptions=True)
    assert any(isinstance(one, list) and len(one) == 1 for one in outcomes)
    assert texts((await stored(any_store)).messages) == ["q", "a", "q2"]
