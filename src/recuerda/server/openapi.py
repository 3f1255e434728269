"""The description of the service, as OpenAPI: `GET /openapi.json`.

It is generated from the table of routes. The bodies are described by the types against which requests are checked, so
the description cannot promise a request that the service refuses. Of each answer, only the parts that clients rely on
are described.
"""

from __future__ import annotations

from typing import Any

import msgspec

from recuerda.json_value import JsonObject
from recuerda.server.http import MAX_IDEMPOTENCY_KEY_LENGTH
from recuerda.server.routes import ROUTES, ApiRoute

Schema = dict[str, Any]

_REF = "#/components/schemas/{name}"
_STRING: Schema = {"type": "string"}
_OBJECT: Schema = {"type": "object"}
_ERRORS = {
    "400": "The request cannot be used; `param` names the place.",
    "401": "The key is missing, or no tenant has it.",
    "403": "The server has no keys, so it answers only programs on its own machine.",
    "404": "The object does not exist, or it belongs to another tenant.",
    "409": "Another request is adding to the same conversation, or is running under the same key. Retry it.",
    "413": "The request is too long.",
    "422": "The idempotency key was used for another request.",
    "429": "The tenant made too many requests; `retry-after` says how long to wait.",
    "500": "The server has a defect.",
    "502": "The model's server failed, or cannot be reached.",
    "503": "The server is stopping, has reached its limit of running requests, or cannot use its storage.",
    "504": "The model's server did not answer in time.",
}


def describe(version: str, *, has_keys: bool) -> JsonObject:
    """Return the description.

    Args:
        version: the version of the service.
        has_keys: True if clients must send a key.
    """
    bodies = [route.body for route in ROUTES if route.body is not None]
    _, components = msgspec.json.schema_components(bodies, ref_template=_REF)
    described: JsonObject = {
        "openapi": "3.1.0",
        "info": {
            "title": "recuerda",
            "version": version,
            "description": "Conversations and responses with OpenAI's wire format, on a storage of your own.",
        },
        "paths": _paths(),
        "components": {
            "schemas": {**components, **ANSWERS},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
    if has_keys:
        described["security"] = [{"key": []}]
    return described


def _object(required: dict[str, Schema], **others: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": {**required, **others}}


def _list_of(item: Schema) -> Schema:
    return _object(
        {
            "object": {"const": "list"},
            "data": {"type": "array", "items": item},
            "first_id": _STRING,
            "last_id": _STRING,
            "has_more": {"type": "boolean"},
        }
    )


_ITEM = _object({"id": _STRING, "type": _STRING})
_FILE = _object(
    {
        "id": _STRING,
        "object": {"const": "file"},
        "bytes": {"type": "integer"},
        "created_at": {"type": "integer"},
        "filename": _STRING,
        "purpose": _STRING,
    },
    expires_at={"type": ["integer", "null"]},
)
ANSWERS: dict[str, Schema] = {
    "Conversation": _object(
        {
            "id": _STRING,
            "object": {"const": "conversation"},
            "created_at": {"type": "integer"},
            "metadata": {"type": "object", "additionalProperties": _STRING},
        }
    ),
    "Deleted": _object({"id": _STRING, "object": _STRING, "deleted": {"const": True}}),
    "Item": _ITEM,
    "ItemList": _list_of({"$ref": _REF.format(name="Item")}),
    "File": _FILE,
    "FileList": _list_of({"$ref": _REF.format(name="File")}),
    "Response": _object(
        {
            "id": _STRING,
            "object": {"const": "response"},
            "created_at": {"type": "integer"},
            "status": {"enum": ["completed", "incomplete", "in_progress", "failed", "cancelled"]},
            "model": _STRING,
            "output": {"type": "array", "items": {"$ref": _REF.format(name="Item")}},
        },
        usage={"type": ["object", "null"]},
        conversation={"type": ["object", "null"]},
        previous_response_id={"type": ["string", "null"]},
    ),
    "Compaction": _object(
        {"id": _STRING, "object": _STRING, "output": {"type": "array", "items": {"$ref": _REF.format(name="Item")}}}
    ),
    "InputTokens": _object({"object": _STRING, "input_tokens": {"type": "integer"}}),
    "Status": _object({"status": _STRING}),
    "Error": _object(
        {
            "error": _object(
                {
                    "message": _STRING,
                    "type": _STRING,
                    "param": {"type": ["string", "null"]},
                    "code": {"type": ["string", "null"]},
                }
            )
        }
    ),
}


def _paths() -> JsonObject:
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        described = paths.setdefault(route.path, _path_parameters(route.path))
        described[route.method.lower()] = _operation(route)
    return {**paths}


def _path_parameters(path: str) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    if not names:
        return {}
    return {"parameters": [{"name": name, "in": "path", "required": True, "schema": _STRING} for name in names]}


def _operation(route: ApiRoute) -> JsonObject:
    described: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "responses": {"200": {"description": "Done.", "content": _content(route)}, **_refusals(route)},
    }
    if parameters := [*_idempotency(route), *_query(route)]:
        described["parameters"] = parameters
    if route.body is not None:
        described["requestBody"] = {"required": True, "content": _request(route.body, takes_file=route.takes_file)}
    if route.is_open:
        described["security"] = []
    return described


def _request(body: type[msgspec.Struct], *, takes_file: bool) -> JsonObject:
    schema = _reference(body.__name__)
    if not takes_file:
        return {"application/json": {"schema": schema}}
    file = _object({"file": {"type": "string", "contentMediaType": "application/octet-stream"}})
    return {"multipart/form-data": {"schema": {"allOf": [file, schema]}}}


def _operation_id(route: ApiRoute) -> str:
    path = route.path.replace("/v1", "").replace("/", "_").replace("{", "").replace("}", "")
    return f"{route.method.lower()}{path}"


def _refusals(route: ApiRoute) -> JsonObject:
    if not route.is_open:
        content: Schema = {"application/json": {"schema": _reference("Error")}}
        return {status: {"description": text, "content": content} for status, text in _ERRORS.items()}
    if route.unavailable is None:
        return {}
    return {"503": {"description": route.unavailable, "content": _content(route)}}


def _idempotency(route: ApiRoute) -> list[Schema]:
    if route.body is None or route.answer is None:
        return []
    schema = {"type": "string", "maxLength": MAX_IDEMPOTENCY_KEY_LENGTH}
    return [{"name": "Idempotency-Key", "in": "header", "schema": schema}]


def _query(route: ApiRoute) -> list[Schema]:
    if route.query is None:
        return []
    properties = msgspec.json.schema_components([route.query])[1][route.query.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": properties[name]} for name in properties]


def _content(route: ApiRoute) -> JsonObject:
    if route.media_type != "application/json":
        return {route.media_type: {"schema": _STRING}}
    schema = _OBJECT if route.answer is None else _reference(route.answer)
    content: JsonObject = {"application/json": {"schema": schema}}
    if route.is_streamed:
        content["text/event-stream"] = {"schema": _STRING}
    return content


def _reference(name: str) -> Schema:
    return {"$ref": _REF.format(name=name)}
