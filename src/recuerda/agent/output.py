"""The form of an answer: the type that the caller of a run wants, its JSON schema, and the check of an answer.

A type is described and checked like the parameter of a tool. A service needs the schema of an object, so the value of
any other type is wrapped: `list[int]` becomes `{"response": [1, 2]}`. The thread keeps the text of the model, and the
value is read from that text, for a replay as well.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import msgspec

from recuerda.agent.chat import OutputSchema
from recuerda.agent.parameters import ArgumentError, Parameters, Schema, typed_parameters
from recuerda.agent.unions import union_parameters
from recuerda.errors import ConfigurationError, OutputError, OutputRefused
from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage, RefusalContent

WRAPPER = "response"
"""The name of the field that holds a value which is not an object."""

_CORRECTION = "The answer does not have the required form"
_KNOWN_FORMS = 256
# `re` compiles a pattern when it is first used, and keeps it. So an import of recuerda compiles few.
_NOT_IN_NAME = r"[^A-Za-z0-9_-]+"
_MAX_NAME_LENGTH = 64
_OBJECT = r"(?s)\{.*\}"
_PLACE = r" - at `\$\.?([^`]*)`"
_MISSING = r"missing required field `([^`]*)`"
_REFERENCE = "#/$defs/"


class OutputForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form that an answer has to have.

    Attributes:
        type_name: the name of the type, for errors.
        schema: the schema for the service.
        is_wrapped: True if the value is in the field `WRAPPER` of an object.
    """

    type_name: str
    schema: OutputSchema
    is_wrapped: bool
    _parameters: Parameters

    def value(self, answer: ChatMessage) -> Any:
        """Return the value of an answer.

        Raises:
            OutputRefused: the model refused to answer.
            OutputError: the answer does not have the form.
        """
        if any(isinstance(part, RefusalContent) for part in answer.contents):
            raise OutputRefused(self.type_name)
        try:
            return self._read(_json(answer.text))
        except ArgumentError as error:
            reason = str(error)
        raise OutputError(self.type_name, reason=reason, field=_field(reason))

    def _read(self, text: str) -> Any:
        """Return the value of a JSON text."""
        if self.is_wrapped:
            return self._parameters.check(text)[WRAPPER]
        try:
            return self._parameters.check(f'{{"{WRAPPER}":{text}}}')[WRAPPER]
        except ArgumentError as error:
            # The model knows nothing of this field.
            reason = str(error).replace(f"`$.{WRAPPER}", "`$").removesuffix(" - at `$`")
            raise ArgumentError(reason) from None


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that does not have the form, and the message that asks for another one.

    Only the service gets them, and the thread keeps the answer that has the form. A thread that the service keeps has
    them as well.

    Attributes:
        sent: the answer and the message, to be sent with the next requests.
        stored: the answer and the message, to be kept in the turn.
        position: the place of `sent` among the messages of the turn.
    """

    sent: tuple[ChatMessage, ...]
    stored: tuple[ChatMessage, ...]
    position: int

    @classmethod
    def of(cls, answer: ChatMessage, error: OutputError, *, position: int, is_kept: bool) -> Correction:
        """Return the correction of an answer; `is_kept` is True when the service keeps the thread."""
        text = f"{_CORRECTION}: {error.reason}. Give the whole answer again."
        both = (answer, ChatMessage("user", text))
        return cls(sent=() if is_kept else both, stored=both if is_kept else (), position=position)

    def added_to(self, said: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
        """Return the messages of a turn with the correction."""
        return [*said[: self.position], *self.sent, *said[self.position :]]


def is_correction(message: ChatMessage) -> bool:
    """Return whether a message asks for an answer in another form."""
    return message.role == "user" and message.text.startswith(_CORRECTION)


def output_form(output_type: object) -> OutputForm | None:
    """Return the form that a caller asked for; None if the answer is text.

    Raises:
        ConfigurationError: the type cannot be described to a model.
    """
    if output_type is None:
        return None
    if isinstance(output_type, str):
        raise ConfigurationError("output_type is a text: give the type itself, such as output_type=Trip")
    try:
        return _form(output_type)
    except TypeError:  # the notes of an Annotated type may not be hashable
        return _form.__wrapped__(output_type)


@lru_cache(maxsize=_KNOWN_FORMS, typed=True)
def _form(output_type: object) -> OutputForm:
    type_name = _type_name(output_type)
    try:
        known = _parameters(output_type, type_name)
    except (ConfigurationError, NameError) as error:
        raise ConfigurationError(
            f"output_type {type_name} cannot be described to a model: {error.__cause__ or error}"
        ) from error
    own = _object_schema(known.schema)
    schema = OutputSchema(
        name=re.sub(_NOT_IN_NAME, "_", type_name).strip("_")[:_MAX_NAME_LENGTH] or "output",
        schema=cast("JsonObject", known.schema if own is None else own),
    )
    return OutputForm(type_name=type_name, schema=schema, is_wrapped=own is None, _parameters=known)


def _parameters(output_type: object, type_name: str) -> Parameters:
    """Return the value as the only parameter of a tool."""
    parameter = inspect.Parameter(WRAPPER, inspect.Parameter.KEYWORD_ONLY)
    try:
        return typed_parameters({WRAPPER: parameter}, {WRAPPER: output_type}, {}, type_name)
    except ConfigurationError:
        union = union_parameters(WRAPPER, output_type, type_name)
        if union is None:
            raise
        return union


def _type_name(output_type: object) -> str:
    if isinstance(output_type, type) and not hasattr(output_type, "__args__"):
        return output_type.__name__
    return re.sub(r"\b(?:[A-Za-z_]\w*\.|<locals>\.)+", "", str(output_type))


def _object_schema(schema: Schema) -> Schema | None:
    """Return the schema of the wrapped type itself if it is the schema of an object; None if it is not."""
    node: Schema = schema["properties"][WRAPPER]
    definitions: Schema = dict(schema.get("$defs") or {})
    if (name := str(node.get("$ref", "")).removeprefix(_REFERENCE)) in definitions:
        node = {**definitions[name], **{key: value for key, value in node.items() if key != "$ref"}}
        others = {other: value for other, value in definitions.items() if other != name}
        if f'"{_REFERENCE}{name}"' not in msgspec.json.encode([node, others]).decode():
            definitions = others
    if node.get("type") != "object":
        return None
    return {**node, "$defs": definitions} if definitions else node


def _json(text: str) -> str:
    """Return the JSON text of an answer. A model may put words or a code fence around the object.

    Raises:
        ArgumentError: the answer holds no JSON.
    """
    found = re.search(_OBJECT, text)
    for candidate in (text, found[0] if found else text):
        try:
            msgspec.json.decode(candidate)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            problem = str(error)
        else:
            return candidate
    raise ArgumentError(f"the answer is not JSON: {problem}")


def _field(reason: str) -> str | None:
    """Return the place that a checker's words name, such as `stops[0].city`; None if they name none."""
    place, missing = re.search(_PLACE, reason), re.search(_MISSING, reason)
    return ".".join(found[1] for found in (place, missing) if found and found[1]) or None
