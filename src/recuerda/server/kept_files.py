"""The bytes in items that are kept whole, such as the screenshot of a `computer_call_output`.

Such an item stands beside its message as JSON. Its long texts in base64 become files of the message, so that the
storage keeps their bytes beside the turn, and each file once. A small object takes the place of each text.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import cast

from recuerda.json_value import Json, JsonObject, replaced
from recuerda.messages.files import LARGEST_INLINE
from recuerda.messages.message import AnyContent, DataContent, UriContent

FILE = "recuerda.file"
"""The only key of an object that stands for a text in base64. Its value is the number of the file."""

_MEDIA_TYPE = "application/octet-stream"


def lifted(item: JsonObject) -> tuple[JsonObject, list[DataContent | UriContent]]:
    """Return an item without its long texts in base64, and the files that hold their bytes."""
    files: list[DataContent | UriContent] = []

    def reference(value: Json) -> Json:
        if not isinstance(value, str) or (file := _file(value)) is None:
            return None
        files.append(file)
        return {FILE: len(files) - 1}

    return cast("JsonObject", replaced(item, reference)), files


def put_back(item: JsonObject, files: Sequence[AnyContent]) -> JsonObject:
    """Return the item that `lifted` took apart. A text whose file is not there is left empty."""

    def text(value: Json) -> Json:
        match value:
            case {"recuerda.file": int(number)} if len(value) == 1 and number < len(files):
                return _text(files[number])
            case _:
                return None

    return cast("JsonObject", replaced(item, text))


def _file(text: str) -> DataContent | UriContent | None:
    """Return the file of a text that its bytes give again exactly; None for any other text."""
    if len(text) <= LARGEST_INLINE:
        return None
    head, comma, rest = text.partition(",")
    encoded = rest if comma else text
    if comma and not (head.startswith("data:") and head.endswith(";base64")):
        return None
    try:
        data = b64decode(encoded, validate=True)
    except ValueError:
        return None
    if b64encode(data).decode() != encoded:
        return None
    return UriContent(text, head[5:].partition(";")[0] or _MEDIA_TYPE) if comma else DataContent(data, _MEDIA_TYPE)


def _text(file: AnyContent) -> str:
    match file:
        case UriContent():
            return file.uri
        case DataContent():
            return b64encode(file.data).decode()
        case _:
            return ""
