"""Pydantic AI, with its model of OpenAI's Responses."""

# These libraries are not installed where the types are checked.
# pyright: basic, reportMissingImports=false, reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

import base64

from asked import CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE, WEATHER, WHO, joined, run, weather_in
from openai import OpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.models.openai import OpenAIResponsesModel, OpenAIResponsesModelSettings


class Captain(BaseModel):
    name: str
    age: int


model = OpenAIResponsesModel(MODEL)
agent = Agent(model)


async def plain() -> str:
    return (await agent.run(GREETING)).output


async def stream() -> str:
    async with agent.run_stream(GREETING) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    return joined(pieces)


async def tools() -> str:
    def weather(city: str) -> str:
        """Return the weather in a city."""
        return weather_in(city)

    return (await Agent(model, tools=[weather]).run(WEATHER)).output


async def structured() -> str:
    captain = (await Agent(model, output_type=Captain).run(CAPTAIN)).output
    return f"{captain.name} {captain.age}"


async def by_id() -> str:
    first = await agent.run(NAME)
    settings = OpenAIResponsesModelSettings(openai_previous_response_id="auto")
    return (await agent.run(WHO, message_history=first.all_messages(), model_settings=settings)).output


async def by_conversation() -> str:
    conversation = OpenAI().conversations.create()
    settings = OpenAIResponsesModelSettings(openai_conversation_id=conversation.id)
    await agent.run(NAME, model_settings=settings)
    return (await agent.run(WHO, model_settings=settings)).output


async def pictures() -> str:
    picture = BinaryContent(base64.b64decode(PICTURE), media_type="image/png")
    return (await agent.run([LOOK, picture])).output


run(plain, stream, tools, structured, by_id, by_conversation, pictures)
