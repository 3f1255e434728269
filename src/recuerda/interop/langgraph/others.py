"""The turns that other programs added to a graph's thread, as messages of the graph's state.

A run that asks for the newest checkpoint also gets what was said since, at the end of its list of messages. The
checkpoint itself does not change. The first checkpoint that the run puts stores these messages in its own list.

On a thread that has no checkpoint yet, the run gets a checkpoint that exists only for it: the origin.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import msgspec
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages import ChatMessage as LangChainMessage
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple
from langgraph.checkpoint.serde.types import INTERRUPT, TASKS

from recuerda.interop.langgraph.places import ORIGIN, Seen, config_of
from recuerda.json_value import Json, JsonObject
from recuerda.messages.codec import message_from_json
from recuerda.messages.message import (
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    UriContent,
)

_BRANCH = "branch:to:"
_TASKS = frozenset(("__start__", TASKS))
"""The channels that have a value while a task is still to be run, with those that begin with `_BRANCH`."""

_FORMAT = 4
"""The version of a checkpoint's form that LangGraph 1.2 writes."""


class OtherTurn(NamedTuple):
    """A turn that another program added.

    Attributes:
        number: the number of its record.
        record_id: the id of its record.
        messages: its messages, as JSON.
    """

    number: int
    record_id: str
    messages: Sequence[Json]


def spoken(turns: Iterable[OtherTurn]) -> list[BaseMessage]:
    """Return the messages of turns in LangChain's form, as well as it can say them. Each has an id."""
    return [
        found
        for turn in turns
        for place, data in enumerate(turn.messages)
        for found in _converted(message_from_json(data), f"{turn.record_id}-{place}")
    ]


def joined(found: CheckpointTuple, turns: Sequence[OtherTurn], channel: str, seen: Seen) -> CheckpointTuple:
    """Return a checkpoint with the messages of turns, as the run sees it that asked for the newest checkpoint.

    A checkpoint stays as it is if its channel holds no list, or if its graph is not at rest: a message between a call
    and its result would spoil the conversation. Then the turns are joined later.

    Args:
        found: the checkpoint.
        turns: the turns that it does not have.
        channel: the channel of messages.
        seen: what the run sees with the turns.
    """
    checkpoint = found.checkpoint
    former: object = checkpoint["channel_values"].get(channel)
    version = checkpoint["channel_versions"].get(channel)
    if not turns or not isinstance(former, list) or not isinstance(version, int) or not _is_at_rest(found):
        return found
    known = {item.id for item in cast("list[object]", former) if isinstance(item, BaseMessage)}
    messages = [*cast("list[object]", former), *(message for message in spoken(turns) if message.id not in known)]
    changed: Checkpoint = {
        **checkpoint,
        "channel_values": {**checkpoint["channel_values"], channel: messages},
        "channel_versions": {**checkpoint["channel_versions"], channel: version + 1},
    }
    configurable = found.config.get("configurable", {})
    config = config_of(configurable["thread_id"], ("", checkpoint["id"]), seen)
    return found._replace(checkpoint=changed, config=config)


def origin(thread_id: str, said: Sequence[BaseMessage], channel: str, seen: Seen | None) -> CheckpointTuple:
    """Return the checkpoint of a thread in which only other programs have said something."""
    return CheckpointTuple(
        config=config_of(thread_id, ("", ORIGIN), seen),
        checkpoint={
            "v": _FORMAT,
            "id": ORIGIN,
            "ts": datetime.fromtimestamp(0, UTC).isoformat(),
            "channel_values": {channel: list(said)},
            "channel_versions": {channel: 1},
            "versions_seen": {},
            "updated_channels": None,
        },
        metadata={"source": "update", "step": -1, "parents": {}},
        pending_writes=[],
    )


def _is_at_rest(found: CheckpointTuple) -> bool:
    """Return True if no task of the graph is still to be run."""
    if any(channel == INTERRUPT for _, channel, _ in found.pending_writes or ()):
        return False
    return not any(name in _TASKS or name.startswith(_BRANCH) for name in found.checkpoint["channel_values"])


def _converted(message: ChatMessage, message_id: str) -> list[BaseMessage]:
    known: dict[str, Any] = {"id": message.message_id or message_id, "name": message.author_name}
    match message.role:
        case "user":
            return [HumanMessage(_content(message), **known)]
        case "assistant":
            return [AIMessage(_content(message), tool_calls=[_call(call) for call in message.function_calls], **known)]
        case "tool":
            return [
                _result(part, f"{known['id']}-{place}" if place else known["id"])
                for place, part in enumerate(message.contents)
                if isinstance(part, FunctionResultContent)
            ]
        case "system" | "developer":
            return [SystemMessage(_content(message), **known)]
        case role:
            return [LangChainMessage(content=_content(message), role=role, **known)]


def _content(message: ChatMessage) -> Any:
    if isinstance(message.content, str):
        return message.content
    parts = [part for content in message.content if (part := _part(content)) is not None]
    return message.text if all(part["type"] == "text" for part in parts) else parts


def _part(content: object) -> JsonObject | None:
    match content:
        case TextContent(text=text):
            return {"type": "text", "text": text}
        case UriContent(uri=uri, media_type=media_type):
            return {"type": _kind(media_type), "url": uri, "mime_type": media_type}
        case DataContent(data=data, media_type=media_type):
            return {"type": _kind(media_type), "base64": base64.b64encode(data).decode(), "mime_type": media_type}
        case _:
            return None


def _kind(media_type: str) -> str:
    start = media_type.partition("/")[0]
    return start if start in ("image", "audio", "video") else "file"


def _call(call: FunctionCallContent) -> dict[str, Any]:
    arguments: object = call.arguments
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments)
        except msgspec.DecodeError:
            arguments = {"arguments": arguments}
    args = cast("JsonObject", arguments) if isinstance(arguments, dict) else {"arguments": arguments}
    return {"name": call.name, "args": args, "id": call.call_id, "type": "tool_call"}


def _result(part: FunctionResultContent, message_id: str) -> ToolMessage:
    result = part.result
    text = result if isinstance(result, str) else msgspec.json.encode(result).decode()
    return ToolMessage(text, tool_call_id=part.call_id, id=message_id, status="error" if part.is_error else "success")
