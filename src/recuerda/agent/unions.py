"""A union of several objects as the form of an answer.

msgspec tells the objects of a union apart by their tags only. Objects without tags are told apart here, by their
fields: the value is of the first type that fits and knows each field that is there.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin

import msgspec

from recuerda.agent.parameters import ArgumentError, Schema, TypedParameters, typed_parameters
from recuerda.errors import ConfigurationError

_REFERENCE = "#/$defs/"


class UnionParameters(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter whose type is a union.

    Attributes:
        name: the name of the parameter.
        schema: the JSON schema of the arguments.
        choices: the parameter with each type of the union.
    """

    name: str
    schema: Schema
    choices: tuple[TypedParameters, ...]

    def check(self, arguments: str | Mapping[str, Any]) -> dict[str, Any]:
        """Do what `Parameters.check` describes."""
        fitting: list[dict[str, Any]] = []
        problems: list[str] = []
        for choice in self.choices:
            try:
                values = choice.check(arguments)
            except ArgumentError as error:
                problems.append(str(error))
                continue
            if self._knows_each_field(choice, arguments):
                return values
            fitting.append(values)
        if fitting:
            return fitting[0]
        raise ArgumentError("; or ".join(dict.fromkeys(problems)))

    def _knows_each_field(self, choice: TypedParameters, arguments: str | Mapping[str, Any]) -> bool:
        given: Any = msgspec.json.decode(arguments) if isinstance(arguments, str) else arguments
        value = given.get(self.name)
        known = _resolved(choice.schema, self.name).get("properties")
        return not isinstance(value, dict) or known is None or cast("dict[str, Any]", value).keys() <= known.keys()


def union_parameters(name: str, union: object, owner: str) -> UnionParameters | None:
    """Return one parameter whose type is a union; None if the type is no union.

    Raises:
        ConfigurationError: a type of the union cannot be described to a model, or two of them have one name.
    """
    if get_origin(union) not in (Union, UnionType):
        return None
    parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
    choices = tuple(typed_parameters({name: parameter}, {name: one}, {}, owner) for one in get_args(union))
    schema: Schema = {
        "type": "object",
        "properties": {name: {"anyOf": [choice.schema["properties"][name] for choice in choices]}},
        "required": [name],
        "additionalProperties": False,
    }
    if definitions := _definitions(choices, owner):
        schema["$defs"] = definitions
    return UnionParameters(name=name, schema=schema, choices=choices)


def _definitions(choices: Sequence[TypedParameters], owner: str) -> Schema:
    joined: Schema = {}
    for choice in choices:
        for name, definition in choice.schema.get("$defs", {}).items():
            if joined.setdefault(name, definition) != definition:
                raise ConfigurationError(f"{owner} uses two types that are both called {name!r}: rename one")
    return joined


def _resolved(schema: Schema, name: str) -> Schema:
    node: Schema = schema["properties"][name]
    reference = str(node.get("$ref", "")).removeprefix(_REFERENCE)
    return cast("Schema", schema.get("$defs", {}).get(reference, node))
