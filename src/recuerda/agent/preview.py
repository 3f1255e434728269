"""The preview of a run: the request that the model would get, and where each part of it comes from.

A preview reads the thread, asks the providers and builds the request with the code of a run, so both have the same
request. A preview asks no model and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from recuerda.agent.chat import ChatRequest
from recuerda.agent.past import asked_with, read_before, read_turn, requests_of
from recuerda.agent.prompt import Prompt, least_overhead_of, prompt_of, show_thread
from recuerda.agent.reading import Reading, read_thread
from recuerda.agent.request import RunRequest
from recuerda.agent.settings import AgentSettings
from recuerda.agent.tools import tools_by_name
from recuerda.errors import ConfigurationError
from recuerda.messages.message import ChatMessage
from recuerda.providers.context import Context, ContextProvider
from recuerda.providers.gathering import Gathered, gather
from recuerda.threads.forking import TurnReference
from recuerda.threads.history import StoredTurn
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread
from recuerda.window.choosing import LeftOut
from recuerda.window.explaining import MessageReport, WindowReport, shortened_reports
from recuerda.window.summary import Summary
from recuerda.window.tokens import TokenCounter
from recuerda.window.window import ContextWindow

SPARE = 40
"""The number of messages that are read beyond the window, to show the newest ones that a run leaves out."""

Part: TypeAlias = Literal["instructions", "tools", "context", "summary", "pinned", "thread", "input"]
"""A part of a request.

The parts are the agent's instructions, the tools, the providers' contexts, the summary, the pinned messages of turns
that are left out, the messages of the thread, and the input with the turn so far.
"""


class ProviderReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider adds to a run.

    Attributes:
        name: the provider's name.
        context: its context; None if it adds nothing.
        tools: the names of the tools that it adds.
        is_known: False for a past turn, if the provider cannot tell what it added then; `context` is then None.
    """

    name: str
    context: Context | None = None
    tools: tuple[str, ...] = ()
    is_known: bool = True


