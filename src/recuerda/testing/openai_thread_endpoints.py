"""The scripted server's endpoints for conversations, their items, and stored responses.

Each endpoint is a function that gets `ServiceThreads` and a request, and returns the body of the answer. The paths and
shapes follow https://platform.openai.com/docs/api-reference/conversations and `…/responses`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from recuerda.testing.openai_conversations import ServiceThreads, listed, shown
from recuerda.testing.openai_response_rules import check_items
from recuerda.testing.openai_script import JSONObject
from recuerda.testing.openai_wire import BadRequest

__all__ = ["THREAD_ENDPOINTS", "Endpoint", "ThreadRequest"]


@dataclass(frozen=True)
class ThreadRequest:
    """A request about an object that the server keeps.

    Attributes:
        ids: the ids in the path, by their names.
        query: the last value of each parameter in the query.
        included: the additional fields that the request asks for in `include`.
        body: the JSON body; empty if there is none.
        number: the number of the request at this server. The ids of new objects are derived from it.
    """

    ids: Mapping[str, str]
    query: Mapping[str, str]
    included: Sequence[str]
    body: JSONObject
    number: int


Endpoint: TypeAlias = Callable[[ServiceThreads, ThreadRequest], Mapping[str, object]]
"""A function that returns the body of an answer. It raises `BadRequest` for a request that the service refuses."""


def _create(threads: ServiceThreads, request: ThreadRequest) -> Mapping[str, object]:
    _check(request.body.get("items"))
    return threads.create(request.body, number=request.number).body


def _retrieve(threads: ServiceThreads, request: ThreadRequest) -> Mapping[str, object]:
    return threads.conversation(request.ids["conversation"]).body


def _update(threads: ServiceThreads, request: ThreadRequest) -> Mapping[str, object]:
    conversation = threads.conversation(request.ids["conversation"])
    conversation.metadata = cast("JSONObject", request.body.get("metadata") or {})
    return conversation.body


def _delete(threads: ServiceThreads, request: ThreadRequest) -> Mapping[str, object]:
    conversation = threads.conversation(request.ids["conversation"])
    del threads.conversations[conversation.id]
    return {"id": conversation.id, "object": "conversation.deleted", "deleted": True}


def _list_items(threads: ServiceThreads, request: ThreadRequest) -> Mapping[str, object]:
    conversation = threads.conversation(request.ids["conversation"])
    return listed(conversation.items, request.query, included=request.included)


def _create_items(threads: ServiceThreads, request: ThreadRequest) -> Mapping[str, object]:
    threads.conversation(request.ids["conversation"])
    _check(request.body.get("items"))
    items = threads.add(request.ids["conversation"], request.body, number=request.number)
    return listed(items, {"order": "asc", "limit": "100"}, included=request.included)


def _retrieve_item(threads: ServiceThreads, request: ThreadRequest) -> Mapping[str, object]:
    items = threads.conversation(request.ids["conversation"]).items
    return shown(items[_place(items, request.ids["item"])], included=request.included)


def _delete_item(threads: ServiceThreads, request: ThreadRequest) -> Mapping[str, object]:
    conversation = threads.conversation(request.ids["conversation"])
    del conversation.items[_place(conversation.items, request.ids["item"])]
    return conversation.body


def _retrieve_response(threads: ServiceThreads, request: ThreadRequest) -> Mapping[str, object]:
    response = threads.response(request.ids["response"])
    return response.body | {"output": [shown(item, included=request.included) for item in response.output]}


def _delete_response(threads: ServiceThreads, request: ThreadRequest) -> Mapping[str, object]:
    threads.response(request.ids["response"])
    del threads.responses[request.ids["response"]]
    return {"id": request.ids["response"], "object": "response", "deleted": True}


def _list_input_items(threads: ServiceThreads, request: ThreadRequest) -> Mapping[str, object]:
    response = threads.response(request.ids["response"])
    return listed(response.input, request.query, included=request.included)


THREAD_ENDPOINTS: Sequence[tuple[str, str, Endpoint]] = (
    ("POST", "/conversations", _create),
    ("GET", "/conversations/{conversation}", _retrieve),
    ("POST", "/conversations/{conversation}", _update),
    ("DELETE", "/conversations/{conversation}", _delete),
    ("GET", "/conversations/{conversation}/items", _list_items),
    ("POST", "/conversations/{conversation}/items", _create_items),
    ("GET", "/conversations/{conversation}/items/{item}", _retrieve_item),
    ("DELETE", "/conversations/{conversation}/items/{item}", _delete_item),
    ("GET", "/responses/{response}", _retrieve_response),
    ("DELETE", "/responses/{response}", _delete_response),
    ("GET", "/responses/{response}/input_items", _list_input_items),
)
"""The method, the path and the function of each endpoint."""


def _check(items: object) -> None:
    if isinstance(items, list):
        check_items(cast("list[JSONObject]", items), param="items")


def _place(items: Sequence[JSONObject], item_id: str) -> int:
    for place, item in enumerate(items):
        if item["id"] == item_id:
            return place
    raise BadRequest(f"Item with id '{item_id}' not found.", status=404)
