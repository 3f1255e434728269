"""The page in front of a change: exactly what will happen, to which thread, and the form that makes it happen.

Each form holds the version of the thread that the page shows. A thread that has changed since is left alone, and the
answer says so. So nobody changes something that they have not seen.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from starlette.requests import Request

from recuerda.errors import InvalidInput, ThreadNotFound
from recuerda.storage.thread_info import ThreadInfo, Version
from recuerda.studio.faults import Fault
from recuerda.studio.page import Fields
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio

InputKind: TypeAlias = Literal["text", "lines", "check", "choice", "file"]

VERSION = "version"
"""The field of a form with the version of the thread."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One fact about the change.

    Attributes:
        label: the key of the fact's name.
        value: the fact: a text or a number.
        href: the address of the thing; None for none.
    """

    label: str
    value: str | int
    href: str | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A message that the change affects.

    Attributes:
        role: the role of the speaker.
        text: the text of the message.
        href: the address of its turn; None for none.
    """

    role: str
    text: str
    href: str | None = None


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the form.

    Attributes:
        name: the field's name.
        label: the key of the field's label.
        kind: the form of the field.
        value: the value; for a box, "1" if it is ticked.
        options: the choices.
        note: the key of a sentence about the field; "" for none.
    """

    name: str
    label: str
    kind: InputKind = "text"
    value: str = ""
    options: tuple[str, ...] = ()
    note: str = ""


class Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the form that is not shown. It names a thing, so no secret is looked for in it.

    Attributes:
        name: the field's name.
        held_id: the value.
    """

    name: str
    held_id: str


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """A change that has not been made yet.

    Attributes:
        action: the word for the change, by which the page finds its texts.
        facts: what the change is about.
        said: the first messages that it affects.
        said_label: the word for their heading.
        hidden: the fields of the form that are not shown.
        inputs: the other fields of the form.
        back_href: the page to which "cancel" leads.
        is_for_good: whether the change cannot be taken back.
        is_possible: whether there is anything to change.
        is_upload: whether the form sends a file.
    """

    action: str
    facts: tuple[Fact, ...]
    hidden: tuple[Hidden, ...]
    back_href: str
    inputs: tuple[Input, ...] = ()
    said: tuple[Said, ...] = ()
    said_label: str = "change.said"
    is_for_good: bool = False
    is_possible: bool = True
    is_upload: bool = False


def version_field(info: ThreadInfo) -> Hidden:
    """Return the field with a thread's version."""
    seen = info.version
    return Hidden(name=VERSION, held_id=f"{seen.revision}.{seen.edits}.{seen.incarnation}.{seen.record_id}")


def version_of(fields: Fields) -> Version:
    """Return the version of the thread that the person has seen.

    Raises:
        InvalidInput: the field is missing, or was changed.
    """
    parts = fields.needed(VERSION).split(".", 3)
    if len(parts) != 4 or not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts[:2]):
        raise InvalidInput(f"the field {VERSION!r} is not the version of a thread: load the page again")
    revision, edits, incarnation, record_id = parts
    return Version(incarnation, int(revision), record_id, int(edits))


def check_changes(studio: Studio) -> None:
    """Refuse the page of a change in a studio that changes nothing.

    Raises:
        Fault: the studio is read-only.
    """
    if not studio.allow_changes:
        raise Fault(403, "read_only", "fault.read-only")


async def seen_thread(studio: Studio, request: Request) -> ThreadInfo:
    """Return the thread of the path, for the page in front of a change.

    Raises:
        Fault: the studio is read-only.
        ThreadNotFound: there is no such thread.
    """
    check_changes(studio)
    thread_id: str = request.path_params["thread_id"]
    info = await studio.storage.head(thread_id)
    if info is None:
        raise ThreadNotFound(thread_id)
    return info


def thread_facts(info: ThreadInfo) -> tuple[Fact, ...]:
    """Return the facts that say which thread a change is about."""
    facts = [Fact(label="change.thread", value=info.title or info.id, href=link("threads", info.id))]
    if info.title:
        facts.append(Fact(label="change.thread-id", value=info.id))
    if info.user_id is not None:
        facts.append(Fact(label="change.user", value=info.user_id))
    return (*facts, Fact(label="change.turns", value=info.turns), Fact(label="change.messages", value=info.messages))
