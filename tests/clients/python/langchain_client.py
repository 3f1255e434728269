"""LangChain, with its agents and OpenAI's Responses."""

# These libraries are not installed where the types are checked.
# pyright: basic, reportMissingImports=false, reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from asked import CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE, WEATHER, WHO, joined, run, weather_in
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from openai import OpenAI
from pydantic import BaseModel


class Captain(BaseModel):
    name: str
    age: int


chat = ChatOpenAI(model=MODEL, use_responses_api=True)


def plain() -> str:
    return chat.invoke(GREETING).text


def stream() -> str:
    return joined([chunk.text for chunk in chat.stream(GREETING)])


def tools() -> str:
    def weather(city: str) -> str:
        """Return the weather in a city."""
        return weather_in(city)

    agent = create_agent(chat, tools=[weather])
    return agent.invoke({"messages": [("user", WEATHER)]})["messages"][-1].text


def structured() -> str:
    captain = chat.with_structured_output(Captain).invoke(CAPTAIN)
    made = create_agent(chat, response_format=Captain).invoke({"messages": [("user", CAPTAIN)]})["structured_response"]
    assert made == captain
    return f"{captain.name} {captain.age}"


def by_id() -> str:
    chained = ChatOpenAI(model=MODEL, use_responses_api=True, use_previous_response_id=True)
    first = chained.invoke(NAME)
    return chained.invoke([("user", NAME), first, ("user", WHO)]).text


def by_conversation() -> str:
    conversation = OpenAI().conversations.create()
    chat.invoke(NAME, conversation=conversation.id)
    return chat.invoke(WHO, conversation=conversation.id).text


def pictures() -> str:
    picture = {"type": "image", "base64": PICTURE, "mime_type": "image/png"}
    return chat.invoke([("user", [{"type": "text", "text": LOOK}, picture])]).text


run(plain, stream, tools, structured, by_id, by_conversation, pictures)
