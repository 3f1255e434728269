"""The arguments of the tools. Their JSON schemas are the tools' input schemas.

Nothing in the arguments says whose memories are meant: that is the connection's scope.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from recuerda.mcp_server.forgetting import MAX_FORGOTTEN
from recuerda.mcp_server.memories import MAX_RECALLED
from recuerda.mcp_server.threads import MAX_LISTED, MAX_SAVED, MAX_TURNS, Said

_KEY = Meta(
    description="A key of your choice for this call. If you repeat the call with the same key, for example because the "
    "answer was lost, nothing is stored twice.",
)
_CURSOR = Meta(description="The next_cursor of the previous answer.")


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all arguments. An unknown argument is an error, because it may be a misspelt one."""


class Recall(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `recall`."""

    query: Annotated[str, Meta(description="A question or a few words, as the user would say them.")]
    limit: Annotated[int, Meta(description="The largest number of memories.", ge=1, le=MAX_RECALLED)] = 10
    include_corrected: Annotated[
        bool, Meta(description="True also returns words that were corrected, with the time until which they held.")
    ] = False


class Remember(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `remember`."""

    text: Annotated[str, Meta(description="One fact, preference or decision, in a sentence that is clear on its own.")]
    about: Annotated[
        str | None, Meta(description='The person, project or thing that it is about, such as "Ana" or "the garden".')
    ] = None
    idempotency_key: Annotated[str | None, _KEY] = None


class Correct(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `correct`."""

    memory: Annotated[str, Meta(description="The id of the memory, from recall.")]
    text: Annotated[str, Meta(description="The right words, complete.")]


class Forget(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `forget`."""

    memories: Annotated[
        list[str], Meta(description="The ids of the memories to forget, from recall.", max_length=MAX_FORGOTTEN)
    ] = []
    query: Annotated[str | None, Meta(description="Forget what recall finds for these words.")] = None
    thread: Annotated[str | None, Meta(description="Delete this thread with everything in it.")] = None
    confirmation: Annotated[
        str | None, Meta(description="The confirmation from the first call. Without it, nothing is forgotten.")
    ] = None


class ListThreads(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `list_threads`."""

    limit: Annotated[int, Meta(description="The largest number of threads.", ge=1, le=MAX_LISTED)] = 20
    title: Annotated[str | None, Meta(description="Only threads whose title has these words.")] = None
    cursor: Annotated[str | None, _CURSOR] = None


class ReadThread(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `read_thread`."""

    thread: Annotated[str, Meta(description="The id of the thread, from recall or list_threads.")]
    limit: Annotated[int, Meta(description="The largest number of turns.", ge=1, le=MAX_TURNS)] = 10
    cursor: Annotated[str | None, _CURSOR] = None


class SaveTurn(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `save_turn`."""

    messages: Annotated[
        list[Said], Meta(description="The messages of one exchange, in order.", min_length=1, max_length=MAX_SAVED)
    ]
    thread: Annotated[str | None, Meta(description="The thread to continue. Leave it out to begin a new one.")] = None
    title: Annotated[str | None, Meta(description="The title of a new thread.")] = None
    idempotency_key: Annotated[str | None, _KEY] = None
