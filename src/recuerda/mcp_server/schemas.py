"""JSON schemas of structures, in the form that the protocol needs: one object with its parts below `$defs`."""

from __future__ import annotations

from typing import Any

import msgspec


def object_schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON schema of a structure."""
    (root,), parts = msgspec.json.schema_components((struct,), ref_template="#/$defs/{name}")
    name = root["$ref"].rpartition("/")[2]
    schema = {key: value for key, value in parts.pop(name).items() if key not in ("title", "description")}
    return schema | {"$defs": {part: _without_title(found) for part, found in parts.items()}} if parts else schema


def _without_title(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}
