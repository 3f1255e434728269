"""Pydantic AI's messages as items, and back: its own JSON, without the fields that have no value."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter

from recuerda.interop.pydantic_items import named
from recuerda.json_value import JsonObject

_Data = dict[str, Any]


def dump(messages: Sequence[ModelMessage]) -> list[JsonObject]:
    """Return messages as JSON, without the fields whose value is the default."""
    plain = ModelMessagesTypeAdapter.dump_python([*messages], mode="json")
    return [_slim(message, data) for message, data in zip(messages, plain, strict=True)]


def load(items: Sequence[JsonObject]) -> list[ModelMessage]:
    """Return the messages of their JSON form."""
    return ModelMessagesTypeAdapter.validate_python(named(items))


def _slim(message: ModelMessage, data: _Data) -> JsonObject:
    slim = _without_defaults(message, data)
    slim["parts"] = [_without_defaults(part, one) for part, one in zip(message.parts, data["parts"], strict=True)]
    if "usage" in slim:
        slim["usage"] = _without_defaults(cast("Any", message).usage, data["usage"])
    return slim


def _without_defaults(value: Any, data: _Data) -> _Data:
    kept = {"kind", "part_kind"}
    defaults = {field.name: field.default for field in dataclasses.fields(value) if field.name not in kept}
    return {name: one for name, one in data.items() if not (name in defaults and _is_default(one, defaults[name]))}


def _is_default(value: object, default: object) -> bool:
    return type(value) is type(default) and value == default
