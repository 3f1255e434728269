"""Web clients over AG-UI and Vercel AI, of an application that keeps their conversations on our storages.

The clients are like those in a browser: they keep their own list of messages, and send all of them with each request.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from ag_ui.core import (
    AssistantMessage,
    Event,
    FunctionCall,
    Message,
    ReasoningMessage,
    RunAgentInput,
    RunErrorEvent,
    RunFinishedEvent,
    RunStartedEvent,
    TextMessageContentEvent,
    Tool,
    ToolCall,
    ToolCallArgsEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    ToolMessage,
    UserMessage,
)
from pydantic import TypeAdapter
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel
from pydantic_ai.ui import UIAdapter
from pydantic_ai.ui.ag_ui import AGUIAdapter
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from pydantic_ai.ui.vercel_ai.request_types import RegenerateMessage, SubmitMessage, TextUIPart, UIMessage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from recuerda import ChatMessageStore, Storage
from recuerda.interop.pydantic_ai import RecuerdaConversationStore
from recuerda.testing import ScriptedChatClient
from tests.servers.asgi import serving

CONFIRM = Tool(name="confirm", description="Ask the user.", parameters={"type": "object", "properties": {}})

_events: TypeAdapter[Any] = TypeAdapter(Event)


class Doctor:
    """The application: an agent on one address for each protocol.

    Attributes:
        asked: the user's prompts that the model has seen in each of its requests.
        gate: the model answers a prompt with the word "slow" when this is set.
        failures: the number of the next requests to the model that fail.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.asked: list[list[str]] = []
        self.gate = asyncio.Event()
        self.waiting = asyncio.Event()
        self.failures = 0
        agent = Agent(FunctionModel(stream_function=self._answer))
        agent.tool_plain(self.scan)
        self.agent = agent

    def scan(self, deck: int) -> str:
        """Scan a deck."""
        return f"deck {deck} is clear"

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        parts = [part for message in messages for part in message.parts]
        self.asked.append([str(part.content) for part in parts if isinstance(part, UserPromptPart)])
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the model is away")
        match parts[-1]:
            case UserPromptPart(content=str(text)) if "scan" in text:
                yield {0: DeltaToolCall("scan", json_args='{"deck": 7}', tool_call_id=f"call-{len(messages)}")}
            case UserPromptPart(content=str(text)) if "log" in text:
                yield {0: DeltaToolCall("confirm", json_args="{}", tool_call_id=f"call-{len(messages)}")}
            case UserPromptPart(content=str(text)):
                if "slow" in text:
                    self.waiting.set()
                    await self.gate.wait()
                yield "You said "
                yield f"{text!r}."
            case ToolReturnPart(content=content):
                yield f"Done: {content}."
            case _:
                yield "What?"

    def routes(self) -> list[Route]:
        return [
            Route("/ag-ui/{user}", self._endpoint(AGUIAdapter), methods=["POST"]),
            Route("/vercel/{user}", self._endpoint(VercelAIAdapter), methods=["POST"]),
        ]

    def _endpoint(self, adapter: type[UIAdapter[Any, Any, Any, Any, Any]]) -> Any:
        async def respond(request: Request) -> Response:
            # A request makes a store of its own.
            store = RecuerdaConversationStore(self.storage)
            user = request.path_params["user"]
            return await adapter.dispatch_request(
                request, agent=self.agent, conversation_store=store, conversation_scope=user
            )

        return respond


