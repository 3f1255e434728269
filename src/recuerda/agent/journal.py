"""The saved steps of a running turn: its thread's draft.

Every step of a durable run is saved as a step of the thread's draft, outside of the thread. The storage accepts each
step number once. So two processes cannot continue the same turn: the process that first saves a step after an
interruption owns the turn.
"""

from __future__ import annotations

import asyncio

import msgspec

from recuerda.agent import observing
from recuerda.agent.steps import Step, encode_step
from recuerda.errors import ConfigurationError, DraftConflict, StorageError, ThreadConflict
from recuerda.ids import new_id
from recuerda.storage.drafts import Draft, DraftStep
from recuerda.storage.thread_info import Expected, Version, revision_of
from recuerda.threads.conflicts import exact_version, version_after_summaries
from recuerda.threads.stopwatch import Stopwatch
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread

ATTEMPTS = 3
"""The number of attempts to write a step. Several attempts are worth it: a result that is not saved leaves a call in
doubt."""

PAUSE_S = 0.05
"""The pause in seconds before the second attempt; each further pause is four times as long."""


class Journal:
    """Save a running turn's steps as its thread's draft, one write each.

    Args:
        store: the thread's store.
        turn_id: the turn's id.
        version: the thread's version when the turn began or is resumed, or its revision alone. Every step is refused
            if the thread does not continue from there.
        watch: measures the time of the run.
        number: the number of the last step that is saved already.
        last_id: the id of that step; None without one.
        revision: the revision on which the turn began; None for that of `version`.
    """

    def __init__(
        self,
        store: ChatMessageStore,
        *,
        turn_id: str,
        version: Expected,
        watch: Stopwatch,
        number: int = 0,
        last_id: str | None = None,
        revision: int | None = None,
    ) -> None:
        self._store = store
        self._turn_id = turn_id
        self._version = version
        self._revision = revision_of(version) if revision is None else revision
        self.number: int = number
        self.last_id: str | None = last_id
        self._watch = watch
        self._has_saved = False
        self._order = asyncio.Lock()

    async def save(self, step: Step) -> None:
        """Save the next step.

        Raises:
            EncodeError: the step has no JSON form.
            DraftConflict: another process began a turn on the thread or resumed this turn, or the turn was committed or
                dropped.
            ThreadConflict: the thread has changed since the turn began. A later step is refused only if the thread was
                deleted, or put back to an earlier state.
            StorageError: every attempt to write the step failed.
        """
        # Two processes may begin the same turn at once, with the same input and answer. Only their claims tell them
        # apart.
        if not self.number:
            step = msgspec.structs.replace(step, claim=new_id())
        if step.claim is not None and observing.observer is not None:
            step = msgspec.structs.replace(step, trace=observing.observer.trace())
        if not self._has_saved:
            step = msgspec.structs.replace(step, began_us=self._store.view.clock() - self._watch.elapsed_us)
        body = encode_step(step)
        async with self._order:
            draft = DraftStep(
                turn_id=self._turn_id,
                revision=self._revision,
                number=self.number + 1,
                body=body,
                id=new_id(),
                previous=self.last_id,
            )
            await self._begin(draft) if draft.number == 1 else await self._write(draft)
            self.number, self.last_id, self._has_saved = draft.number, draft.id, True

    async def _begin(self, step: DraftStep) -> None:
        # A summary of the earlier turns may be appended while this turn begins. It does not affect this turn.
        for _ in range(ATTEMPTS):
            try:
                return await self._write(step)
            except ThreadConflict:
                version = await version_after(self._store, self._version)
                if version is None:
                    raise
                await self._check_alone(step)
                self._version, self._revision = version, version.revision
                step = msgspec.structs.replace(step, revision=version.revision)
        return await self._write(step)

    async def _check_alone(self, step: DraftStep) -> None:
        # A turn that began before the summary can continue after it. But the storage compares revisions only, and
        # treats the draft of that turn as outdated.
        draft = await self._store.view.load_draft(self._store.thread_id)
        if draft is not None and draft.turn_id != step.turn_id:
            raise DraftConflict(self._store.thread_id, turn_id=step.turn_id, number=step.number)

    async def _write(self, step: DraftStep) -> None:
        incarnation = await self._saved(step)
        self._version = exact_version(self._version, incarnation)

    async def _saved(self, step: DraftStep) -> str:
        # Writing a step again changes nothing, so an attempt that failed half-way can simply be repeated.
        for attempt in range(ATTEMPTS - 1):
            try:
                return await self._store.view.save_draft(self._store.thread_id, step, expected=self._version)
            except StorageError:
                await asyncio.sleep(PAUSE_S * 4**attempt)
        return await self._store.view.save_draft(self._store.thread_id, step, expected=self._version)


async def version_after(store: ChatMessageStore, version: Expected) -> Version | None:
    """Return the thread's version if only summaries came after `version`; otherwise None."""
    return await version_after_summaries(store.view, store.thread_id, version)


async def load_draft(thread: AgentThread) -> Draft | None:
    """Return the thread's draft, or None; only a thread of a `ChatMessageStore` can have one."""
    store = thread.turn_store
    return None if store is None else await store.view.load_draft(store.thread_id)


async def drop_draft(thread: AgentThread, turn_id: str) -> bool:
    """Delete the thread's draft if it belongs to this turn; return False if there is no such draft."""
    store = thread.turn_store
    return store is not None and await store.view.drop_draft(store.thread_id, turn_id=turn_id)


def durable_store(thread: AgentThread) -> ChatMessageStore:
    """Return the store on which a thread's steps can be saved.

    Raises:
        ConfigurationError: the thread is kept by a service, or by a store that knows no turns.
    """
    if (store := thread.turn_store) is None:
        kept = "a service" if thread.message_store is None else type(thread.message_store).__name__
        raise ConfigurationError(
            f"thread {thread.id!r} is kept by {kept}, which cannot hold an unfinished turn: durability='steps' and "
            "tools that need approval work on a ChatMessageStore"
        )
    return store
