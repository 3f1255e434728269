"""The threads of a connection: to list them, to read one, and to keep a turn of a client's own conversation.

A client cannot choose the id of a new thread. So it cannot learn from an answer which ids other users have taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import msgspec

from recuerda.errors import InvalidInput
from recuerda.ids import new_id
from recuerda.mcp_server.answers import (
    ListedThreads,
    MessageItem,
    SavedTurn,
    ThreadItem,
    ThreadPart,
    TurnItem,
)
from recuerda.mcp_server.budget import MAX_NAME, cut_text, cut_texts, fitting
from recuerda.mcp_server.finding import MEMORIES, holds_memories
from recuerda.mcp_server.memories import namespace_metadata, turn_id_of
from recuerda.mcp_server.references import Place
from recuerda.mcp_server.scope import Scope
from recuerda.messages.message import ChatMessage, FunctionCallContent, FunctionResultContent, TextContent
from recuerda.recall.following import REMEMBERED_ROLES
from recuerda.recall.forgotten import is_forgotten
from recuerda.recall.scopes import DEFAULT_NAMESPACE, NAMESPACE_KEY
from recuerda.storage.contract import Storage
from recuerda.storage.records import from_microseconds
from recuerda.storage.thread_info import ThreadInfo, ThreadPage
from recuerda.threads.history import StoredTurn, readable_turns, stored_turn, title_of
from recuerda.threads.new_turn import new_turn
from recuerda.window.window import turn_of

MAX_LISTED = 100
MAX_TURNS = 50
MAX_SAVED = 100
_MESSAGE = 4_000
_RESULT = 500
_LEAST_MESSAGE = 40
"""The characters for which a message of a long turn is worth its place."""

_TITLE = 200


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a client's conversation.

    Attributes:
        role: the speaker's role.
        text: the words.
        speaker: the speaker's name.
    """

    role: Literal["user", "assistant"]
    text: str
    speaker: str | None = None


class Threads:
    """The threads of all connections of a server.

    Args:
        storage: the storage of the threads.
        max_tokens: the size of the largest answer.
    """

    def __init__(self, storage: Storage, *, max_tokens: int) -> None:
        self.storage: Storage = storage
        self.max_tokens: int = max_tokens

    async def listed(
        self, scope: Scope, *, limit: int, cursor: str | None = None, title: str | None = None
    ) -> ListedThreads:
        """Return a page of the connection's threads that fits into an answer, the most recently changed first."""
        wanted = partial(self._page, scope, title=title or None, cursor=cursor)
        page = await wanted(limit=limit)
        readable = [info for info in page.threads if scope.may_read(info)]
        items = list(map(_thread_item, readable))
        fit = len(fitting(items, self.max_tokens, shorten=lambda item, _: item))
        if fit < len(items):
            # Only the storage knows the cursor behind the last thread that fits.
            page = await wanted(limit=page.threads.index(readable[fit - 1]) + 1)
            items = [_thread_item(info) for info in page.threads if scope.may_read(info)]
        return ListedThreads(threads=items, next_cursor=page.cursor)

    async def _page(self, scope: Scope, *, limit: int, cursor: str | None, title: str | None) -> ThreadPage:
        only = None
        if len(scope.namespaces) == 1:
            only = {NAMESPACE_KEY: None if scope.namespace == DEFAULT_NAMESPACE else scope.namespace}
        return await self.storage.list_threads(
            user_id=scope.user_id, title=title, metadata=only, archived=None, limit=limit, cursor=cursor
        )

    async def info(self, scope: Scope, thread_id: str) -> ThreadInfo:
        """Return the information about a thread.

        Raises:
            InvalidInput: the connection can see no such thread.
        """
        try:
            info = await self.storage.head(thread_id)
        except InvalidInput:
            info = None
        if info is None or not scope.may_read(info):
            raise no_thread(thread_id)
        return info

    async def read(self, scope: Scope, thread_id: str, *, limit: int, cursor: str | None = None) -> ThreadPart:
        """Return the newest turns of a thread that fit into an answer, or the turns before a cursor.

        Raises:
            InvalidInput: the connection can see no such thread, or the cursor is none.
        """
        await self.info(scope, thread_id)
        found = await scope.view(self.storage).read(thread_id, before=_turn_at(cursor), last_turns=limit + 1)
        if found.info is None:
            raise no_thread(thread_id)
        turns = [turn for turn in readable_turns(found.records, thread_id) if not is_forgotten(turn)]
        wanted = [_turn_item(turn, thread_id) for turn in reversed(turns[-limit:])]
        items = fitting(wanted, self.max_tokens, shorten=_shortened)
        items.reverse()
        has_more = len(turns) > len(items) or len(found.records) > limit
        first = items[0].turn if items else (found.records[0].number if found.records else 0)
        return ThreadPart(
            thread=thread_id,
            title=_shown_title(found.info),
            turns=items,
            next_cursor=str(first) if has_more and first > 1 else None,
        )

    async def save_turn(
        self, scope: Scope, messages: Sequence[Said], *, thread_id: str | None, title: str | None, key: str | None
    ) -> SavedTurn:
        """Append messages as one turn to a thread, or to a new thread. When this returns, the turn is durable.

        Args:
            scope: whose thread it is.
            messages: the messages.
            thread_id: a thread of the connection; None begins a new thread.
            title: the title of a new thread.
            key: makes a retry safe: the same key stores the turn only once. A new thread is begun only once, too.

        Raises:
            InvalidInput: there is no such thread or no message, or the key was used for another turn.
        """
        turn = turn_of([_message(one) for one in messages])
        turn_id = turn_id_of(key)
        view = scope.view(self.storage)
        if thread_id is None:
            thread_id = f"chat-{new_id() if key is None else scope.digest('thread', key)[:24]}"
            if title or namespace_metadata(scope):
                named = msgspec.UNSET if not title else cut_text(title, _TITLE)[0]
                await view.update_thread(thread_id, title=named, metadata=namespace_metadata(scope))
        else:
            self._check_open(scope, await self.info(scope, thread_id))
        new = new_turn(turn, self.storage, id=turn_id)
        appended = await view.append(thread_id, new, title=title_of(turn))
        if appended.replayed and stored_turn(appended.record, thread_id).messages != turn.messages:
            raise InvalidInput("this idempotency key was used for another turn: give each turn a key of its own")
        return SavedTurn(
            thread=thread_id,
            turn=appended.record.number,
            messages=appended.record.message_count,
            is_new=not appended.replayed,
        )

    def _check_open(self, scope: Scope, info: ThreadInfo) -> None:
        if not scope.may_write(info):
            raise InvalidInput("this thread is in a namespace that this connection only reads: begin a new thread")
        if holds_memories(info):
            raise InvalidInput("this thread holds memories: use remember to add one, or begin a new thread")