class AGUIClient:
    """A web client that speaks AG-UI, with the package's own types.

    Attributes:
        messages: what the client shows.
        saved: the ids of the entries that the server says it has stored, for each run.
    """

    def __init__(self, url: str, http: httpx2.AsyncClient, *, thread_id: str = "t", user: str = "ana") -> None:
        self._url = f"{url}/ag-ui/{user}"
        self._http = http
        self._thread_id = thread_id
        self._runs = 0
        self.messages: list[Message] = []
        self.saved: list[list[str]] = []

    async def say(self, text: str, *, tools: Sequence[Tool] = ()) -> list[Any]:
        """Add a message of the user, and run the agent."""
        self.messages.append(UserMessage(id=f"user-{len(self.messages)}", content=text))
        return await self.run(tools=tools)

    async def run(self, *, tools: Sequence[Tool] = ()) -> list[Any]:
        """Send the whole conversation, show the answer, and return the events."""
        events = [event async for event in self.events(tools=tools)]
        self._show(events)
        return events

    async def events(self, *, tools: Sequence[Tool] = ()) -> AsyncGenerator[Any]:
        """Send the whole conversation, and yield the events as they come."""
        self._runs += 1
        wanted = RunAgentInput(
            thread_id=self._thread_id,
            run_id=f"run-{self._runs}",
            state=None,
            messages=self.messages,
            tools=[*tools],
            context=[],
            forwarded_props=None,
        )
        body = wanted.model_dump_json(by_alias=True, exclude_none=True)
        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        async with self._http.stream("POST", self._url, content=body, headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    yield _events.validate_json(line.removeprefix("data:"))

    def _show(self, events: Sequence[Any]) -> None:
        texts: dict[str, str] = {}
        calls: dict[str, tuple[str, str, str]] = {}
        results: list[ToolMessage] = []
        for event in events:
            match event:
                case TextMessageContentEvent(message_id=id, delta=delta):
                    texts[id] = texts.get(id, "") + delta
                case ToolCallStartEvent(tool_call_id=id, tool_call_name=name, parent_message_id=parent):
                    calls[id] = parent or id, name, ""
                case ToolCallArgsEvent(tool_call_id=id, delta=delta):
                    parent, name, arguments = calls[id]
                    calls[id] = parent, name, arguments + delta
                case ToolCallResultEvent(message_id=id, tool_call_id=call_id, content=content):
                    results.append(ToolMessage(id=id, tool_call_id=call_id, content=str(content)))
                case _ if getattr(event, "name", "") == "pydantic_ai_conversation_saved":
                    self.saved.append(event.value["entry_ids"])
                case _:
                    pass
        for id, (parent, name, arguments) in calls.items():
            call = ToolCall(id=id, function=FunctionCall(name=name, arguments=arguments))
            self.messages.append(AssistantMessage(id=parent, tool_calls=[call]))
        self.messages += results
        self.messages += [AssistantMessage(id=id, content=text) for id, text in texts.items()]

    def last_text(self) -> str:
        """Return the text of the last message."""
        last = self.messages[-1]
        assert not isinstance(last, ReasoningMessage)
        return str(last.content)


@asynccontextmanager
async def running(app: Starlette) -> AsyncGenerator[tuple[str, httpx2.AsyncClient]]:
    config = uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_config=None, ws="none")
    async with serving(uvicorn.Server(config)) as url, httpx2.AsyncClient() as http:
        yield url, http


class Site:
    """The application while it runs, and its clients."""

    def __init__(self, doctor: Doctor, url: str, http: httpx2.AsyncClient) -> None:
        self.doctor, self.url, self.http = doctor, url, http
        self.storage = doctor.storage

    def client(self, **given: Any) -> AGUIClient:
        return AGUIClient(self.url, self.http, **given)

    async def turns(self) -> list[list[tuple[str, str]]]:
        """Return the roles and texts of the thread's turns, as every other reader sees them."""
        turns = await ChatMessageStore(storage=self.storage, thread_id="t").list_turns()
        return [[(message.role, message.text) for message in turn.messages] for turn in turns]

    async def prompts(self) -> list[str]:
        """Return what the user has said in the stored conversation."""
        conversation = await RecuerdaConversationStore(self.storage).load("t")
        assert conversation is not None
        parts = [part for message in conversation.messages for part in message.parts]
        return [str(part.content) for part in parts if isinstance(part, UserPromptPart)]


@pytest.fixture
async def site(storage: Storage) -> AsyncIterator[Site]:
    doctor = Doctor(storage)
    async with running(Starlette(routes=doctor.routes())) as (url, http):
        yield Site(doctor, url, http)


# -- AG-UI -------------------------------------------------------------------------------------------------------------


async def test_two_requests_of_a_client_that_sends_everything_are_two_turns(site: Site) -> None:
    client = site.client()
    first = await client.say("Hello.")
    assert isinstance(first[0], RunStartedEvent)
    assert isinstance(first[-1], RunFinishedEvent)
    await client.say("And now?")
    assert client.last_text() == "You said 'And now?'."
    assert site.doctor.asked == [["Hello."], ["Hello.", "And now?"]]
    assert await site.turns() == [
        [("user", "Hello."), ("assistant", "You said 'Hello.'.")],
        [("user", "And now?"), ("assistant", "You said 'And now?'.")],
    ]
    entries = await RecuerdaConversationStore(site.storage).load_entries("t")
    assert entries is not None
    assert [id for run in client.saved for id in run] == [entry.id for entry in entries]


