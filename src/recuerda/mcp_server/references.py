"""The names by which a client speaks of a thread or of a memory: ids in answers, and addresses of resources.

The id of a memory is `thread/turn` or `thread/turn/position`, with each part percent-encoded. It is data: it names a
place, and whether a connection may look there is decided elsewhere.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

import msgspec

SCHEME = "recuerda://"
THREAD_PREFIX = f"{SCHEME}thread/"
MEMORY_PREFIX = f"{SCHEME}memory/"
ABOUT_ME = f"{MEMORY_PREFIX}about-me"
"""The address of the resource with everything that is remembered first of all."""


class Place(msgspec.Struct, frozen=True):
    """The place of a memory.

    Attributes:
        thread_id: the thread.
        turn_id: the id of the turn.
        position: the position of the message in the turn, from 0.
    """

    thread_id: str
    turn_id: str
    position: int = 0

    @property
    def id(self) -> str:
        """The id of the memory for a client."""
        parts = [quote(self.thread_id, safe=""), quote(self.turn_id, safe="")]
        return "/".join(parts if self.position == 0 else [*parts, str(self.position)])


def place_of(memory: str) -> Place | None:
    """Return the place that a memory's id or its address names; None if it is neither."""
    parts = memory.removeprefix(MEMORY_PREFIX).split("/")
    if len(parts) not in (2, 3) or not all(parts):
        return None
    position = parts[2] if len(parts) == 3 else "0"
    if not (position.isascii() and position.isdigit() and len(position) < 6):
        return None
    return Place(unquote(parts[0]), unquote(parts[1]), int(position))


def thread_uri(thread_id: str) -> str:
    """Return the address of a thread's resource."""
    return THREAD_PREFIX + quote(thread_id, safe="")


def memory_uri(memory: str) -> str:
    """Return the address of a memory's resource, by the memory's id."""
    return MEMORY_PREFIX + memory


def thread_of(uri: str) -> str | None:
    """Return the id of the thread that an address names; None if it names no thread."""
    rest = uri.removeprefix(THREAD_PREFIX)
    return unquote(rest) if rest != uri and rest and "/" not in rest else None
