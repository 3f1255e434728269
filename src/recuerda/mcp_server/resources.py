"""The resources: the threads, the memories, and one page with everything that is remembered first of all."""

from __future__ import annotations

import msgspec
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from recuerda.errors import InvalidInput
from recuerda.mcp_server.answers import Recalled
from recuerda.mcp_server.budget import fitting
from recuerda.mcp_server.memories import item_of, shortened
from recuerda.mcp_server.references import ABOUT_ME, MEMORY_PREFIX, THREAD_PREFIX, thread_of, thread_uri
from recuerda.mcp_server.scope import Scope
from recuerda.mcp_server.texts import recalled
from recuerda.mcp_server.threads import MAX_TURNS
from recuerda.mcp_server.tools import Room
from recuerda.recall.memory import Memory

LISTED = 50
"""The number of threads on a page of the list of resources."""

JSON = "application/json"
TEXT = "text/plain"

TEMPLATES = (
    ResourceTemplate(
        name="thread",
        title="A thread",
        uri_template=THREAD_PREFIX + "{thread}",
        description="The newest turns of a stored conversation, as JSON.",
        mime_type=JSON,
    ),
    ResourceTemplate(
        name="memory",
        title="A memory",
        uri_template=MEMORY_PREFIX + "{+memory}",
        description="A memory with its origin, as JSON; if it was corrected, also the earlier words.",
        mime_type=JSON,
    ),
)


async def list_resources(room: Room, scope: Scope, cursor: str | None) -> ListResourcesResult:
    """Return a page of the resources: the page about the user first, and then the threads."""
    page = await room.threads.listed(scope, limit=LISTED, cursor=cursor)
    about_me = Resource(
        uri=ABOUT_ME,
        name="about-me",
        title="What is remembered about me",
        description="Standing wishes, and the newest memories.",
        mime_type=TEXT,
    )
    threads = [
        Resource(
            uri=thread_uri(thread.thread),
            name=thread.thread,
            title=thread.title,
            description=f"{thread.messages} messages, changed {thread.updated_at}",
            mime_type=JSON,
        )
        for thread in page.threads
    ]
    return ListResourcesResult(resources=threads if cursor else [about_me, *threads], next_cursor=page.next_cursor)


def list_templates() -> ListResourceTemplatesResult:
    """Return the forms that addresses of resources have."""
    return ListResourceTemplatesResult(resource_templates=list(TEMPLATES))


async def read_resource(room: Room, scope: Scope, uri: str) -> ReadResourceResult:
    """Return the content of a resource.

    Raises:
        MCPError: the connection can see no such resource.
    """
    if uri == ABOUT_ME:
        return _contents(uri, await about_me(room, scope), TEXT)
    thread_id = thread_of(uri)
    try:
        if thread_id is not None:
            part = await room.threads.read(scope, thread_id, limit=MAX_TURNS)
            return _contents(uri, msgspec.json.encode(part).decode(), JSON)
        if uri.startswith(MEMORY_PREFIX):
            found = await room.memories.find(scope, uri)
            return _contents(uri, msgspec.json.encode(_fitting(room, found.history)).decode(), JSON)
    except InvalidInput as error:
        raise MCPError(INVALID_PARAMS, str(error), {"uri": uri}) from None
    raise MCPError(INVALID_PARAMS, f"there is no resource {uri[:200]!r}", {"uri": uri})


async def about_me(room: Room, scope: Scope) -> str:
    """Return the quotes of everything that is remembered first of all, as far as they fit."""
    found = await room.memories.about_me(scope)
    answer = _fitting(room, found)
    return recalled(answer, found[: len(answer.memories)])


def _fitting(room: Room, found: list[Memory] | tuple[Memory, ...]) -> Recalled:
    items = fitting(map(item_of, found), room.memories.max_tokens, shorten=shortened)
    return Recalled(memories=items, left_out=len(found) - len(items))


def _contents(uri: str, text: str, mime_type: str) -> ReadResourceResult:
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=text, mime_type=mime_type)])