async def test_a_client_may_send_its_new_message_alone(site: Site) -> None:
    client = site.client()
    await client.say("Hello.")
    client.messages = [UserMessage(id="another", content="Who am I?")]
    await client.run()
    assert site.doctor.asked[-1] == ["Hello.", "Who am I?"]
    assert await site.prompts() == ["Hello.", "Who am I?"]


async def test_an_answer_arrives_in_pieces_while_it_is_made(site: Site) -> None:
    client = site.client()
    client.messages = [UserMessage(id="u", content="slow")]
    events = client.events()
    assert isinstance(await anext(events), RunStartedEvent)
    await site.doctor.waiting.wait()
    assert await site.storage.head("t") is None
    site.doctor.gate.set()
    later = [event async for event in events]
    assert [event.delta for event in later if isinstance(event, TextMessageContentEvent)] == ["You said ", "'slow'."]
    assert len(await site.turns()) == 1


async def test_a_run_with_a_tool_of_the_server_is_one_turn(site: Site) -> None:
    client = site.client()
    events = await client.say("Please scan.")
    assert any(isinstance(event, ToolCallResultEvent) for event in events)
    assert client.last_text() == "Done: deck 7 is clear."
    (turn,) = await site.turns()
    assert [role for role, _ in turn] == ["user", "assistant", "tool", "assistant"]
    await client.say("Thanks.")
    assert await site.prompts() == ["Please scan.", "Thanks."]
    assert [len(turn) for turn in await site.turns()] == [4, 2]


async def test_a_tool_of_the_client_is_answered_by_the_next_request(site: Site) -> None:
    client = site.client()
    await client.say("Write the log.", tools=[CONFIRM])
    call = client.messages[-1]
    assert isinstance(call, AssistantMessage)
    assert call.tool_calls is not None
    record = await RecuerdaConversationStore(site.storage).read_record("t")
    assert record is not None
    assert record.deferred_tool_requests is not None
    client.messages.append(ToolMessage(id="r", tool_call_id=call.tool_calls[0].id, content="yes"))
    await client.run(tools=[CONFIRM])
    assert client.last_text() == "Done: yes."
    conversation = await RecuerdaConversationStore(site.storage).load("t")
    assert conversation is not None
    kinds = [part.part_kind for message in conversation.messages for part in message.parts]
    assert kinds == ["user-prompt", "tool-call", "tool-return", "text"]
    assert conversation.deferred_tool_requests is None


async def test_a_request_that_is_sent_again_replaces_its_turn(site: Site) -> None:
    client = site.client()
    await client.say("Hello.")
    await client.say("And now?")
    shown = [*client.messages]
    del client.messages[-1]  # the client has not got the answer
    await client.run()
    assert [message.id for message in client.messages[:-1]] == [message.id for message in shown[:-1]]
    assert await site.prompts() == ["Hello.", "And now?"]
    assert site.doctor.asked[-1] == ["Hello.", "And now?"]
    record = await RecuerdaConversationStore(site.storage).read_record("t")
    assert record is not None
    assert record.branches == [client.saved[1][-1]]


async def test_a_request_that_failed_is_stored_once_when_it_is_sent_again(site: Site) -> None:
    client = site.client()
    await client.say("Hello.")
    site.doctor.failures = 1
    failed = await client.say("And now?")
    assert isinstance(failed[-1], RunErrorEvent)
    assert await site.prompts() == ["Hello."]
    await client.run()
    assert await site.prompts() == ["Hello.", "And now?"]
    assert len(await site.turns()) == 2


async def test_a_client_that_goes_away_leaves_no_half_turn(site: Site) -> None:
    client = site.client()
    await client.say("Hello.")
    client.messages.append(UserMessage(id="u", content="slow"))
    async with AsyncExitStack() as stack:
        events = client.events()
        stack.push_async_callback(events.aclose)
        await anext(events)
        await site.doctor.waiting.wait()
    site.doctor.gate.set()
    await client.run()
    assert await site.prompts() == ["Hello.", "slow"]


