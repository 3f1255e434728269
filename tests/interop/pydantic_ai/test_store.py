"""What `RecuerdaConversationStore` promises beyond Pydantic AI's contract, which `test_contract.py` has."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai import Agent, DeferredToolRequests, ModelRetry
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
)
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    BinaryContent,
    ImageUrl,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage, RunUsage

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    MemoryStorage,
    Storage,
    TextContent,
    ThreadOwnershipError,
)
from recuerda.interop.openai_agents import RecuerdaSession
from recuerda.interop.pydantic_ai import RecuerdaConversationStore
from recuerda.interop.warm_threads import warm_threads
from recuerda.testing import ScriptedChatClient
from tests.interop.pydantic_ai.conversations import answered, asked, saved, stored, texts


@pytest.fixture
def store(storage: Storage) -> RecuerdaConversationStore:
    return RecuerdaConversationStore(storage)


# -- what only ours promises -------------------------------------------------------------------------------------------


async def test_a_save_is_one_turn_that_every_reader_sees(store: RecuerdaConversationStore, storage: Storage) -> None:
    agent = Agent(TestModel())

    @agent.tool_plain
    def add(a: int, b: int) -> int:
        return a + b

    result = await agent.run("Add 0 and 0.", conversation=Conversation(conversation_id="t"))
    await store.save(result)
    (turn,) = await ChatMessageStore(storage=storage, thread_id="t").list_turns()
    assert [message.role for message in turn.messages] == ["user", "assistant", "tool", "assistant"]
    assert turn.messages[0].text == "Add 0 and 0."
    session = RecuerdaSession("t", storage)
    items: list[Any] = [*await session.get_items()]
    assert [item.get("type", item.get("role")) for item in items] == [
        "user", "function_call", "function_call_output", "assistant"
    ]  # fmt: skip


async def test_a_save_that_is_sent_twice_is_stored_once(store: RecuerdaConversationStore, storage: Storage) -> None:
    entry = ConversationEntry(parent_id=None, message=asked("q"))
    record = ConversationRecord(conversation_id="t", head_id=entry.id)
    await store.write_record(record, new_entries=[entry], expected_revision=None)
    again = RecuerdaConversationStore(storage)
    with pytest.raises(ConversationConflict):
        await again.write_record(record, new_entries=[entry], expected_revision=None)
    assert len((await storage.read("t")).records) == 1


async def test_a_run_that_is_sent_again_with_its_id_is_stored_once(storage: Storage) -> None:
    agent = Agent(TestModel(custom_output_text="a"))

    async def respond() -> None:
        store = RecuerdaConversationStore(storage)
        conversation = await store.load("t", limit=20) or Conversation(conversation_id="t")
        await store.save(await agent.run("q", conversation=conversation, run_id="request-7"))

    await respond()
    with pytest.raises(UserError, match="request-7"):
        await respond()
    first, again = await asyncio.gather(respond_anew(storage), respond_anew(storage), return_exceptions=True)
    assert [type(one) for one in (first, again) if one is not None] == [ConversationConflict]
    assert len((await storage.read("t")).records) == len((await storage.read("other")).records) == 1


async def respond_anew(storage: Storage) -> None:
    store = RecuerdaConversationStore(storage)
    conversation = await store.load("other") or Conversation(conversation_id="other")
    await store.save(await Agent(TestModel()).run("q", conversation=conversation, run_id="request-8"))


async def test_a_turn_says_of_its_record_only_what_has_a_value(
    store: RecuerdaConversationStore, storage: Storage
) -> None:
    conversation = await saved(store, "q", "a", scope="ana")
    conversation.usage = RunUsage(requests=1, input_tokens=7, details={"x": 1})
    await store.save(conversation)
    record = await store.read_record("t")
    body = (await storage.read("t")).records[-1].body
    assert b"cache_write_tokens" not in body
    assert b"forked_from" not in body
    assert len(body) < 600
    assert record is not None
    assert (record.usage, record.scope, record.format_version) == (conversation.usage, "ana", 1)


async def test_two_savers_at_once_never_mix(storage: Storage, another: Storage) -> None:
    stores = [RecuerdaConversationStore(storage), RecuerdaConversationStore(another)]
    await saved(stores[0], "q", "a")
    for _ in range(4):
        conversations = [await stored(one) for one in stores]
        for name, conversation in zip("xy", conversations, strict=True):
            conversation.messages += [asked(name), answered(name)]
        saves = [one.save(conversation) for one, conversation in zip(stores, conversations, strict=True)]
        outcomes = await asyncio.gather(*saves, return_exceptions=True)
        assert sorted(type(one).__name__ for one in outcomes) == ["ConversationConflict", "list"]
    said = texts((await stored(stores[0])).messages)
    assert len(said) == 10
    assert all(said[at] == said[at + 1] for at in range(2, 10, 2))


async def test_a_thread_of_recuerdas_agent_goes_on(store: RecuerdaConversationStore, storage: Storage) -> None:
    agent = ScriptedChatClient(["Hello, Ana.", "Bye."]).create_agent(storage=storage)
    await agent.run("I am Ana.", thread="t")
    conversation = await stored(store)
    assert texts(conversation.messages) == ["I am Ana.", "Hello, Ana."]
    result = await Agent(TestModel(custom_output_text="Ana.")).run("Who am I?", conversation=conversation)
    await store.save(result)
    assert texts((await stored(store)).messages) == ["I am Ana.", "Hello, Ana.", "Who am I?", "Ana."]
    await agent.run("Bye.", thread="t")
    with pytest.raises(ConversationConflict):
        await store.save(result.conversation)
    assert texts((await stored(store)).messages)[-2:] == ["Bye.", "Bye."]
    window = await store.load("t", limit=3)
    assert window is not None
    assert texts(window.messages) == ["Ana.", "Bye.", "Bye."]


async def test_a_scope_is_the_threads_user(store: RecuerdaConversationStore, storage: Storage) -> None:
    await saved(store, "q", "a", scope="ana")
    info = await storage.head("t")
    assert info is not None
    assert (info.user_id, info.title) == ("ana", "q")
    with pytest.raises(ThreadOwnershipError):
        await storage.for_user("bo").read("t")
    await storage.erase_user("ana")
    assert await store.load("t") is None


async def test_a_paused_run_is_resumed_from_another_process(storage: Storage, another: Storage) -> None:
    agent: Agent[None, Any] = Agent(TestModel(), output_type=[str, DeferredToolRequests])

    @agent.tool_plain(requires_approval=True)
    def pay(amount: int) -> str:
        return f"paid {amount}"

    result = await agent.run("Pay.", conversation=Conversation(conversation_id="t"))
    await RecuerdaConversationStore(storage).save(result)
    store = RecuerdaConversationStore(another)
    conversation = await stored(store)
    assert conversation.deferred_tool_requests is not None
    results = conversation.deferred_tool_requests.build_results(approve_all=True)
    done = await agent.run(conversation=conversation, deferred_tool_results=results)
    await store.save(done)
    assert (await stored(store)).deferred_tool_requests is None
    assert "paid 0" in str((await stored(store)).messages)


class Counted:
    """The reads of a storage, by the number of records that each has returned, and the number of its appends."""

    def __init__(self, storage: Storage) -> None:
        self.reads: list[int] = []
        self.appends = 0
        read, append_all = storage.read, storage.append_all

        async def counted_read(*given: Any, **named: Any) -> Any:
            found = await read(*given, **named)
            self.reads.append(len(found.records))
            return found

        async def counted_append(*given: Any, **named: Any) -> Any:
            self.appends += 1
            return await append_all(*given, **named)

        storage.read, storage.append_all = counted_read, counted_append

    def taken(self) -> tuple[list[int], int]:
        """Return the reads and the appends since the last call."""
        found = self.reads, self.appends
        self.reads, self.appends = [], 0
        return found


async def long_conversation(store: ConversationStore, turns: int) -> Conversation:
    conversation = await saved(store, "q", "a")
    for number in range(turns - 1):
        conversation.messages += [asked(f"q{number}"), answered(f"a{number}")]
        await store.save(conversation)
    return conversation


@pytest.mark.parametrize("limit", [20, None])
async def test_a_turn_is_one_read_of_new_records_and_one_append(storage: Storage, limit: int | None) -> None:
    counted = Counted(storage)
    conversation = await saved(RecuerdaConversationStore(storage), "q", "a")
    assert counted.taken() == ([], 1)
    for number in range(40):
        store = RecuerdaConversationStore(storage)
        loaded = await store.load("t", limit=limit)
        assert loaded is not None
        # The first turn is read. The later ones are known from the saves.
        assert counted.taken() == ([0 if number else 1], 0)
        loaded.messages += [asked(f"q{number}"), answered(f"a{number}")]
        await store.save(loaded)
        assert counted.taken() == ([], 1)
        conversation = loaded
    whole = await stored(RecuerdaConversationStore(storage))
    assert len(whole.messages) == 82
    assert whole.messages[-2:] == conversation.messages[-2:]


async def test_a_limited_load_reads_few_records(storage: Storage, another: Storage) -> None:
    conversation = await long_conversation(RecuerdaConversationStore(storage), 61)
    warm_threads(another).histories.clear()  # as in another process
    counted = Counted(another)
    cold = RecuerdaConversationStore(another)
    window = await cold.load("t", limit=2)
    assert window is not None
    assert texts(window.messages) == texts(conversation.messages)[-2:]
    assert counted.taken() == ([5], 0)
    window.messages.append(asked("last"))
    await cold.save(window)
    assert counted.taken() == ([], 1)


async def test_a_window_of_entries_that_are_many_messages_each_takes_more_reads_once(
    storage: Storage, another: Storage
) -> None:
    store = RecuerdaConversationStore(storage)
    conversation = await saved(store, "q", "a")
    for turn in range(20):
        ids = [f"c{turn}.{number}" for number in range(9)]
        conversation.messages += [
            asked(f"q{turn}"),
            ModelResponse(parts=[ToolCallPart("add", {}, id) for id in ids]),
            ModelRequest(parts=[ToolReturnPart("add", number, id) for number, id in enumerate(ids)]),
            answered(f"a{turn}"),
        ]
        await store.save(conversation)
    counted = Counted(another)
    cold = RecuerdaConversationStore(another)
    for expected in ([2, 12], [0]):
        window = await cold.load("t", limit=20)
        assert window is not None
        assert window.messages == conversation.messages[-20:]
        assert counted.taken() == (expected, 0)


async def test_a_change_by_another_process_is_seen_at_once(storage: Storage, another: Storage) -> None:
    here, there = RecuerdaConversationStore(storage), RecuerdaConversationStore(another)
    await saved(here, "q", "a")
    mine, theirs = await stored(here), await stored(there)
    theirs.messages += [asked("q2"), answered("a2")]
    await there.save(theirs)
    mine.messages += [asked("late"), answered("late")]
    with pytest.raises(ConversationConflict):
        await here.save(mine)
    assert texts((await stored(here)).messages) == ["q", "a", "q2", "a2"]
    await there.delete("t")
    assert await here.load("t") is None
    with pytest.raises(ConversationConflict):
        await here.save(mine)
    with pytest.raises(LookupError):
        await here.read_history("gone")
    await saved(there, "new")
    assert texts((await stored(here)).messages) == ["new"]


async def test_a_new_conversation_whose_id_is_taken_conflicts_without_a_read(storage: Storage) -> None:
    await saved(RecuerdaConversationStore(storage), "q", "a", scope="ana")
    counted = Counted(storage)
    for scope in ("ana", "bo", None):
        with pytest.raises(ConversationConflict):
            await saved(RecuerdaConversationStore(storage), "other", scope=scope)
    assert counted.taken() == ([], 3)
    assert len((await storage.read("t")).records) == 1


async def test_every_entry_of_a_window_names_the_entry_before_it(storage: Storage) -> None:
    store = RecuerdaConversationStore(storage)
    await saved(store, "q", "a")
    await ScriptedChatClient(["Hello."]).create_agent(storage=storage).run("I am Ana.", thread="t")
    entries = await store.load_entries("t")
    assert entries is not None
    assert [entry.parent_id for entry in entries] == [None, *(entry.id for entry in entries[:-1])]
    for limit in range(1, 5):
        window = await store.load_entries("t", limit=limit)
        assert window == entries[-limit:]


async def test_a_conversation_whose_start_was_trimmed_loads_from_there(storage: Storage) -> None:
    store = RecuerdaConversationStore(storage)
    await long_conversation(store, 10)
    await storage.trim("t", keep_turns=3)
    for reader in (store, RecuerdaConversationStore(storage)):
        assert texts((await stored(reader)).messages) == ["q6", "a6", "q7", "a7", "q8", "a8"]
        window = await reader.load("t", limit=100)
        assert window is not None
        assert len(window.messages) == 6
    conversation = await stored(store)
    conversation.messages.append(asked("on"))
    await store.save(conversation)
    assert texts((await stored(store)).messages)[-2:] == ["a8", "on"]


async def test_a_result_in_a_later_turn_than_its_call_has_the_name_of_the_tool(storage: Storage) -> None:
    thread = ChatMessageStore(storage=storage, thread_id="t")
    call = FunctionCallContent("c1", "add", {})
    await thread.add_messages([ChatMessage("user", "q"), ChatMessage("assistant", call)])
    await thread.add_messages([ChatMessage("tool", FunctionResultContent("c1", 3)), ChatMessage("assistant", "3")])
    store = RecuerdaConversationStore(storage)
    for _ in range(2):
        parts = [part for message in (await stored(store)).messages for part in message.parts]
        assert [part.tool_name for part in parts if isinstance(part, ToolReturnPart)] == ["add"]
    window = await store.load("t", limit=2)
    assert window is not None
    assert isinstance(result := window.messages[0].parts[0], ToolReturnPart)
    assert result.tool_name == "unknown"


async def test_an_item_of_another_framework_that_is_several_messages_is_several_entries(storage: Storage) -> None:
    items: list[Any] = [
        {"role": "user", "content": "q"},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "3"},
        {"role": "assistant", "content": "3"},
    ]
    await RecuerdaSession("t", storage).add_items(items)
    entries = await RecuerdaConversationStore(storage).load_entries("t")
    assert entries is not None
    assert len({entry.id for entry in entries}) == len(entries) == 4


async def test_a_retry_that_a_tool_asks_for_loads_equal(store: RecuerdaConversationStore) -> None:
    tries: list[int] = []

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        done = len(tries) > 1
        return answered("Done.") if done else ModelResponse(parts=[ToolCallPart("shaky", {"n": len(tries)})])

    agent = Agent(FunctionModel(model))

    @agent.tool_plain(retries=3)
    def shaky(n: int) -> int:
        tries.append(n)
        if len(tries) == 1:
            raise ModelRetry("Again.")
        return n

    result = await agent.run("Go.", conversation=Conversation(conversation_id="t"))
    await store.save(result)
    assert (await stored(store)).messages == result.all_messages()


async def test_bytes_are_kept_once_beside_their_turns(store: RecuerdaConversationStore, storage: Storage) -> None:
    pictures = [BinaryContent(data=bytes(range(256)) * 40, media_type="image/png", identifier=name) for name in "ab"]
    messages: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart(["See:", pictures[0]])]),
        ModelResponse(parts=[ToolCallPart("look", {}, "c1")]),
        ModelRequest(parts=[ToolReturnPart("look", ["Here:", pictures[1]], "c1")]),
        answered("The same."),
    ]
    await store.save(Conversation(conversation_id="t", messages=messages))
    (record,) = (await storage.read("t")).records
    assert (len(record.blobs), len(record.body) < 5000) == (1, True)
    for reader in (store, RecuerdaConversationStore(storage)):
        ours = (await stored(reader)).messages
        assert ModelMessagesTypeAdapter.dump_json(ours) == ModelMessagesTypeAdapter.dump_json(messages)
    result = (await ChatMessageStore(storage=storage, thread_id="t").list_messages())[2].contents[0]
    assert result == FunctionResultContent(
        "c1", parts=(TextContent("Here:"), DataContent(pictures[1].data, "image/png"))
    )


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
VALUES = st.none() | st.integers(-9, 9) | TEXT | st.lists(TEXT, max_size=2) | st.dictionaries(TEXT, TEXT, max_size=2)
INPUT = st.one_of(
    TEXT,
    st.builds(ImageUrl, url=st.just("https://example.com/a.png")),
    st.builds(BinaryContent, data=st.binary(max_size=9), media_type=st.just("image/png")),
)
IDS = st.sampled_from(["c1", "c2"])
REQUESTS = st.builds(
    ModelRequest,
    parts=st.lists(
        st.one_of(
            st.builds(SystemPromptPart, TEXT),
            st.builds(UserPromptPart, TEXT | st.lists(INPUT, max_size=3)),
            st.builds(ToolReturnPart, st.just("add"), VALUES | st.lists(INPUT | VALUES, max_size=3) | INPUT, IDS),
        ),
        max_size=3,
    ),
    instructions=st.none() | TEXT,
    metadata=st.none() | st.dictionaries(TEXT, TEXT, max_size=2),
)
RESPONSES = st.builds(
    ModelResponse,
    parts=st.lists(
        st.one_of(
            st.builds(TextPart, TEXT, id=st.none() | TEXT),
            st.builds(ThinkingPart, TEXT, signature=st.none() | TEXT),
            st.builds(ToolCallPart, st.just("add"), TEXT | st.dictionaries(TEXT, VALUES, max_size=2), IDS),
        ),
        max_size=3,
    ),
    usage=st.builds(RequestUsage, input_tokens=st.integers(0, 9), details=st.dictionaries(TEXT, st.integers(0, 3))),
    model_name=st.none() | TEXT,
    provider_details=st.none() | st.dictionaries(TEXT, VALUES, max_size=2),
)  # fmt: skip


@given(st.lists(REQUESTS | RESPONSES, max_size=4))
async def test_any_message_comes_back_as_from_its_json(messages: list[ModelMessage]) -> None:
    store = RecuerdaConversationStore(MemoryStorage())
    await store.save(Conversation(conversation_id="t", messages=[*messages]))
    ours = (await stored(store)).messages
    expected = ModelMessagesTypeAdapter.validate_json(ModelMessagesTypeAdapter.dump_json(messages))
    assert ours == expected
    # An equal message may differ in its bytes' media type, which its JSON shows.
    assert ModelMessagesTypeAdapter.dump_json(ours) == ModelMessagesTypeAdapter.dump_json(expected)
