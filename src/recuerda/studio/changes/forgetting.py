"""Forgetting memories, and erasing a user: a dry run first, then the change, then the number of things that are gone.

Memories are forgotten in the index, and their turns get a mark. The messages stay: an undo or a deletion removes them.
An erasure removes everything of a user, and gives a receipt.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from recuerda.errors import InvalidInput
from recuerda.recall.index import Document, Forgetting
from recuerda.recall.recollection import Recollection
from recuerda.recall.scopes import Whose
from recuerda.storage.erasure import Erasure
from recuerda.studio.changes.audit import audited
from recuerda.studio.changes.confirming import (
    Confirmation,
    Fact,
    Hidden,
    Said,
    check_changes,
    seen_thread,
    thread_facts,
)
from recuerda.studio.changes.threads import SHOWN_CHARACTERS
from recuerda.studio.cutting import beginning
from recuerda.studio.faults import Fault
from recuerda.studio.page import Done, Fields, whole
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio

SHOWN = 20
"""The number of memories that the page in front of a change shows."""


# -- the memories of a thread ------------------------------------------------------------------------------------------


async def before_forget_thread(studio: Studio, request: Request) -> Confirmation:
    """Show the memories of a thread, or of one of its turns, that are about to be forgotten."""
    info = await seen_thread(studio, request)
    number = whole(request.query_params.get("turn"), "turn")
    turns = await _of_thread(studio, info.id, number)
    place = () if number is None else (Fact(label="change.turn", value=number),)
    hidden = () if number is None else (Hidden(name="turn", held_id=str(number)),)
    return await _before(studio, turns, (*thread_facts(info), *place), hidden, link("threads", info.id))


async def forget_thread(studio: Studio, request: Request, fields: Fields) -> Done:
    """Forget the memories of a thread, or of one of its turns."""
    thread_id: str = request.path_params["thread_id"]
    turns = await _of_thread(studio, thread_id, fields.number("turn"))
    async with audited(studio, "forget", thread_id=thread_id):
        await _forget(studio, turns, fields)
    return Done(href=link("threads", thread_id), done="forgotten")


# -- the memories of a user --------------------------------------------------------------------------------------------


async def before_forget_user(studio: Studio, request: Request) -> Confirmation:
    """Show the memories of a user that have all words of a query; without a query, all memories of the user."""
    check_changes(studio)
    user_id: str = request.path_params["user_id"]
    query = request.query_params.get("query", "")
    turns = await _of_user(studio, user_id, query)
    facts = [Fact(label="change.user", value=user_id, href=link("memory", user=user_id))]
    if query:
        facts.append(Fact(label="change.query", value=query))
    return await _before(
        studio, turns, facts, (Hidden(name="query", held_id=query),), link("memory", user=user_id, q=query or None)
    )


async def forget_user(studio: Studio, request: Request, fields: Fields) -> Done:
    """Forget memories of a user."""
    user_id: str = request.path_params["user_id"]
    turns = await _of_user(studio, user_id, fields.text("query") or "")
    async with audited(studio, "forget", user_id=user_id):
        await _forget(studio, turns, fields)
    return Done(href=link("memory", user=user_id), done="forgotten")


async def _of_thread(studio: Studio, thread_id: str, number: int | None) -> Sequence[Forgetting]:
    recall = _recall(studio)
    return await recall.turns_to_forget(thread_id, number, (await recall.follow(thread_id)).position)


async def _of_user(studio: Studio, user_id: str, query: str) -> Sequence[Forgetting]:
    recall = _recall(studio)
    whose = Whose(user_id=user_id, namespaces=await recall.namespaces_of(user_id))
    if query:
        return await recall.turns_with_words(query, whose, only_thread=None)
    return await recall.turns_of_user(whose)


def _recall(studio: Studio) -> Recollection:
    if studio.recall is None:
        raise Fault(409, "no_index", "fault.no-index")
    return studio.recall


async def _before(
    studio: Studio, turns: Sequence[Forgetting], facts: Sequence[Fact], hidden: tuple[Hidden, ...], back_href: str
) -> Confirmation:
    held = await _recall(studio).index.held(turns, SHOWN)
    return Confirmation(
        action="forget",
        facts=(*facts, Fact(label="change.memories", value=held.count)),
        said=tuple(map(_said, held.first)),
        hidden=(*hidden, Hidden(name="count", held_id=str(held.count))),
        back_href=back_href,
        is_for_good=True,
        is_possible=held.count > 0,
    )


def _said(memory: Document) -> Said:
    return Said(
        role=memory.role,
        text=beginning(memory.text, SHOWN_CHARACTERS),
        href=link("threads", memory.thread_id, "turns", memory.turn),
    )


async def _forget(studio: Studio, turns: Sequence[Forgetting], fields: Fields) -> None:
    """Forget turns, if they have as many messages as the person has seen.

    Raises:
        Fault: they have another number.
    """
    seen = fields.number("count")
    recall = _recall(studio)
    count = await recall.forget(turns, dry_run=True)
    if count != seen:
        raise Fault(409, "conflict", "fault.other-memories", count=count, seen=seen)
    await recall.forget(turns)


# -- a user ------------------------------------------------------------------------------------------------------------


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an erasure.

    Attributes:
        erasure: the receipt.
        download_href: the address of the receipt as a file.
        is_whole: whether everything that follows the storage has forgotten the user.
    """

    erasure: Erasure
    download_href: str
    is_whole: bool