async def test_of_two_requests_at_once_one_is_told_to_reload(site: Site) -> None:
    client, other = site.client(), site.client()
    await client.say("Hello.")
    other.messages = [UserMessage(id="o", content="slow")]
    late = asyncio.create_task(other.run())
    await site.doctor.waiting.wait()
    await client.say("And now?")
    site.doctor.gate.set()
    refused = (await late)[-1]
    assert isinstance(refused, RunErrorEvent)
    assert "Reload" in refused.message
    assert await site.prompts() == ["Hello.", "And now?"]


async def test_another_users_conversation_is_not_found(site: Site) -> None:
    await site.client().say("Hello.")
    with pytest.raises(AssertionError, match="not found"):
        await site.client(user="bo").say("Hello?")
    assert await site.prompts() == ["Hello."]
    await site.storage.erase_user("ana")
    await site.client(user="bo").say("Hello?")
    assert await site.prompts() == ["Hello?"]


async def test_a_conversation_that_recuerda_began_goes_on_in_the_browser(site: Site) -> None:
    agent = ScriptedChatClient(["Hello, Ana.", "Bye."]).create_agent(storage=site.storage)
    thread = agent.get_thread("t", user_id="ana")
    await agent.run("I am Ana.", thread=thread)
    conversation = await RecuerdaConversationStore(site.storage).load("t")
    assert conversation is not None
    client = site.client()
    client.messages = [*AGUIAdapter.dump_messages(conversation.messages)]
    assert [message.role for message in client.messages] == ["user", "assistant"]
    await client.say("Who am I?")
    assert site.doctor.asked == [["I am Ana.", "Who am I?"]]
    await agent.run("Bye.", thread=thread)
    assert await site.prompts() == ["I am Ana.", "Who am I?", "Bye."]


async def test_a_request_reads_only_new_records(site: Site) -> None:
    client = site.client()
    for number in range(20):
        await client.say(f"{number}")
    reads: list[int] = []
    read = site.storage.read

    async def counted(*given: Any, **named: Any) -> Any:
        found = await read(*given, **named)
        reads.append(len(found.records))
        return found

    site.storage.read = counted
    await client.say("last")
    # The adapter looks for the conversation, loads it, and looks whether it has changed meanwhile. The turn that the
    # last request has written is known.
    assert reads == [0, 0, 0]


# -- Vercel AI ---------------------------------------------------------------------------------------------------------


def said(id: str, text: str, *, role: Any = "user") -> UIMessage:
    return UIMessage(id=id, role=role, parts=[TextUIPart(text=text)])


async def sent(site: Site, request: SubmitMessage | RegenerateMessage) -> str:
    """Send a request of the Vercel AI SDK, and return the text of the answer."""
    body = request.model_dump_json(by_alias=True, exclude_none=True)
    answer = await site.http.post(f"{site.url}/vercel/ana", content=body, headers={"content-type": "application/json"})
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    chunks = [json.loads(line) for line in lines]
    assert [chunk for chunk in chunks if chunk["type"] == "error"] == []
    return "".join(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta")


async def test_a_vercel_client_that_sends_everything_stores_each_message_once(site: Site) -> None:
    messages = [said("u1", "Hello.")]
    answer = await sent(site, SubmitMessage(id="t", messages=messages))
    assert answer == "You said 'Hello.'."
    messages += [said("a1", answer, role="assistant"), said("u2", "Please scan.")]
    assert await sent(site, SubmitMessage(id="t", messages=messages)) == "Done: deck 7 is clear."
    assert site.doctor.asked[1] == ["Hello.", "Please scan."]
    assert [[role for role, _ in turn] for turn in await site.turns()] == [
        ["user", "assistant"],
        ["user", "assistant", "tool", "assistant"],
    ]


async def test_a_vercel_client_regenerates_an_answer_and_goes_on(site: Site) -> None:
    messages = [said("u1", "Hello.")]
    answer = await sent(site, SubmitMessage(id="t", messages=messages))
    for request in (
        RegenerateMessage(trigger="regenerate-message", id="t", messages=messages),
        SubmitMessage(id="t", messages=messages),
    ):
        assert await sent(site, request) == answer
        assert await site.prompts() == ["Hello."]
    messages += [said("a1", answer, role="assistant"), said("u2", "And now?")]
    await sent(site, SubmitMessage(id="t", messages=messages))
    assert await site.prompts() == ["Hello.", "And now?"]
    record = await RecuerdaConversationStore(site.storage).read_record("t")
    assert record is not None
    assert len(record.branches) == 2
