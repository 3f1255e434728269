"""Changes of one thread: undo, fork, settings, dropping an unfinished turn, deletion, and resuming."""

from __future__ import annotations

from msgspec import UNSET
from starlette.requests import Request

from recuerda.errors import CorruptTurn, DecryptionError, InvalidInput, ThreadNotFound
from recuerda.ids import new_id
from recuerda.messages.message import Turn
from recuerda.studio.changes.audit import audited
from recuerda.studio.changes.confirming import (
    Confirmation,
    Fact,
    Hidden,
    Input,
    Said,
    seen_thread,
    thread_facts,
    version_field,
    version_of,
)
from recuerda.studio.cutting import beginning
from recuerda.studio.faults import Fault
from recuerda.studio.page import Done, Fields, whole
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio
from recuerda.threads.history import StoredTurn, stored_turn
from recuerda.threads.store import ChatMessageStore

SHOWN_CHARACTERS = 300
"""The number of characters of a message that a page in front of a change shows."""


# -- undo --------------------------------------------------------------------------------------------------------------


async def before_undo(studio: Studio, request: Request) -> Confirmation:
    """Show the turn that an undo removes: the last one, or the one that the query names."""
    info = await seen_thread(studio, request)
    number = whole(request.query_params.get("turn"), "turn")
    turn = await _turn(studio, info.id, number)
    return Confirmation(
        action="undo",
        facts=(*thread_facts(info), Fact(label="change.turn", value=turn.number)),
        said=_said(turn, info.id),
        hidden=(version_field(info), Hidden(name="turn", held_id=str(turn.number))),
        back_href=link("threads", info.id),
        is_for_good=True,
    )


async def undo(studio: Studio, request: Request, fields: Fields) -> Done:
    """Remove a turn."""
    thread_id: str = request.path_params["thread_id"]
    number = _needed(fields, "turn")
    async with audited(studio, "undo", thread_id=thread_id):
        if await studio.storage.undo(thread_id, number=number, expected=version_of(fields)) is None:
            raise _no_turn(thread_id, number)
    return Done(href=link("threads", thread_id), done="undone")


async def _turn(studio: Studio, thread_id: str, number: int | None) -> StoredTurn:
    """Return a turn, or the last one. A turn that cannot be read has no messages."""
    found = await studio.storage.read(thread_id, before=None if number is None else number + 1, last_turns=1)
    record = next((one for one in found.records if number in (None, one.number)), None)
    if record is None:
        raise _no_turn(thread_id, number)
    try:
        return stored_turn(record, thread_id)
    except (CorruptTurn, DecryptionError):
        return StoredTurn(record.number, record.id, record.created_us, Turn(messages=()))


def _no_turn(thread_id: str, number: int | None) -> Fault:
    if number is None:
        return Fault(404, "not_found", "fault.no-turns", thread=repr(thread_id))
    return Fault(404, "not_found", "fault.no-turn", thread=repr(thread_id), number=number)


def _said(turn: StoredTurn, thread_id: str) -> tuple[Said, ...]:
    href = link("threads", thread_id, "turns", turn.number)
    return tuple(
        Said(role=message.role, text=beginning(message.text, SHOWN_CHARACTERS), href=href)
        for message in turn.messages
        if message.text
    )


# -- fork --------------------------------------------------------------------------------------------------------------


async def before_fork(studio: Studio, request: Request) -> Confirmation:
    """Show the place at which a fork leaves its thread: before a turn, after a turn, or at the end."""
    info = await seen_thread(studio, request)
    asked = {name: whole(request.query_params.get(name), name) for name in ("before", "through")}
    named = [(name, number) for name, number in asked.items() if number is not None]
    if len(named) > 1:
        raise InvalidInput("give before or through: both say where the copy ends")
    places = tuple(Fact(label=f"change.fork.{name}", value=number) for name, number in named)
    said = _said(await _turn(studio, info.id, named[0][1]), info.id) if named else ()
    return Confirmation(
        action="fork",
        facts=(*thread_facts(info), *places),
        said=said,
        said_label=f"change.fork.{named[0][0]}.said" if named else "change.said",
        # The id of the new thread is drawn here, so that a form that is sent twice makes one thread.
        hidden=(Hidden(name="into", held_id=new_id()), *(Hidden(name=n, held_id=str(at)) for n, at in named)),
        back_href=link("threads", info.id),
    )


async def fork(studio: Studio, request: Request, fields: Fields) -> Done:
    """Begin a thread that has the turns of this one up to a place."""
    thread_id: str = request.path_params["thread_id"]
    into = fields.text("into") or new_id()
    store = ChatMessageStore(storage=studio.storage, thread_id=thread_id)
    async with audited(studio, "fork", thread_id=thread_id):
        await store.fork(before=fields.number("before"), through=fields.number("through"), thread_id=into)
    return Done(href=link("threads", into), done="forked")


# -- settings ----------------------------------------------------------------------------------------------------------


