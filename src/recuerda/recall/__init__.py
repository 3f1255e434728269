"""Our own long-term memory: what was said, across a user's threads, found by words, time, speaker and meaning.

`RecallProvider` gives it to an agent; `Memory` is what it finds. `RecallIndex` is what an index has to offer, and
`SQLiteRecallIndex` the one that is embedded; `recuerda.recall.postgres` has one for many processes. From the bottom
up: `text.py` makes terms of a message, `ranking.py` an order of candidates, `following.py` keeps an index in step with
the log, `recollection.py` searches and forgets.
"""

from recuerda.recall.facts import Fact, FactExtractor
from recuerda.recall.index import IndexStats, RecallIndex
from recuerda.recall.memory import Memory, Progress
from recuerda.recall.provider import RecallProvider
from recuerda.recall.sqlite import SQLiteRecallIndex

__all__ = [
    "Fact",
    "FactExtractor",
    "IndexStats",
    "Memory",
    "Progress",
    "RecallIndex",
    "RecallProvider",
    "SQLiteRecallIndex",
]
