"""JSON schemas in the subset that OpenAI's strict mode accepts.

In strict mode the service guarantees that an answer matches the schema. Each object then lists all of its fields as
required and allows no others. A keyword outside the subset moves into the description, where the model still reads
it. A schema that the subset cannot say, such as a dictionary with free keys, is sent without strict mode. See
https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from recuerda.json_value import JsonObject

_PLAIN = frozenset(
    {
        "$ref",
        "const",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maxItems",
        "maximum",
        "minItems",
        "minimum",
        "multipleOf",
        "pattern",
        "title",
        "type",
    }
)
_TYPES: dict[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
_FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"})
_DROPPED = frozenset(
    {"$defs", "additionalProperties", "default", "discriminator", "examples", "properties", "required"}
)
_NOT_IN_SUBSET = frozenset(
    {"allOf", "contains", "dependentRequired", "dependentSchemas", "else", "if", "not", "patternProperties"}
    | {"prefixItems", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"}
)


def strict_schema(schema: JsonObject) -> JsonObject | None:
    """Return the schema in the subset of the strict mode; None if the subset cannot say it."""
    try:
        return _strict(schema)
    except _OutsideError:
        return None


class _OutsideError(Exception):
    """A schema is outside of the subset."""


def _strict(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise _OutsideError
    node = cast("Mapping[str, Any]", schema)
    if not node.keys() & {"type", "enum", "const", "anyOf", "oneOf", "$ref"} or node.keys() & _NOT_IN_SUBSET:
        raise _OutsideError
    strict = {name: value for name, value in node.items() if name in _PLAIN}
    for name in ("anyOf", "oneOf"):
        if name in node:
            strict["anyOf"] = [_strict(choice) for choice in node[name]]
    if "items" in node:
        strict["items"] = _strict(node["items"])
    if "$defs" in node:
        strict["$defs"] = {name: _strict(definition) for name, definition in node["$defs"].items()}
    if node.get("type") == "object":
        strict |= _object(node)
    elif "type" not in node and node.keys() & {"enum", "const"}:
        strict["type"] = _type_of(node.get("enum", [node.get("const")]))
    return _described(strict, node)


def _object(node: Mapping[str, Any]) -> dict[str, Any]:
    if node.get("additionalProperties") not in (None, False) or (
        "properties" not in node and node.get("additionalProperties") is not False
    ):
        raise _OutsideError
    properties = {name: _strict(value) for name, value in node.get("properties", {}).items()}
    return {"properties": properties, "required": list(properties), "additionalProperties": False}


def _type_of(values: Sequence[object]) -> str | list[str]:
    """Return the type of listed values, which the subset wants to be said."""
    named = sorted({_TYPES[type(value)] for value in values if type(value) in _TYPES})
    return named[0] if len(named) == 1 else named


def _described(strict: dict[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node with the keywords that it lacks in its description, and with nothing beside a reference."""
    if (form := node.get("format")) in _FORMATS:
        strict["format"] = form
    known = _PLAIN | _DROPPED | {"anyOf", "oneOf", "items"}
    notes = [f"{name}: {node[name]}" for name in node if name not in known and name not in strict]
    if notes:
        strict["description"] = " ".join(filter(None, [strict.get("description"), f"({', '.join(notes)})"]))
    if "$ref" in strict and len(strict) > 1:
        rest = {name: value for name, value in strict.items() if name not in ("$ref", "$defs")}
        return {"anyOf": [{"$ref": strict["$ref"]}], **rest}
    return strict
