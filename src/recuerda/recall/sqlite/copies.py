"""The threads that hold a turn. A fork begins with the turns of its parent, under the same ids."""

from __future__ import annotations

import sqlite3

from recuerda.recall.index import HeldTurn


def holders(thread_id: str, turn: int, connection: sqlite3.Connection) -> list[HeldTurn]:
    """See `RecallIndex.holders`. An application may use an id in two threads, so the time and the text are compared."""
    rows = connection.execute(
        "SELECT others.id, others.incarnation, copies.turn FROM threads JOIN documents AS own "
        "ON own.key BETWEEN threads.key << 32 AND (threads.key << 32) + 4294967295 "
        "AND own.turn = ? AND own.turn_id != '' "
        "JOIN documents AS copies "
        "ON copies.scope = own.scope AND copies.turn_id = own.turn_id AND copies.turn_id != '' "
        "AND copies.created_us = own.created_us AND copies.text = own.text "
        "JOIN threads AS others ON others.key = copies.key >> 32 WHERE threads.id = ?",
        (turn, thread_id),
    )
    return [HeldTurn(*row) for row in rows]
