"""An edit: a run in a branch that leaves a thread before the turn that is said in another way.

The branch is a fork, made when the run begins. A run that ends without a turn leaves nothing behind: it removes the
branch that it made, unless an interrupted turn waits there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import msgspec

from recuerda.errors import InvalidInput, RecuerdaError, ThreadNotFound
from recuerda.ids import check_id, new_id
from recuerda.storage.finishing import settled
from recuerda.threads.forking import Fork, ForkPlace, TurnReference, fork_thread
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread


class Branch(msgspec.Struct, frozen=True):
    """The place at which the thread of a run leaves another thread.

    Attributes:
        parent: the store of the other thread.
        before: the turn before which it leaves.
    """

    parent: ChatMessageStore
    before: TurnReference


def branch_of(
    thread: AgentThread, turn: TurnReference, *, branch_id: str | None, turn_id: str | None
) -> tuple[Branch, AgentThread]:
    """Return the place of an edit, and the thread of its branch. Nothing is written yet.

    Raises:
        InvalidInput: the thread's turns are not kept here, so it has no branches.
    """
    parent = thread.turn_store
    if parent is None:
        raise InvalidInput(
            f"thread {thread.id!r} cannot be edited: its messages are kept by a service or by the application's own "
            "store, which knows no turns"
        )
    store = parent.for_thread(_id_of(thread.id, branch_id=branch_id, turn_id=turn_id))
    return Branch(parent, turn), AgentThread(message_store=store)


@asynccontextmanager
async def begun(branch: Branch, thread: AgentThread) -> AsyncGenerator[None]:
    """Make the branch for a run, which happens in the block. Remove it again if the run leaves no turn in it."""
    fork = await _forked(branch, thread.id)
    try:
        yield
    except BaseException:
        if fork.is_new:
            with suppress(RecuerdaError):  # the run's own error matters more than a branch that is left behind
                await settled(_remove_unused(branch.parent, thread.id))
        raise


async def _forked(branch: Branch, thread_id: str) -> Fork:
    """Make or complete the fork. A retry needs neither the parent nor its turn, if the branch has a turn of its own."""
    parent, place = branch.parent, ForkPlace(before=branch.before)
    try:
        return await fork_thread(parent.view, parent.thread_id, place, into=thread_id)
    except (InvalidInput, ThreadNotFound):
        info = await parent.view.head(thread_id)
        begun = None if info is None else info.parent
        if info is None or begun is None or begun.thread_id != parent.thread_id or info.revision <= begun.turns:
            raise
        return Fork(user_id=info.user_id, is_new=False)


async def _remove_unused(parent: ChatMessageStore, thread_id: str) -> None:
    """Delete a branch that holds nothing but the turns of its parent."""
    found = await parent.view.read(thread_id, last_turns=0)
    info = found.info
    if info is None or info.parent is None or found.has_draft or info.revision > info.parent.turns:
        return
    await parent.view.delete(thread_id, expected=info.version)


def _id_of(thread_id: str, *, branch_id: str | None, turn_id: str | None) -> str:
    """Return the id of a branch. A retry under the same turn id finds the branch of the first try."""
    if branch_id is not None:
        return check_id(branch_id, "branch id")
    if turn_id is None:
        return new_id()
    from hashlib import blake2b

    return blake2b(f"{len(thread_id)}:{thread_id}{turn_id}".encode(), digest_size=16).hexdigest()
