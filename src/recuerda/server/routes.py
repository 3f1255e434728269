"""The table of routes: the one place that names a path of the service.

An entry says everything about its route. The application uses the table to route requests, to check keys and to count
requests, and the description (`openapi.py`) is generated from it. To add a route, write its handler and add an entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec
from starlette.convertors import StringConvertor, register_url_convertor

from recuerda.server.conversations import Conversations
from recuerda.server.files import Files
from recuerda.server.http import Handler
from recuerda.server.monitoring import Monitoring
from recuerda.server.passthrough import Passthrough
from recuerda.server.requests import (
    ChatRequest,
    CreateConversation,
    CreateItems,
    CreateResponse,
    EmbeddingsRequest,
    FileListQuery,
    ListQuery,
    RetrieveQuery,
    UpdateConversation,
    UploadFields,
)
from recuerda.server.responses import Responses


class _ResponseId(StringConvertor):
    """A part of a path that is not the name of another path beside the responses."""

    regex = "(?!(?:input_tokens|compact)(?:/|$))[^/]+"


register_url_convertor("response", _ResponseId())


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """The objects that have the handlers of all routes."""

    conversations: Conversations
    files: Files
    responses: Responses
    passthrough: Passthrough
    monitoring: Monitoring


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One route.

    Attributes:
        method: the HTTP method.
        path: the path with its parameters in braces; requests are counted under it.
        summary: what the route does, in a few words.
        handler: returns the route's handler.
        body: the type against which the request's body is checked; None for a request without a body.
        query: the type against which the query is checked; None for a request without a query.
        answer: the name of the answer's schema in `openapi.ANSWERS`; None for an answer that is only passed on.
        is_streamed: True if the answer can also be a stream of events.
        media_type: the answer's media type when it is not a stream.
        is_open: True if the route is served without a key, and neither limited nor counted.
        takes_file: True if the body is a form with a file, and `body` describes its other fields.
        unavailable: the reason why an open route answers with status 503; None if it never does.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    summary: str
    handler: Callable[[Handlers], Handler]
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    answer: str | None = None
    is_streamed: bool = False
    media_type: str = "application/json"
    is_open: bool = False
    takes_file: bool = False
    unavailable: str | None = None

    @property
    def pattern(self) -> str:
        """The path for the application. A model's name may have slashes, and no response has the name of a path."""
        return self.path.replace("{model}", "{model:path}").replace("{response_id}", "{response_id:response}")


_CONVERSATION = "/v1/conversations/{conversation_id}"
_ITEM = f"{_CONVERSATION}/items/{{item_id}}"
_RESPONSE = "/v1/responses/{response_id}"
_FILE = "/v1/files/{file_id}"

