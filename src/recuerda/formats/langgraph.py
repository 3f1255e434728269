"""The checkpoints of LangGraph's `SqliteSaver` and `PostgresSaver`.

Needs the extra `langgraph`, because LangGraph's own serializer reads the values. It never unpickles, and it makes no
objects of classes that it does not know. Of a state, only the messages are moved. Checkpoints form a tree: each newest
checkpoint of a branch gives a thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import msgspec
from langchain_core.messages import BaseMessage, message_to_dict
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from msgspec import structs

from recuerda.errors import EncodeError, StateError
from recuerda.formats.branches import threads_of, tree_of
from recuerda.formats.facts_table import facts_in
from recuerda.formats.format import Format
from recuerda.formats.langchain import LangChainForm
from recuerda.formats.langgraph_writing import WRITER
from recuerda.formats.losses import counted
from recuerda.formats.moved import MovedThread, added_up
from recuerda.formats.openai_chat import ChatForm
from recuerda.formats.source import Source
from recuerda.formats.tables import Tables, tables_of
from recuerda.formats.turns import Conversation, Said, begins_turn, marked_thread
from recuerda.interop.forms import Form, keep
from recuerda.json_value import JsonObject, to_json_object
from recuerda.messages.message import UnknownContent

_Data = dict[str, Any]

_SERDE = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
_CHANNEL = "messages"
_GREGORIAN_US = 12_219_292_800_000_000  # from October 1582, where the times of UUIDs begin, to 1970


class _Head(msgspec.Struct, frozen=True):
    """A checkpoint without its values.

    Attributes:
        id: the checkpoint's id, which holds its time.
        parent: the id of the checkpoint before it.
        is_input: True if the checkpoint was written when a run began.
    """

    id: str
    parent: str | None
    is_input: bool


async def _read(source: Source) -> AsyncIterator[MovedThread]:
    async with tables_of(source) as tables:
        await tables.need("checkpoints")
        facts = await facts_in(tables)
        has_blobs = "checkpoint_blobs" in await tables.names()
        for (thread_id,) in await tables.fetch("SELECT DISTINCT thread_id FROM checkpoints ORDER BY thread_id"):
            heads = await _heads(tables, thread_id)
            if not heads:
                continue
            paths: list[Sequence[Said]] = []
            left_out = 0
            shown: str | None = None
            for leaf in _leaves(heads):
                state = await (_postgres_state if has_blobs else _sqlite_state)(tables, thread_id, leaf)
                messages, others = _messages(state)
                paths.append(_timed(_said(messages, thread_id), heads, leaf))
                left_out = max(left_out, others)
                if leaf == max(heads):
                    shown = paths[-1][-1].id if paths[-1] else None
            about = Conversation(id=thread_id)
            if len(paths) == 1 and thread_id in facts:
                threads = [marked_thread(about, paths[0], facts[thread_id])]
            else:
                threads = list(threads_of(about, tree_of(paths), shown=shown))
            if left_out:
                losses = added_up([threads[0].losses, {"other value of the state": left_out}])
                threads[0] = structs.replace(threads[0], losses=losses)
            for thread in threads:
                yield thread


async def _heads(tables: Tables, thread_id: str) -> dict[str, _Head]:
    rows = await tables.fetch(
        "SELECT checkpoint_id, parent_checkpoint_id, metadata FROM checkpoints "
        "WHERE thread_id = ? AND checkpoint_ns = '' ORDER BY checkpoint_id",
        thread_id,
    )
    return {one: _Head(one, parent, _is_input(metadata)) for one, parent, metadata in rows}


def _is_input(metadata: object) -> bool:
    """Return whether a run began with the checkpoint. SQLite has the metadata as bytes, PostgreSQL as an object."""
    if isinstance(metadata, bytes | str):
        try:
            metadata = msgspec.json.decode(metadata)
        except msgspec.DecodeError:
            return False
    return isinstance(metadata, dict) and cast("_Data", metadata).get("source") == "input"


def _leaves(heads: Mapping[str, _Head]) -> list[str]:
    """Return the last checkpoint of each branch. Of two branches, the one that began first comes first."""
    children: dict[str | None, list[str]] = {}
    for head in heads.values():  # the older checkpoints first
        children.setdefault(head.parent if head.parent in heads else None, []).append(head.id)
    leaves: list[str] = []
    waiting = children.get(None, [])[::-1]
    while waiting:
        one = waiting.pop()
        after = children.get(one, [])
        waiting += reversed(after)
        if not after:
            leaves.append(one)
    return leaves


async def _sqlite_state(tables: Tables, thread_id: str, checkpoint_id: str) -> _Data:
    rows = await tables.fetch(
        "SELECT type, checkpoint FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' AND checkpoint_id = ?",
        thread_id,
        checkpoint_id,
    )
    kind, data = rows[0]
    return _loaded(kind, data, checkpoint_id).get("channel_values") or {}


async def _postgres_state(tables: Tables, thread_id: str, checkpoint_id: str) -> _Data:
    rows = await tables.fetch(
        "SELECT checkpoint FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' AND checkpoint_id = ?",
        thread_id,
        checkpoint_id,
    )
    checkpoint = cast("_Data", rows[0][0])
    values: _Data = dict(checkpoint.get("channel_values") or {})
    for channel, version in cast("_Data", checkpoint.get("channel_versions") or {}).items():
        blobs = await tables.fetch(
            "SELECT type, blob FROM checkpoint_blobs "
            "WHERE thread_id = ? AND checkpoint_ns = '' AND channel = ? AND version = ?",
            thread_id,
            channel,
            str(version),
        )
        for kind, data in blobs:
            if kind != "empty":
                values[channel] = _loaded(kind, data, checkpoint_id)
    return values


def _loaded(kind: str, data: bytes, checkpoint_id: str) -> Any:
    try:
        return _SERDE.loads_typed((kind, data))
    except Exception as error:  # noqa: BLE001 - the serializer raises whatever its parts raise
        raise StateError(f"checkpoint {checkpoint_id!r} cannot be read: {error}") from None


def _messages(state: Mapping[str, Any]) -> tuple[list[Any], int]:
    """Return the messages of a state, and the number of its other values."""
    channel = _CHANNEL if _CHANNEL in state else next((one for one in state if _is_messages(state[one])), None)
    others = [one for one in state if one != channel and not one.startswith(("__", "branch:", "start:"))]
    found: object = [] if channel is None else state[channel]
    return list(cast("list[Any]", found)) if isinstance(found, list | tuple) else [found], len(others)


def _is_messages(value: object) -> bool:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return bool(items) and all(isinstance(item, BaseMessage) for item in items)


def _said(messages: Iterable[Any], thread_id: str) -> list[Said]:
    said: list[Said] = []
    for number, message in enumerate(messages):
        item, form = _item(message)
        try:
            ours = keep([item], form)
        except (EncodeError, KeyError, TypeError, ValueError) as error:
            raise StateError(f"message {number} of thread {thread_id!r} cannot be read: {error}") from None
        unknown = [part for one in ours for part in one.contents if isinstance(part, UnknownContent)]
        identity = getattr(message, "id", None)
        said.append(Said(id=str(identity or f"message-{number}"), messages=ours, losses=counted(unknown)))
    return said


def _item(message: Any) -> tuple[JsonObject, Form]:
    """Return a message as JSON, with the form that converts it."""
    if isinstance(message, BaseMessage):
        return to_json_object(message_to_dict(message), "message"), LangChainForm()
    if isinstance(message, dict):
        data = to_json_object(cast("_Data", message), "message")
        return data, ChatForm() if "role" in data else LangChainForm()
    return {"type": "human", "content": str(message)}, LangChainForm()


def _timed(said: Sequence[Said], heads: Mapping[str, _Head], leaf: str) -> list[Said]:
    """Return the messages, with the time of its run's first checkpoint for each message that begins a turn."""
    times: list[int | None] = []
    at: str | None = leaf
    while at is not None and (head := heads.get(at)) is not None and len(times) <= len(heads):
        if head.is_input:
            times.append(_time(head.id))
        at = head.parent
    begins = begins_turn(said)
    if sum(begins) != len(times):
        return list(said)
    return [replace(one, created_us=times.pop()) if begin else one for one, begin in zip(said, begins, strict=True)]


def _time(checkpoint_id: str) -> int | None:
    """Return the time in the id of a checkpoint, which is a UUID of version 6 (RFC 9562)."""
    try:
        found = UUID(checkpoint_id)
    except ValueError:
        return None
    ticks = (found.time_low << 28) | (found.time_mid << 12) | (found.time_hi_version & 0x0FFF)
    return ticks // 10 - _GREGORIAN_US if found.version == 6 else None


FORMAT = Format(name="langgraph", read=_read, writer=WRITER)
