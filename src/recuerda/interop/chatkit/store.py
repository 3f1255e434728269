"""`RecuerdaStore`: the store of ChatKit's server, with a thread for each of its threads."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import msgspec
from chatkit.store import NotFoundError, Store, StoreItemType
from chatkit.types import (
    Attachment,
    Page,
    ThreadItem,
    ThreadMetadata,
    UserMessageItem,
)
from pydantic import TypeAdapter

from recuerda.errors import InvalidInput, ThreadNotFound, ThreadOwnershipError
from recuerda.ids import check_id, check_limit
from recuerda.interop.chatkit.lines import lines_of
from recuerda.interop.chatkit.log import Begun, Position, ThreadLog
from recuerda.interop.chatkit.paging import Order, Pager, parse_cursor
from recuerda.interop.own_storage import OwnStorage
from recuerda.json_value import JsonObject
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadInfo

TContext = TypeVar("TContext")
K = TypeVar("K")
T = TypeVar("T")

ATTACHMENT = "chatkit-attachment:"
"""The start of the id of a thread that holds an attachment."""

THREAD = "chatkit.thread"
"""The key of a thread's metadata that holds what ChatKit says about the thread."""

_REMEMBERED = 10_000
"""The number of items of which the store remembers where they are, and of responses whose turns it knows."""

_THREADS = 1000
"""The number of threads of which the store remembers items."""

_PREFIXES: dict[StoreItemType, str] = {
    "thread": "thr",
    "message": "msg",
    "tool_call": "tc",
    "workflow": "wf",
    "task": "tsk",
    "attachment": "atc",
    "sdk_hidden_context": "shcx",
}

_attachments: TypeAdapter[Attachment] = TypeAdapter(Attachment)


def generate_id(item_type: StoreItemType) -> str:
    """Return a new id with 128 random bits. ChatKit's own function draws 32 bits, which collide."""
    return f"{_PREFIXES[item_type]}_{secrets.token_hex(16)}"


