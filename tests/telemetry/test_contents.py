"""Contents are recorded only if somebody has switched that on, and each text goes through the redaction."""

from __future__ import annotations

import json
import re
from typing import cast

import pytest

from recuerda import Agent, ChatMessage, DataContent, EncodeError, Storage, TextContent, tool
from recuerda.telemetry.settings import CAPTURE, OPT_IN
from recuerda.testing import ScriptedChatClient, call
from tests.telemetry.recorded import Recorded

SECRET = "4711"


@tool
async def look_up(name: str, tags: list[str]) -> dict[str, str]:
    """Look a name up."""
    return {"number": f"{name} has {SECRET}", "tags": ",".join(tags)}


async def _talk(storage: Storage) -> None:
    script = [call("look_up", {"name": f"Ana {SECRET}", "tags": [SECRET]}), f"It is {SECRET}."]
    agent = Agent(ScriptedChatClient(script), "Guide", f"Say {SECRET}.", tools=[look_up], storage=storage)
    picture = DataContent(b"\x89PNG 4711", "image/png")
    await agent.run(ChatMessage("user", [TextContent(f"My code is {SECRET}."), picture]), thread="t")


def _all(recorded: Recorded) -> str:
    """Everything that spans say, without their ids and times: these may hold the digits of the secret by chance."""
    return "".join(str((one.name, one.attributes, one.events, one.status.description)) for one in recorded.spans)


async def test_no_content_is_recorded_unless_it_is_switched_on(recorded: Recorded, storage: Storage) -> None:
    await _talk(storage)
    for value in ("false", "NO_CONTENT", "EVENT_ONLY", "", "maybe"):
        recorded.switch_on(environ={CAPTURE: value})
        await _talk(storage)
    recorded.switch_on(content=False, environ={CAPTURE: "true"})
    await _talk(storage)
    assert len(recorded.spans) == 7 * 6
    assert SECRET not in _all(recorded)
    assert "gen_ai.input.messages" not in _all(recorded)


@pytest.mark.parametrize("value", [None, "true", "SPAN_ONLY", "span_and_event"])
async def test_contents_have_the_form_of_the_conventions(
    recorded: Recorded, storage: Storage, value: str | None
) -> None:
    recorded.switch_on(content=value is None or None, environ={CAPTURE: value or ""})
    await _talk(storage)
    first, second = recorded.all_facts("chat")
    assert json.loads(first["gen_ai.system_instructions"]) == [{"type": "text", "content": "Say 4711."}]
    said = {"role": "user", "parts": [{"type": "text", "content": "My code is 4711."}, {"type": "DataContent"}]}
    assert json.loads(first["gen_ai.input.messages"]) == [said]
    arguments = {"name": "Ana 4711", "tags": ["4711"]}
    asked = {"type": "tool_call", "id": "call_1", "name": "look_up", "arguments": arguments}
    assert json.loads(first["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [asked], "finish_reason": "tool_call"}
    ]
    result = {"number": "Ana 4711 has 4711", "tags": "4711"}
    told = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": result}]}
    assert json.loads(second["gen_ai.input.messages"])[-1] == told
    called = recorded.facts("execute_tool look_up")
    assert json.loads(called["gen_ai.tool.call.arguments"]) == arguments
    assert json.loads(called["gen_ai.tool.call.result"]) == result
    run = recorded.facts("invoke_agent Guide")
    assert json.loads(run["gen_ai.input.messages"]) == [said]
    assert len(json.loads(run["gen_ai.output.messages"])) == 3
    assert "PNG" not in _all(recorded)


async def test_every_text_goes_through_the_redaction(recorded: Recorded, storage: Storage) -> None:
    recorded.switch_on(content=True, redact=lambda text: re.sub(SECRET, "…", text))
    await _talk(storage)
    assert SECRET not in _all(recorded)
    assert (
        "My code is …."
        in json.loads(recorded.facts("invoke_agent Guide")["gen_ai.input.messages"])[0]["parts"][0]["content"]
    )


async def test_a_redaction_that_fails_lets_no_text_through_and_ends_no_run(
    recorded: Recorded, storage: Storage
) -> None:
    def fail(text: str) -> str:
        raise ValueError(text)

    recorded.switch_on(content=True, redact=fail)
    await _talk(storage)
    assert SECRET not in _all(recorded)
    assert "the redaction of this text failed" in _all(recorded)


async def test_a_redaction_without_a_text_lets_no_text_through_and_ends_no_run(
    recorded: Recorded, storage: Storage
) -> None:
    class Marked(str):
        __slots__ = ()

    recorded.switch_on(content=True, redact=lambda text: Marked(text.replace(SECRET, "…")))
    await _talk(storage)
    assert "My code is …." in recorded.facts("invoke_agent Guide")["gen_ai.input.messages"]
    recorded.forget()
    for nothing in (None, object(), 4711, b"4711"):
        recorded.switch_on(content=True, redact=lambda _, nothing=nothing: cast("str", nothing))
        await _talk(storage)
    assert SECRET not in _all(recorded)
    assert "the redaction of this text failed" in _all(recorded)


async def test_a_content_that_is_no_json_fails_as_it_does_without_telemetry(
    recorded: Recorded, storage: Storage
) -> None:
    deep: object = SECRET
    for _ in range(900):
        deep = [deep]
    recorded.switch_on(content=True)
    half = "\ud800"
    asked = (call("look_up", {"name": deep, "tags": []}), call("look_up", {"name": half, "tags": []}), half)
    for number, (said, answer) in enumerate(((half, "Yes."), *(("Look.", answer) for answer in asked))):
        agent = Agent(ScriptedChatClient([answer], default="Yes."), tools=[look_up], storage=storage)
        with pytest.raises(EncodeError, match="cannot be stored"):
            await agent.run(said, thread=str(number))
    assert "cannot be written as JSON" in _all(recorded)
    assert all(span.end_time for span in recorded.spans)


async def test_the_old_name_of_the_provider_is_left_out_for_the_newest_conventions(
    recorded: Recorded, storage: Storage
) -> None:
    await _talk(storage)
    assert recorded.facts("invoke_agent Guide")["gen_ai.system"] == "ScriptedChatClient"
    recorded.forget()
    recorded.switch_on(environ={OPT_IN: "http, gen_ai_latest_experimental"})
    await _talk(storage)
    assert all("gen_ai.system" not in (span.attributes or {}) for span in recorded.spans)
    assert recorded.facts("invoke_agent Guide")["gen_ai.provider.name"] == "ScriptedChatClient"
