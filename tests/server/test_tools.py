"""The tools of a request: namespaces of functions, and tools that only OpenAI's own servers can run."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError

from recuerda import Storage
from recuerda.server import ServerSettings
from recuerda.server.prompt import chat_body
from recuerda.server.requests import AllowedTools, CreateResponse
from recuerda.server.tools import tools_of
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Reply, ToolCall
from tests.server.serving import MODEL, running, sdk, streamed
from tests.server.test_responses import ADD

LONG = "n" * 60
SEARCH: Any = {"type": "web_search"}
AGENTS: Any = {
    "type": "namespace",
    "name": "agents",
    "description": "Other agents.",
    "tools": [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("spawn", LONG)],
}


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_a_function_of_a_namespace_is_flattened_for_the_model_and_comes_back_apart(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, *, is_streamed: bool
) -> None:
    def call(request: Any) -> Reply:
        return Reply(tool_calls=[ToolCall(tool["function"]["name"], {"a": 1}) for tool in request.body["tools"]])

    model.script.extend([call, "Done."])
    create: Any = client.responses.create
    asked: dict[str, Any] = {"input": "Go.", "tools": [ADD, AGENTS]}
    response = (await streamed(client, **asked))[1] if is_streamed else await create(**asked)
    body: Any = model.requests[0].body
    offered = [tool["function"]["name"] for tool in body["tools"]]
    assert offered[:2] == ["add", "agents__spawn"]
    assert len(offered[2]) == 64
    names = [(item.name, item.namespace, item.arguments) for item in response.output]
    assert names == [("add", None, '{"a":1}'), ("spawn", "agents", '{"a":1}'), (LONG, "agents", '{"a":1}')]
    assert response.tools[1].to_dict() == AGENTS
    outputs = [{"type": "function_call_output", "call_id": item.call_id, "output": "ok"} for item in response.output]
    await create(input=outputs, previous_response_id=response.id, tools=[ADD, AGENTS])
    messages: Any = model.requests[1].messages
    assert [call["function"]["name"] for call in messages[1]["tool_calls"]] == offered
    again: Any = await client.responses.retrieve(response.id, stream=True)
    done = [event.item async for event in again if event.type == "response.output_item.done"]
    assert [item.to_dict() for item in done] == [item.to_dict() for item in response.output]


async def test_a_choice_names_a_function_of_the_request(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.default = "Yes."
    create: Any = client.responses.create
    choice = {"type": "function", "name": "spawn", "namespace": "agents"}
    await create(input="x", tools=[ADD, AGENTS], tool_choice=choice)
    body: Any = model.requests[-1].body
    assert body["tool_choice"]["function"]["name"] == "agents__spawn"
    for wrong in ({"tool_choice": {"type": "function", "name": "sub"}, "tools": [ADD]}, {"tool_choice": "required"}):
        with pytest.raises(BadRequestError) as refusal:
            await create(input="x", **wrong)
        assert refusal.value.param == "tool_choice"


async def test_only_the_tools_that_a_request_allows_can_be_called(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    create: Any = client.responses.create
    add, spawn = {"type": "function", "name": "add"}, {"type": "function", "name": "spawn", "namespace": "agents"}
    for allowed, mode, names in (
        ([add], "auto", ["add"]),
        ([spawn, add], "required", ["add", "agents__spawn"]),
        ([{"type": "namespace", "name": "agents"}], "required", ["agents__spawn", None]),
        ([SEARCH, add], "auto", ["add"]),
        ([SEARCH], "auto", []),
    ):
        choice = {"type": "allowed_tools", "mode": mode, "tools": allowed}
        response = await create(input="x", tools=[ADD, AGENTS, SEARCH], tool_choice=choice)
        body: Any = model.requests[-1].body
        offered = [tool["function"]["name"] for tool in body.get("tools", [])]
        assert offered == [name or offered[-1] for name in names]
        assert body.get("tool_choice") == (mode if names else None)
        assert response.tool_choice.to_dict() == choice
        assert len(response.tools) == 2
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"mode": "auto", "tools": [{"type": "function", "name": "sub"}]}, "tool_choice.tools[0].name"),
        ({"mode": "auto", "tools": [{"type": "function"}]}, "tool_choice.tools[0].name"),
        ({"mode": "auto", "tools": [{"name": "add"}]}, "tool_choice.tools[0].type"),
        ({"mode": "auto", "tools": []}, "tool_choice.tools"),
        ({"mode": "sometimes", "tools": [add]}, "tool_choice.mode"),
        ({"mode": "required", "tools": [SEARCH]}, "tool_choice.tools"),
    )
    for wrong, param in refused:
        with pytest.raises(BadRequestError) as refusal:
            await create(input="x", tools=[ADD, SEARCH], tool_choice={"type": "allowed_tools", **wrong})
        assert refusal.value.param == param


def test_openais_server_is_told_which_tools_are_allowed() -> None:
    choice = AllowedTools("auto", [{"type": "function", "name": "add"}])
    request = CreateResponse(input="x", tools=[ADD, AGENTS], tool_choice=choice)
    body: Any = chat_body(request, [], tools_of(request, "auto"), model="m", is_openai=True)
    assert len(body["tools"]) == 3
    named = [{"type": "function", "function": {"name": "add"}}]
    assert body["tool_choice"] == {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": named}}


async def test_tools_that_only_openai_can_run_are_refused_or_left_out_and_named(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    # By the way that is set: whether a search alone is answered, and whether a search beside a function is answered.
    ways: dict[Any, tuple[bool, bool]] = {"auto": (False, True), "ignore": (True, True), "refuse": (False, False)}
    for way, answered in ways.items():
        settings = ServerSettings(model=MODEL, hosted_tools=way)
        async with running(storage, model.base_url, settings=settings) as url, sdk(url) as client:
            for tools, is_answered in zip(([SEARCH], [SEARCH, ADD]), answered, strict=True):
                if not is_answered:
                    with pytest.raises(BadRequestError, match="web_search") as refusal:
                        await client.responses.create(input="x", tools=tools)
                    assert refusal.value.param == "tools[0].type"
                    continue
                response = await client.responses.create(input="x", tools=tools, metadata={"a": "b"})
                assert response.metadata == {"a": "b", "ignored_tools": "web_search"}
                assert [tool.type for tool in response.tools] == ["function"] * (len(tools) - 1)
                body: Any = model.requests[-1].body
                assert len(body.get("tools", [])) == len(tools) - 1