class RecuerdaStore(OwnStorage, Store[TContext]):
    """Keep ChatKit's threads, items and attachments, on any storage.

    What the server adds in one response becomes one turn. Changes and deletions of items are atomic. A response that
    another one has overtaken in the same thread raises `ThreadConflict`. Another user's thread is not found.

    Args:
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
        user_of: returns the id of the user whom the server's context names. None says that the program has no users,
            so everybody may use every thread.
    """

    def __init__(self, storage: Storage | str, *, user_of: Callable[[TContext], str] | None) -> None:
        self._open(storage)
        self._user_of = user_of
        self._numbers: dict[str, dict[str, int]] = {}
        self._responses: dict[tuple[str, int], tuple[TContext, Begun]] = {}

    def generate_thread_id(self, context: TContext) -> str:
        """Return a new id with 128 random bits."""
        return generate_id("thread")

    def generate_item_id(self, item_type: StoreItemType, thread: ThreadMetadata, context: TContext) -> str:
        """Return a new id with 128 random bits."""
        item_id = generate_id(item_type)
        _remember(self._known(thread.id), item_id, 0)
        return item_id

    # -- threads -------------------------------------------------------------------------------------------------------

    async def load_thread(self, thread_id: str, context: TContext) -> ThreadMetadata:
        """Return what ChatKit says about a thread.

        Raises:
            NotFoundError: the user has no such thread.
        """
        with _not_found("thread", thread_id):
            info = await self.storage.head(_thread(thread_id), user_id=self._user(context))
        if info is None:
            raise NotFoundError(f"there is no thread {thread_id!r}")
        return _metadata(info)

    async def save_thread(self, thread: ThreadMetadata, context: TContext) -> None:
        """Save what ChatKit says about a thread; the thread is made if it does not exist.

        Raises:
            NotFoundError: the thread belongs to another user.
        """
        user_id = self._user(context)
        data = {name: thread.model_dump(mode="json", include={name})[name] for name in ThreadMetadata.model_fields}
        title = data.pop("title")
        del data["id"]
        with _not_found("thread", thread.id):
            info = await self.storage.update_thread(
                _thread(thread.id),
                title=msgspec.UNSET if title is None else title,
                metadata={THREAD: data},
                expected_user_id=user_id,
            )
            if title is None and info.set_title is not None:
                await self.storage.update_thread(thread.id, title=None, expected_user_id=user_id)

    async def load_threads(self, limit: int, after: str | None, order: str, context: TContext) -> Page[ThreadMetadata]:
        """Return a page of the user's threads: for "desc" the thread that was used last comes first.

        The order "asc" reads the whole list.

        Args:
            limit: the largest number of threads.
            after: the `after` of the page before, or the id of its last thread; None for the first page.
            order: "asc" or "desc".
            context: the server's context.
        """
        check_limit(limit, "limit")
        if _order(order) == "asc":
            return await self._oldest_threads(limit, after, self._user(context))
        return await self._newest_threads(limit, after, self._user(context))

    async def _newest_threads(self, limit: int, after: str | None, user_id: str | None) -> Page[ThreadMetadata]:
        cursor = await self._cursor(after, user_id)
        found: list[ThreadInfo] = []
        while len(found) <= limit:
            page = await self.storage.list_threads(
                user_id=user_id, archived=None, limit=min(limit + 1, 1000), cursor=cursor
            )
            found += [info for info in page.threads if not info.id.startswith(ATTACHMENT)]
            cursor = page.cursor
            if cursor is None:
                break
        return _page(found, limit)

    async def _oldest_threads(self, limit: int, after: str | None, user_id: str | None) -> Page[ThreadMetadata]:
        infos = [one async for one in self.storage.threads(user_id=user_id) if not one.id.startswith(ATTACHMENT)]
        infos.sort(key=lambda info: (info.updated_us, info.id))
        cursor = await self._cursor(after, user_id)
        if cursor is not None:
            updated_us, _, thread_id = cursor.partition(":")
            infos = [info for info in infos if (info.updated_us, info.id) > (int(updated_us), thread_id)]
        return _page(infos, limit)

    async def _cursor(self, after: str | None, user_id: str | None) -> str | None:
        """Return the storage's cursor for the `after` of a page, or for a thread's id."""
        if after is None or (":" in after and after.partition(":")[0].isdecimal()):
            return after
        with _not_found("thread", after):
            info = await self.storage.head(_thread(after), user_id=user_id)
        if info is None:
            raise NotFoundError(f"there is no thread {after!r}")
        return f"{info.updated_us}:{info.id}"

    async def delete_thread(self, thread_id: str, context: TContext) -> None:
        """Delete a thread with all its items, and the attachments of its messages."""
        user_id = self._user(context)
        with _not_found("thread", thread_id):
            for attachment_id in await self._attachments_in(_thread(thread_id), user_id):
                await self.storage.delete(ATTACHMENT + attachment_id, user_id=user_id)
            await self.storage.delete(thread_id, user_id=user_id)
        self._numbers.pop(thread_id, None)

    async def _attachments_in(self, thread_id: str, user_id: str | None) -> list[str]:
        log = ThreadLog(self.storage, thread_id, user_id, {})
        try:
            found = await log.read()
        except ThreadNotFound:
            return []
        end = await log.end(found)
        held = [*((turn.messages, turn.id) for turn in log.turns(found)), (end.messages, end.turn_id)]
        lines = [line for messages, turn_id in held for line in lines_of(messages, turn_id)]
        sent = [one for line in lines for one in cast("list[Any]", line.data.get("attachments", []))]
        return [str(one["id"]) for one in sent]

    # -- items ---------------------------------------------------------------------------------------------------------

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: TContext
    ) -> Page[ThreadItem]:
        """Return a page of a thread's items.

        Args:
            thread_id: the thread.
            after: the `after` of the page before, or the id of its last item; None for the first page.
            limit: the largest number of items.
            order: "asc" for the oldest items first, "desc" for the newest items first.
            context: the server's context.

        Raises:
            NotFoundError: the user has no such thread, or the thread has no such item.
        """
        log = self._log(thread_id, context)
        check_limit(limit, "limit")
        with _not_found("thread", thread_id):
            start = None if after is None else parse_cursor(after) or await self._position(log, after)
            placed, has_more = await Pager(log, thread_id, after=start, limit=limit, order=_order(order)).page()
        known = self._known(thread_id)
        for one in placed:
            _remember(known, one.item.id, one.at.number)
        items = [one.item for one in placed]
        return Page(data=items, has_more=has_more, after=placed[-1].cursor if has_more else None)

    async def _position(self, log: ThreadLog, item_id: str) -> Position:
        found = await log.find(item_id)
        if found is None:
            raise NotFoundError(f"there is no item {item_id!r}")
        return found[0]

    async def load_item(self, thread_id: str, item_id: str, context: TContext) -> ThreadItem:
        """Return an item.

        Raises:
            NotFoundError: the user has no such thread, or the thread has no such item.
        """
        with _not_found("thread", thread_id):
            found = await self._log(thread_id, context).find(item_id)
        if found is None:
            raise NotFoundError(f"there is no item {item_id!r} in the thread {thread_id!r}")
        return found[1]

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: TContext) -> None:
        """Add an item at the end of a thread. An item that is there already is replaced.

        Raises:
            NotFoundError: the user has no such thread.
            ThreadConflict: another response has continued the thread after the question that this response answers.
            EncodeError: the item is not JSON; nothing was written.
        """
        begun = None if isinstance(item, UserMessageItem) else self._begun(thread_id, context)
        with _not_found("thread", thread_id):
            turn = await self._log(thread_id, context).add(item, begun)
        self._begin(thread_id, context, turn)

    async def save_item(self, thread_id: str, item: ThreadItem, context: TContext) -> None:
        """Replace the item with the same id in one atomic step, or add it if the thread has no such item.

        Raises:
            NotFoundError: the user has no such thread.
            ThreadConflict: see `add_thread_item`.
            EncodeError: the item is not JSON; nothing was written.
        """
        with _not_found("thread", thread_id):
            turn = await self._log(thread_id, context).save(item, self._begun(thread_id, context))
        if turn is not None:
            self._begin(thread_id, context, turn)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: TContext) -> None:
        """Delete an item in one atomic step. An item that is not there is no error.

        Raises:
            NotFoundError: the user has no such thread.
        """
        with _not_found("thread", thread_id):
            if await self._log(thread_id, context).delete(item_id):
                self._responses.pop((thread_id, id(context)), None)

    def _begun(self, thread_id: str, context: TContext) -> Begun | None:
        found = self._responses.get((thread_id, id(context)))
        return found[1] if found is not None and found[0] is context else None

    def _begin(self, thread_id: str, context: TContext, turn: Begun) -> None:
        # The context is kept too, so that no other context gets its address.
        _remember(self._responses, (thread_id, id(context)), (context, turn))

    # -- attachments ---------------------------------------------------------------------------------------------------

    async def save_attachment(self, attachment: Attachment, context: TContext) -> None:
        """Save what is known of an attachment, in the place of what was known before.

        Raises:
            NotFoundError: the attachment belongs to another user.
        """
        data = cast("JsonObject", _attachments.dump_python(attachment, mode="json"))
        with _not_found("attachment", attachment.id):
            await self.storage.update_thread(
                ATTACHMENT + attachment.id, metadata={ATTACHMENT: data}, expected_user_id=self._user(context)
            )

    async def load_attachment(self, attachment_id: str, context: TContext) -> Attachment:
        """Return what is known of an attachment.

        Raises:
            NotFoundError: the user has no such attachment.
        """
        with _not_found("attachment", attachment_id):
            info = await self.storage.head(ATTACHMENT + attachment_id, user_id=self._user(context))
        if info is None or ATTACHMENT not in info.metadata:
            raise NotFoundError(f"there is no attachment {attachment_id!r}")
        return _attachments.validate_python(info.metadata[ATTACHMENT])

    async def delete_attachment(self, attachment_id: str, context: TContext) -> None:
        """Delete what is known of an attachment. An attachment that is not there is no error.

        Raises:
            NotFoundError: the attachment belongs to another user.
        """
        with _not_found("attachment", attachment_id):
            await self.storage.delete(ATTACHMENT + attachment_id, user_id=self._user(context))

    # -- shared --------------------------------------------------------------------------------------------------------

    def _user(self, context: TContext) -> str | None:
        # A context that names nobody must not open the threads of everybody.
        return None if self._user_of is None else check_id(self._user_of(context), "user id of the context")

    def _log(self, thread_id: str, context: TContext) -> ThreadLog:
        with _not_found("thread", thread_id):
            return ThreadLog(self.storage, _thread(thread_id), self._user(context), self._known(thread_id))

    def _known(self, thread_id: str) -> dict[str, int]:
        known = self._numbers.pop(thread_id, {})
        _remember(self._numbers, thread_id, known, most=_THREADS)
        return known


