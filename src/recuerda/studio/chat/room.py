"""The chat pane: a person talks to the agent with which the studio was started.

A chat adds turns to a thread. Threads that were begun here have ids that begin with `studio-`. A studio that allows no
changes talks only in these, so it leaves the threads of the application alone. With `--allow-changes`, the chat goes on
in any thread.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from recuerda.agent.agent import Agent
from recuerda.errors import ThreadNotFound
from recuerda.ids import check_id, new_id
from recuerda.studio.changes.audit import audited
from recuerda.studio.chat.running import streamed, told_run
from recuerda.studio.chat.telling import ChatEvent
from recuerda.studio.faults import Fault
from recuerda.studio.inbox.deciding import can_go_on, save_decision
from recuerda.studio.inbox.listing import WaitingTurn, waiting_turn
from recuerda.studio.page import Done, Fields
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio
from recuerda.studio.threads.listing import ThreadRow, row_of
from recuerda.studio.threads.thread import ThreadPage, show_thread
from recuerda.threads.thread import AgentThread

PREFIX = "studio-"
"""The beginning of the ids of threads that were begun in a studio."""

LISTED = 100
"""The number of the newest threads among which earlier chats are looked for."""

SHOWN = 20
"""The number of earlier chats that are shown."""


class ChatsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The entrance of the chat pane.

    Attributes:
        agent: the agent's name; "" if it has none.
        new_href: the address of a new chat.
        chats: threads in which the chat may go on, the newest first.
        may_name_user: whether a new chat may belong to a user.
    """

    agent: str
    new_href: str
    chats: tuple[ThreadRow, ...]
    may_name_user: bool


class ChatPage(msgspec.Struct, frozen=True, kw_only=True):
    """A chat.

    Attributes:
        agent: the agent's name; "" if it has none.
        thread_id: the thread.
        user: the user for whom a new thread is begun; "" for none.
        thread: the thread; None before its first turn.
        waiting: the unfinished turn; None if there is none.
        send_href: the address that takes a message.
        stream_href: the same for a script, which gets the events of the run.
        decide_stream_href: the address that takes a decision from a script.
        thread_href: the address of the thread's page.
    """

    agent: str
    thread_id: str
    user: str
    thread: ThreadPage | None
    waiting: WaitingTurn | None
    send_href: str
    stream_href: str
    decide_stream_href: str
    thread_href: str


async def show_chats(studio: Studio, _: Request) -> ChatsPage:
    """Return the entrance of the chat pane."""
    agent = _agent(studio)
    listed = await studio.storage.list_threads(user_id=studio.user_id, limit=LISTED)
    chats = [info for info in listed.threads if studio.allow_changes or info.id.startswith(PREFIX)]
    return ChatsPage(
        agent=agent.name or "",
        new_href=link("chat", PREFIX + new_id()),
        chats=tuple(row_of(info) for info in chats[:SHOWN]),
        may_name_user=studio.allow_changes and studio.user_id is None,
    )


async def show_chat(studio: Studio, request: Request) -> ChatPage:
    """Return a chat: the newest turns of its thread, and the calls that wait."""
    agent = _agent(studio)
    thread_id = await _chat_id(studio, request)
    try:
        thread = await show_thread(studio, request)
    except ThreadNotFound:
        thread = None
    pending = None if thread is None or thread.draft is None else await agent.pending_turn(_thread(studio, thread_id))
    return ChatPage(
        agent=agent.name or "",
        thread_id=thread_id,
        user=_user(studio, request.query_params.get("user")) or "",
        thread=thread,
        waiting=None if pending is None else await waiting_turn(studio, pending, room="chat"),
        send_href=link("chat", thread_id, "send"),
        stream_href=link("chat", thread_id, "stream"),
        decide_stream_href=link("chat", thread_id, "decide-stream"),
        thread_href=link("threads", thread_id),
    )


async def send(studio: Studio, request: Request, fields: Fields) -> Done:
    """Let the agent answer a message, and show the chat again."""
    agent, thread_id = _agent(studio), await _chat_id(studio, request)
    thread = _thread(studio, thread_id, fields.text("user"))
    async with audited(studio, "run", thread_id=thread_id):
        await agent.run(fields.needed("message"), thread=thread, keep_partial=True)
    return Done(href=link("chat", thread_id), done="answered")


async def stream(studio: Studio, request: Request, fields: Fields) -> Response:
    """Let the agent answer a message, and send the events of the run."""
    agent, thread_id = _agent(studio), await _chat_id(studio, request)
    thread = _thread(studio, thread_id, fields.text("user"))
    running = agent.run_stream(fields.needed("message"), thread=thread, keep_partial=True)
    return streamed(told_run(studio, running, thread_id))


async def decide(studio: Studio, request: Request, fields: Fields) -> Done:
    """Save a decision about a call, let the agent go on if it can, and show the chat again."""
    agent, thread_id = _agent(studio), await _chat_id(studio, request)
    if can_go_on(await save_decision(studio, thread_id, fields)):
        async with audited(studio, "run", thread_id=thread_id):
            await agent.resume(_thread(studio, thread_id), keep_partial=True)
    return Done(href=link("chat", thread_id), done="decided")


async def decide_stream(studio: Studio, request: Request, fields: Fields) -> Response:
    """Save a decision about a call, and send the events of the run that goes on."""
    agent, thread_id = _agent(studio), await _chat_id(studio, request)
    if not can_go_on(await save_decision(studio, thread_id, fields)):
        return streamed(_only_decided())
    running = agent.resume_stream(_thread(studio, thread_id), keep_partial=True)
    return streamed(told_run(studio, running, thread_id))


async def _only_decided() -> AsyncGenerator[ChatEvent]:
    yield ChatEvent(kind="decided")


def _agent(studio: Studio) -> Agent:
    if studio.agent is None:
        raise Fault(404, "no_agent", "fault.no-chat")
    return studio.agent


async def _chat_id(studio: Studio, request: Request) -> str:
    """Return the thread of the path.

    Raises:
        Fault: the chat may not go on in this thread.
    """
    thread_id: str = request.path_params["thread_id"]
    if studio.allow_changes:
        return thread_id
    info = await studio.settings.storage.head(thread_id) if thread_id.startswith(PREFIX) else None
    is_of_others = info is not None and info.user_id not in (None, studio.user_id)
    if is_of_others or not thread_id.startswith(PREFIX):
        raise Fault(403, "read_only", "fault.chat-thread")
    return thread_id


def _thread(studio: Studio, thread_id: str, user: str | None = None) -> AgentThread:
    return _agent(studio).get_thread(thread_id, user_id=_user(studio, user))


def _user(studio: Studio, user: str | None) -> str | None:
    """Return the user for whom the agent runs.

    Raises:
        Fault: the studio may not act for this user.
    """
    if studio.user_id is not None or not user:
        if user and user != studio.user_id:
            raise Fault(404, "not_found", "fault.no-user")
        return studio.user_id
    if not studio.allow_changes:
        raise Fault(403, "read_only", "fault.chat-user")
    return check_id(user, "user id")
