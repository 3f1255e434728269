"""Conversations of other programs: imports into a storage, and exports from it.

    arrivals = await import_threads(storage, "conversations.json")

`read` and `write` convert without a storage. `READABLE` and `WRITABLE` name the formats.
"""

from recuerda.formats.arriving import Arrival, import_threads, read
from recuerda.formats.format import Departure
from recuerda.formats.leaving import stored_thread, write
from recuerda.formats.moved import MovedThread, MovedTurn
from recuerda.formats.registry import READABLE, WRITABLE

__all__ = [
    "READABLE",
    "WRITABLE",
    "Arrival",
    "Departure",
    "MovedThread",
    "MovedTurn",
    "import_threads",
    "read",
    "stored_thread",
    "write",
]
