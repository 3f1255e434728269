"""What is sent with each request of a run: the context, as much of the thread as fits beside it, and the turn so far.

The turn grows with every tool that is called, so the thread's part is chosen anew for each request. It moves in steps,
and so stays the same for most of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from recuerda.agent.chat import ChatRequest
from recuerda.agent.reading import Reading
from recuerda.agent.settings import AgentSettings
from recuerda.agent.tools import FunctionTool, tools_by_name
from recuerda.json_value import Json
from recuerda.messages.message import ChatMessage, Usage
from recuerda.providers.gathering import Gathered
from recuerda.window.repair import mend
from recuerda.window.window import ContextWindow

HistoryPart = Callable[[int, int], Sequence[ChatMessage]]
"""Gives the thread's messages that fit beside so many tokens of overhead and of input."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with each request of a run, besides what is said in it.

    Attributes:
        instructions: the agent's own, then the providers', then the summary.
        pinned: messages before the thread's, the same in every run.
        history: the thread's.
        context: the providers' messages, which differ from run to run: behind the thread's, so that what is in front of
            them stays the same and the service finds what it has cached.
        window: the limit of it all, or None.
        tools: the agent's and the providers', by name.
        options: the service's own.
        max_tool_rounds: after so many rounds of calls the model has to answer.
    """

    instructions: str | None
    pinned: Sequence[ChatMessage]
    history: HistoryPart
    context: Sequence[ChatMessage]
    window: ContextWindow | None
    tools: Mapping[str, FunctionTool]
    options: Mapping[str, Json]
    max_tool_rounds: int

    def request(self, said: Sequence[ChatMessage], *, rounds: int) -> ChatRequest:
        """Return the request that sends everything: what any service accepts, whatever the thread's history.

        Args:
            said: the turn so far, with its input.
            rounds: how many times tools have been called in it.
        """
        overhead = input_tokens = 0
        if (window := self.window) is not None:
            overhead = self._overhead(window)
            said = window.fit(said, overhead_tokens=overhead)
            input_tokens = window.tokens(said)
        history = self.history(overhead, input_tokens)
        messages = mend([*self.pinned, *history, *self.context, *said])
        return self.continued(messages, rounds=rounds, is_temporary=True)

    def window_beside(self, said: Sequence[ChatMessage]) -> ContextWindow | None:
        """Return the window that is left for the thread beside the context and what is said."""
        if (window := self.window) is None:
            return None
        return window.beside(overhead_tokens=self._overhead(window), input_tokens=window.tokens(said))

    def _overhead(self, window: ContextWindow) -> int:
        around = [*self.pinned, *self.context]
        return window.tokens(around, instructions=self.instructions, tools=self.tools.values())

    def continued(
        self,
        said: Sequence[ChatMessage],
        *,
        rounds: int,
        service_thread_id: str | None = None,
        is_temporary: bool = False,
    ) -> ChatRequest:
        """Return the request that adds messages to a thread of the service."""
        return ChatRequest(
            messages=said,
            instructions=self.instructions,
            tools=tuple(self.tools.values()),
            may_call_tools=rounds < self.max_tool_rounds,
            options=self.options,
            service_thread_id=service_thread_id,
            is_temporary=is_temporary,
        )

    def learn(self, request: ChatRequest, usage: Usage | None) -> None:
        """Let the window calibrate its counting on what a request has cost."""
        if self.window is not None:
            self.window.observe(request.messages, usage, instructions=request.instructions, tools=request.tools)


def prompt_of(settings: AgentSettings, given: Gathered, reading: Reading, *, is_kept: bool) -> Prompt:
    """Put together what goes with each request of a run.

    Args:
        settings: the agent's.
        given: what the providers add.
        reading: the thread.
        is_kept: True when the service keeps the thread.

    Raises:
        ConfigurationError: two tools have one name.
    """
    texts = [text for text in (settings.instructions, *given.instructions) if text]
    if is_kept:
        # A message would be kept by the service, as if it had been said; instructions are not.
        texts += [message.text for message in given.messages if message.text]
    summary = reading.summary
    if summary is not None:
        texts.append(summary.instructions)
    return Prompt(
        instructions="\n\n".join(texts) or None,
        pinned=() if summary is None else summary.pinned,
        history=partial(reading.loaded.select, settings.window),
        context=given.messages,
        window=settings.window,
        tools=tools_by_name([*settings.tools, *given.tools]),
        options=settings.options,
        max_tool_rounds=settings.max_tool_rounds,
    )
