"""Erasure beyond the storage: what the program made of threads, such as an index or a mirror, forgets them too.

Such an object follows the storage. The storage tells it which threads and which user are gone, and the receipt of an
erasure says what each follower did.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from recuerda._events import fields
from recuerda.errors import StorageUnavailable

Outcome: TypeAlias = Literal["removed", "nothing", "failed", "not reachable"]

_logger = logging.getLogger("recuerda.storage")


class Follower(Protocol):
    """Keeps something that was made from a storage's threads."""

    @property
    def name(self) -> str:
        """The follower's name in a receipt; it holds no secret."""
        ...

    async def forget(self, thread_ids: Sequence[str], *, user_id: str | None) -> int:
        """Delete everything that was made from these threads, and return the number of deleted items.

        With `user_id`, also delete everything else that belongs to the user.

        Raises:
            StorageUnavailable: the place cannot be reached now.
        """
        ...


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of one follower to an erasure.

    Attributes:
        name: the follower.
        outcome: "removed", "nothing", "failed" or "not reachable". After the last two, the follower's own `catch_up`
            deletes the rest later.
        items: the number of deleted items.
        problem: the reason of a failure; None without one.
    """

    name: str
    outcome: Outcome
    items: int = 0
    problem: str | None = None


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt for the threads of a user that were erased, or that would be erased in a dry run.

    Attributes:
        user_id: the user who owned the threads.
        threads: the number of threads. A thread that holds nothing but the draft of its first turn counts too.
        turns: the number of turns in these threads.
        messages: the number of messages in these turns.
        is_dry_run: True when the threads were only counted.
        followers: the answers of the indexes, mirrors and other objects that follow the storage in this program.
    """

    user_id: str
    threads: int
    turns: int
    messages: int
    is_dry_run: bool
    followers: tuple[Forgotten, ...] = ()


async def tell_erased(followers: Iterable[Follower], user_id: str, thread_ids: Sequence[str]) -> tuple[Forgotten, ...]:
    """Let each follower forget a user and the user's threads, and return their answers."""
    ordered = sorted(followers, key=lambda follower: follower.name)
    return tuple(await asyncio.gather(*(_told(follower, thread_ids, user_id) for follower in ordered)))


async def tell_deleted(followers: Iterable[Follower], thread_id: str) -> None:
    """Let each follower forget a thread. A failure is logged, because the thread itself is gone."""
    for answer in await asyncio.gather(*(_told(follower, [thread_id], None) for follower in followers)):
        if answer.problem:
            _logger.warning(
                "%s could not forget a deleted thread: %s",
                answer.name,
                answer.problem,
                extra=fields("thread_not_forgotten", follower=answer.name),
            )


async def _told(follower: Follower, thread_ids: Sequence[str], user_id: str | None) -> Forgotten:
    try:
        items = await follower.forget(thread_ids, user_id=user_id)
    except StorageUnavailable as error:
        return Forgotten(name=follower.name, outcome="not reachable", problem=str(error))
    except Exception as error:  # noqa: BLE001 - a receipt names each failure, and must not be lost for one of them
        return Forgotten(name=follower.name, outcome="failed", problem=str(error) or type(error).__name__)
    return Forgotten(name=follower.name, outcome="removed" if items else "nothing", items=items)
