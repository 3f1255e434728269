"""The conversations and responses that the scripted server keeps.

They are in RAM, and a test may read, change or delete them. A conversation changes as in the real service: by its own
endpoints and, when a response is complete, by the response's input and output together
(https://platform.openai.com/docs/api-reference/conversations).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from recuerda.testing.openai_script import JSONObject
from recuerda.testing.openai_wire import CREATED, BadRequest

__all__ = ["Conversation", "ServiceThreads", "StoredResponse", "kept_items", "listed", "named"]

_MAX_NEW_ITEMS = 20
_MAX_LIMIT = 100
_PREFIXES = {"function_call": "fc", "function_call_output": "fc", "reasoning": "rs"}


@dataclass
class Conversation:
    """A conversation with its items, in order, as clients get them."""

    id: str
    metadata: JSONObject
    items: list[JSONObject] = field(default_factory=list[JSONObject])

    @property
    def body(self) -> dict[str, object]:
        """The JSON object of the conversation, without the items."""
        return {"id": self.id, "object": "conversation", "created_at": CREATED, "metadata": self.metadata}


@dataclass(frozen=True)
class StoredResponse:
    """A response that is kept: its JSON object, its input items, and the items of the context before them."""

    body: dict[str, object]
    input: Sequence[JSONObject]
    context: Sequence[JSONObject]

    @property
    def output(self) -> list[JSONObject]:
        """The output items of the model."""
        return cast("list[JSONObject]", self.body["output"])


class ServiceThreads:
    """The conversations and responses that the server keeps, by their ids. A test may change them."""

    def __init__(self) -> None:
        self.conversations: dict[str, Conversation] = {}
        self.responses: dict[str, StoredResponse] = {}

    def forget(self) -> None:
        """Delete everything, as a service does when its retention period is over."""
        self.conversations.clear()
        self.responses.clear()

    def conversation(self, conversation_id: str) -> Conversation:
        """Return a conversation. Raises `BadRequest` with status 404 if it does not exist."""
        if conversation_id not in self.conversations:
            raise BadRequest(f"Conversation with id '{conversation_id}' not found.", status=404)
        return self.conversations[conversation_id]

    def response(self, response_id: str) -> StoredResponse:
        """Return a response. Raises `BadRequest` with status 404 if it does not exist."""
        if response_id not in self.responses:
            raise BadRequest(f"Response with id '{response_id}' not found.", status=404)
        return self.responses[response_id]

    def create(self, body: JSONObject, *, number: int) -> Conversation:
        """Create the conversation that a request's body describes. Its id is derived from the request's number."""
        conversation = Conversation(f"conv_{number:06d}", cast("JSONObject", body.get("metadata") or {}))
        conversation.items.extend(_new_items(body.get("items") or [], number=number))
        self.conversations[conversation.id] = conversation
        return conversation

    def add(self, conversation_id: str, body: JSONObject, *, number: int) -> list[JSONObject]:
        """Add the items of a request's body to a conversation, and return them as they are kept."""
        conversation = self.conversation(conversation_id)
        items = _new_items(body.get("items"), number=number)
        conversation.items.extend(items)
        return items

    def context(self, body: JSONObject) -> list[JSONObject]:
        """Return the items before a new response. Raises `BadRequest` if the request names a missing object."""
        conversation, previous = named(body), body.get("previous_response_id")
        if conversation is not None and previous is not None:
            message = (
                "Mutually exclusive parameters: 'conversation' and 'previous_response_id' cannot be used together."
            )
            raise BadRequest(message, code="mutually_exclusive_parameters")
        if conversation is not None:
            return list(self.conversation(conversation).items)
        if previous is None:
            return []
        if previous not in self.responses:
            message = f"Previous response with id '{previous}' not found."
            raise BadRequest(message, param="previous_response_id", code="previous_response_not_found")
        response = self.responses[str(previous)]
        return [*response.context, *response.input, *response.output]


def named(body: Mapping[str, object]) -> str | None:
    """Return the id of the conversation that a body names, by a string or by an object; None if it names none."""
    conversation = body.get("conversation")
    if isinstance(conversation, dict):
        conversation = cast("dict[str, object]", conversation).get("id")
    return None if conversation is None else str(conversation)


def kept_items(given: object, *, number: int) -> list[JSONObject]:
    """Return input items as the service keeps them: with ids, types, statuses and parts."""
    items = [{"role": "user", "content": given}] if isinstance(given, str) else cast("list[JSONObject]", given)
    return [_kept(cast("JSONObject", item), number=number, index=index) for index, item in enumerate(items)]


def listed(items: Sequence[JSONObject], query: Mapping[str, str], *, included: Sequence[str]) -> dict[str, object]:
    """Return a page of items. The newest item comes first, unless the query asks for another order."""
    limit = query.get("limit", "20")
    if not limit.isdecimal() or not 1 <= int(limit) <= _MAX_LIMIT:
        raise BadRequest(f"Invalid 'limit': expected an integer from 1 to {_MAX_LIMIT}.", param="limit")
    ordered = list(items) if query.get("order", "desc") == "asc" else list(reversed(items))
    if after := query.get("after"):
        ids = [item.get("id") for item in ordered]
        if after not in ids:
            raise BadRequest(f"Item with id '{after}' not found.", param="after", status=404)
        ordered = ordered[ids.index(after) + 1 :]
    page = [shown(item, included=included) for item in ordered[: int(limit)]]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(ordered) > len(page),
    }


def shown(item: JSONObject, *, included: Sequence[str]) -> JSONObject:
    """Return an item as clients get it: with encrypted reasoning only if the request asks for it."""
    if item.get("type") == "reasoning" and "reasoning.encrypted_content" not in included:
        return {name: value for name, value in item.items() if name != "encrypted_content"}
    return item


def _new_items(given: object, *, number: int) -> list[JSONObject]:
    if not isinstance(given, list):
        raise BadRequest("Missing required parameter: 'items'.", param="items", code="missing_required_parameter")
    items = cast("list[JSONObject]", given)
    if len(items) > _MAX_NEW_ITEMS:
        message = (
            f"Invalid 'items': array too long. Expected an array with maximum length {_MAX_NEW_ITEMS}, "
            f"but got an array with length {len(items)} instead."
        )
        raise BadRequest(message, param="items", code="array_above_max_length")
    return kept_items(items, number=number)


def _kept(item: JSONObject, *, number: int, index: int) -> JSONObject:
    kind = str(item.get("type", "message"))
    new_id = f"{_PREFIXES.get(kind, 'msg')}_{number:06d}i{index:03d}"
    kept: JSONObject = {**item, "type": kind, "id": item.get("id") or new_id, "status": "completed"}
    if kind == "message":
        kept["content"] = list(_parts(item))
    return kept


def _parts(message: JSONObject) -> Iterator[JSONObject]:
    content = message.get("content")
    if isinstance(content, str):
        is_models = message.get("role") == "assistant"
        yield (
            {"type": "output_text", "text": content, "annotations": []}
            if is_models
            else {
                "type": "input_text",
                "text": content,
            }
        )
        return
    yield from cast("list[JSONObject]", content)
