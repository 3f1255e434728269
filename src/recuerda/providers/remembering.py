"""The parts that providers of long-term memory share.

A memory provider searches for a run's input, quotes the memories that it finds, and learns from the turn after its
commit. These functions are the steps that do not depend on where the memories are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recuerda.errors import ConfigurationError, ProviderError, ThreadOwnershipError
from recuerda.messages.message import ChatMessage
from recuerda.providers.deferred import Deferred
from recuerda.storage.erasure import Follower
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread


def input_text(messages: Sequence[ChatMessage]) -> str:
    """Return the texts of the user's messages in a run's input, one after the other; empty if there is no text."""
    texts = (message.text.strip() for message in messages if message.role == "user")
    return "\n".join(text for text in texts if text)


def quotes_below(prompt: str, quotes: Iterable[str], *, max_characters: int) -> str:
    """Return a prompt with quotes below it, one per line. Quotes that do not fit are left out, but never the first."""
    lines = [prompt]
    room = max_characters
    for quote in quotes:
        room -= len(quote)
        if room < 0 and len(lines) > 1:
            break
        lines.append(quote)
    return "\n".join(lines)


def kept_turns(thread: AgentThread) -> ChatMessageStore | None:
    """Return the store with a thread's turns or, for a thread that a service keeps, the store of its mirror."""
    return thread.turn_store or thread.mirror


def user_of(thread: AgentThread) -> str | None:
    """Return the user to whom a run's thread belongs; None if it belongs to nobody.

    That is the user for whom the thread was opened. If it was opened without a user, it is the thread's owner, as the
    run has read it.
    """
    if thread.user_id is not None:
        return thread.user_id
    store = kept_turns(thread)
    info = None if store is None else store.history.info
    return None if info is None else info.user_id


def follow_storage(thread: AgentThread, follower: Follower) -> None:
    """Let the storage of a run's thread tell the memories which threads are deleted and which users are erased.

    A thread that only an application or a service keeps has no such storage.
    """
    store = kept_turns(thread)
    if store is not None:
        store.storage.follow(follower)


def check_thread_user(thread: AgentThread, user_id: str | None, *, advice: str) -> None:
    """Check that a provider of one user's memories is not used on a thread of another user.

    Args:
        thread: the thread of a run.
        user_id: the provider's user. If None, every thread is accepted.
        advice: the next step for the developer, for the error.

    Raises:
        ThreadOwnershipError: the thread was opened for another user, or belongs to one.
    """
    owner = user_of(thread)
    if user_id is not None and owner not in (None, user_id):
        raise ThreadOwnershipError(
            f"thread {thread.id!r} belongs to another user than the memories of this provider, which has "
            f"user_id={user_id!r}; {advice}"
        )


def check_one_thread_scope(thread_id: str | None, *, is_per_thread: bool) -> None:
    """Check that a provider is not set to one thread and to each run's thread at the same time.

    Raises:
        ConfigurationError: both settings are given.
    """
    if is_per_thread and thread_id is not None:
        raise ConfigurationError(
            "thread_id and scope_to_per_operation_thread_id=True were both given; give only one of them"
        )


def raise_failures(learning: Deferred) -> None:
    """Raise an error if turns could not be learned since the last call.

    Raises:
        ProviderError: there are such turns. In the hook `invoked`, this becomes a warning of the reply.
    """
    if failures := learning.take_failures():
        raise ProviderError(f"earlier turns were not remembered: {'; '.join(failures)}")
