"""Messages in the part of the body that the SDK sends as it is, unless a program that records calls looks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import openai
import pytest
import wrapt
from openai import AsyncOpenAI
from openai.resources.chat.completions import AsyncCompletions
from openai.resources.responses import AsyncResponses

from recuerda import ChatClient, ChatMessage, ChatRequest
from recuerda.json_value import Json
from recuerda.openai import OpenAIChatClient, OpenAIResponsesClient
from recuerda.testing.openai_server import ScriptedOpenAIServer
from tests.openai.service import WAYS

Seen = list[dict[str, Any]]


@dataclass(frozen=True)
class Interface:
    """An interface of the service: the class of the SDK that calls it, and the argument that holds the messages."""

    resource: type[AsyncCompletions | AsyncResponses]
    field: str

    async def ask(
        self, server: ScriptedOpenAIServer, *, is_streamed: bool = False, count: int = 1, **options: Json
    ) -> list[str]:
        """Send messages, and return the texts that the service got."""
        server.script.append("Hello")
        client: ChatClient
        if self.resource is AsyncCompletions:
            client = OpenAIChatClient(model_id="m", api_key="k", base_url=server.base_url)
        else:
            client = OpenAIResponsesClient(model_id="m", api_key="k", base_url=server.base_url, store=False)
        request = ChatRequest(messages=[ChatMessage("user", f"Hi {i}") for i in range(count)], options=options)
        async with client:
            if is_streamed:
                assert [update async for update in client.stream(request)]
            else:
                await client.respond(request)
        return self.texts(server.requests[-1].body)

    def texts(self, body: Mapping[str, Any]) -> list[str]:
        return [item["content"] for item in body[self.field]]


INTERFACES = pytest.mark.parametrize(
    "interface",
    [Interface(AsyncCompletions, "messages"), Interface(AsyncResponses, "input")],
    ids=["chat completions", "responses"],
)


@INTERFACES
@WAYS
async def test_the_sdk_looks_at_no_message(
    interface: Interface, is_streamed: bool, server: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    module = import_module(interface.resource.create.__module__)
    transform = module.async_maybe_transform

    async def counting(data: Any, expected: Any) -> Any:
        looked_at.append(len(data[interface.field]))
        return await transform(data, expected)

    monkeypatch.setattr(module, "async_maybe_transform", counting)
    texts = await interface.ask(server, is_streamed=is_streamed, count=30)
    assert looked_at == [0]
    assert texts == [f"Hi {i}" for i in range(30)]


def by_wrapt(owner: type, name: str, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    def record(wrapped: Callable[..., object], _: object, args: tuple[object, ...], kwargs: dict[str, Any]) -> object:
        seen.append({"args": args, **kwargs})
        return wrapped(*args, **kwargs)

    monkeypatch.setattr(owner, name, wrapt.FunctionWrapper(getattr(owner, name), record))


def by_a_function(owner: type, name: str, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped = getattr(owner, name)

    @wraps(wrapped)
    async def record(self: object, *args: object, **kwargs: Any) -> object:
        seen.append({"args": args, **kwargs})
        return await wrapped(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, record)


def by_a_neighbour(owner: type, name: str, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do as a package whose name begins like that of the SDK."""
    by_a_function(owner, name, seen, monkeypatch)
    record = getattr(owner, name)
    neighbour = Path(openai.__file__).parent.with_name("openai_tracer") / "calls.py"
    record.__code__ = record.__code__.replace(co_filename=str(neighbour))


@INTERFACES
@WAYS
@pytest.mark.parametrize("replace", [by_wrapt, by_a_function, by_a_neighbour])
async def test_a_program_that_records_calls_finds_the_messages_among_the_arguments(
    interface: Interface,
    is_streamed: bool,
    replace: Callable[[type, str, Seen, pytest.MonkeyPatch], None],
    server: ScriptedOpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: Seen = []
    replace(interface.resource, "create", seen, monkeypatch)
    texts = await interface.ask(server, is_streamed=is_streamed)
    assert interface.texts(seen[0]) == texts == ["Hi 0"]


@INTERFACES
async def test_a_program_that_records_requests_finds_the_messages_in_the_body(
    interface: Interface, server: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Seen = []
    by_wrapt(AsyncOpenAI, "request", seen, monkeypatch)
    await interface.ask(server)
    (options,) = (one for one in seen[0]["args"] if hasattr(one, "json_data"))
    assert interface.texts(options.json_data) == ["Hi 0"]


@INTERFACES
async def test_options_of_the_body_are_sent_beside_the_messages(
    interface: Interface, server: ScriptedOpenAIServer
) -> None:
    assert await interface.ask(server, extra_body={"a": 1}, unknown_option=2) == ["Hi 0"]
    body = server.requests[-1].body
    assert (body["a"], body["unknown_option"]) == (1, 2)