def _thread(thread_id: str) -> str:
    """Return the id of a thread, if it is not the thread of an attachment."""
    if thread_id.startswith(ATTACHMENT):
        raise NotFoundError(f"there is no thread {thread_id!r}")
    return thread_id


def _metadata(info: ThreadInfo) -> ThreadMetadata:
    data = info.metadata.get(THREAD)
    if not isinstance(data, dict):
        return ThreadMetadata(id=info.id, title=info.title, created_at=info.created_at)
    return ThreadMetadata.model_validate({**data, "id": info.id, "title": info.set_title})


def _page(found: list[ThreadInfo], limit: int) -> Page[ThreadMetadata]:
    shown = found[:limit]
    has_more = len(found) > limit
    after = f"{shown[-1].updated_us}:{shown[-1].id}" if has_more else None
    return Page(data=[_metadata(info) for info in shown], has_more=has_more, after=after)


def _order(order: str) -> Order:
    if order in {"asc", "desc"}:
        return cast("Order", order)
    raise InvalidInput(f"the order must be 'asc' or 'desc', not {order!r}")


def _remember(known: MutableMapping[K, T], key: K, value: T, *, most: int = _REMEMBERED) -> None:
    """Note a value, and forget the oldest one if there are too many."""
    known.pop(key, None)
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]


@contextmanager
def _not_found(what: str, name: str) -> Generator[None]:
    """Tell ChatKit in its own terms that something is not there, or is not the user's."""
    try:
        yield
    except (ThreadNotFound, ThreadOwnershipError):
        raise NotFoundError(f"there is no {what} {name!r}") from None
