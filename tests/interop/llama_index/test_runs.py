"""Agents and chat engines of LlamaIndex run on `RecuerdaChatStore`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.bridge.pydantic import Field
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import Memory, StaticMemoryBlock
from llama_index.core.memory.memory import BaseMemoryBlock
from llama_index.core.storage.chat_store.base_db import MessageStatus
from llama_index.core.storage.chat_store.sql import SQLAlchemyChatStore
from sqlalchemy.ext.asyncio import create_async_engine

from recuerda import ChatMessageStore, MemoryStorage, Storage, ThreadConflict
from recuerda.interop.llama_index import RecuerdaChatStore


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


class Model:
    """Call the tool when the user asks for the weather, and otherwise count the questions. Note what the model saw."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []
        self.fails = False

    def __call__(self, messages: Sequence[ChatMessage], **_: object) -> ChatMessage:
        self.seen.append([str(message.content) for message in messages])
        if self.fails:
            raise RuntimeError("the model is down")
        last = messages[-1]
        if last.role == "tool":
            return ChatMessage(role="assistant", content=f"It is {last.content}.")
        if "weather" in str(last.content):
            call = ToolCallBlock(
                tool_call_id=f"call_{len(messages)}", tool_name="weather", tool_kwargs={"city": "Rome"}
            )
            return ChatMessage(role="assistant", blocks=[call])
        asked = sum(message.role == "user" for message in messages)
        return ChatMessage(role="assistant", content=f"This is question {asked}.")


def agent_of(model: Model, *, streaming: bool = False) -> Any:
    llm = MockFunctionCallingLLM(response_generator=model, is_chat_model=True)
    return FunctionAgent(name="Doctor", description="d", llm=llm, tools=[weather], streaming=streaming)


def memory_of(storage: Storage, *, turn_id: str | None = None, **settings: Any) -> Memory:
    made: Any = Memory
    return made.from_defaults(session_id="t", chat_store=RecuerdaChatStore(storage, turn_id=turn_id), **settings)


async def turns_of(storage: Storage) -> list[list[str]]:
    turns = await ChatMessageStore(storage=storage, thread_id="t").list_turns()
    return [[message.role for message in stored.messages] for stored in turns]


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_agent_with_tools_continues_in_another_process(
    storage: Storage, another: Storage, streaming: bool
) -> None:
    model = Model()
    agent = agent_of(model, streaming=streaming)
    assert str(await agent.run(user_msg="How is the weather?", memory=memory_of(storage))) == "It is sunny in Rome."
    handler = agent.run(user_msg="Which question is this?", memory=memory_of(another))
    streamed = [event.delta async for event in handler.stream_events() if isinstance(event, AgentStream)]
    assert str(await handler) == "This is question 2."
    assert bool(streamed) == streaming
    assert await turns_of(storage) == [["user", "assistant", "tool", "assistant"], ["user", "assistant"]]
    assert [text for text in model.seen[-1] if text != "None"] == [
        "How is the weather?",
        "sunny in Rome",
        "It is sunny in Rome.",
        "Which question is this?",
    ]


async def test_a_workflow_of_agents_is_one_turn(storage: Storage) -> None:
    workflow: Any = AgentWorkflow(agents=[agent_of(Model())], root_agent="Doctor")
    await workflow.run(user_msg="How is the weather?", memory=memory_of(storage))
    assert await turns_of(storage) == [["user", "assistant", "tool", "assistant"]]


async def test_a_run_that_fails_leaves_its_question_and_the_retry_replaces_it(storage: Storage) -> None:
    model = Model()
    for fails in (True, False, False):
        model.fails = fails
        run = agent_of(model).run(user_msg="Who am I?", memory=memory_of(storage, turn_id="request-7"))
        if fails:
            with pytest.raises(RuntimeError, match="down"):
                await run
        else:
            await run
        assert model.seen[-1] == ["Who am I?"]
    assert await turns_of(storage) == [["user", "assistant"]]


async def test_of_two_runs_on_one_conversation_one_conflicts(storage: Storage, another: Storage) -> None:
    slow, quick = memory_of(storage), memory_of(another)
    await slow.aput(ChatMessage(role="user", content="From Ana."))
    assert str(await agent_of(Model()).run(user_msg="From Bo.", memory=quick)) == "This is question 2."
    with pytest.raises(ThreadConflict):
        await slow.aput(ChatMessage(role="assistant", content="Hello, Ana."))
    assert [message.content for message in await quick.aget_all()] == ["From Ana.", "From Bo.", "This is question 2."]


