"""The settings of an agent, which all of its runs share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal, Self, TypeAlias, cast

import msgspec

from recuerda.agent.chat import ChatModel
from recuerda.agent.hooks import RunHooks
from recuerda.agent.summarizer import Summarizer
from recuerda.agent.titler import Titler
from recuerda.agent.tools import FunctionTool, ToolInput, tools_by_name
from recuerda.agent.usage_limits import UsageLimits
from recuerda.errors import ConfigurationError
from recuerda.json_value import Json
from recuerda.providers.context import ContextProvider
from recuerda.threads.mirror import ThreadService
from recuerda.window.window import ContextWindow

RunTools: TypeAlias = ToolInput | Sequence[ToolInput]
"""Tools for one run: one tool, or several."""

Durability: TypeAlias = Literal["turn", "steps"]
"""When a run is saved: "turn" saves the whole turn at its end, "steps" also saves each step as it happens."""


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The checked options of an agent, ready for use by a run. `Agent` describes each option.

    `context_tools` are the tools that need the context of a run to be of a certain type.
    """

    model: ChatModel
    name: str | None
    instructions: str | None
    tools: tuple[FunctionTool, ...]
    providers: tuple[ContextProvider, ...]
    window: ContextWindow | None
    options: Mapping[str, Json]
    max_tool_rounds: int
    lease: timedelta | None
    durability: Durability
    summarizer: Summarizer | None
    titler: Titler | None
    approval_expires: timedelta | None = None

    context_tools: tuple[FunctionTool, ...] = ()
    hooks: tuple[RunHooks, ...] = ()
    usage_limits: UsageLimits | None = None

    @property
    def service(self) -> ThreadService | None:
        """The model's client, if its service keeps threads."""
        keeps_threads = bool(getattr(self.model, "keeps_threads", False))
        return cast("ThreadService", self.model) if keeps_threads else None

    def for_run(
        self,
        *,
        options: Mapping[str, Json] | None = None,
        tools: RunTools | None = None,
        instructions: str | None = None,
        usage_limits: UsageLimits | None = None,
    ) -> Self:
        """Return the settings with what one run adds; see `Agent.run`.

        Raises:
            ConfigurationError: two tools have the same name, or a tool cannot be described.
        """
        if not (options or tools or instructions or usage_limits):
            return self
        _check_no_provider(tools)
        given = () if tools is None else tools
        listed = cast("Sequence[ToolInput]", given if isinstance(given, Sequence) else (given,))
        texts = [text for text in (self.instructions, instructions) if text]
        every = tuple(tools_by_name([*self.tools, *listed]).values())
        return msgspec.structs.replace(
            self,
            options={**self.options, **(options or {})},
            tools=every,
            context_tools=asking_for_context(every),
            instructions="\n\n".join(texts) or None,
            usage_limits=usage_limits or self.usage_limits,
        )


def _check_no_provider(tools: object) -> None:
    listed = cast("Sequence[object]", tools) if isinstance(tools, Sequence) else (tools,)
    if any(isinstance(one, ContextProvider) for one in listed):
        raise ConfigurationError(
            "a provider of tools has a life of its own, so it cannot be given to one run: give it to the agent"
        )


def asking_for_context(tools: Sequence[FunctionTool]) -> tuple[FunctionTool, ...]:
    """Return the tools that need the context of a run to be of a certain type."""
    return tuple(tool for tool in tools if tool.needs_context)


def check_context(tools: Sequence[FunctionTool], context: object) -> None:
    """Check that the context of a run is of the type that each tool asks for.

    Raises:
        ConfigurationError: it is not.
    """
    for tool in tools:
        tool.check_context(context)