async def before_settings(studio: Studio, request: Request) -> Confirmation:
    """Show the settings of a thread that a person may change."""
    info = await seen_thread(studio, request)
    return Confirmation(
        action="settings",
        facts=thread_facts(info),
        hidden=(version_field(info),),
        inputs=(
            Input(name="title", label="change.title", value=info.title or "", note="change.title.note"),
            Input(name="tags", label="change.tags", kind="lines", value="\n".join(info.tags), note="change.tags.note"),
            Input(name="archived", label="change.archived", kind="check", value="1" if info.archived else ""),
        ),
        back_href=link("threads", info.id),
    )


async def settings(studio: Studio, request: Request, fields: Fields) -> Done:
    """Set the title, the tags and the mark of the archive of a thread. A field that is not sent changes nothing."""
    thread_id: str = request.path_params["thread_id"]
    info = await studio.storage.head(thread_id)
    if info is None:
        raise ThreadNotFound(thread_id)
    title, tags = fields.text("title"), _lines(fields.texts("tags"))
    hide = studio.redaction.text
    async with audited(studio, "settings", thread_id=thread_id):
        await studio.storage.update_thread(
            thread_id,
            # A title that was made from a turn stays one, if nobody has changed it. The form shows it without secrets.
            title=UNSET if not fields.has("title") or (title or "") == hide(info.title or "") else title,
            tags=UNSET if not fields.has("tags") or tags == [hide(tag) for tag in info.tags] else tags,
            archived=fields.flag("archived") if fields.has("archived") else UNSET,
            expected=version_of(fields),
        )
    return Done(href=link("threads", thread_id), done="changed")


def _lines(texts: list[str]) -> list[str]:
    return [line.strip() for text in texts for line in text.splitlines() if line.strip()]


# -- unfinished turns --------------------------------------------------------------------------------------------------


async def before_drop(studio: Studio, request: Request) -> Confirmation:
    """Show the unfinished turn that is about to be dropped."""
    info = await seen_thread(studio, request)
    draft = await studio.storage.load_draft(info.id)
    if draft is None:
        raise _no_draft(info.id)
    return Confirmation(
        action="drop",
        facts=(*thread_facts(info), Fact(label="change.steps", value=len(draft.steps))),
        hidden=(Hidden(name="turn_id", held_id=draft.turn_id),),
        back_href=link("threads", info.id),
        is_for_good=True,
    )


async def drop(studio: Studio, request: Request, fields: Fields) -> Done:
    """Drop the unfinished turn that the page showed."""
    thread_id: str = request.path_params["thread_id"]
    async with audited(studio, "drop", thread_id=thread_id):
        if not await studio.storage.drop_draft(thread_id, turn_id=fields.needed("turn_id")):
            raise _no_draft(thread_id)
    return Done(href=link("threads", thread_id), done="dropped")


def _no_draft(thread_id: str) -> Fault:
    return Fault(409, "conflict", "fault.no-draft", thread=repr(thread_id))


async def before_resume(studio: Studio, request: Request) -> Confirmation:
    """Show the unfinished turn that the agent is about to continue."""
    info = await seen_thread(studio, request)
    if studio.agent is None:
        raise Fault(409, "no_agent", "fault.no-agent")
    pending = await studio.agent.pending_turn(studio.agent.get_thread(info.id, user_id=studio.user_id))
    if pending is None:
        raise _no_draft(info.id)
    return Confirmation(
        action="resume",
        facts=(*thread_facts(info), Fact(label="change.steps", value=pending.steps)),
        said=tuple(
            Said(role=message.role, text=beginning(message.text, SHOWN_CHARACTERS))
            for message in pending.input
            if message.text
        ),
        hidden=(Hidden(name="turn_id", held_id=pending.turn_id),),
        back_href=link("threads", info.id),
    )


async def resume(studio: Studio, request: Request, fields: Fields) -> Done:
    """Let the agent continue the unfinished turn, up to its end or its next approval."""
    thread_id: str = request.path_params["thread_id"]
    if studio.agent is None:
        raise Fault(409, "no_agent", "fault.no-agent")
    thread = studio.agent.get_thread(thread_id, user_id=studio.user_id)
    pending = await studio.agent.pending_turn(thread)
    if pending is None or pending.turn_id != fields.needed("turn_id"):
        raise _no_draft(thread_id)
    async with audited(studio, "resume", thread_id=thread_id):
        await studio.agent.resume(thread)
    return Done(href=link("threads", thread_id), done="resumed")


# -- deletion ----------------------------------------------------------------------------------------------------------


async def before_delete(studio: Studio, request: Request) -> Confirmation:
    """Show the thread that is about to be deleted."""
    info = await seen_thread(studio, request)
    return Confirmation(
        action="delete",
        facts=thread_facts(info),
        hidden=(version_field(info),),
        back_href=link("threads", info.id),
        is_for_good=True,
    )


async def delete(studio: Studio, request: Request, fields: Fields) -> Done:
    """Delete a thread. The index of memories forgets it too."""
    thread_id: str = request.path_params["thread_id"]
    async with audited(studio, "delete", thread_id=thread_id):
        if not await studio.storage.delete(thread_id, expected=version_of(fields)):
            raise ThreadNotFound(thread_id)
    return Done(href="/threads", done="deleted")


def _needed(fields: Fields, name: str) -> int:
    number = fields.number(name)
    if number is None:
        raise InvalidInput(f"the field {name!r} is missing: load the page again")
    return number
