"""Values of channels as JSON, and back.

Plain values are written as plain JSON, and LangChain's messages as our own messages. A JSON object whose only meaning
is its form has a key that starts with `$`:

- `{"$m": 3}`: the third of the messages that the record shows to every reader.
- `{"$c": {…}}`: a message that the record does not show.
- `{"$s": "…", "$t": "msgpack"}`: bytes from LangGraph's serializer, in base64. Beside `$m`, they are the exact form of
  a message that our own form shows only in part.

With a serializer of another class, such as one that encrypts, every value is written in its form.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.event_hooks import SerdeEvent, register_serde_event_listener
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from recuerda.errors import EncodeError, RecuerdaError, StateError
from recuerda.interop.langgraph.messages import ROLES, from_message, is_same_message, to_message
from recuerda.json_value import Json, JsonObject, check_text
from recuerda.messages.codec import message_from_json, message_to_json

_MAX_DEPTH = 50
_INTEGERS = range(-(2**63), 2**64)
_MSGPACK = "msgpack"
_KINDS = frozenset((_MSGPACK, "bytes", "bytearray", "null"))


class Values:
    """Write values as JSON, and read them.

    Args:
        serde: the serializer of values that are neither plain JSON nor messages.
    """

    def __init__(self, serde: SerializerProtocol) -> None:
        self._serde = serde
        self._is_plain = type(serde) is JsonPlusSerializer

    def encode(self, value: object, path: str) -> Json:
        """Return a value as JSON.

        Raises:
            EncodeError: the value cannot be stored, or its class may not be made again when it is read.
        """
        return self._encode(value, path, 0) if self._is_plain else self._sealed(value, path)

    def encode_shown(self, value: object, path: str, shown: list[JsonObject]) -> Json:
        """Return a value as JSON. If it is a message, add it to the messages that the record shows."""
        if not self._is_plain or type(value) not in ROLES:
            return self.encode(value, path)
        message = cast("BaseMessage", value)
        form, is_exact = self._form(message, path)
        if form is None:
            return self._sealed(value, path)
        shown.append(form)
        place: JsonObject = {"$m": len(shown) - 1}
        return place if is_exact else {**place, **self._sealed(value, path)}

    def decode(self, data: Json, shown: Sequence[Json] = ()) -> Any:
        """Return the value that was written.

        Args:
            data: the value's JSON.
            shown: the messages that its record shows.

        Raises:
            StateError: the value is of a kind that is never written.
        """
        if isinstance(data, list):
            return [self.decode(item, shown) for item in data]
        if not isinstance(data, dict):
            return data
        if "$s" in data:
            return self._opened(str(data.get("$t", _MSGPACK)), str(data["$s"]))
        if "$m" in data:
            return from_message(message_from_json(shown[cast("int", data["$m"])]))
        if "$c" in data:
            return from_message(message_from_json(data["$c"]))
        return {key: self.decode(item, shown) for key, item in data.items()}

    def fingerprint(self, value: object) -> tuple[str, bytes]:
        """Return bytes that differ if two values differ."""
        return self._serde.dumps_typed(value)

    def _encode(self, value: object, path: str, depth: int) -> Json:
        kind = type(value)
        if value is None or kind is bool or (kind is int and cast("int", value) in _INTEGERS):
            return cast("int | None", value)
        if kind is str:
            check_text(cast("str", value), path)
            return cast("str", value)
        if kind is float and math.isfinite(cast("float", value)):
            return cast("float", value)
        if depth < _MAX_DEPTH:
            if kind is list:
                items = cast("list[object]", value)
                return [self._encode(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(items)]
            if kind is dict and all(map(_is_plain_key, cast("dict[object, object]", value))):
                pairs = cast("dict[str, object]", value).items()
                return {key: self._encode(item, f"{path}.{key}", depth + 1) for key, item in pairs}
        if kind in ROLES:
            form, is_exact = self._form(cast("BaseMessage", value), path)
            if form is not None and is_exact:
                return {"$c": form}
        return self._sealed(value, path)

    def _form(self, message: BaseMessage, path: str) -> tuple[JsonObject | None, bool]:
        """Return a message in our form, and whether LangChain's message comes back from it exactly."""
        try:
            ours = to_message(message)
            form = message_to_json(ours, path)
        except (RecuerdaError, TypeError):
            return None, False
        try:
            # Plain data is the same after a way through JSON.
            if is_same_message(from_message(ours), message):
                return form, True
            back = from_message(message_from_json(form))
        except (RecuerdaError, TypeError, ValueError, KeyError):
            return form, False
        return form, type(back) is type(message) and self.fingerprint(back) == self.fingerprint(message)

    def _opened(self, kind: str, text: str) -> Any:
        # LangGraph's JSON may name classes to make, and a pickle may name any code. Neither is ever written.
        if self._is_plain and kind not in _KINDS:
            raise StateError(f"a value of the kind {kind!r} was not written by this saver, so it is not read")
        return self._serde.loads_typed((kind, base64.b64decode(text)))

    def _sealed(self, value: object, path: str) -> JsonObject:
        try:
            kind, data = self._serde.dumps_typed(value)
        except Exception as error:
            raise EncodeError(path, f"LangGraph's serializer refuses it ({type(error).__name__}: {error})") from error
        if self._is_plain:
            self._check_readable(kind, data, path)
        sealed: JsonObject = {"$s": base64.b64encode(data).decode()}
        return sealed if kind == _MSGPACK else {**sealed, "$t": kind}

    def _check_readable(self, kind: str, data: bytes, path: str) -> None:
        with _blocked() as names:
            self._serde.loads_typed((kind, data))
        if names:
            raise EncodeError(
                path,
                f"the class {names[0]} may not be made again from stored data; allow it with "
                f"RecuerdaSaver(…, allowed_types=[{names[0].rpartition('.')[2]}])",
            )


def _is_plain_key(key: object) -> bool:
    return type(key) is str and not key.startswith("$")


_names: ContextVar[list[str] | None] = ContextVar("_names", default=None)


@contextmanager
def _blocked() -> Generator[list[str]]:
    """Collect the names of the classes that LangGraph's serializer refuses to make."""
    names: list[str] = []
    token = _names.set(names)
    try:
        yield names
    finally:
        _names.reset(token)


def _note(event: SerdeEvent) -> None:
    names = _names.get()
    if names is not None and event["kind"] == "msgpack_blocked":
        names.append(f"{event['module']}.{event['name']}")


register_serde_event_listener(_note)
