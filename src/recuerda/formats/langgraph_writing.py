"""The file of LangGraph's `SqliteSaver`, written. Each thread is a LangGraph thread with one checkpoint.

The checkpoint has the messages in the channel `messages`, as `MessagesState` and LangGraph's prebuilt agents do. Each
checkpoint holds all messages, so earlier checkpoints are not written. A branch is a thread of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import msgspec
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from langgraph.checkpoint.base import Checkpoint, empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from recuerda.formats.differences import missing
from recuerda.formats.facts import facts_of, turn_losses, without
from recuerda.formats.facts_table import opened, put_facts
from recuerda.formats.format import Departure, Family, FileWriter
from recuerda.formats.langchain import LIST, LangChainForm, plain
from recuerda.formats.moved import MovedThread, MovedTurn, added_up
from recuerda.formats.supplement import supplement_of
from recuerda.interop.forms import keep
from recuerda.json_value import to_json_object

# The tables of langgraph-checkpoint-sqlite 3.1.
_SCHEMA = """
CREATE TABLE checkpoints (
    thread_id TEXT NOT NULL,
    checkpoint_ns TEXT NOT NULL DEFAULT '',
    checkpoint_id TEXT NOT NULL,
    parent_checkpoint_id TEXT,
    type TEXT,
    checkpoint BLOB,
    metadata BLOB,
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id)
);
CREATE TABLE writes (
    thread_id TEXT NOT NULL,
    checkpoint_ns TEXT NOT NULL DEFAULT '',
    checkpoint_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    task_path TEXT NOT NULL DEFAULT '',
    idx INTEGER NOT NULL,
    channel TEXT NOT NULL,
    type TEXT,
    value BLOB,
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
)
"""
_INSERT = "INSERT INTO checkpoints VALUES (?, '', ?, NULL, ?, ?, ?)"
_FIRST_VERSION = f"{1:032}.{0:016}"
"""The version of a channel that was written once, as LangGraph's savers count."""

_SERDE = JsonPlusSerializer()


async def _save(families: AsyncIterable[Family], path: Path) -> AsyncIterator[Departure]:
    with closing(opened(path, _SCHEMA)) as connection:
        async for family in families:
            for thread in family:
                turns = [_messages(turn) for turn in thread.turns]
                checkpoint = _checkpoint([message for messages in turns for message in messages])
                kind, data = _SERDE.dumps_typed(checkpoint)
                metadata = msgspec.json.encode({"source": "update", "step": len(turns), "parents": {}})
                connection.execute(_INSERT, (thread.id, checkpoint["id"], kind, data, metadata))
                put_facts(connection, thread.id, supplement_of(thread, [len(messages) for messages in turns]))
                yield _departure(thread, turns)
        connection.execute("COMMIT")


def _checkpoint(messages: Sequence[BaseMessage]) -> Checkpoint:
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = {"messages": [*messages]}
    checkpoint["channel_versions"] = {"messages": _FIRST_VERSION}
    return checkpoint


def _messages(turn: MovedTurn) -> list[BaseMessage]:
    """Return the messages of a turn. LangGraph needs an id for each, so that it replaces none by mistake."""
    messages: list[BaseMessage] = []
    for number, item in enumerate(LIST.items(turn)):
        with suppress(ValueError):  # a message of an unknown class, which the losses count
            messages += messages_from_dict([plain(item)])
            messages[-1].id = messages[-1].id or f"{turn.id}:{number}"
    return messages


def _departure(thread: MovedThread, turns: Sequence[Sequence[BaseMessage]]) -> Departure:
    lost = [_lost(turn, messages) for turn, messages in zip(thread.turns, turns, strict=True)]
    unsaid = sum(not messages for messages in turns)
    losses = added_up([*lost, turn_losses(thread), without({"turn": unsaid})])
    return Departure(thread_id=thread.id, losses=losses, supplement=facts_of(thread))


def _lost(turn: MovedTurn, messages: Sequence[BaseMessage]) -> dict[str, int]:
    items = [to_json_object(message_to_dict(message), "message") for message in messages]
    return missing(turn.turn.messages, keep(items, LangChainForm()))


WRITER = FileWriter(save=_save)
