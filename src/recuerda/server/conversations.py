"""The handlers of `/v1/conversations`. A conversation is a thread, and its items are the thread's messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from starlette.responses import Response

from recuerda.json_value import JsonObject
from recuerda.server.faults import ApiFault, bad_request, not_found
from recuerda.server.http import ApiCall, json_response
from recuerda.server.inputs import with_references
from recuerda.server.items import checked_items
from recuerda.server.names import Tenancy, TurnName, is_conversation_id, parse_item_id
from recuerda.server.once import Once, RequestKey, fingerprint_in, key_of, made_by, token_of, with_maker
from recuerda.server.places import committed
from recuerda.server.requests import (
    CreateConversation,
    CreateItems,
    Item,
    ListQuery,
    Metadata,
    UpdateConversation,
    parse_body,
    parse_query,
)
from recuerda.server.threads import METADATA, Threads, View, client_metadata
from recuerda.server.turns import fingerprint_of, items_of, pack_turn, without_item
from recuerda.server.uploads import Uploads
from recuerda.storage.thread_info import ThreadInfo
from recuerda.threads.history import StoredTurn


class Conversations:
    """The handlers of the conversations' routes."""

    def __init__(self, threads: Threads, once: Once, uploads: Uploads) -> None:
        self._threads = threads
        self._once = once
        self._uploads = uploads

    async def create(self, call: ApiCall) -> Response:
        """Create a conversation, with the items in the request."""
        request = await call.run(parse_body, call.body, CreateConversation)
        key = await call.run(key_of, call)
        turn_id = token_of(key, call.tenancy)
        name = f"conv_{turn_id}"
        given = await with_references(self._threads, call.tenancy, request.items or [], at="items")
        items = await call.run(checked_items, given, TurnName(name, turn_id), at="items")
        check_ids(given, ())
        files = await self._uploads.named_in(call.tenancy, items, at="items")
        async with self._once.alone(call.tenancy, key):
            info = await self._created(call.tenancy, name, request.metadata or {}, key)
            if items and info.revision == 0:
                turn = await call.run(pack_turn, items, fingerprint=fingerprint_in(key), files=files)
                await self._threads.append(call.tenancy, name, turn, turn_id=turn_id, expected=info.version)
        return json_response(conversation_object(name, info, request.metadata or {}))

    async def _created(self, tenancy: Tenancy, name: str, metadata: Metadata, key: RequestKey | None) -> ThreadInfo:
        """Create a conversation, unless an earlier request with the same key has created it."""
        if key is not None and (known := await self._threads.head(tenancy, name)) is not None:
            key.check(made_by(known, key.token))
            return known
        await self._once.claim(tenancy, key)
        return await self._threads.create(tenancy, name, {METADATA: metadata, **with_maker(None, key)})

    async def retrieve(self, call: ApiCall) -> Response:
        """Return a conversation."""
        name = _name(call)
        info = await self._threads.existing(call.tenancy, name)
        return json_response(conversation_object(name, info, client_metadata(info)))

    async def update(self, call: ApiCall) -> Response:
        """Set a conversation's metadata. A retry with the same key undoes no update that came after the first try."""
        metadata = (await call.run(parse_body, call.body, UpdateConversation)).metadata or {}
        name, key = _name(call), await call.run(key_of, call)

        def change(info: ThreadInfo) -> dict[str, object] | None:
            if key is not None and made_by(info, key.token) == key.fingerprint:
                return None
            return {METADATA: metadata, **with_maker(info, key)}

        async with self._once.alone(call.tenancy, key):
            await self._threads.existing(call.tenancy, name)
            await self._once.claim(call.tenancy, key)
            info = await self._threads.update(call.tenancy, name, change)
        return json_response(conversation_object(name, info, metadata))

    async def delete(self, call: ApiCall) -> Response:
        """Delete a conversation and all its items."""
        name = _name(call)
        token = name.removeprefix("conv_")

        async def bury(info: ThreadInfo) -> None:
            if made_by(info, token) is not None:
                await self._once.bury(call.tenancy, token)

        async with self._threads.alone(call.tenancy, name):
            await self._threads.delete(call.tenancy, name, before=bury)
        return json_response({"id": name, "object": "conversation.deleted", "deleted": True})

    # -- items ---------------------------------------------------------------------------------------------------------

    async def create_items(self, call: ApiCall) -> Response:
        """Add items as one turn, in one atomic step."""
        request = await call.run(parse_body, call.body, CreateItems)
        name, key = _name(call), await call.run(key_of, call)
        async with self._once.alone(call.tenancy, key), self._threads.alone(call.tenancy, name):
            kept = await self._added(call, name, request.items, key)
        return json_response(list_object(items_of(kept.turn), has_more=False))

    async def _added(self, call: ApiCall, name: str, items: Sequence[Item], key: RequestKey | None) -> StoredTurn:
        """Add items to a conversation, unless an earlier request with the same key has added them."""
        tenancy = call.tenancy
        if key is not None:
            view = await self._threads.turn(tenancy, name, key.token)
            if view.info is None:
                raise not_found("Conversation", name)
            if (found := committed(view)) is not None:
                key.check(fingerprint_of(found.turn))
                return found
        turn_id = token_of(key, tenancy)
        given = await with_references(self._threads, tenancy, items, at="items")
        checked = await call.run(checked_items, given, TurnName(name, turn_id), at="items")
        check_ids(given, await self._ids_beside(tenancy, name, given))
        files = await self._uploads.named_in(tenancy, checked, at="items")
        await self._once.claim(tenancy, key)
        turn = await call.run(pack_turn, checked, fingerprint=fingerprint_in(key), files=files)
        return await self._threads.add(tenancy, name, turn, turn_id=turn_id)

    async def _ids_beside(self, tenancy: Tenancy, name: str, items: Sequence[Item]) -> set[str | None]:
        """Return the ids of a conversation's items; none if the items of a request cannot have these ids."""
        ids = [item["id"] for item in items if "id" in item]
        names = [parse_item_id(id) for id in ids]
        if all(named is not None and named.thread != name for named in names):
            return set()
        view = await self._threads.whole(tenancy, name)
        return {message.message_id for turn in view.turns for message in turn.turn.messages}

    async def list_items(self, call: ApiCall) -> Response:
        """Return a page of a conversation's items."""
        query = parse_query(call.query)
        name = _name(call)
        view = await self._around_page(call.tenancy, name, query)
        if view.info is None:
            raise not_found("Conversation", name)
        return json_response(page_of(_all_items(view.turns), query))

    async def _around_page(self, tenancy: Tenancy, name: str, query: ListQuery) -> View:
        """Return the turns of a page of items, and the turn after whose item the page begins.

        The cost does not depend on the length of the conversation, unless the client chose the id of that item. Then
        the whole conversation is searched.
        """
        first: StoredTurn | None = None
        if query.after is not None:
            if (named := parse_item_id(query.after)) is None:
                return await self._threads.whole(tenancy, name)
            view = await self._threads.turn(tenancy, name, named.turn)
            if (first := view.found) is None:
                return view
        items = query.limit + 1 + (len(first.messages) if first else 0)
        if query.order == "asc":
            return await self._threads.ahead(tenancy, name, items=items, first=first)
        return await self._threads.tail(tenancy, name, items=items, before=first and first.number + 1)

    async def retrieve_item(self, call: ApiCall) -> Response:
        """Return an item."""
        name, id = _name(call), call.path("item_id")
        turn = await self._turn_with(call, name, id)
        return json_response(next(item for item in items_of(turn.turn) if item["id"] == id))

    async def delete_item(self, call: ApiCall) -> Response:
        """Delete an item for good and return its conversation. The other items of its turn stay."""
        name, id = _name(call), call.path("item_id")
        turn = await self._turn_with(call, name, id)
        if not await self._threads.rewrite(call.tenancy, name, turn.id, lambda found: without_item(found, id)):
            raise not_found("Item", id)
        info = await self._threads.existing(call.tenancy, name)
        return json_response(conversation_object(name, info, client_metadata(info)))

    async def _turn_with(self, call: ApiCall, name: str, id: str) -> StoredTurn:
        """Return the turn that holds an item.

        An id from this service names the turn. For an id that a client chose, the whole conversation is searched.
        """
        named = parse_item_id(id)
        if named is not None:
            view = await self._threads.turn(call.tenancy, name, named.turn)
            turns = [] if view.found is None else [view.found]
        else:
            view = await self._threads.whole(call.tenancy, name)
            turns = list(view.turns)
        if view.info is None:
            raise not_found("Conversation", name)
        for turn in reversed(turns):
            if any(message.message_id == id for message in turn.messages):
                return turn
        raise not_found("Item", id)