class PartTokens(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of one part of a request."""

    part: Part
    tokens: int


class EarlierTurns(msgspec.Struct, frozen=True, kw_only=True):
    """Turns that are not read, because a run surely does not send them.

    Attributes:
        first: the number of the first of these turns, or of a turn before it.
        last: the number of the last one, or of a turn after it.
        left_out: the limit that they would exceed; "summary" if the summary covers them.
    """

    first: int
    last: int
    left_out: LeftOut | Literal["summary"]


class RunPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a model would get with a run, or got with a past turn.

    Attributes:
        thread_id: the thread's id.
        turn: the number of the past turn; None for a run that would start now.
        request: the request, as a `ChatModel` gets it.
        window: what is sent of the turns that were read, and why the others are left out.
        earlier: the turns before these, which were not read.
        input: the input and the messages of the turn so far, with the form in which they are sent.
        summary: the summary that is sent; None if there is none.
        pinned: messages of turns that are left out, which are sent because they are pinned.
        providers: what each provider adds, in the agent's order.
        tokens: the tokens of each part. They are estimates, unless the window has an exact counter.
        max_tokens: the limit for the whole request, without the reserve; None for no limit.
        reserve_tokens: the tokens that are kept free for the answer.
        requests: the number of requests that the past turn had; 1 for a run that would start now.
        warnings: what a run would list as warnings, such as providers that failed.
    """

    thread_id: str
    turn: int | None
    request: ChatRequest
    window: WindowReport
    earlier: tuple[EarlierTurns, ...]
    input: tuple[MessageReport, ...]
    summary: Summary | None
    pinned: tuple[ChatMessage, ...]
    providers: tuple[ProviderReport, ...]
    tokens: tuple[PartTokens, ...]
    max_tokens: int | None
    reserve_tokens: int = 0
    requests: int = 1
    warnings: tuple[str, ...] = ()

    @property
    def total_tokens(self) -> int:
        """The tokens of all parts together."""
        return sum(part.tokens for part in self.tokens)


class PreviewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call of `Agent.preview`, checked.

    Attributes:
        thread: the thread.
        messages: the input of a run that would start now.
        turn: the past turn; None for a run that would start now.
        request: the number of the request of the past turn.
    """

    thread: AgentThread
    messages: tuple[ChatMessage, ...] = ()
    turn: TurnReference | None = None
    request: int = 1


async def preview_run(settings: AgentSettings, wanted: PreviewRequest) -> RunPreview:
    """Return the preview of a run with these settings; see `Agent.preview`."""
    thread = _own_handle(wanted.thread)
    past, said = None, wanted.messages
    if wanted.turn is None:
        reading = await read_thread(RunRequest(thread=thread), settings, spare=SPARE)
    else:
        past = await read_turn(_turns_of(thread), wanted.turn)
        said = wanted.messages or asked_with(past, wanted.request)
        reading = await read_before(_turns_of(thread), past.number, settings, spare=SPARE)
    asking = said if past is None else past.messages[: past.turn.input_count] or said
    least_overhead = least_overhead_of(settings, reading)
    given, providers = await _asked(settings, thread, reading, asking, past, least_overhead=least_overhead)
    prompt = prompt_of(settings, given, reading, is_kept=False, least_overhead=least_overhead)
    return _preview(
        settings, reading, prompt, wanted, said=said, providers=providers, past=past, warnings=given.warnings
    )


def _own_handle(thread: AgentThread) -> AgentThread:
    """Return a handle of the preview's own, so that a run of the other handle is not disturbed.

    Raises:
        ConfigurationError: a service keeps the thread, and so decides what its model gets.
    """
    if thread.is_kept_by_service or thread.message_store is None:
        raise ConfigurationError(
            f"thread {thread.id!r} is kept by a service, which decides what the model gets: there is no preview"
        )
    own = AgentThread(message_store=thread.message_store)
    own.provider_states = dict(thread.provider_states)
    return own


def _turns_of(thread: AgentThread) -> ChatMessageStore:
    """Return the store with the turns of a thread.

    Raises:
        ConfigurationError: the thread's store knows no turns.
    """
    if (store := thread.turn_store) is None:
        kept_by = type(thread.message_store).__name__
        raise ConfigurationError(f"thread {thread.id!r} is kept by {kept_by}, which knows no turns: leave out turn=")
    return store


async def _asked(
    settings: AgentSettings,
    thread: AgentThread,
    reading: Reading,
    said: Sequence[ChatMessage],
    past: StoredTurn | None,
    *,
    least_overhead: int,
) -> tuple[Gathered, tuple[ProviderReport, ...]]:
    """Ask the providers, and return their contexts together and one by one."""
    before = None if past is None else past.created_at
    contexts: dict[int, Context | None] = {}

    async def ask(provider: ContextProvider) -> Context | None:
        context = contexts[id(provider)] = await provider.preview(said, thread=thread, before=before)
        return context

    if settings.providers:
        show_thread(thread, settings, reading, said, least_overhead=least_overhead)
    given = await gather(settings.providers, ask)
    return given, tuple(_reported(provider, contexts.get(id(provider)), before) for provider in settings.providers)


def _reported(provider: ContextProvider, context: Context | None, before: datetime | None) -> ProviderReport:
    knows_the_past = type(provider).preview is not ContextProvider.preview
    return ProviderReport(
        name=provider.name,
        context=context,
        tools=tuple(tools_by_name(context.tools)) if context is not None else (),
        is_known=before is None or knows_the_past,
    )


def _preview(
    settings: AgentSettings,
    reading: Reading,
    prompt: Prompt,
    wanted: PreviewRequest,
    *,
    said: Sequence[ChatMessage],
    providers: tuple[ProviderReport, ...],
    past: StoredTurn | None,
    warnings: Sequence[str],
) -> RunPreview:
    """Return the preview of the request that a prompt makes."""
    window, loaded = settings.window, reading.loaded
    request = prompt.request(said, rounds=sum(message.role == "tool" for message in said))
    fitted, *beside = prompt.fitted(said)
    pinned, report = loaded.explain(window, *beside)
    whole = RunPreview(
        thread_id=wanted.thread.id,
        turn=None if past is None else past.number,
        request=request,
        window=report,
        earlier=tuple(_earlier(reading, window)),
        input=tuple(shortened_reports(said, said, fitted)),
        summary=reading.summary,
        pinned=tuple(pinned),
        providers=providers,
        tokens=(),
        max_tokens=None if window is None or window.max_tokens is None else window.max_tokens - window.reserve_tokens,
        reserve_tokens=0 if window is None else window.reserve_tokens,
        requests=1 if past is None else requests_of(past),
        warnings=(*reading.warnings, *warnings),
    )
    return msgspec.structs.replace(whole, tokens=tuple(_shares(settings, whole)))


def _earlier(reading: Reading, window: ContextWindow | None) -> Iterator[EarlierTurns]:
    """Yield the turns that were not read, the oldest first."""
    history = reading.loaded.history
    if history is None or history.info is None:
        return
    first = history.first
    if reading.summary is not None and history.summary is not None and (through := history.summary.target):
        yield EarlierTurns(first=first, last=through, left_out="summary")
        first = through + 1
    if history.start > first and window is not None:
        by_messages = window.max_messages is not None and window.last_messages == window.max_messages
        yield EarlierTurns(
            first=first, last=history.start - 1, left_out="message_limit" if by_messages else "token_limit"
        )


def _shares(settings: AgentSettings, preview: RunPreview) -> Iterator[PartTokens]:
    """Yield the tokens of each part of a request."""
    known = None if settings.window is None else settings.window.counter
    count = (known or TokenCounter().for_model(getattr(settings.model, "model_id", None))).count
    contexts = [one.context for one in preview.providers if one.context is not None]
    summary = preview.summary
    yield PartTokens(part="instructions", tokens=count(instructions=settings.instructions))
    yield PartTokens(part="tools", tokens=count(tools=preview.request.tools))
    yield PartTokens(part="context", tokens=sum(count(one.messages, instructions=one.instructions) for one in contexts))
    told = 0 if summary is None else count(summary.pinned, instructions=summary.instructions)
    yield PartTokens(part="summary", tokens=told)
    yield PartTokens(part="pinned", tokens=count(preview.pinned))
    yield PartTokens(part="thread", tokens=preview.window.tokens)
    yield PartTokens(part="input", tokens=count([one.sent for one in preview.input if one.sent is not None]))
