"""Microsoft's Agent Framework."""

# These libraries are not installed where the types are checked.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
from __future__ import annotations

import base64

from agent_framework import Agent, Content, Message
from agent_framework.openai import OpenAIChatClient
from asked import CAPTAIN, GREETING, LOOK, MODEL, NAME, PICTURE, WEATHER, WHO, joined, run, weather_in
from openai import OpenAI
from pydantic import BaseModel


class Captain(BaseModel):
    name: str
    age: int


client = OpenAIChatClient(model=MODEL)
agent = Agent(client=client)


async def plain() -> str:
    return (await agent.run(GREETING)).text


async def stream() -> str:
    updates = agent.run(GREETING, stream=True)
    joined([update.text async for update in updates])
    return (await updates.get_final_response()).text


async def tools() -> str:
    def weather(city: str) -> str:
        """Return the weather in a city."""
        return weather_in(city)

    return (await Agent(client=client, tools=[weather]).run(WEATHER)).text


async def structured() -> str:
    captain = (await agent.run(CAPTAIN, options={"response_format": Captain})).value
    return f"{captain.name} {captain.age}"


async def by_id() -> str:
    session = agent.create_session()
    await agent.run(NAME, session=session, options={"store": True})
    assert (session.service_session_id or "").startswith("resp_")
    return (await agent.run(WHO, session=session)).text


async def by_conversation() -> str:
    conversation = OpenAI().conversations.create()
    session = agent.get_session(conversation.id)
    await agent.run(NAME, session=session)
    return (await agent.run(WHO, session=session)).text


async def pictures() -> str:
    parts = [Content.from_text(LOOK), Content.from_data(base64.b64decode(PICTURE), "image/png")]
    return (await agent.run(Message("user", parts))).text


run(plain, stream, tools, structured, by_id, by_conversation, pictures)
