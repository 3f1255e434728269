"""LiteLLM's library."""

# These libraries are not installed where the types are checked.
# pyright: basic, reportMissingImports=false, reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

import json

import litellm
from asked import (
    BASE_URL,
    CAPTAIN,
    GREETING,
    KEY,
    LOOK,
    MODEL,
    NAME,
    PICTURE_URL,
    WEATHER,
    WHO,
    joined,
    run,
    weather_in,
)
from openai import OpenAI
from pydantic import BaseModel

AT = {"model": f"openai/{MODEL}", "api_base": BASE_URL, "api_key": KEY}
TOOL = {
    "type": "function",
    "name": "weather",
    "description": "Return the weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Captain(BaseModel):
    name: str
    age: int


def plain() -> str:
    return litellm.responses(input=GREETING, **AT).output_text


def stream() -> str:
    events = list(litellm.responses(input=GREETING, stream=True, **AT))
    return joined([event.delta for event in events if event.type == "response.output_text.delta"])


def tools() -> str:
    first = litellm.responses(input=WEATHER, tools=[TOOL], **AT)
    calls = [item for item in first.output if item.type == "function_call"]
    outputs = [
        {"type": "function_call_output", "call_id": call.call_id, "output": weather_in(**json.loads(call.arguments))}
        for call in calls
    ]
    return litellm.responses(input=outputs, previous_response_id=first.id, tools=[TOOL], **AT).output_text


def structured() -> str:
    captain = Captain.model_validate_json(litellm.responses(input=CAPTAIN, text_format=Captain, **AT).output_text)
    return f"{captain.name} {captain.age}"


def by_id() -> str:
    first = litellm.responses(input=NAME, **AT)
    return litellm.responses(input=WHO, previous_response_id=first.id, **AT).output_text


def by_conversation() -> str:
    conversation = OpenAI().conversations.create()
    named = {"extra_body": {"conversation": conversation.id}}
    litellm.responses(input=NAME, **named, **AT)
    return litellm.responses(input=WHO, **named, **AT).output_text


def pictures() -> str:
    parts = [{"type": "input_text", "text": LOOK}, {"type": "input_image", "image_url": PICTURE_URL}]
    return litellm.responses(input=[{"role": "user", "content": parts}], **AT).output_text


run(plain, stream, tools, structured, by_id, by_conversation, pictures)
