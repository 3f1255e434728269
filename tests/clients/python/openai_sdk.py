"""OpenAI's Python SDK."""

# These libraries are not installed where the types are checked.
# pyright: basic, reportMissingImports=false, reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

import json

from asked import CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE_URL, WEATHER, WHO, joined, run, weather_in
from openai import OpenAI, pydantic_function_tool
from pydantic import BaseModel

client = OpenAI()


class Captain(BaseModel):
    name: str
    age: int


class weather(BaseModel):  # noqa: N801 - the name is the tool's
    """Return the weather in a city."""

    city: str


def plain() -> str:
    return client.responses.create(model=MODEL, input=GREETING).output_text


def stream() -> str:
    with client.responses.stream(model=MODEL, input=GREETING) as events:
        pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
        final = events.get_final_response().output_text
    assert joined(pieces) == final
    return final


def tools() -> str:
    offered = {"type": "function", **pydantic_function_tool(weather)["function"]}
    first = client.responses.parse(model=MODEL, input=WEATHER, tools=[offered])
    outputs = [
        {"type": "function_call_output", "call_id": call.call_id, "output": weather_in(**json.loads(call.arguments))}
        for call in first.output
        if call.type == "function_call"
    ]
    second = client.responses.create(model=MODEL, input=outputs, previous_response_id=first.id, tools=[offered])
    return second.output_text


def structured() -> str:
    captain = client.responses.parse(model=MODEL, input=CAPTAIN, text_format=Captain).output_parsed
    return f"{captain.name} {captain.age}"


def by_id() -> str:
    first = client.responses.create(model=MODEL, input=NAME)
    return client.responses.create(model=MODEL, input=WHO, previous_response_id=first.id).output_text


def by_conversation() -> str:
    conversation = client.conversations.create()
    client.responses.create(model=MODEL, input=NAME, conversation=conversation.id)
    return client.responses.create(model=MODEL, input=WHO, conversation=conversation.id).output_text


def pictures() -> str:
    parts = [{"type": "input_text", "text": LOOK}, {"type": "input_image", "image_url": PICTURE_URL, "detail": "auto"}]
    return client.responses.create(model=MODEL, input=[{"role": "user", "content": parts}]).output_text


run(plain, stream, tools, structured, by_id, by_conversation, pictures)
