"""The place for an observer of the library's work. `recuerda.telemetry` puts one here when it is switched on.

A room that works on a storage, on memories or on a request of the server looks here first. Without an observer, the
look is one comparison, and nothing of OpenTelemetry is imported. `agent/observing.py` is the same place for the work of
agents, whose types are further up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol, TypeAlias, TypeVar

MemoryOperation: TypeAlias = Literal[
    "search_memory", "create_memory", "update_memory", "upsert_memory", "delete_memory"
]
"""The kind of work on memories, in the words of OpenTelemetry's conventions for generative AI."""

Record: TypeAlias = tuple[str, str]
"""The id and the text of a memory."""


class Work(Protocol):
    """A piece of work that is observed. It begins when it is made, and it has to be ended."""

    def active(self) -> AbstractContextManager[None]:
        """Return a block in which other work counts as part of this work. The block must not contain a `yield`."""
        ...

    def end(self, error: BaseException | None = None) -> None:
        """End the work. Ending it twice changes nothing.

        Args:
            error: the error with which the work failed; None if it succeeded.
        """
        ...


T = TypeVar("T")


async def carried_out(work: Work, doing: Callable[[], Awaitable[T]], told: Callable[[T], None]) -> T:
    """Do a piece of work in its active block, and end it with the result or with the error.

    Args:
        work: the work, which has begun.
        doing: does the work.
        told: notes the result on the work.
    """
    try:
        with work.active():
            result = await doing()
        told(result)
    except BaseException as error:
        work.end(error)
        raise
    work.end()
    return result


class StorageWork(Work, Protocol):
    """An operation of a storage."""

    def appended(self, thread_id: str, *, turn_id: str, revision: int, is_replay: bool) -> None:
        """Note that the storage holds a turn now."""
        ...


class MemoryWork(Work, Protocol):
    """Work on memories."""

    def touched(self, count: int, records: Iterable[Record] = ()) -> None:
        """Note the number of memories that were found or changed, and the memories if they are at hand.

        The records are read only if contents are recorded.
        """
        ...


class RequestWork(Work, Protocol):
    """The answer to a request of the server."""

    def answered(self, status: int) -> None:
        """Note the HTTP status of the answer."""
        ...


class Observer(Protocol):
    """Somebody who observes storages, memories and the server."""

    def operation(self, storage: str, action: str, thread_id: str | None) -> StorageWork:
        """Begin an operation of a storage.

        Args:
            storage: the kind of the storage, such as "sqlite".
            action: the operation, in the words of error messages, such as "append to".
            thread_id: the thread; None for an operation on several threads.
        """
        ...

    def windowed(self, thread_id: str, *, sent: int, left_out: int, sent_tokens: Callable[[], int]) -> None:
        """Note the part of a thread that is sent to a model.

        Args:
            thread_id: the thread.
            sent: the number of messages that are sent.
            left_out: the number of messages of the thread that are not sent.
            sent_tokens: counts the tokens of the sent messages.
        """
        ...

    def leased(self, *, waited_s: float) -> None:
        """Note that a lease was taken, and the time in seconds for which its holder waited."""
        ...

    def memory(
        self, operation: MemoryOperation, *, store: str, query: str | None = None, record_id: str | None = None
    ) -> MemoryWork:
        """Begin work on memories.

        Args:
            operation: the kind of the work.
            store: the name of the place that holds the memories. It names no user.
            query: the text to search for.
            record_id: the id of the only memory that is concerned.
        """
        ...

    def request(self, method: str, route: str, headers: Mapping[str, str]) -> RequestWork:
        """Begin the answer to a request of the server.

        Args:
            method: the HTTP method.
            route: the path with the names of its parameters, such as `/v1/responses/{response_id}`.
            headers: the headers, by their names in lower case. They may name a trace.
        """
        ...

    def upstream(self, url: str, model: str | None) -> Work:
        """Begin the server's call of a model, at this address."""
        ...

    def used(self, *, input_tokens: int, output_tokens: int) -> None:
        """Count the tokens that an answer of the server's model has cost."""
        ...

    def trace_headers(self) -> Mapping[str, str]:
        """Return the HTTP headers that make another program's work a part of the active work."""
        ...


observer: Observer | None = None
"""The observer; None if nobody observes."""
