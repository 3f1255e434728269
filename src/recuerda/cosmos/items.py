"""The items of a container, and the rules that make one item a commit.

A thread has a logical partition of its own. It holds:

- **The thread's own item**, with its incarnation and its settings. It sorts above all records, so that one query,
  newest first, gives it and then the records.
- **One record for each number.** Its id is made of the incarnation and the number, and ids are unique in a partition,
  so one of two competing writers gets status 409. Creating the item is the commit: a turn exists as soon as this one
  item exists. A record carries the totals of the thread up to and including itself, so the newest record describes the
  thread.
- **Gone records.** An undo or a trim replaces a record with an empty item of the same id, and never removes it:
  otherwise a delayed writer could use the number again. The newest record makes such a record invisible even before it
  is replaced: a trim raises `first`, and an undo names its target.
- **Draft steps**, each with the revision that the thread had; appending a turn invalidates them. A step is created,
  never overwritten, so one of two processes that save it gets status 409.

A listing needs all threads, and they are in different partitions. So each thread also has an entry in one of a few
directory partitions: a copy of the information about it. The entry is made before the thread becomes visible, and
marked `pending` before the thread's settings change. For every marked entry, a listing reads the thread itself. So a
crash never hides a thread.

Numbers in Cosmos DB are IEEE 754 doubles, exact up to 2**53. So times are stored as text, and metadata as JSON text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from recuerda.storage.records import RecordKind, ThreadInfo, TurnRecord

THREAD_NUMBER: Final = 2**53 - 1
DRAFT_NUMBER: Final = 2**53 - 2
STEP_NUMBER: Final = -1
"""The number of a draft's later steps. It is below all records, so that reading a thread never passes over these
steps."""

HIGHEST_NUMBER: Final = 2**53 - 3
"""The number of the last record that a thread can have."""

THREAD_ID: Final = "thread"
"""The id of a thread's own item, in its partition."""

FIRST_STEP_ID: Final = "draft"
"""The id of the first step of a thread's draft, in its partition. It is fixed, so a thread has one draft."""

FOREVER: Final = 2**53 - 1
"""The value of `pending` for an entry whose thread is being deleted. No number of changes ever reaches it."""

SHARDS: Final = 4
"""The number of directory partitions. Each takes 10,000 request units a second; a listing queries all of them."""

MAX_BODY_BYTES: Final = 1_400_000
"""The largest size of a body in bytes. As base64 it fits into an item of Cosmos DB (2 MB of JSON), with room for the
other fields."""

