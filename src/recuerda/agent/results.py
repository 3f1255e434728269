"""The result of a function, in the form in which a thread keeps it and a model gets it: JSON, or texts and files.

A function may return an image or a file, a list of texts and files, or data with files inside. The files stay files, so
that the model sees a picture instead of the picture's bytes as text. Any other value becomes JSON; see `to_kept_json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

import msgspec

from recuerda.errors import EncodeError
from recuerda.json_value import Json, to_kept_json
from recuerda.messages.codec import message_to_json
from recuerda.messages.message import (
    FILES,
    AnyFile,
    ChatMessage,
    DataContent,
    FunctionResultContent,
    ResultPart,
    TextContent,
    file_mark,
    text_of_parts,
)
from recuerda.window.tokens import as_text

_MAX_DEPTH = 20
"""The nesting up to which files are looked for in data."""

NOTE = "Parts of the result have no JSON form and are shown as text."
"""The text that tells the model about a result that could not be kept unchanged."""


def function_result(call_id: str, value: object) -> tuple[FunctionResultContent, bool]:
    """Return the result for a call, and whether the value had to be changed because a part of it has no JSON form."""
    plain, parts, files = _taken_apart(value)
    if parts:
        texts_only = not any(isinstance(part, FILES) for part in parts)
        result = text_of_parts(parts) if texts_only else None
        return FunctionResultContent(call_id, result, parts=() if texts_only else parts), False
    kept, is_changed = to_kept_json(plain)
    told: Json = kept
    if is_changed:
        told = kept if isinstance(kept, str) else {"result": kept, "note": NOTE}
    shown = (TextContent(as_text(told)), *files) if files else ()
    return FunctionResultContent(call_id, told, parts=shown), is_changed


_Parts: TypeAlias = tuple[ResultPart, ...]


def _taken_apart(value: object) -> tuple[object, _Parts, Sequence[AnyFile]]:
    """Return the data of a value, or its texts and files, and the files that are inside the data."""
    try:
        if (parts := _parts(value)) and _can_be_kept(parts):
            return None, parts, ()
        files: list[AnyFile] = []
        plain = _without_files(value, files, {})
        return (plain, (), files) if files and _can_be_kept(files) else (value, (), ())
    except Exception:  # noqa: BLE001 - code of the value, such as a property, may raise anything
        return value, (), ()


def _parts(value: object) -> _Parts:
    """Return a value as texts and files; nothing if it is any other data, such as a list of strings."""
    items = cast("Sequence[object]", value) if isinstance(value, list | tuple) else [value]
    if not any(isinstance(item, ResultPart) for item in items):
        return ()
    parts = [TextContent(item) if isinstance(item, str) else item for item in items]
    known = tuple(part for part in parts if isinstance(part, ResultPart))
    return known if len(known) == len(parts) else ()


def _without_files(value: object, found: list[AnyFile], known: dict[int, object], depth: int = 0) -> object:
    """Return data with a mark in the place of each file, and add the files to `found`."""
    if isinstance(value, FILES):
        found.append(value)
        return file_mark(value)
    if depth > _MAX_DEPTH or not isinstance(value, Mapping | list | tuple):
        return value
    own = id(cast("object", value))
    if own in known:
        return known[own]
    known[own] = data = cast("Mapping[object, object] | Sequence[object]", value)
    count = len(found)
    if isinstance(data, Mapping):
        plain: object = {name: _without_files(item, found, known, depth + 1) for name, item in data.items()}
    else:
        plain = [_without_files(item, found, known, depth + 1) for item in data]
    known[own] = data if len(found) == count else plain
    return known[own]


def _can_be_kept(parts: Sequence[ResultPart]) -> bool:
    bare = [
        msgspec.structs.replace(part, data=b"") if isinstance(part, DataContent) and type(part.data) is bytes else part
        for part in parts
    ]
    try:
        message_to_json(ChatMessage("tool", bare))
    except EncodeError:
        return False
    return True
