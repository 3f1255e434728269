"""Events, a scripted model and services for the tests of ADK."""

from collections.abc import AsyncGenerator
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import Runner
from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig
from google.adk.sessions.session import Session
from google.genai import types
from pydantic import Field

SHIP: Any = {"app_name": "ship", "user_id": "ana"}
RIKER: Any = {**SHIP, "session_id": "riker"}


class ScriptedLlm(BaseLlm):
    """A model that answers with the next responses of its script, and notes what it was asked."""

    model: str = "scripted"
    script: list[list[LlmResponse]]
    asked: list[list[types.Content]] = Field(default_factory=list)

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        self.asked.append(list(llm_request.contents))
        for response in self.script.pop(0):
            yield response


def says(text: str, **more: Any) -> LlmResponse:
    return LlmResponse(content=types.Content(role="model", parts=[types.Part(text=text)]), **more)


def calls(*named: tuple[str, dict[str, Any]]) -> LlmResponse:
    parts = [types.Part(function_call=types.FunctionCall(name=name, args=args)) for name, args in named]
    return LlmResponse(content=types.Content(role="model", parts=parts))


def asked(text: str, invocation: str = "i1", **more: Any) -> Event:
    content = types.Content(role="user", parts=[types.Part(text=text)])
    return Event(author="user", invocation_id=invocation, content=content, **more)


def answered(text: str, invocation: str = "i1", **more: Any) -> Event:
    content = types.Content(role="model", parts=[types.Part(text=text)])
    return Event(author="doctor", invocation_id=invocation, content=content, **more)


def calling(name: str, invocation: str = "i1", **more: Any) -> Event:
    call = types.FunctionCall(id=f"id-{name}", name=name, args={"a": 1})
    content = types.Content(role="model", parts=[types.Part(function_call=call)])
    return Event(author="doctor", invocation_id=invocation, content=content, **more)


def resulting(name: str, invocation: str = "i1", author: str = "doctor", **more: Any) -> Event:
    response = types.FunctionResponse(id=f"id-{name}", name=name, response={"result": "done"})
    content = types.Content(role="user", parts=[types.Part(function_response=response)])
    return Event(author=author, invocation_id=invocation, content=content, **more)


def changing(state: dict[str, Any], invocation: str = "i1", author: str = "system") -> Event:
    return Event(author=author, invocation_id=invocation, actions=EventActions(state_delta=state))


async def got(service: BaseSessionService, **config: Any) -> Session:
    session = await service.get_session(**RIKER, config=GetSessionConfig(**config) if config else None)
    assert session is not None
    return session


def texts(events: list[Event]) -> list[str | None]:
    return [event.content.parts[0].text if event.content and event.content.parts else None for event in events]


def runner_of(service: BaseSessionService, script: list[list[LlmResponse]], **agent: Any) -> Runner:
    llm = ScriptedLlm(script=script)
    return Runner(app_name="ship", agent=LlmAgent(name="doctor", model=llm, **agent), session_service=service)


async def say(runner: Runner, text: str | types.Content, **more: Any) -> list[Event]:
    message = types.UserContent(text) if isinstance(text, str) else text
    run = runner.run_async(user_id="ana", session_id="riker", new_message=message, **more)
    return [event async for event in run]