def check_ids(items: Sequence[Item], taken: Collection[str | None]) -> None:
    """Check that no item of a request has an id that is taken, and that no two items have the same id.

    If two items had the same id, a client could not ask for the page that begins after that id.

    Raises:
        ApiFault: an id is in use; the message names it.
    """
    seen: set[str] = set()
    for item in items:
        id = item.get("id")
        if id is None:
            continue
        if id in taken or id in seen:
            raise ApiFault(400, f"The conversation already has an item with id '{id}'.", code="duplicate_item")
        seen.add(id)


def conversation_object(name: str, info: ThreadInfo, metadata: Metadata) -> JsonObject:
    """Return the JSON object of a conversation with the client's metadata."""
    created_at = info.created_us // 1_000_000
    return {"id": name, "object": "conversation", "created_at": created_at, "metadata": {**metadata}}


def list_object(items: Sequence[Item], *, has_more: bool) -> JsonObject:
    """Return the JSON object of a page of items."""
    return {
        "object": "list",
        "data": list(items),
        "first_id": items[0]["id"] if items else "",
        "last_id": items[-1]["id"] if items else "",
        "has_more": has_more,
    }


def page_of(items: Sequence[Item], query: ListQuery) -> JsonObject:
    """Return the page of items that a query asks for.

    Args:
        items: all items, the oldest first.
        query: the order, the limit, and the id after which the page begins.

    Raises:
        ApiFault: no item has the id after which the page should begin.
    """
    ordered = list(items) if query.order == "asc" else list(reversed(items))
    if query.after is not None:
        at = next((i for i, item in enumerate(ordered) if item["id"] == query.after), None)
        if at is None:
            raise bad_request(f"No item found with id '{query.after[:100]}'.", param="after")
        ordered = ordered[at + 1 :]
    return list_object(ordered[: query.limit], has_more=len(ordered) > query.limit)


def _all_items(turns: Sequence[StoredTurn]) -> list[Item]:
    return [item for turn in turns for item in items_of(turn.turn)]


def _name(call: ApiCall) -> str:
    name = call.path("conversation_id")
    if not is_conversation_id(name):
        raise not_found("Conversation", name)
    return name