async def before_erase(studio: Studio, request: Request) -> Confirmation:
    """Show what an erasure of a user would delete."""
    check_changes(studio)
    user_id: str = request.path_params["user_id"]
    would = await studio.storage.erase_user(user_id, dry_run=True)
    return Confirmation(
        action="erase",
        facts=(
            Fact(label="change.user", value=user_id, href=link("threads", user=user_id)),
            Fact(label="change.threads", value=would.threads),
            Fact(label="change.turns", value=would.turns),
            Fact(label="change.messages", value=would.messages),
        ),
        hidden=(Hidden(name="seen", held_id=_seen(would)),),
        back_href=link("threads", user=user_id),
        is_for_good=True,
        is_possible=would.threads > 0 or studio.recall is not None,
    )


async def erase(studio: Studio, request: Request, fields: Fields) -> Receipt:
    """Delete everything of a user, and return the receipt."""
    user_id: str = request.path_params["user_id"]
    seen = fields.needed("seen")
    async with audited(studio, "erase", user_id=user_id):
        if _seen(await studio.storage.erase_user(user_id, dry_run=True)) != seen:
            raise Fault(409, "conflict", "fault.other-threads")
        erasure = await studio.storage.erase_user(user_id)
    return Receipt(
        erasure=erasure,
        download_href=_receipt_href(studio, erasure),
        is_whole=not any(follower.problem for follower in erasure.followers),
    )


def _seen(would: Erasure) -> str:
    return f"{would.threads}.{would.turns}.{would.messages}"


def _receipt_href(studio: Studio, erasure: Erasure) -> str:
    """Return the address of a receipt. It holds the receipt itself, signed, because the storage keeps none."""
    body = base64.urlsafe_b64encode(msgspec.json.encode(erasure)).decode()
    return link("receipt", body=body, mark=_mark(studio, body))


async def download_receipt(studio: Studio, request: Request) -> Response:
    """Return a receipt as a file.

    Raises:
        InvalidInput: this studio did not write it.
    """
    body = request.query_params.get("body", "")
    if not hmac.compare_digest(request.query_params.get("mark", "").encode(), _mark(studio, body).encode()):
        raise InvalidInput("this is not a receipt that this studio has written")
    return Response(
        base64.urlsafe_b64decode(body),
        media_type="application/json",
        headers={"content-disposition": 'attachment; filename="receipt.json"'},
    )


def _mark(studio: Studio, body: str) -> str:
    return studio.settings.derived(f"receipt {body}")
