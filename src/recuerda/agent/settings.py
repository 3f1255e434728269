"""The settings of an agent, which all of its runs share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, TypeAlias, cast

import msgspec

from recuerda.agent.chat import ChatModel
from recuerda.agent.summarizer import Summarizer
from recuerda.agent.titler import Titler
from recuerda.agent.tools import FunctionTool
from recuerda.json_value import Json
from recuerda.providers.context import ContextProvider
from recuerda.threads.mirror import ThreadService
from recuerda.window.window import ContextWindow

Durability: TypeAlias = Literal["turn", "steps"]
"""When a run is saved: "turn" saves the whole turn at its end, "steps" also saves each step as it happens."""


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The checked options of an agent, ready for use by a run. `Agent` describes each option."""

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

    @property
    def service(self) -> ThreadService | None:
        """The model's client, if its service keeps threads."""
        keeps_threads = bool(getattr(self.model, "keeps_threads", False))
        return cast("ThreadService", self.model) if keeps_threads else None
