"""What the tests of memories in PostgreSQL share: documents, a schema for each test, and a look into its tables."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier

from recuerda.recall import RecallIndex, RecallProvider
from recuerda.recall.index import Document, NewDocument, Position, ThreadUpdate
from recuerda.recall.postgres import PostgresRecallIndex
from recuerda.recall.text import terms_of
from recuerda.sqlite import SQLiteStorage
from tests.recall.test_meaning import Meanings
from tests.servers.postgres_fixtures import Connection

DERIVED = (
    "scopes", "threads", "documents", "blocks", "postings", "pending", "leaving", "speakers", "vectors", "models",
    "signs",
)  # fmt: skip
KEPT = ("forgotten", "facts", "fact_sources", "fact_progress", "corrections")
WORDS = ("harbour", "lantern", "meadow", "orchard", "pebble", "quarry", "ribbon", "saddle", "timber", "velvet")


def document(thread_id: str, turn: int, text: str, *, speaker: str | None = None, position: int = 0) -> NewDocument:
    """Return a message as it is given to an index."""
    terms = terms_of(text)
    kept = Document(
        thread_id=thread_id,
        turn=turn,
        turn_id=f"{thread_id} {turn}",
        position=position,
        role="user",
        speaker=speaker,
        created_us=turn * 60_000_000,
        text=text,
    )
    return NewDocument(document=kept, terms=terms.counts, size=terms.size, traits=0)


def position(revision: int, *, scope: str = "user:ana", incarnation: str = "1") -> Position:
    """Return a position in a thread."""
    return Position(scope=scope, incarnation=incarnation, revision=revision, record_id=f"record {revision}", edits=0)


async def remember(index: RecallIndex, thread_id: str, texts: Sequence[str], *, scope: str = "user:ana") -> bool:
    """Take in a new thread with a turn for each text."""
    update = ThreadUpdate(
        thread_id=thread_id,
        expected=None,
        position=position(len(texts), scope=scope),
        is_fresh=True,
        added=[document(thread_id, turn, text, speaker="Ana") for turn, text in enumerate(texts, 1)],
    )
    return await index.apply(update)


async def counts(db: Connection, schema: str) -> dict[str, int]:
    """Return how many rows each table has."""
    found: dict[str, int] = {}
    for name in (*DERIVED, *KEPT):
        rows = await db.execute(SQL("SELECT count(*) FROM {}").format(Identifier(schema, f"recall_{name}")))
        row = await rows.fetchone()
        assert row is not None
        found[name] = row[0]
    return found


def a_provider(index: PostgresRecallIndex, storage: SQLiteStorage, embedder: Meanings | None = None) -> RecallProvider:
    """Return a provider of Ana's memories."""
    return RecallProvider(index, storage=storage, user_id="ana", embedder=embedder)


async def said(recall: RecallProvider, query: str) -> list[str]:
    """Return what users said that answers a query, the best first."""
    return [memory.text for memory in await recall.search(query) if memory.role == "user"]
