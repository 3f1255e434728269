"""What the model saw with a turn, or would see now: the turns that are sent, the others with the reasons, the tokens.

The page asks no model. It uses the agent of the studio if there is one. Otherwise it explains a window alone: the
default one, or the window that the form describes.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET
from starlette.requests import Request

from recuerda.agent.agent import Agent
from recuerda.agent.preview import EarlierTurns, PartTokens, ProviderReport, RunPreview
from recuerda.errors import ConfigurationError, CorruptTurn, DecryptionError, ThreadNotFound
from recuerda.messages.message import ChatMessage
from recuerda.storage.records import SEAL
from recuerda.storage.thread_info import ThreadInfo
from recuerda.studio.page import whole
from recuerda.studio.seen.chosen import WindowForm, explaining_agent
from recuerda.studio.seen.telling import SeenMessage, SeenTurn, plain_messages, seen_messages, seen_turn
from recuerda.studio.studio import Studio
from recuerda.threads.thread import AgentThread
from recuerda.window.window import ContextWindow

TURNS = 60
"""The largest number of turns that the page lists: the newest ones."""


MOST_MESSAGES = 4_000
"""The largest number of messages of which the page makes a plan. A window that sends more is not explained."""


class SeenProvider(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider adds.

    Attributes:
        name: the provider's name.
        is_known: False for a past turn, if the provider cannot tell what it added then.
        instructions: its instructions; None if it gives none.
        messages: its messages.
        tools: the names of its tools.
    """

    name: str
    is_known: bool
    instructions: str | None
    messages: tuple[SeenMessage, ...]
    tools: tuple[str, ...]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of a request.

    Attributes:
        messages: the number of messages of the thread that are sent.
        tokens: the tokens of the whole request.
    """

    messages: int
    tokens: int


class SeenPage(msgspec.Struct, frozen=True, kw_only=True):
    """What the model saw, or would see.

    Attributes:
        thread_id: the thread's id.
        title: the thread's title; None if it has none.
        number: the number of the past turn; None for a run that would start now.
        request: the number of the request of the past turn.
        requests: the number of requests that the turn had.
        question: the input that would be sent, from the form.
        form: the fields of the form for another window.
        has_agent: whether the studio's own agent is explained. Otherwise a window alone is.
        problem: why there is nothing to show: "sealed", "too_long" if the window would send more messages than a page
            can explain, or the reason why a turn cannot be read; None without a problem.
        parts: the tokens of each part.
        max_tokens: the limit for the request, without the reserve; None for no limit.
        reserve_tokens: the tokens that are kept free for the answer.
        chosen: the sizes of the request.
        other: the sizes without the form's window, to compare; None if the form is empty.
        earlier: turns that a run does not even read.
        turns: the turns that were read, the oldest first.
        unlisted: the number of read turns before them that the page does not list.
        pinned: the pinned messages that are sent although their turns are left out.
        input: the input and the messages of the turn so far.
        instructions: the whole instructions of the request; None if there are none.
        summary: the summary that is sent; None if there is none.
        providers: what the providers add.
        tools: the names of the tools.
        warnings: what a run would list as warnings.
    """

    thread_id: str
    title: str | None
    number: int | None
    request: int
    requests: int = 1
    question: str = ""
    form: WindowForm
    has_agent: bool
    problem: str | None = None
    parts: tuple[PartTokens, ...] = ()
    max_tokens: int | None = None
    reserve_tokens: int = 0
    chosen: Compared | None = None
    other: Compared | None = None
    earlier: tuple[EarlierTurns, ...] = ()
    turns: tuple[SeenTurn, ...] = ()
    unlisted: int = 0
    pinned: tuple[SeenMessage, ...] = ()
    input: tuple[SeenMessage, ...] = ()
    instructions: str | None = None
    summary: str | None = None
    providers: tuple[SeenProvider, ...] = ()
    tools: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


async def show_seen(studio: Studio, request: Request) -> SeenPage:
    """Return what the model saw with a turn, or without a number, what it would see now."""
    thread_id = str(request.path_params["thread_id"])
    number = whole(request.path_params.get("number"), "the number of the turn")
    info = await studio.storage.head(thread_id)
    if info is None:
        raise ThreadNotFound(thread_id)
    agent, thread = _opened(studio, info)
    page = SeenPage(
        thread_id=thread_id,
        title=info.title,
        number=number,
        request=whole(request.query_params.get("request"), "request") or 1,
        question=request.query_params.get("q", "").strip() if number is None else "",
        form=WindowForm.of(request.query_params),
        has_agent=agent is studio.agent,
    )
    try:
        return await _filled(page, agent, thread, info)
    except DecryptionError:
        return msgspec.structs.replace(page, problem="sealed")
    except CorruptTurn as error:
        is_sealed = await _is_sealed(studio, thread_id, error.number)
        return msgspec.structs.replace(page, problem="sealed" if is_sealed else str(error))


def _opened(studio: Studio, info: ThreadInfo) -> tuple[Agent, AgentThread]:
    """Return the agent to explain, and its handle on the thread."""
    user = studio.user_id or info.user_id
    if studio.agent is not None:
        try:
            thread = studio.agent.get_thread(info.id, user_id=user)
        except ConfigurationError:
            thread = None  # the agent's client keeps its threads at a service
        if thread is not None and not thread.is_kept_by_service:
            return studio.agent, thread
    agent = explaining_agent(studio.storage)
    return agent, agent.get_thread(info.id, user_id=user)


def _is_too_long(page: SeenPage, info: ThreadInfo, window: ContextWindow | None) -> bool:
    """Return whether a window may send more messages of a thread than the page explains."""
    turns = info.turns if page.number is None else min(info.turns, page.number)
    messages = info.messages * turns / max(1, info.turns)
    limit = None if window is None else window.last_messages
    return min(messages, messages if limit is None else limit) > MOST_MESSAGES


async def _filled(page: SeenPage, agent: Agent, thread: AgentThread, info: ThreadInfo) -> SeenPage:
    question = [ChatMessage("user", page.question)] if page.question else None
    window = page.form.window()
    if _is_too_long(page, info, agent.window if window is UNSET else window):
        return msgspec.structs.replace(page, problem="too_long")
    chosen = await agent.preview(question, thread=thread, turn=page.number, request=page.request, window=window)
    other = None
    if window is not UNSET and not _is_too_long(page, info, agent.window):
        other = await agent.preview(question, thread=thread, turn=page.number, request=page.request)
    sent = None if other is None else {turn.number for turn in other.window.turns if turn.left_out is None}
    turns = chosen.window.turns
    listed = turns[max(0, len(turns) - TURNS) :]
    return msgspec.structs.replace(
        page,
        requests=chosen.requests,
        parts=chosen.tokens,
        max_tokens=chosen.max_tokens,
        reserve_tokens=chosen.reserve_tokens,
        chosen=_sizes(chosen),
        other=None if other is None else _sizes(other),
        earlier=chosen.earlier,
        turns=tuple(
            seen_turn(turn, page.thread_id, was_sent=None if sent is None else turn.number in sent) for turn in listed
        ),
        unlisted=len(turns) - len(listed),
        pinned=plain_messages([*(chosen.summary.pinned if chosen.summary else ()), *chosen.pinned]),
        input=seen_messages(chosen.input),
        instructions=chosen.request.instructions,
        summary=None if chosen.summary is None else chosen.summary.text,
        providers=tuple(map(_provider, chosen.providers)),
        tools=tuple(tool.name for tool in chosen.request.tools),
        warnings=chosen.warnings,
    )


def _sizes(preview: RunPreview) -> Compared:
    return Compared(messages=len(preview.window.sent), tokens=preview.total_tokens)


def _provider(report: ProviderReport) -> SeenProvider:
    context = report.context
    return SeenProvider(
        name=report.name,
        is_known=report.is_known,
        instructions=None if context is None else context.instructions,
        messages=() if context is None else plain_messages(context.messages),
        tools=report.tools,
    )


async def _is_sealed(studio: Studio, thread_id: str, number: int) -> bool:
    """Return whether a turn that cannot be read is an encrypted one."""
    found = await studio.storage.read(thread_id, before=number + 1, last_turns=1)
    return any(record.number == number and record.body.startswith(SEAL) for record in found.records)
