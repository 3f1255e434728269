"""LlamaIndex, with its model of OpenAI's Responses."""

# These libraries are not installed where the types are checked.
# pyright: basic, reportMissingImports=false, reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

import base64

from asked import BASE_URL, CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE, WEATHER, WHO, joined, run, weather_in
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.llms.openai import OpenAIResponses
from openai import OpenAI
from pydantic import BaseModel


class Captain(BaseModel):
    name: str
    age: int


def _llm(**kwargs: object) -> OpenAIResponses:
    return OpenAIResponses(model=MODEL, api_base=BASE_URL, **kwargs)


def plain() -> str:
    return _llm().chat([ChatMessage(GREETING)]).message.content


def stream() -> str:
    return joined([chunk.delta for chunk in _llm().stream_chat([ChatMessage(GREETING)])])


async def tools() -> str:
    def weather(city: str) -> str:
        """Return the weather in a city."""
        return weather_in(city)

    return str(await FunctionAgent(tools=[weather], llm=_llm()).run(WEATHER))


def structured() -> str:
    captain = _llm().as_structured_llm(Captain).chat([ChatMessage(CAPTAIN)]).raw
    return f"{captain.name} {captain.age}"


def by_id() -> str:
    llm = _llm(track_previous_responses=True)
    llm.chat([ChatMessage(NAME)])
    return llm.chat([ChatMessage(WHO)]).message.content


def by_conversation() -> str:
    conversation = OpenAI().conversations.create()
    llm = _llm(additional_kwargs={"conversation": conversation.id})
    llm.chat([ChatMessage(NAME)])
    return llm.chat([ChatMessage(WHO)]).message.content


def pictures() -> str:
    blocks = [TextBlock(text=LOOK), ImageBlock(image=base64.b64decode(PICTURE), image_mimetype="image/png")]
    return _llm().chat([ChatMessage(blocks=blocks)]).message.content


run(plain, stream, tools, structured, by_id, by_conversation, pictures)