class Collector(BaseMemoryBlock[str]):
    """Keep the messages that leave the short-term memory."""

    kept: list[str] = Field(default_factory=list[str])

    async def _aget(self, messages: list[ChatMessage] | None = None, **_: Any) -> str:
        return f"{len(self.kept)} earlier messages"

    async def _aput(self, messages: list[ChatMessage]) -> None:
        self.kept += [str(message.content) for message in messages]


async def test_memory_archives_what_exceeds_its_limit_and_gives_it_to_the_blocks(storage: Storage) -> None:
    collector = Collector(name="earlier")
    facts = StaticMemoryBlock(name="facts", static_content=[TextBlock(text="The ship is the Enterprise.")])
    model = Model()
    for number in range(8):
        memory = memory_of(
            storage,
            token_limit=60,
            token_flush_size=10,
            chat_history_token_ratio=0.5,
            memory_blocks=[collector, facts],
            tokenizer_fn=str.split,
        )
        await agent_of(model).run(user_msg=f"One two three four {number}", memory=memory)
    store = RecuerdaChatStore(storage)
    archived = await store.get_messages("t", MessageStatus.ARCHIVED)
    active = await store.get_messages("t")
    assert [str(message.content) for message in archived] == collector.kept
    assert len(archived) + len(active) == 16
    assert 0 < len(active) < 8
    assert active[0].role == "user"
    assert len(await turns_of(storage)) == 8
    assert "Enterprise" in model.seen[-1][0]
    assert "session_id" not in str(archived)  # LlamaIndex writes into the messages that it was given


async def test_memory_archives_the_same_messages_as_on_their_own_store(storage: Storage, tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/theirs.db")
    kept: list[list[list[str]]] = []
    for store in (SQLAlchemyChatStore("messages", async_engine=engine), RecuerdaChatStore(storage)):
        words = " word" * 12
        await store.add_messages("k", [ChatMessage(role="user", content=f"{n}{words}") for n in range(6)])
        memory = Memory(
            token_limit=60,
            token_flush_size=30,
            chat_history_token_ratio=1.0,
            session_id="k",
            sql_store=store,
            tokenizer_fn=str.split,
        )
        for name in "ab":
            await memory.aput(ChatMessage(role="user", content=f"{name}{words}"))
        both = (MessageStatus.ACTIVE, MessageStatus.ARCHIVED)
        messages = [await store.get_messages("k", status=status) for status in both]
        kept.append([[str(message.content)[0] for message in some] for some in messages])
    await engine.dispose()
    active, archived = kept[1]
    assert kept[0] == [active, archived]
    assert (active[-2:], archived[0]) == (["a", "b"], "0")
    assert archived + active == [*"012345ab"]


def test_memory_without_an_event_loop_keeps_a_given_history() -> None:
    made: Any = Memory
    store = RecuerdaChatStore(MemoryStorage())
    memory = made.from_defaults(
        session_id="k", chat_history=[ChatMessage(role="user", content="given")], chat_store=store
    )
    for text in ("one", "two"):
        memory.put(ChatMessage(role="user", content=text))
    assert [message.content for message in memory.get_all()] == ["given", "one", "two"]


def test_a_chat_engine_without_an_event_loop() -> None:
    storage = MemoryStorage()
    model = Model()
    llm = MockFunctionCallingLLM(response_generator=model, is_chat_model=True)
    first: Any = SimpleChatEngine.from_defaults(llm=llm, memory=memory_of(storage))
    first.chat("Hello.")
    engine: Any = SimpleChatEngine.from_defaults(llm=llm, memory=memory_of(storage))
    engine.chat("Hello again.")
    assert model.seen[-1] == ["Hello.", "This is question 1.", "Hello again."]
    assert len(engine.chat_history) == 4
    engine.reset()
    assert memory_of(storage).get_all() == []


async def test_a_given_history_replaces_the_stored_one(storage: Storage) -> None:
    model = Model()
    await agent_of(model).run(user_msg="How is the weather?", memory=memory_of(storage))
    history = [ChatMessage(role="user", content="I am Ana."), ChatMessage(role="assistant", content="Hello, Ana.")]
    await agent_of(model).run(user_msg="Who am I?", chat_history=history, memory=memory_of(storage))
    assert await turns_of(storage) == [["user", "assistant"], ["user", "assistant"]]
    assert model.seen[-1] == ["I am Ana.", "Hello, Ana.", "Who am I?"]