T = TypeVar("T", bound="Item")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a container. The service sets `etag` and `changed_s` (seconds since 1970); they are not written."""

    partition: str
    id: str
    kind: str
    etag: str = msgspec.field(name="_etag", default="")
    changed_s: int = msgspec.field(name="_ts", default=0)

    def document(self) -> dict[str, Any]:
        """Return the item as the JSON object to write."""
        written = msgspec.to_builtins(self)
        del written["_etag"], written["_ts"]
        return {key: value for key, value in written.items() if value is not None}


class ThreadItem(Item, frozen=True, kw_only=True):
    """A thread's own item.

    Attributes:
        number: higher than every record's number.
        incarnation: a random id, chosen when the thread is made.
        is_set: True when the thread exists even without a record, because its settings were written first.
        is_settled: True when the item has the user and the title of the first record.
        created_us: the time at which the thread was made.
        user_id: a setting of the thread, as are `title` and `metadata` (JSON).
        changed_us: the time of the last change of the settings, if it came after the record number `changed_at`.
        changes: the number of changes of the item so far.
    """

    number: int = THREAD_NUMBER
    incarnation: str
    is_set: bool = False
    is_settled: bool = False
    created_us: str
    user_id: str | None = None
    title: str | None = None
    metadata: str = "{}"
    changed_us: str | None = None
    changed_at: int = 0
    changes: int = 0


class RecordItem(Item, frozen=True, kw_only=True):
    """A record of a thread's log, or (kind "gone") the empty place of a removed record.

    Attributes:
        number: the record's number.
        incarnation: the incarnation of the thread that it belongs to.
        record_id: the turn's id.
        call: a random id of the `append` call that wrote the record. By it, a call recognizes its own record among
            records with the same turn id.
        first: the thread's `first` after this record; `turns` and `messages` likewise.
        summary: the number of the newest summary after this record, which may be below `first`; 0 if there is none.
        covered: the last number that this summary covers.
        last_turn: the number of the newest turn that was ever appended; None in the record of a turn, which is itself
            the newest turn.
        user_id: only in the first record, the user that the thread gets if it has none; `title` likewise.
        text: the body, if it is text; otherwise `data` holds it as base64.
    """

    number: int
    incarnation: str
    record_id: str = ""
    call: str = ""
    target: int | None = None
    message_count: int = 0
    created_us: str = "0"
    first: int = 1
    turns: int = 0
    messages: int = 0
    summary: int = 0
    covered: int = 0
    last_turn: int | None = None
    user_id: str | None = None
    title: str | None = None
    text: str | None = None
    data: str | None = None

    def record(self) -> TurnRecord:
        """Return the record that the item holds."""
        kind = _KINDS.get(self.kind, "turn")
        return TurnRecord(
            number=self.number,
            id=self.record_id,
            created_us=int(self.created_us),
            message_count=self.message_count,
            body=read_body(self.text, self.data),
            kind=kind,
            target=self.target,
        )

    def emptied(self) -> RecordItem:
        """Return the empty item that replaces the record when it is removed."""
        return RecordItem(
            partition=self.partition, id=self.id, kind="gone", number=self.number, incarnation=self.incarnation
        )


class DraftItem(Item, frozen=True, kw_only=True):
    """A step of a draft. The first step's id is fixed, so one write begins a draft or replaces an old draft.

    Attributes:
        number: the sort position. It places the first step between the thread's own item and the records, and later
            steps below the records.
        draft: an id that all steps of one draft share.
        step: the step's number.
        turn_id: the id of the running turn, as the caller gave it; `revision` and `created_us` likewise.
        base: the revision that the thread had when the step was saved, in `incarnation` (None if there was no thread).
            The draft is valid until a turn is appended.
        text: the body; see `RecordItem`.
    """

    number: int = DRAFT_NUMBER
    draft: str
    step: int
    turn_id: str
    revision: int
    base: int
    created_us: str = "0"
    incarnation: str | None = None
    text: str | None = None
    data: str | None = None


class DirectoryItem(Item, frozen=True, kw_only=True):
    """A thread's entry in the directory, from which listings are made.

    Attributes:
        thread_id: the thread's id.
        sort: orders entries by time and then by id.
        users: the users whose listings have the entry: the thread's user, and during a change also the new user.
        changes: the value of `changes` in the thread's own item when the entry was copied from it.
        pending: the number that `changes` has to reach. Until then, a listing has to read the thread itself.
    """

    thread_id: str
    incarnation: str
    sort: str
    users: tuple[str, ...] = ()
    changes: int = 0
    pending: int = 1
    revision: int = 0
    first: int = 1
    turns: int = 0
    messages: int = 0
    user_id: str | None = None
    title: str | None = None
    metadata: str = "{}"
    created_us: str
    updated_us: str

    @property
    def is_settled(self) -> bool:
        """True if the entry can be trusted without reading the thread."""
        return self.changes >= self.pending

    def info(self) -> ThreadInfo:
        """Return the entry's copy of the information about the thread."""
        return ThreadInfo(
            id=self.thread_id,
            revision=self.revision,
            incarnation=self.incarnation,
            first=self.first,
            turns=self.turns,
            messages=self.messages,
            user_id=self.user_id,
            title=self.title,
            metadata=msgspec.json.decode(self.metadata),
            created_us=int(self.created_us),
            updated_us=int(self.updated_us),
        )


_TYPES: Final[Mapping[str, type[Item]]] = {
    "thread": ThreadItem,
    "draft": DraftItem,
    "directory": DirectoryItem,
    **dict.fromkeys(("turn", "undo", "trim", "summary", "gone"), RecordItem),
}
_KINDS: Final[Mapping[str, RecordKind]] = {"undo": "undo", "trim": "trim", "summary": "summary"}


def parse(document: Mapping[str, Any]) -> Item:
    """Return the item that a JSON object of the container holds."""
    return msgspec.convert(document, _TYPES[document["kind"]])


def thread_partition(thread_id: str) -> str:
    """Return the partition key of a thread."""
    return f"thread:{thread_id}"


def directory_place(thread_id: str) -> tuple[str, str]:
    """Return the partition key and the id of a thread's directory entry.

    The id is a digest, because an item's id cannot contain every character of a thread's id.
    """
    digest = hashlib.sha256(thread_id.encode()).hexdigest()
    return directory_partition(int(digest[:8], 16) % SHARDS), digest


def directory_partition(shard: int) -> str:
    """Return the partition key of one part of the directory."""
    return f"directory:{shard}"


def record_item_id(incarnation: str, number: int) -> str:
    """Return the id of a record's item.

    Two writers cannot both create an item with this id, which puts a thread's records in order.
    """
    return f"{incarnation}.{number}"


def sort_key(updated_us: int, thread_id: str) -> str:
    """Return a text that sorts like the time and then like the code points of the id."""
    return f"{updated_us:018d}{thread_id.encode().hex()}"


def write_body(body: bytes) -> tuple[str | None, str | None]:
    """Return `text` and `data` for a body: text if its JSON is short enough, otherwise base64 in `data`."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = None
    if text is not None and "\x00" not in text and len(json.dumps(text)) <= MAX_BODY_BYTES * 4 // 3:
        return text, None
    return None, base64.b64encode(body).decode()


def read_body(text: str | None, data: str | None) -> bytes:
    """Return the body from the `text` and `data` of `write_body`."""
    return text.encode() if text is not None else base64.b64decode(data or "")
