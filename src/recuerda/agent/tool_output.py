"""An answer in a given form from a client that knows no JSON schemas: the model gives it as the call of a tool.

The call becomes the text of the answer, so the thread looks the same for each client, and a later request has no call
of a tool that is not there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

import msgspec

from recuerda.agent.chat import ChatModel, ChatRequest, ChatResponse, ChatUpdate, provider_of
from recuerda.agent.tools import FunctionTool
from recuerda.errors import ConfigurationError
from recuerda.messages.message import AnyContent, FunctionCallContent, TextContent, with_contents

TOOL = "final_result"
"""The name of the tool that takes the answer."""

_DESCRIPTION = "Give the final answer in this form. Call this function once, when the answer is complete."


class ToolOutput:
    """A model whose answers in a given form are calls of a tool.

    Args:
        model: the model that makes the calls.
    """

    keeps_threads: bool = False
    supports_json_schema: bool = True

    def __init__(self, model: ChatModel) -> None:
        self._model = model
        self.model_id: str | None = getattr(model, "model_id", None)
        self.provider_name: str = provider_of(model)
        self.server_url: str | None = getattr(model, "server_url", None)

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Return the model's whole answer."""
        response = await self._model.respond(_with_tool(request))
        message = response.message
        return msgspec.structs.replace(response, message=with_contents(message, _answered(message.contents)))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        """Yield the model's answer in pieces. The calls come last, because a call may turn out to be the answer."""
        calls: list[AnyContent] = []
        async with aclosing(self._model.stream(_with_tool(request))) as updates:
            async for update in updates:
                calls += [part for part in update.contents if isinstance(part, FunctionCallContent)]
                rest = [part for part in update.contents if not isinstance(part, FunctionCallContent)]
                yield msgspec.structs.replace(update, contents=rest)
        if calls:
            yield ChatUpdate(contents=_answered(calls))


def answering_model(model: ChatModel, *, is_kept: bool) -> ChatModel:
    """Return a model that answers in a given form: the model itself if its service can.

    Args:
        model: the agent's model.
        is_kept: True when the service keeps the thread.

    Raises:
        ConfigurationError: the service can not, and it keeps the thread, so the call of a tool would stay open there.
    """
    if getattr(model, "supports_json_schema", False):
        return model
    if is_kept:
        raise ConfigurationError(
            f"{type(model).__name__} supports no JSON schemas and its service keeps the thread, so output_type cannot "
            "be used: run without output_type, or with a client that supports JSON schemas"
        )
    # The other methods of a model are about threads that the service keeps.
    return cast("ChatModel", ToolOutput(model))


def _with_tool(request: ChatRequest) -> ChatRequest:
    if (output := request.output) is None:
        return request
    if any(tool.name == TOOL for tool in request.tools):
        raise ConfigurationError(f"a tool has the name {TOOL!r}, which output_type needs: give the tool another name")
    answer = FunctionTool.from_schema(_never, name=TOOL, description=_DESCRIPTION, parameters=output.schema)
    tools = (*request.tools, answer) if request.may_call_tools else (answer,)
    return msgspec.structs.replace(request, tools=tools, may_call_tools=True, output=None)


def _answered(parts: Sequence[AnyContent]) -> list[AnyContent]:
    """Return the parts of an answer with the call of the answer's tool as text.

    An answer that was given beside other calls does not count, because the model did not have their results.
    """
    calls = [part for part in parts if isinstance(part, FunctionCallContent)]
    given = [call for call in calls if call.name == TOOL]
    rest = [part for part in parts if not (isinstance(part, FunctionCallContent) and part.name == TOOL)]
    if not given or len(given) < len(calls):
        return rest
    return [*rest, TextContent(_text(given[0]))]


def _text(call: FunctionCallContent) -> str:
    return call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()


def _never(**arguments: object) -> None:
    raise NotImplementedError("the call of this tool is the answer")
