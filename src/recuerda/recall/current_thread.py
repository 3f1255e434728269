"""The thread of a run: what the run sends of it anyway, what was said in it just before, and its namespace.

A run recalls nothing that it sends anyway, and nothing of a turn that it replaces. Its question may make sense only
together with the turn before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import cast

from msgspec import structs

from recuerda.providers.remembering import input_text
from recuerda.recall.facts import Fact
from recuerda.recall.following import Followed
from recuerda.recall.memory import Filters
from recuerda.recall.ranking import SESSION_GAP_US
from recuerda.recall.scopes import DEFAULT_NAMESPACE, NAMESPACE_KEY
from recuerda.threads.history import StoredTurn
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread

_SAID_CHARACTERS = 300
"""The number of characters of the previous question, and of its answer, that help to understand a message."""


def said_before(thread: AgentThread, now_us: int) -> str:
    """Return the beginnings of the question and the answer just before a run; "" if they are of another time.

    A message such as "Where is his practice?" makes sense only together with them.
    """
    previous = thread.previous
    if previous is None or previous.created_us < now_us - SESSION_GAP_US:
        return ""
    answer = next((message.text for message in reversed(previous.turn.answer) if message.text), "")
    return "\n".join(text[:_SAID_CHARACTERS] for text in (input_text(previous.messages), answer) if text)


def without_sent(
    admitted: Filters, thread: AgentThread, turns: Sequence[StoredTurn], *, revision: int, recent_turns: int
) -> Filters:
    """Return filters that also exclude what a run sends anyway: the newest turns of its thread, and pinned messages.

    Args:
        admitted: the other filters.
        thread: the thread of the run.
        turns: the turns of the thread that the run has read.
        revision: the thread's revision.
        recent_turns: the number of the newest turns that count as sent if the run does not know which ones it sends.
    """
    first = _first_recent(thread, revision, recent_turns)
    recent = list(takewhile(lambda turn: turn.number >= first, reversed(turns)))
    return structs.replace(
        admitted,
        recent_thread=thread.id,
        recent_turn=first,
        recent_times={turn.id: turn.created_us for turn in recent},
        sent=(*thread.sent_pinned, *(message for turn in recent for message in turn.messages)),
    )


def _first_recent(thread: AgentThread, revision: int, recent_turns: int) -> int:
    """Return the number of the first turn of a run's thread that is not recalled."""
    if thread.is_kept_by_service:
        return 0  # The service sends the whole thread.
    first = revision - recent_turns + 1 if thread.sent_from is None else thread.sent_from
    # A turn that the run replaces is the newest one.
    return first if thread.replaced is None else min(first, thread.replaced)


def is_replaced(fact: Fact, thread: AgentThread) -> bool:
    """Return True if a fact comes only from the turn that the run replaces."""
    places = {(source.thread_id, source.turn) for source in fact.sources}
    return thread.replaced is not None and places == {(thread.id, thread.replaced)}


async def give_namespace(
    thread: AgentThread, store: ChatMessageStore, followed: Followed, *, provider: str, namespace: str, turns: int
) -> bool:
    """Give a new thread the namespace of a provider, in the thread's metadata; return True if it got one.

    This is done before the first turn, so that no other provider takes the thread for one of its own namespace. If it
    failed then, it is done after the turn. The saved state of a thread in RAM has no metadata. So the namespace is in
    the provider's state, too, and a restored thread gets it again.

    Args:
        thread: the thread.
        store: the store of the thread.
        followed: the state of the thread.
        provider: the name of the provider.
        namespace: the namespace of the provider.
        turns: the number of turns of a thread that is new.
    """
    if followed.namespace is not None:
        return False
    revision = 0 if followed.position is None else followed.position.revision
    named = _saved_namespace(thread.provider_states.get(provider))
    if named is None and revision == turns:
        named = namespace
    if named in (None, DEFAULT_NAMESPACE):
        return False
    await store.view.update_thread(store.thread_id, metadata={NAMESPACE_KEY: named})
    thread.provider_states[provider] = {NAMESPACE_KEY: named}
    return True


def _saved_namespace(state: object) -> str | None:
    """Return the namespace in a provider's saved state of a thread; None if there is none."""
    named = cast("dict[str, object]", state).get(NAMESPACE_KEY) if isinstance(state, dict) else None
    return named if isinstance(named, str) else None
