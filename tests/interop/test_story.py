"""One conversation is carried through four frameworks and back, on one thread: docs/interop/one-conversation.md."""

from base64 import b64encode
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, cast

import pytest
from agent_framework import Agent as FrameworkAgent
from agent_framework import BaseChatClient, ChatResponse, Message
from agents import Agent as AgentsAgent
from agents import ModelSettings, OpenAIResponsesModel, Runner, function_tool
from agents.tracing import set_tracing_disabled
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph
from openai import AsyncOpenAI
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.messages import BinaryContent, ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from recuerda import ChatMessageStore, FunctionResultContent, Storage
from recuerda.interop.agent_framework import RecuerdaHistoryProvider
from recuerda.interop.langgraph import RecuerdaSaver
from recuerda.interop.openai_agents import RecuerdaSession
from recuerda.interop.pydantic_ai import RecuerdaConversationStore
from recuerda.testing import Reply, ScriptedOpenAIServer, ToolCall

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
AS_TEXT = b64encode(PICTURE).decode()
PICTURE_URI = f"data:image/png;base64,{AS_TEXT}"
RIKER: RunnableConfig = {"configurable": {"thread_id": "riker"}}

SAID = [
    ("user", "What is on this picture? Scan deck 7."),
    ("assistant", "A door. Deck 7 is clear."),
    ("user", "Which deck did you scan?"),
    ("assistant", "Deck 7."),
    ("user", "Is it safe there?"),
    ("assistant", "Yes, it is clear."),
    ("user", "Write it into the log."),
    ("assistant", "It is in the log."),
    ("user", "What was on my picture?"),
    ("assistant", "A door."),
]


@function_tool
def scan(deck: int) -> str:
    """Scan a deck."""
    return f"deck {deck}: no life signs"


@pytest.fixture
def model() -> Iterator[ScriptedOpenAIServer]:
    set_tracing_disabled(True)
    with ScriptedOpenAIServer() as server:
        yield server


async def test_one_conversation_goes_through_four_frameworks_and_back(
    storage: Storage, another: Storage, model: ScriptedOpenAIServer
) -> None:
    # On Monday, Riker talks to an agent of the OpenAI Agents SDK. He shows it a picture, and it calls a tool.
    model.script.extend([Reply("", tool_calls=[ToolCall("scan", {"deck": 7}, id="call_1")]), SAID[1][1]])
    monday = await _with_the_agents_sdk(storage, model, _with_picture(SAID[0][1]))
    assert await RecuerdaSession("riker", another).get_items() == monday

    # On Tuesday, another process continues with Pydantic AI. Its model sees the picture and the result of the tool.
    seen = await _with_pydantic_ai(another, *_texts(2))
    assert (PICTURE in _pictures(seen), "no life signs" in str(seen)) == (True, True)

    # On Wednesday, a graph of LangGraph goes on. Its state begins with everything that was said before.
    state = await _with_langgraph(storage, *_texts(4))
    assert [(_role(one), one.text) for one in state if one.text and one.type != "tool"] == SAID[:6]
    assert AS_TEXT in str(state[0].content)
    assert "no life signs" in str(state[2].content)

    # On Thursday, an agent of Agent Framework writes the log. Its model gets the picture too.
    sent = await _with_agent_framework(another, *_texts(6))
    assert [(str(one.role), one.text) for one in sent if one.text] == SAID[:7]
    assert [content.uri for one in sent for content in one.contents if content.type == "data"] == [PICTURE_URI]

    # On Friday, Riker is back at the first agent. Its items of Monday are the same, bit for bit.
    model.script.append(SAID[9][1])
    friday = await _with_the_agents_sdk(storage, model, SAID[8][1])
    assert friday[: len(monday)] == monday
    sent_items: Any = model.requests[-1].body["input"]
    assert sent_items == friday[:-1]
    assert str(sent_items).count(AS_TEXT) == 1

    # Every reader finds each word once, in order.
    store = ChatMessageStore(storage=another, thread_id="riker")
    messages = await store.list_messages()
    assert [(one.role, one.text) for one in messages if one.text and one.role != "tool"] == SAID
    results = [part for one in messages for part in one.contents if isinstance(part, FunctionResultContent)]
    assert [(part.call_id, part.result) for part in results] == [("call_1", "deck 7: no life signs")]
    loaded = await RecuerdaConversationStore(storage).load("riker")
    assert loaded is not None
    assert [part for pair in SAID for part in pair[1:] if part not in str(loaded.messages)] == []


def _texts(at: int) -> tuple[str, str]:
    return SAID[at][1], SAID[at + 1][1]


def _with_picture(question: str) -> list[Any]:
    picture = {"type": "input_image", "image_url": PICTURE_URI, "detail": "auto"}
    return [{"role": "user", "content": [{"type": "input_text", "text": question}, picture]}]


async def _with_the_agents_sdk(storage: Storage, model: ScriptedOpenAIServer, question: Any) -> list[Any]:
    """Ask an agent of the OpenAI Agents SDK, and return all items of its session."""
    async with AsyncOpenAI(base_url=model.base_url, api_key="none", max_retries=0) as client:
        settings = ModelSettings(store=False)
        agent = AgentsAgent(
            name="Data", model=OpenAIResponsesModel("a-model", client), tools=[scan], model_settings=settings
        )
        session = RecuerdaSession("riker", storage)
        result = await Runner.run(agent, question, session=session)
        assert result.final_output
        return [*await session.get_items()]


async def _with_pydantic_ai(storage: Storage, question: str, answer: str) -> list[ModelMessage]:
    """Ask an agent of Pydantic AI, and return what its model has seen."""
    seen: list[ModelMessage] = []

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen.extend(messages)
        return ModelResponse(parts=[TextPart(answer)])

    store = RecuerdaConversationStore(storage)
    conversation = await store.load("riker")
    await store.save(await PydanticAgent(FunctionModel(reply)).run(question, conversation=conversation))
    return seen


def _pictures(messages: list[ModelMessage]) -> list[bytes]:
    parts: list[Any] = [part for message in messages for part in message.parts]
    contents: list[Any] = [getattr(part, "content", None) for part in parts]
    items: list[Any] = [item for one in contents if isinstance(one, list) for item in cast("list[Any]", one)]
    return [item.data for item in items if isinstance(item, BinaryContent)]


async def _with_langgraph(storage: Storage, question: str, answer: str) -> list[BaseMessage]:
    """Ask a graph, and return the messages of its state."""

    def reply(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(answer)]}

    builder: Any = StateGraph(MessagesState)
    builder.add_node("reply", reply)
    builder.add_edge(START, "reply")
    graph = builder.compile(checkpointer=RecuerdaSaver(storage))
    state = await graph.ainvoke({"messages": [HumanMessage(question)]}, RIKER)
    return state["messages"]


class _Answers(BaseChatClient[Any]):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.seen: list[Message] = []

    def _inner_get_response(self, *, messages: Sequence[Message], **more: Any) -> Awaitable[ChatResponse]:
        self.seen = [*messages]

        async def answer() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", [self.text])])

        return answer()


async def _with_agent_framework(storage: Storage, question: str, answer: str) -> list[Message]:
    """Ask an agent of Agent Framework, and return what its model has seen."""
    client = _Answers(answer)
    agent = FrameworkAgent(client, name="Data", context_providers=[RecuerdaHistoryProvider(storage)])
    await agent.run(question, session=agent.create_session(session_id="riker"))
    return client.seen


def _role(message: BaseMessage) -> str:
    return {"human": "user", "ai": "assistant"}.get(message.type, message.type)
