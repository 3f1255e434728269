"""The settings of an agent, which all of its runs share: the checks of its options, and what one run changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal, Self, TypeAlias, cast, get_args

import msgspec

from recuerda.agent.chat import ChatModel
from recuerda.agent.hooks import RunHooks, checked_hooks
from recuerda.agent.summarizer import Summarizer
from recuerda.agent.titler import Titler
from recuerda.agent.tools import FunctionTool, ToolInput, checked_limit, tools_by_name
from recuerda.agent.usage_limits import UsageLimits
from recuerda.errors import ConfigurationError
from recuerda.ids import check_choice, check_limit
from recuerda.json_value import Json
from recuerda.providers.context import ContextProvider
from recuerda.providers.gathering import checked
from recuerda.threads.mirror import ThreadService
from recuerda.window.window import ContextWindow

RunTools: TypeAlias = ToolInput | Sequence[ToolInput]
"""Tools for one run: one tool, or several."""

AgentTools: TypeAlias = ToolInput | ContextProvider | Sequence[ToolInput | ContextProvider]
"""Tools for all runs of an agent, and providers of tools: one of them, or several."""

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

    @classmethod
    def of(
        cls,
        model: ChatModel,
        *,
        name: str | None,
        instructions: str | None,
        context_providers: ContextProvider | Sequence[ContextProvider] | None,
        tools: AgentTools | None,
        window: ContextWindow | None,
        max_tool_rounds: int,
        options: Mapping[str, Json] | None,
        lease: timedelta | None,
        durability: Durability,
        summarizer: Summarizer | None,
        titler: Titler | None,
        approval_expires: timedelta | None,
        hooks: RunHooks | Sequence[RunHooks] | None,
        usage_limits: UsageLimits | None,
    ) -> Self:
        """Check the options of an agent, and return its settings. `Agent` describes the options and the errors."""
        check_choice(durability, get_args(Durability), "durability")
        if lease is not None and not isinstance(lease, timedelta):  # pyright: ignore[reportUnnecessaryIsInstance] - as below
            raise ConfigurationError(f"lease must be a timedelta or None, not {type(lease).__name__}")
        if name is not None and not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] - as below
            raise ConfigurationError(f"an agent's name must be a str or None, not {type(name).__name__}")
        own_tools, tool_providers = _parted(tools)
        return cls(
            model=model,
            name=name,
            instructions=instructions,
            tools=own_tools,
            context_tools=asking_for_context(own_tools),
            hooks=checked_hooks(hooks),
            usage_limits=usage_limits,
            providers=(*checked(_listed(context_providers)), *tool_providers),
            window=_window(window, model),
            options=dict(options or {}),
            max_tool_rounds=check_limit(max_tool_rounds, "max_tool_rounds"),
            lease=lease,
            durability=durability,
            summarizer=summarizer,
            titler=titler,
            approval_expires=checked_limit(approval_expires, "approval_expires"),
        )

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

    def with_window(self, window: ContextWindow | None) -> Self:
        """Return the settings with another window; None for no limit.

        Raises:
            ConfigurationError: it is no window.
        """
        return msgspec.structs.replace(self, window=_window(window, self.model))


def _window(given: ContextWindow | None, model: ChatModel) -> ContextWindow | None:
    if given is None:
        return None
    if not isinstance(given, ContextWindow):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
        raise ConfigurationError(
            f"window must be a ContextWindow such as ContextWindow(max_messages=20), not {type(given).__name__}"
        )
    return given.for_model(getattr(model, "model_id", None))


def _parted(given: AgentTools | None) -> tuple[tuple[FunctionTool, ...], tuple[ContextProvider, ...]]:
    """Return an agent's tools, and the providers among them, which give tools for each run."""
    if given is None:
        return (), ()
    listed = cast("Sequence[ToolInput | ContextProvider]", given if isinstance(given, Sequence) else (given,))
    providers = tuple(one for one in listed if isinstance(one, ContextProvider))
    tools = tools_by_name(one for one in listed if not isinstance(one, ContextProvider))
    return tuple(tools.values()), providers


def _listed(given: ContextProvider | Sequence[ContextProvider] | None) -> tuple[ContextProvider, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, ContextProvider) else tuple(given)


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