ROUTES: tuple[ApiRoute, ...] = (
    # The first one is found first, so it is the route that is used most.
    ApiRoute(
        "POST",
        "/v1/responses",
        "Create a response",
        lambda handlers: handlers.responses.create,
        body=CreateResponse,
        answer="Response",
        is_streamed=True,
    ),
    ApiRoute(
        "POST",
        "/v1/conversations",
        "Create a conversation",
        lambda handlers: handlers.conversations.create,
        body=CreateConversation,
        answer="Conversation",
    ),
    ApiRoute(
        "GET",
        _CONVERSATION,
        "Retrieve a conversation",
        lambda handlers: handlers.conversations.retrieve,
        answer="Conversation",
    ),
    ApiRoute(
        "POST",
        _CONVERSATION,
        "Set a conversation's metadata",
        lambda handlers: handlers.conversations.update,
        body=UpdateConversation,
        answer="Conversation",
    ),
    ApiRoute(
        "DELETE",
        _CONVERSATION,
        "Delete a conversation with its items",
        lambda handlers: handlers.conversations.delete,
        answer="Deleted",
    ),
    ApiRoute(
        "GET",
        f"{_CONVERSATION}/items",
        "List a conversation's items",
        lambda handlers: handlers.conversations.list_items,
        query=ListQuery,
        answer="ItemList",
    ),
    ApiRoute(
        "POST",
        f"{_CONVERSATION}/items",
        "Add items to a conversation",
        lambda handlers: handlers.conversations.create_items,
        body=CreateItems,
        answer="ItemList",
    ),
    ApiRoute("GET", _ITEM, "Retrieve an item", lambda handlers: handlers.conversations.retrieve_item, answer="Item"),
    ApiRoute(
        "DELETE",
        _ITEM,
        "Delete an item",
        lambda handlers: handlers.conversations.delete_item,
        answer="Conversation",
    ),
    ApiRoute(
        "POST",
        "/v1/responses/compact",
        "Write notes that take the place of a conversation",
        lambda handlers: handlers.responses.compact,
        body=CreateResponse,
        answer="Compaction",
    ),
    ApiRoute(
        "POST",
        "/v1/responses/input_tokens",
        "Count the tokens of a request",
        lambda handlers: handlers.responses.input_tokens,
        body=CreateResponse,
        answer="InputTokens",
    ),
    ApiRoute(
        "GET",
        _RESPONSE,
        "Retrieve a response",
        lambda handlers: handlers.responses.retrieve,
        query=RetrieveQuery,
        answer="Response",
        is_streamed=True,
    ),
    ApiRoute("DELETE", _RESPONSE, "Delete a response", lambda handlers: handlers.responses.delete, answer="Deleted"),
    ApiRoute(
        "POST",
        f"{_RESPONSE}/cancel",
        "Cancel a response in the background",
        lambda handlers: handlers.responses.cancel,
        answer="Response",
    ),
    ApiRoute(
        "GET",
        f"{_RESPONSE}/input_items",
        "List a response's input",
        lambda handlers: handlers.responses.input_items,
        query=ListQuery,
        answer="ItemList",
    ),
    ApiRoute(
        "POST",
        "/v1/files",
        "Upload a file",
        lambda handlers: handlers.files.create,
        body=UploadFields,
        answer="File",
        takes_file=True,
    ),
    ApiRoute(
        "GET",
        "/v1/files",
        "List files",
        lambda handlers: handlers.files.list,
        query=FileListQuery,
        answer="FileList",
    ),
    ApiRoute("GET", _FILE, "Retrieve a file", lambda handlers: handlers.files.retrieve, answer="File"),
    ApiRoute(
        "GET",
        f"{_FILE}/content",
        "Download a file",
        lambda handlers: handlers.files.content,
        media_type="application/octet-stream",
    ),
    ApiRoute("DELETE", _FILE, "Delete a file", lambda handlers: handlers.files.delete, answer="Deleted"),
    ApiRoute(
        "POST",
        "/v1/chat/completions",
        "Pass a chat completion through",
        lambda handlers: handlers.passthrough.chat_completions,
        body=ChatRequest,
        is_streamed=True,
    ),
    ApiRoute(
        "POST",
        "/v1/embeddings",
        "Pass a request for embeddings through",
        lambda handlers: handlers.passthrough.embeddings,
        body=EmbeddingsRequest,
    ),
    ApiRoute("GET", "/v1/models", "Pass the list of models through", lambda handlers: handlers.passthrough.models),
    ApiRoute(
        "GET",
        "/v1/models/{model}",
        "Pass the description of a model through",
        lambda handlers: handlers.passthrough.model,
    ),
    ApiRoute(
        "GET",
        "/health",
        "Report that the process is alive",
        lambda handlers: handlers.monitoring.health,
        answer="Status",
        is_open=True,
    ),
    ApiRoute(
        "GET",
        "/readyz",
        "Report whether this process should get requests",
        lambda handlers: handlers.monitoring.ready,
        answer="Status",
        is_open=True,
        unavailable="The server is stopping, its storage does not answer, or it makes as many calls as it may.",
    ),
    ApiRoute(
        "GET",
        "/metrics",
        "Counts for Prometheus",
        lambda handlers: handlers.monitoring.counts,
        media_type="text/plain",
        is_open=True,
    ),
    ApiRoute(
        "GET",
        "/openapi.json",
        "Describe the service",
        lambda handlers: handlers.monitoring.description,
        is_open=True,
    ),
)
