"""The tools: their names, their descriptions for the model, their arguments, and what each of them does.

There are few of them, because each one costs context in every request of a client. The descriptions say when to use a
tool, because a model chooses by them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec

from recuerda.errors import InvalidInput
from recuerda.mcp_server import answers, texts
from recuerda.mcp_server.answers import Answer
from recuerda.mcp_server.arguments import (
    Arguments,
    Correct,
    Forget,
    ListThreads,
    ReadThread,
    Recall,
    Remember,
    SaveTurn,
)
from recuerda.mcp_server.forgetting import Forgetting
from recuerda.mcp_server.memories import Memories
from recuerda.mcp_server.references import memory_uri, thread_uri
from recuerda.mcp_server.scope import Scope
from recuerda.mcp_server.threads import Threads
from recuerda.recall.checking import Tell


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool gives back.

    Attributes:
        answer: the structured answer.
        text: the same for a model that reads text.
        changed: the addresses of the resources that the call has changed.
        has_new_list: True if the list of resources has changed.
    """

    answer: Answer
    text: str
    changed: tuple[str, ...] = ()
    has_new_list: bool = False


_A = TypeVar("_A", bound=Arguments)


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may assume about a tool."""

    is_read_only: bool = False
    is_destructive: bool = False
    is_idempotent: bool = False


class Tool(msgspec.Struct, Generic[_A], frozen=True, kw_only=True):
    """A tool.

    Attributes:
        name: the name.
        title: the name for people.
        description: the description for the model.
        arguments: the type of the arguments.
        answer: the type of the structured answer.
        hints: what a client may assume.
        run: runs the tool.
    """

    name: str
    title: str
    description: str
    arguments: type[_A]
    answer: type[Answer]
    hints: Hints
    run: Callable[[Call, _A], Awaitable[Told]]

    async def called(self, call: Call, arguments: dict[str, Any]) -> Told:
        """Check the arguments, and run the tool.

        Raises:
            InvalidInput: the arguments do not have the form that the tool needs. The text names the argument.
        """
        try:
            given = msgspec.convert(arguments, self.arguments)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"the arguments of {self.name} are wrong: {error}") from None
        return await self.run(call, given)


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the tools work with."""

    memories: Memories
    threads: Threads
    forgetting: Forgetting


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a tool.

    Attributes:
        room: what the tool works with.
        scope: whose memories it may see.
        tell: takes the progress of long work.
    """

    room: Room
    scope: Scope
    tell: Tell


async def _recall(call: Call, given: Recall) -> Told:
    answer, found = await call.room.memories.recall(
        call.scope, given.query, limit=given.limit, with_corrected=given.include_corrected, tell=call.tell
    )
    return Told(answer=answer, text=texts.recalled(answer, found))


async def _remember(call: Call, given: Remember) -> Told:
    answer = await call.room.memories.remember(call.scope, given.text, about=given.about, key=given.idempotency_key)
    return Told(answer=answer, text=texts.remembered(answer), changed=(thread_uri(answer.thread),))


async def _correct(call: Call, given: Correct) -> Told:
    answer = await call.room.memories.correct(call.scope, given.memory, given.text)
    return Told(answer=answer, text=texts.corrected(answer), changed=(memory_uri(answer.memory),))


async def _forget(call: Call, given: Forget) -> Told:
    if [bool(given.memories), given.query is not None, given.thread is not None].count(True) != 1:
        raise InvalidInput("name one thing to forget: give memories, or query, or thread")
    if given.thread is not None:
        answer = await call.room.forgetting.forget_thread(call.scope, given.thread, given.confirmation)
        gone = (thread_uri(given.thread),) if answer.is_done else ()
        return Told(answer=answer, text=texts.forgotten(answer), changed=gone, has_new_list=answer.is_done)
    ids = given.memories if given.query is None else await call.room.forgetting.found(call.scope, given.query)
    answer = await call.room.forgetting.forget_memories(call.scope, ids, given.confirmation)
    changed = [memory_uri(item.memory) for item in answer.items if item.memory and answer.is_done]
    return Told(answer=answer, text=texts.forgotten(answer), changed=tuple(changed))


async def _list_threads(call: Call, given: ListThreads) -> Told:
    answer = await call.room.threads.listed(call.scope, limit=given.limit, cursor=given.cursor, title=given.title)
    return Told(answer=answer, text=texts.listed(answer))


async def _read_thread(call: Call, given: ReadThread) -> Told:
    answer = await call.room.threads.read(call.scope, given.thread, limit=given.limit, cursor=given.cursor)
    return Told(answer=answer, text=texts.part(answer))


async def _save_turn(call: Call, given: SaveTurn) -> Told:
    answer = await call.room.threads.save_turn(
        call.scope, given.messages, thread_id=given.thread, title=given.title, key=given.idempotency_key
    )
    changed = (thread_uri(answer.thread),)
    return Told(answer=answer, text=texts.saved(answer), changed=changed, has_new_list=given.thread is None)


_READS = Hints(is_read_only=True, is_idempotent=True)

TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        name="recall",
        title="Recall",
        description="Search the user's memories: facts and wishes that were remembered, and messages of earlier "
        "conversations. Use it at the start of a conversation, and whenever the user refers to something that was said "
        "before. Each memory has an id, who said it and when.",
        arguments=Recall,
        answer=answers.Recalled,
        hints=_READS,
        run=_recall,
    ),
    Tool(
        name="remember",
        title="Remember",
        description="Store one fact, preference or decision of the user for later conversations. Use it when the user "
        "asks to remember something, or says something lasting about themselves or their work. Store no secrets. If "
        "recall has found an older memory that is now wrong, use correct instead.",
        arguments=Remember,
        answer=answers.Remembered,
        hints=Hints(),
        run=_remember,
    ),
    Tool(
        name="correct",
        title="Correct a memory",
        description="Replace the words of a memory that is wrong or out of date. From now on, recall returns the new "
        "words. The old words are kept as history.",
        arguments=Correct,
        answer=answers.Corrected,
        hints=Hints(is_destructive=True, is_idempotent=True),
        run=_correct,
    ),
    Tool(
        name="forget",
        title="Forget",
        description="Forget memories, or delete a thread, in two steps. The first call shows what would be forgotten, "
        "and returns a confirmation. Show the items to the user. If the user agrees, repeat the call with the "
        "confirmation. This cannot be undone.",
        arguments=Forget,
        answer=answers.Forgotten,
        hints=Hints(is_destructive=True, is_idempotent=True),
        run=_forget,
    ),
    Tool(
        name="list_threads",
        title="List threads",
        description="List the user's stored conversations, the most recently changed one first.",
        arguments=ListThreads,
        answer=answers.ListedThreads,
        hints=_READS,
        run=_list_threads,
    ),
    Tool(
        name="read_thread",
        title="Read a thread",
        description="Read the newest turns of a stored conversation. next_cursor leads to the turns before them.",
        arguments=ReadThread,
        answer=answers.ThreadPart,
        hints=_READS,
        run=_read_thread,
    ),
    Tool(
        name="save_turn",
        title="Save a turn",
        description="Keep the messages of one exchange as a turn of a stored conversation, word for word. It is for "
        "clients that keep their conversations here. To keep a single fact, use remember.",
        arguments=SaveTurn,
        answer=answers.SavedTurn,
        hints=Hints(),
        run=_save_turn,
    ),
)
"""All tools, in the order in which a client lists them."""
