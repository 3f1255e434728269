"""Trees of messages as threads.

Some programs keep every version of a message that was edited or generated again, so their messages form a tree. The
path of the oldest versions is the thread with the conversation's id. Every other path becomes a branch: a thread of its
own, whose id also names the message at which it begins. These ids stay the same when a later export of the conversation
has more messages or more branches, so an import of that export only adds what is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from msgspec import structs

from recuerda.errors import StateError
from recuerda.formats.moved import MovedThread
from recuerda.formats.supplement import Supplement
from recuerda.formats.turns import Conversation, Said, marked_thread, thread_of
from recuerda.messages.message import ChatMessage
from recuerda.storage.thread_info import ThreadParent

_INSTRUCTIONS = "system-prompt"
"""The id of the message with a conversation's instructions, which has none in its program."""


def threads_of(
    about: Conversation, said: Sequence[Said], *, shown: str | None = None, facts: Sequence[Supplement] = ()
) -> Iterator[MovedThread]:
    """Yield the threads of a tree of messages: the oldest path first, and each branch after its parent.

    Args:
        about: the conversation.
        said: the messages; the older version of a message comes first. A message whose parent is unknown begins anew.
        shown: the id of the last message that the program showed. If there are branches, the thread that holds this
            message has `"shown": true` in its metadata.
        facts: the facts that an export of ours has put beside the tree. They are ignored if the tree has changed since.

    Raises:
        StateError: two messages have the same id, or the messages form a circle.
    """
    tree = _Tree(said)
    if (paths := _marked_paths(tree, facts)) is not None:
        for one, path in zip(facts, paths, strict=True):
            yield marked_thread(Conversation(id=about.id), path, one)
        return
    made: dict[str | None, MovedThread] = {}
    for start, path in tree.paths():
        own_start = 0 if start is None else [one.id for one in path].index(start)
        parent = None if own_start == 0 else tree.branch_of[path[own_start - 1].id]
        if start is not None and not any(one.messages for one in path[own_start:]):
            made[start] = made[parent]
            continue
        thread_id = about.id if start is None else f"{about.id}~{start}"
        thread = thread_of(replace(about, id=thread_id), path)
        if start is not None:
            thread = structs.replace(thread, parent=_parent(made[parent], thread))
        if len(tree.starts) > 1 and tree.branch_of.get(shown, "") == start:
            thread = structs.replace(thread, metadata={**thread.metadata, "shown": True})
        made[start] = thread
        yield thread


def after_instructions(said: Sequence[Said], instructions: object) -> list[Said]:
    """Return the messages of a tree with the conversation's instructions before the first ones.

    Other values than a text, and a text without a message, are no instructions.
    """
    if not isinstance(instructions, str) or not instructions or not said:
        return list(said)
    known = {one.id for one in said}
    first = Said(id=_INSTRUCTIONS, messages=[ChatMessage("system", instructions)])
    return [first, *(one if one.parent in known else replace(one, parent=_INSTRUCTIONS) for one in said)]


def _marked_paths(tree: _Tree, facts: Sequence[Supplement]) -> list[list[Said]] | None:
    """Return the messages of each thread that the facts name; None if they do not fit the tree."""
    paths = [tree.path_to(one.last) for one in facts]
    met = {message.id for path in paths for message in path}
    is_whole = all(one.id in met or not one.messages for one in tree.of.values())
    are_marked = all(
        sum(mark.entries for mark in one.turns) == len(path) for one, path in zip(facts, paths, strict=True)
    )
    return paths if facts and is_whole and are_marked else None


def tree_of(paths: Sequence[Sequence[Said]]) -> list[Said]:
    """Return the tree of messages that several paths form. Paths share a message that has the same id in both.

    A message that comes after another message in a later path is another message there.
    """
    known: dict[str, Said] = {}
    for path in paths:
        before: str | None = None
        for one in path:
            key = str(one.id)
            if key in known and known[key].parent != before:
                key = f"{key}@{before}"
            known.setdefault(key, replace(one, id=key, parent=before))
            before = key
    return list(known.values())


def _parent(parent: MovedThread, thread: MovedThread) -> ThreadParent:
    shared = 0
    while shared < min(len(parent.turns), len(thread.turns)) and parent.turns[shared].id == thread.turns[shared].id:
        shared += 1
    last = parent.turns[shared - 1].id if shared else None
    return ThreadParent(thread_id=parent.id, turn_id=last, number=shared, turns=shared)


class _Tree:
    """The messages of a conversation by their ids.

    Attributes:
        of: the messages.
        starts: the messages at which branches begin, an earlier branch first; None for the oldest path.
        branch_of: the branch that each message belongs to.
    """

    def __init__(self, said: Sequence[Said]) -> None:
        self.of: dict[str | None, Said] = {}
        for one in said:
            if self.of.setdefault(one.id, one) is not one:
                raise StateError(f"two messages have the id {one.id!r}")
        self._children: dict[str | None, list[str | None]] = {}
        for one in said:
            parent = one.parent if one.parent in self.of else None
            self._children.setdefault(parent, []).append(one.id)
        self.starts: list[str | None] = []
        self.branch_of: dict[str | None, str | None] = {}
        self._walk()
        if len(self.branch_of) != len(self.of):
            raise StateError("the messages refer to each other in a circle")

    def _walk(self) -> None:
        waiting: list[tuple[str | None, str | None]] = [(None, None)] if self.of else []
        while waiting:
            start, parent = waiting.pop()
            self.starts.append(start)
            found: list[tuple[str | None, str | None]] = []
            at = start if start is not None else parent
            if start is not None:
                self.branch_of[start] = start
            while children := self._children.get(at):
                self.branch_of[children[0]] = start
                found += [(child, child) for child in children[1:]]
                at = children[0]
            waiting += reversed(found)

    def paths(self) -> Iterator[tuple[str | None, list[Said]]]:
        """Yield each branch with its whole path, from the first message on."""
        for start in self.starts:
            path = self._before(start)
            at = start
            while children := self._children.get(at):
                at = children[0]
                path.append(self.of[at])
            yield start, path

    def path_to(self, last: str | None) -> list[Said]:
        """Return the messages up to a message that say something; none if there is no such message."""
        path = [one for one in self._before(last) if one.messages]
        return [replace(one, begins_branch=False) for one in path]

    def _before(self, start: str | None) -> list[Said]:
        """Return the path to the first message of a branch, with this message."""
        path: list[Said] = []
        at = start
        while at is not None and at in self.of:
            one = self.of[at]
            is_first = self.branch_of[at] != at
            path.append(one if is_first else replace(one, begins_branch=True))
            at = one.parent
        return path[::-1]
