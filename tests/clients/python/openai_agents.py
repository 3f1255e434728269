"""OpenAI's Agents SDK for Python."""

# These libraries are not installed where the types are checked.
# pyright: basic, reportMissingImports=false, reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from agents import Agent, Runner, function_tool
from asked import CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE_URL, WEATHER, WHO, joined, run, weather_in
from openai import OpenAI
from pydantic import BaseModel


class Captain(BaseModel):
    name: str
    age: int


@function_tool
def weather(city: str) -> str:
    """Return the weather in a city."""
    return weather_in(city)


agent = Agent(name="ship", model=MODEL)


async def plain() -> str:
    return (await Runner.run(agent, GREETING)).final_output


async def stream() -> str:
    result = Runner.run_streamed(agent, GREETING)
    pieces = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    assert joined(pieces) == result.final_output
    return result.final_output


async def tools() -> str:
    return (await Runner.run(Agent(name="ship", model=MODEL, tools=[weather]), WEATHER)).final_output


async def structured() -> str:
    captain = (await Runner.run(Agent(name="ship", model=MODEL, output_type=Captain), CAPTAIN)).final_output
    return f"{captain.name} {captain.age}"


async def by_id() -> str:
    first = await Runner.run(agent, NAME, auto_previous_response_id=True)
    return (await Runner.run(agent, WHO, previous_response_id=first.last_response_id)).final_output


async def by_conversation() -> str:
    conversation = OpenAI().conversations.create()
    await Runner.run(agent, NAME, conversation_id=conversation.id)
    return (await Runner.run(agent, WHO, conversation_id=conversation.id)).final_output


async def pictures() -> str:
    parts = [{"type": "input_text", "text": LOOK}, {"type": "input_image", "image_url": PICTURE_URL}]
    return (await Runner.run(agent, [{"role": "user", "content": parts}])).final_output


run(plain, stream, tools, structured, by_id, by_conversation, pictures)
