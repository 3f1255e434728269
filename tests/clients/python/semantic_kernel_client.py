"""Semantic Kernel, with its agent on OpenAI's Responses."""

# These libraries are not installed where the types are checked.
# pyright: basic, reportMissingImports=false, reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import Annotated

from asked import CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE_URL, WEATHER, WHO, joined, run, weather_in
from openai import AsyncOpenAI
from pydantic import BaseModel
from semantic_kernel.agents import OpenAIResponsesAgent
from semantic_kernel.contents import AuthorRole, ChatMessageContent, ImageContent, TextContent
from semantic_kernel.functions import kernel_function


class Captain(BaseModel):
    name: str
    age: int


class Weather:
    @kernel_function(name="weather", description="Return the weather in a city.")
    def weather(self, city: Annotated[str, "The city."]) -> str:
        return weather_in(city)


def _agent(**kwargs: object) -> OpenAIResponsesAgent:
    return OpenAIResponsesAgent(ai_model_id=MODEL, client=AsyncOpenAI(), name="ship", **kwargs)


async def plain() -> str:
    return str(await _agent().get_response(GREETING))


async def stream() -> str:
    return joined([str(piece.message) async for piece in _agent().invoke_stream(GREETING)])


async def tools() -> str:
    return str(await _agent(plugins=[Weather()]).get_response(WEATHER))


async def structured() -> str:
    text = OpenAIResponsesAgent.configure_response_format(Captain)
    captain = Captain.model_validate_json(str(await _agent(text=text).get_response(CAPTAIN)))
    return f"{captain.name} {captain.age}"


async def by_id() -> str:
    agent = _agent()
    first = await agent.get_response(NAME)
    return str(await agent.get_response(WHO, thread=first.thread))


async def pictures() -> str:
    items = [TextContent(text=LOOK), ImageContent(data_uri=PICTURE_URL)]
    return str(await _agent().get_response(ChatMessageContent(role=AuthorRole.USER, items=items)))


run(plain, stream, tools, structured, by_id, pictures)
