"""The description of the service, as OpenAPI: `GET /openapi.json`.

The bodies are described from the same types that requests are checked against, so the description cannot promise what
the service refuses. Answers are described as far as clients rely on them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from recuerda.json_value import JsonObject
from recuerda.server.requests import CreateConversation, CreateItems, CreateResponse, ListQuery, UpdateConversation

Schema = dict[str, Any]

_BODIES = (CreateConversation, UpdateConversation, CreateItems, CreateResponse)
_REF = "#/components/schemas/{name}"
_STRING: Schema = {"type": "string"}
_OBJECT: Schema = {"type": "object"}
_ERRORS = {
    "400": "The request cannot be used; `param` names the place.",
    "401": "There is no key, or nobody has it.",
    "403": "Without keys, only programs of the server's own machine are answered.",
    "404": "There is no such thing, or it is another tenant's.",
    "409": "Another request is adding to the same conversation. Nothing was kept.",
    "413": "The request is too long.",
    "422": "The idempotency key was used for another request.",
    "429": "Too many requests of this key; `retry-after` says how long to wait.",
    "500": "A defect of the server.",
    "502": "The model's server failed, or cannot be reached.",
    "503": "The server is stopping or has too much to do, or its storage cannot do it now.",
    "504": "The model's server did not answer in time.",
}


def describe(version: str, *, has_keys: bool) -> JsonObject:
    """Return the description."""
    _, components = msgspec.json.schema_components(_BODIES, ref_template=_REF)
    described: JsonObject = {
        "openapi": "3.1.0",
        "info": {
            "title": "recuerda",
            "version": version,
            "description": "Conversations and responses with OpenAI's wire format, on a storage of one's own.",
        },
        "paths": {path: _path(path, operations) for path, operations in _PATHS.items()},
        "components": {
            "schemas": {**components, **_ANSWERS},
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
_ANSWERS: dict[str, Schema] = {
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
    "Response": _object(
        {
            "id": _STRING,
            "object": {"const": "response"},
            "created_at": {"type": "integer"},
            "status": {"enum": ["completed", "incomplete", "in_progress", "failed"]},
            "model": _STRING,
            "output": {"type": "array", "items": {"$ref": _REF.format(name="Item")}},
        },
        usage={"type": ["object", "null"]},
        conversation={"type": ["object", "null"]},
        previous_response_id={"type": ["string", "null"]},
    ),
    "ChatRequest": _object({"messages": {"type": "array", "items": _OBJECT}}, stream={"type": "boolean"}),
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

# Of each path its operations: the method, what it does, the type of its body, what it answers with, and whether it can
# be a stream.
_Operation = tuple[str, str, str | None, str | None, bool]
_PATHS: dict[str, tuple[_Operation, ...]] = {
    "/v1/conversations": (("post", "Make a conversation", "CreateConversation", "Conversation", False),),
    "/v1/conversations/{conversation_id}": (
        ("get", "Retrieve a conversation", None, "Conversation", False),
        ("post", "Set a conversation's metadata", "UpdateConversation", "Conversation", False),
        ("delete", "Delete a conversation with its items", None, "Deleted", False),
    ),
    "/v1/conversations/{conversation_id}/items": (
        ("get", "List a conversation's items", None, "ItemList", False),
        ("post", "Add items to a conversation", "CreateItems", "ItemList", False),
    ),
    "/v1/conversations/{conversation_id}/items/{item_id}": (
        ("get", "Retrieve an item", None, "Item", False),
        ("delete", "Delete an item", None, "Conversation", False),
    ),
    "/v1/responses": (("post", "Create a response", "CreateResponse", "Response", True),),
    "/v1/responses/{response_id}": (
        ("get", "Retrieve a response", None, "Response", True),
        ("delete", "Delete a response", None, "Deleted", False),
    ),
    "/v1/responses/{response_id}/input_items": (("get", "List a response's input", None, "ItemList", False),),
    "/v1/chat/completions": (("post", "Pass a chat completion through", "ChatRequest", None, True),),
    "/v1/models": (("get", "Pass the list of models through", None, None, False),),
    "/health": (("get", "Say that the process lives", None, None, False),),
    "/ready": (("get", "Say whether the storage can be used", None, None, False),),
    "/metrics": (("get", "Counts for Prometheus", None, "text/plain", False),),
    "/openapi.json": (("get", "This description", None, None, False),),
}


def _path(path: str, operations: tuple[_Operation, ...]) -> JsonObject:
    described: JsonObject = {method: _operation(path, one) for one in operations for method in one[:1]}
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    if names:
        described["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _STRING} for name in names]
    return described


def _operation(path: str, operation: _Operation) -> JsonObject:
    method, summary, body, answer, is_streamed = operation
    described: dict[str, Any] = {
        "summary": summary,
        "operationId": f"{method}{path.replace('/v1', '').replace('/', '_').replace('{', '').replace('}', '')}",
        "responses": {"200": {"description": "Done.", "content": _content(answer, is_streamed=is_streamed)}},
    }
    for status, text in _ERRORS.items():
        described["responses"][status] = {
            "description": text,
            "content": {"application/json": {"schema": {"$ref": _REF.format(name="Error")}}},
        }
    if body is not None:
        schema = {"$ref": _REF.format(name=body)}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        described["parameters"] = [
            {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 512}}
        ]
    if answer == "ItemList" and method == "get":
        properties = msgspec.json.schema_components([ListQuery])[1]["ListQuery"]["properties"]
        described["parameters"] = [{"name": name, "in": "query", "schema": properties[name]} for name in properties]
    return described


def _content(answer: str | None, *, is_streamed: bool) -> JsonObject:
    if answer == "text/plain":
        return {"text/plain": {"schema": _STRING}}
    schema: Schema = _OBJECT if answer is None else {"$ref": _REF.format(name=answer)}
    content: JsonObject = {"application/json": {"schema": schema}}
    if is_streamed:
        content["text/event-stream"] = {"schema": _STRING}
    return content