def no_thread(thread_id: str) -> InvalidInput:
    """Return the error for a thread that the connection cannot see."""
    return InvalidInput(f"there is no thread {thread_id[:200]!r}: list_threads shows the threads")


def _turn_at(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and 0 < len(cursor) < 16 and int(cursor)):
        raise InvalidInput(f"{cursor[:50]!r} is not a cursor of this thread: leave it out to read the newest turns")
    return int(cursor)


def _message(said: Said) -> ChatMessage:
    if not said.text.strip():
        raise InvalidInput("a message has no text: leave it out")
    return ChatMessage(said.role, said.text, author_name=said.speaker)


def _thread_item(info: ThreadInfo) -> ThreadItem:
    return ThreadItem(
        thread=info.id,
        title=_shown_title(info),
        messages=info.messages,
        updated_at=from_microseconds(info.updated_us).isoformat(timespec="seconds"),
        holds=MEMORIES if holds_memories(info) else "conversation",
        is_archived=info.archived,
    )


def _shown_title(info: ThreadInfo) -> str | None:
    return None if info.title is None else cut_text(info.title, _TITLE)[0]


def _turn_item(turn: StoredTurn, thread_id: str) -> TurnItem:
    return TurnItem(
        turn=turn.number,
        said_at=turn.created_at.isoformat(timespec="seconds"),
        messages=[
            _message_item(message, Place(thread_id, turn.id, position))
            for position, message in enumerate(turn.messages)
        ],
    )


def _message_item(message: ChatMessage, place: Place) -> MessageItem:
    text, is_cut = cut_text(_shown(message), _MESSAGE)
    is_memory = message.role in REMEMBERED_ROLES and bool(message.text.strip())
    return MessageItem(
        role=message.role,
        text=text,
        speaker=None if message.author_name is None else cut_text(message.author_name, MAX_NAME)[0],
        memory=place.id if is_memory else None,
        is_cut=is_cut,
    )


def _shown(message: ChatMessage) -> str:
    """Return the text of a message, with notes in place of its calls, results and files."""
    said: list[str] = []
    for part in message.contents:
        match part:
            case TextContent():
                said.append(part.text)
            case FunctionCallContent():
                said.append(f"[calls {part.name}]")
            case FunctionResultContent():
                said.append(f"[result: {cut_text(str(part.result), _RESULT)[0]}]")
            case _:
                said.append(f"[{type(part).__name__.removesuffix('Content').lower()}]")
    return "\n".join(said)


def _shortened(turn: TurnItem, max_characters: int) -> TurnItem:
    kept = turn.messages[: max(1, max_characters // _LEAST_MESSAGE)]
    texts = cut_texts([message.text for message in kept], max_characters)
    messages = [
        msgspec.structs.replace(message, text=text, is_cut=message.is_cut or is_cut)
        for message, (text, is_cut) in zip(kept, texts, strict=True)
    ]
    return msgspec.structs.replace(turn, messages=messages, left_out=len(turn.messages) - len(kept))
