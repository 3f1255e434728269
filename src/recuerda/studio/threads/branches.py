"""The forks of a thread as a tree: its parents up to the first thread, and everything that was forked from that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from starlette.requests import Request

from recuerda.errors import ThreadNotFound
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadInfo
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio
from recuerda.studio.threads.listing import ThreadRow, row_of

MOST_THREADS = 200
"""The largest number of threads of a tree."""

MOST_PARENTS = 50


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """A thread of the tree.

    Attributes:
        thread: the thread.
        depth: the number of threads above it.
        at_turn: the number of the last turn that it has from its parent, in the parent; 0 for none.
        shared: the number of turns that it has from its parent.
        is_this: whether it is the thread of the page.
        compare_href: the address of a comparison with the thread of the page; None for that thread itself.
    """

    thread: ThreadRow
    depth: int
    at_turn: int
    shared: int
    is_this: bool
    compare_href: str | None


class BranchesPage(msgspec.Struct, frozen=True, kw_only=True):
    """The tree of a thread's forks.

    Attributes:
        thread: the thread of the page.
        branches: the threads of the tree, each behind its parent.
        is_cut: whether the tree has more threads than are shown.
        lost_parent_id: the parent of the first thread, if it was deleted since.
    """

    thread: ThreadRow
    branches: tuple[Branch, ...]
    is_cut: bool
    lost_parent_id: str | None


async def show_branches(studio: Studio, request: Request) -> BranchesPage:
    """Return the tree of forks to which a thread belongs."""
    storage = studio.storage
    info = await storage.head(str(request.path_params["thread_id"]))
    if info is None:
        raise ThreadNotFound(str(request.path_params["thread_id"]))
    root = await _root(storage, info)
    children, is_cut = await _descendants(storage, root)
    return BranchesPage(
        thread=row_of(info),
        branches=tuple(_ordered(root, children, info)),
        is_cut=is_cut,
        lost_parent_id=root.parent.thread_id if root.parent else None,
    )


async def _root(storage: Storage, info: ThreadInfo) -> ThreadInfo:
    """Return the first thread of which a thread is a fork, as far as it is still there."""
    for _ in range(MOST_PARENTS):
        above = await parent_of(storage, info)
        if above is None:
            return info
        info = above
    return info


async def parent_of(storage: Storage, info: ThreadInfo) -> ThreadInfo | None:
    """Return the thread from which a fork was begun; None if there is none, or it is gone or another user's."""
    if info.parent is None:
        return None
    above = await storage.head(info.parent.thread_id)
    is_same_user = above is not None and above.user_id == info.user_id
    return above if above is not None and is_same_user and info.parent.is_life_of(above) else None


async def _descendants(storage: Storage, root: ThreadInfo) -> tuple[dict[str, list[ThreadInfo]], bool]:
    """Return the forks of each thread of the tree, and whether some are left out."""
    children: dict[str, list[ThreadInfo]] = {}
    waiting, count = [root], 1
    while waiting:
        above = waiting.pop(0)
        page = await storage.list_threads(parent=above.id, user_id=above.user_id, archived=None, limit=MOST_THREADS)
        found = [one for one in page.threads if one.parent is not None and one.parent.is_life_of(above)]
        kept = [one for one in found if one.id not in children][: MOST_THREADS - count]
        children[above.id] = sorted(kept, key=lambda one: (one.parent.number if one.parent else 0, one.created_us))
        waiting += children[above.id]
        count += len(kept)
        if len(kept) < len(found) or page.cursor is not None:
            return children, True
    return children, False


def _ordered(root: ThreadInfo, children: Mapping[str, Sequence[ThreadInfo]], this: ThreadInfo) -> list[Branch]:
    branches: list[Branch] = []
    waiting = [(root, 0)]
    while waiting:
        info, depth = waiting.pop()
        is_this = info.id == this.id
        branches.append(
            Branch(
                thread=row_of(info),
                depth=depth,
                at_turn=info.parent.number if info.parent else 0,
                shared=info.parent.turns if info.parent else 0,
                is_this=is_this,
                compare_href=None if is_this else link("threads", this.id, "compare", info.id),
            )
        )
        waiting += [(one, depth + 1) for one in reversed(children.get(info.id, ()))]
    return branches
