"""recuerda's own long-term memory: messages in a user's threads, found by words, time, speaker and meaning.

`RecallProvider` gives this memory to an agent, and `Memory` is a message that it finds. `ThreadSearch` finds threads
for a search box. `RecallIndex` is the contract of an index. `SQLiteRecallIndex` is the embedded index, and
`recuerda.recall.postgres` has one for many processes. From the bottom up: `text.py` turns a message into terms,
`question.py` analyses a query, `ranking.py` orders candidates, `following.py` keeps an index in step with the log,
`scopes.py` names the owners of memories, `correcting.py` puts right words in place of wrong ones, `checking.py`
compares the index with the threads, `searching.py` finds memories in it, and `recollection.py` puts all of this
together.
"""

from recuerda.recall.explaining import MemoryReport, Reason, ScorePart
from recuerda.recall.facts import Fact, FactExtractor
from recuerda.recall.index import IndexStats, RecallIndex
from recuerda.recall.memory import ForgottenTurns, Memory, MemoryPage, Progress
from recuerda.recall.provider import RecallProvider
from recuerda.recall.sqlite import SQLiteRecallIndex
from recuerda.recall.thread_search import FoundThread, Passage, ThreadSearch

__all__ = [
    "Fact",
    "FactExtractor",
    "ForgottenTurns",
    "FoundThread",
    "IndexStats",
    "Memory",
    "MemoryPage",
    "MemoryReport",
    "Passage",
    "Progress",
    "Reason",
    "RecallIndex",
    "RecallProvider",
    "SQLiteRecallIndex",
    "ScorePart",
    "ThreadSearch",
]
