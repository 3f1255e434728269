"""Haystack, with its generator for OpenAI's Responses."""

# These libraries are not installed where the types are checked.
# pyright: basic, reportMissingImports=false, reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

import json

from asked import CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE, WEATHER, WHO, joined, run, weather_in
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIResponsesChatGenerator
from haystack.dataclasses import ChatMessage, ImageContent, TextContent
from haystack.tools import tool
from openai import OpenAI
from pydantic import BaseModel


class Captain(BaseModel):
    name: str
    age: int


@tool
def weather(city: str) -> str:
    """Return the weather in a city."""
    return weather_in(city)


def _asked(*messages: ChatMessage, **kwargs: object) -> ChatMessage:
    return OpenAIResponsesChatGenerator(model=MODEL, **kwargs).run(list(messages))["replies"][0]


def plain() -> str:
    return _asked(ChatMessage.from_user(GREETING)).text


def stream() -> str:
    pieces = []
    _asked(ChatMessage.from_user(GREETING), streaming_callback=lambda chunk: pieces.append(chunk.content))
    return joined(pieces)


def tools() -> str:
    agent = Agent(chat_generator=OpenAIResponsesChatGenerator(model=MODEL), tools=[weather])
    return agent.run(messages=[ChatMessage.from_user(WEATHER)])["last_message"].text


def structured() -> str:
    text = _asked(ChatMessage.from_user(CAPTAIN), generation_kwargs={"text_format": Captain}).text
    captain = Captain(**json.loads(text))
    return f"{captain.name} {captain.age}"


def by_id() -> str:
    first = _asked(ChatMessage.from_user(NAME))
    return _asked(ChatMessage.from_user(WHO), generation_kwargs={"previous_response_id": first.meta["id"]}).text


def by_conversation() -> str:
    conversation = OpenAI().conversations.create()
    named = {"generation_kwargs": {"conversation": conversation.id}}
    _asked(ChatMessage.from_user(NAME), **named)
    return _asked(ChatMessage.from_user(WHO), **named).text


def pictures() -> str:
    picture = ImageContent(base64_image=PICTURE, mime_type="image/png")
    return _asked(ChatMessage.from_user(content_parts=[TextContent(LOOK), picture])).text


run(plain, stream, tools, structured, by_id, by_conversation, pictures)
