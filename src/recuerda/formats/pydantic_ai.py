"""The messages of Pydantic AI as JSON: what `ModelMessagesTypeAdapter` writes. Pydantic AI itself is not needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from recuerda.formats.format import Format
from recuerda.formats.message_lists import ListFormat, messages_in
from recuerda.formats.times import to_us
from recuerda.interop.pydantic_items import PydanticForm, named
from recuerda.json_value import Json, JsonObject
from recuerda.storage.records import from_microseconds


def _time(item: JsonObject) -> int | None:
    if (found := to_us(item.get("timestamp"))) is not None:
        return found
    parts = cast("list[Any]", item["parts"]) if isinstance(item.get("parts"), list) else []
    times = (to_us(cast("JsonObject", part).get("timestamp")) for part in parts if isinstance(part, dict))
    return next((time for time in times if time is not None), None)


def _timed(item: JsonObject, created_us: int) -> JsonObject:
    """Return a message with a time. A request has a time for each of its parts."""
    time = from_microseconds(created_us).isoformat()
    if item.get("kind") == "response":
        return {**item, "timestamp": time}
    parts = [{**part, "timestamp": time} if isinstance(part, dict) else part for part in _list(item.get("parts"))]
    return {**item, "parts": [*parts]}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _is_like(values: Sequence[object]) -> bool:
    found = messages_in(values, "messages")
    return bool(found) and all(
        item.get("kind") in ("request", "response") and isinstance(item.get("parts"), list) for item in found
    )


LIST = ListFormat(form=PydanticForm(), needs=("kind",), time_of=_time, id_of=lambda _: None, joined=named, timed=_timed)

FORMAT = Format(name="pydantic-ai", read=LIST.read, writer=LIST.writer(), is_like=_is_like)
