"""The requests of a run: the context, the part of the thread that fits beside it, and the turn so far.

The turn grows with every tool call, so the part of the thread is chosen again for each request. Its start moves in
steps, so it is the same for most requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from recuerda.agent.chat import ChatRequest, OutputSchema
from recuerda.agent.output import OutputForm
from recuerda.agent.reading import Reading
from recuerda.agent.settings import AgentSettings
from recuerda.agent.tools import FunctionTool, tools_by_name
from recuerda.json_value import Json
from recuerda.messages.message import ChatMessage, Usage
from recuerda.providers.gathering import Gathered
from recuerda.threads.service_context import marked
from recuerda.threads.thread import AgentThread
from recuerda.window.repair import mend
from recuerda.window.summary import INSTRUCTING_ROLES
from recuerda.window.tokens import ESTIMATES, ContextRoom
from recuerda.window.window import ContextWindow

_CONTEXT_SHARE = 4
"""A window keeps at most one part of this many free for the contexts of providers."""

HistoryPart = Callable[[int, int], Sequence[ChatMessage]]
"""Returns the thread's messages that fit beside a number of overhead tokens and a number of input tokens, in this
order."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a run's requests that do not depend on the turn so far.

    Attributes:
        instructions: the agent's instructions, then the providers', then the summary.
        pinned: messages of a summary that are sent before the thread's messages in every run.
        kept: the thread's pinned messages. `history` returns those of turns that the window leaves out.
        history: returns the thread's messages that fit; see `HistoryPart`.
        context: the providers' messages. They differ from run to run, so they come after the thread's messages: the
            messages before them stay the same, and the service finds them in its cache.
        least_overhead: the least number of tokens besides thread and turn. The room for contexts is in it, whether or
            not a provider uses it: providers were told which turns fit beside it, and recall others.
        window: the limit of a whole request; None for no limit.
        tools: the tools of the agent and of the providers, by name.
        options: the service's own options.
        max_tool_rounds: the number of rounds of tool calls after which the model has to answer.
        agent_name: the agent's name, or None.
        output: the form of the answer; None for text.
    """

    instructions: str | None
    pinned: Sequence[ChatMessage]
    kept: Sequence[ChatMessage]
    history: HistoryPart
    context: Sequence[ChatMessage]
    least_overhead: int
    window: ContextWindow | None
    tools: Mapping[str, FunctionTool]
    options: Mapping[str, Json]
    max_tool_rounds: int
    agent_name: str | None
    output: OutputSchema | None

    def request(self, said: Sequence[ChatMessage], *, rounds: int) -> ChatRequest:
        """Return the request that sends the whole conversation, in a form that every service accepts.

        Args:
            said: the messages of the turn so far, with its input.
            rounds: the number of rounds of tool calls in the turn so far.
        """
        said, overhead, input_tokens = self.fitted(said)
        history = self.history(overhead, input_tokens)
        messages = mend([*self.pinned, *history, *self.context, *said])
        return self.continued(messages, rounds=rounds, is_temporary=True)

    def fitted(self, said: Sequence[ChatMessage]) -> tuple[Sequence[ChatMessage], int, int]:
        """Return the turn so far as it is sent, the tokens besides thread and turn, and the tokens of the turn."""
        if (window := self.window) is None:
            return said, 0, 0
        overhead = self.overhead(window)
        said = window.fit(said, overhead_tokens=overhead)
        return said, overhead, window.tokens(said)

    def window_beside(self, said: Sequence[ChatMessage]) -> ContextWindow | None:
        """Return the window that the context and the turn so far leave for the thread; None for no limit."""
        if (window := self.window) is None:
            return None
        return window.beside(overhead_tokens=self.overhead(window), input_tokens=window.tokens(said))

    def overhead(self, window: ContextWindow) -> int:
        """Return the tokens that are sent besides the thread and the turn."""
        around = [*self.pinned, *self.kept, *self.context]
        tools = self.tools.values() if self.output is None else (*self.tools.values(), self.output)
        return max(self.least_overhead, window.tokens(around, instructions=self.instructions, tools=tools))

    def continued(
        self,
        said: Sequence[ChatMessage],
        *,
        rounds: int,
        service_thread_id: str | None = None,
        is_temporary: bool = False,
        context_count: int = 0,
    ) -> ChatRequest:
        """Return the request that adds messages to a thread of the service."""
        return ChatRequest(
            messages=said,
            context_count=context_count,
            agent_name=self.agent_name,
            instructions=self.instructions,
            tools=tuple(self.tools.values()),
            may_call_tools=rounds < self.max_tool_rounds,
            options=self.options,
            service_thread_id=service_thread_id,
            is_temporary=is_temporary,
            output=self.output,
        )

    def learn(self, request: ChatRequest, usage: Usage | None) -> None:
        """Let the window calibrate its count of tokens by the reported usage of a request."""
        if self.window is not None:
            tools = request.tools if request.output is None else (*request.tools, request.output)
            self.window.observe(request.messages, usage, instructions=request.instructions, tools=tools)


def show_thread(
    thread: AgentThread,
    settings: AgentSettings,
    reading: Reading,
    said: Sequence[ChatMessage],
    *,
    least_overhead: int,
) -> None:
    """Set what the providers of a run may know of its thread; it is done before they are asked.

    `least_overhead` is that of the prompt; see `least_overhead_of`.
    """
    history = reading.loaded.history
    thread.sent_from = _first_sent(settings, reading, said, least_overhead)
    thread.sent_pinned = _sent_pinned(reading)
    thread.context_room = _context_room(settings)
    thread.previous = history.turns[-1] if history is not None and history.turns else None


def _first_sent(
    settings: AgentSettings, reading: Reading, said: Sequence[ChatMessage], least_overhead: int
) -> int | None:
    """Return the number of the first turn that a run sends beside the room for the contexts of providers.

    None if the owner of the messages knows no turns.
    """
    window = settings.window
    if window is None:
        return reading.loaded.first_sent(None)
    return reading.loaded.first_sent(window, overhead_tokens=least_overhead, input_tokens=window.tokens(said))


def _context_room(settings: AgentSettings) -> ContextRoom | None:
    """Return the room for the context of each provider; None if there is no limit of tokens."""
    window, providers = settings.window, settings.providers
    if window is None or window.max_tokens is None or not providers:
        return None
    wanted = max(provider.context_tokens for provider in providers)
    share = (window.max_tokens - window.reserve_tokens) // (_CONTEXT_SHARE * len(providers))
    return ContextRoom(min(wanted, share), window.counter or ESTIMATES)


def least_overhead_of(settings: AgentSettings, reading: Reading, form: OutputForm | None = None) -> int:
    """Return the tokens of all that is sent besides thread and turn, with the room for the contexts of providers."""
    window, room = settings.window, _context_room(settings)
    if window is None or room is None:
        return 0
    texts = [text for text in (settings.instructions, reading.summary and reading.summary.instructions) if text]
    tools = (*settings.tools, *([] if form is None else [form.schema]))
    fixed = window.tokens(_sent_pinned(reading), instructions="\n\n".join(texts) or None, tools=tools)
    return fixed + room.tokens * len(settings.providers)


def _sent_pinned(reading: Reading) -> Sequence[ChatMessage]:
    """Return the pinned messages that a run sends, those of the turns before a summary and those of the thread."""
    kept = reading.loaded.pinned.messages
    return kept if reading.summary is None else [*reading.summary.pinned, *kept]


def prompt_of(
    settings: AgentSettings,
    given: Gathered,
    reading: Reading,
    *,
    is_kept: bool,
    least_overhead: int,
    form: OutputForm | None = None,
) -> Prompt:
    """Return the prompt of a run.

    Args:
        settings: the agent's settings.
        given: the contexts of the providers.
        reading: the result of reading the thread.
        is_kept: True when the service keeps the thread.
        least_overhead: the least number of tokens besides thread and turn; see `least_overhead_of`.
        form: the form of the answer; None for text.

    Raises:
        ConfigurationError: two tools have one name.
    """
    texts = [text for text in (settings.instructions, *given.instructions) if text]
    context: Sequence[ChatMessage] = given.messages
    if is_kept:
        # A service keeps every message, but no `instructions`. So a provider's own instructions go there. Quoted data
        # never does, because the model would take it for an instruction.
        texts += [message.text for message in context if message.role in INSTRUCTING_ROLES and message.text]
        context = marked(context)
    summary = reading.summary
    if summary is not None:
        texts.append(summary.instructions)
    return Prompt(
        instructions="\n\n".join(texts) or None,
        pinned=() if summary is None else summary.pinned,
        kept=reading.loaded.pinned.messages,
        history=partial(reading.loaded.select, settings.window),
        context=context,
        least_overhead=least_overhead,
        window=settings.window,
        tools=tools_by_name([*settings.tools, *given.tools]),
        options=settings.options,
        max_tool_rounds=settings.max_tool_rounds,
        agent_name=settings.name,
        output=None if form is None else form.schema,
    )
