"""The sessions of the OpenAI Agents SDK: the file of a `SQLiteSession` or of an `AdvancedSQLiteSession`.

The SDK itself is not needed. The tables of `SQLAlchemySession` have the same names and columns, in PostgreSQL too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from recuerda.errors import EncodeError, StateError
from recuerda.formats.branches import threads_of, tree_of
from recuerda.formats.facts_table import facts_in
from recuerda.formats.format import Format
from recuerda.formats.losses import counted
from recuerda.formats.moved import MovedThread
from recuerda.formats.openai_agents_writing import WRITER
from recuerda.formats.source import Source
from recuerda.formats.tables import Row, Tables, tables_of
from recuerda.formats.times import to_us
from recuerda.formats.turns import Conversation, Said, marked_thread
from recuerda.interop.forms import keep
from recuerda.interop.responses_items import ResponsesForm
from recuerda.messages.message import UnknownContent

_FORM = ResponsesForm()

_MESSAGES = "SELECT id, message_data, created_at FROM agent_messages WHERE session_id = ? ORDER BY id"


async def _read(source: Source) -> AsyncIterator[MovedThread]:
    async with tables_of(source) as tables:
        await tables.need("agent_sessions", "agent_messages")
        facts = await facts_in(tables)
        has_branches = "message_structure" in await tables.names()
        for (session_id,) in await tables.fetch("SELECT session_id FROM agent_sessions ORDER BY session_id"):
            paths = await _paths(tables, session_id) if has_branches else []
            if not paths:
                said = [_said(row, session_id) for row in await tables.fetch(_MESSAGES, session_id)]
                yield marked_thread(Conversation(id=session_id), said, facts.get(session_id))
                continue
            for thread in threads_of(Conversation(id=session_id), tree_of(paths)):
                yield thread


async def _paths(tables: Tables, session_id: str) -> list[Sequence[Said]]:
    """Return the messages of each branch. The main branch comes first."""
    rows = await tables.fetch(
        "SELECT s.branch_id, m.id, m.message_data, m.created_at FROM message_structure s "
        "JOIN agent_messages m ON m.id = s.message_id "
        "WHERE s.session_id = ? ORDER BY s.branch_id <> 'main', s.branch_id, s.sequence_number",
        session_id,
    )
    branches: dict[str, list[Said]] = {}
    for branch_id, *row in rows:
        branches.setdefault(branch_id, []).append(_said(tuple(row), session_id))
    return list(branches.values())


def _said(row: Row, session_id: str) -> Said:
    number, data, created = row
    try:
        messages = keep([msgspec.json.decode(data, type=dict[str, Any])], _FORM)
    except (msgspec.DecodeError, EncodeError, KeyError, TypeError, ValueError) as error:
        raise StateError(f"message {number} of session {session_id!r} cannot be read: {error}") from None
    unknown = [part for message in messages for part in message.contents if isinstance(part, UnknownContent)]
    return Said(id=str(number), messages=messages, created_us=to_us(created), losses=counted(unknown))


FORMAT = Format(name="openai-agents", read=_read, writer=WRITER)
