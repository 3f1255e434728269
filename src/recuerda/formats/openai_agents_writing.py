"""The file of the OpenAI Agents SDK's `SQLiteSession`, written. Each thread is a session with the thread's id.

A `SQLiteSession` has no branches, so a branch is a session of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from recuerda.formats.facts import facts_of, turn_losses, without
from recuerda.formats.facts_table import opened, put_facts
from recuerda.formats.format import Departure, Family, FileWriter
from recuerda.formats.moved import MovedThread, added_up
from recuerda.formats.openai_responses import LIST
from recuerda.formats.supplement import supplement_of
from recuerda.formats.times import to_iso
from recuerda.json_value import JsonObject

# The tables of openai-agents 0.24.
_SCHEMA = """
CREATE TABLE agent_sessions (
    session_id TEXT PRIMARY KEY,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE agent_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL,
    message_data TEXT NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (session_id) REFERENCES agent_sessions (session_id) ON DELETE CASCADE
);
CREATE INDEX idx_agent_messages_session_id ON agent_messages (session_id, id)
"""


async def _save(families: AsyncIterable[Family], path: Path) -> AsyncIterator[Departure]:
    with closing(opened(path, _SCHEMA)) as connection:
        async for family in families:
            for thread in family:
                turns = LIST.entries(thread)
                times = [turn.created_us for turn in thread.turns if turn.created_us is not None] or [0]
                session = (thread.id, _time(times[0]), _time(times[-1]))
                connection.execute("INSERT INTO agent_sessions VALUES (?, ?, ?)", session)
                connection.executemany(
                    "INSERT INTO agent_messages (session_id, message_data, created_at) VALUES (?, ?, ?)",
                    _rows(thread, turns),
                )
                put_facts(connection, thread.id, supplement_of(thread, [len(turn) for turn in turns]))
                losses = [LIST.lost(thread), turn_losses(thread), without({"turn": turns.count([])})]
                supplement = facts_of(thread, ("time",))
                yield Departure(thread_id=thread.id, losses=added_up(losses), supplement=supplement)
        connection.execute("COMMIT")


def _rows(thread: MovedThread, turns: Sequence[Sequence[JsonObject]]) -> list[tuple[str, str, str]]:
    return [
        (thread.id, msgspec.json.encode(item).decode(), _time(turn.created_us or 0))
        for turn, items in zip(thread.turns, turns, strict=True)
        for item in items
    ]


def _time(created_us: int) -> str:
    """Return a time as SQLite writes it."""
    return (to_iso(created_us) or "").replace("T", " ").removesuffix("Z")


WRITER = FileWriter(save=_save)
