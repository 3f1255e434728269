"""The items of a container, and the rules that make one request a commit.

A thread has a logical partition of its own. It holds:

- **The thread's own item**, called its head. It has the information about the thread. It sorts above all records, so
  that one query, newest first, gives it and then the records.
- **One record for each number.**
- **Gone records.** A removed record is replaced by an item of the same id without a body. It keeps the record's id for
  retries and for continued reads. Items that are older than `REMEMBERED` numbers are deleted.
- **Draft steps.** The head names the draft that is valid, and the number of its steps.
- **Blobs**, in parts; see `blobs.py`.
- **The lease**, if a process has taken it.

Every change of a thread replaces its head, on the condition that the head's ETag is unchanged since it was read. All
other items of the change are in the same transactional batch. So a change happens whole or not at all, and what was
read before it (the user, the version, the draft) was still true when it happened. A batch takes 100 operations and
2 MB. If a change removes more items, the head is marked `is_unfinished`: no reader sees these items any more, and the
next change deletes them.

A deleted thread's head stays as a tombstone until all other items are deleted. So an interrupted deletion is completed
by the next operation that needs the thread.

A listing needs all threads, and they are in different partitions. So each thread also has an entry in one of a few
directory partitions: a copy of the information about it. The entry is created before the thread becomes visible, and
marked `pending` before the thread's settings change. For every marked entry, a listing reads the thread itself. So a
crash never hides a thread.

Numbers in Cosmos DB are IEEE 754 doubles, exact up to 2**53. So times are stored as text, and metadata as JSON text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from recuerda.storage.records import RecordKind, TurnRecord
from recuerda.storage.thread_info import ThreadInfo, ThreadParent

HEAD_NUMBER: Final = 2**53 - 1
BESIDE_NUMBER: Final = -1
"""The number of draft steps, of blobs and of the lease. It is below all records, so that a read of a thread never
passes over these items."""

HIGHEST_NUMBER: Final = 2**53 - 3
"""The number of the last record that a thread can have."""

HEAD_ID: Final = "thread"
"""The id of a thread's own item, in its partition."""

LEASE_ID: Final = "lease"
"""The id of the item of a thread's lease, in its partition."""

SHARDS: Final = 4
"""The number of directory partitions. Each takes 10,000 request units a second; a listing queries all of them."""

MAX_BODY_BYTES: Final = 1_400_000
"""The largest size of a body in bytes. As base64 it fits into an item of Cosmos DB (2 MB of JSON), with room for the
other fields and for the rest of its batch."""


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


class DraftMark(msgspec.Struct, frozen=True, kw_only=True):
    """The draft that is valid.

    Attributes:
        id: a random id that the draft's items share.
        turn_id: the id of the running turn.
        revision: the revision on which the turn was begun.
        steps: the number of steps.
        last_id: the id of the last step.
    """

    id: str
    turn_id: str
    revision: int
    steps: int
    last_id: str = ""


class HeadItem(Item, frozen=True, kw_only=True):
    """A thread's own item. The fields that `ThreadInfo` has too mean the same.

    Attributes:
        life: "new" while the thread is being made, and readers do not see it; then "alive"; then "over" while its items
            are being deleted.
        writes: the number of times that the head was replaced.
        call: a random id of the call that replaced it last. By it, a call whose answer was lost recognizes its change.
        metadata: JSON.
        summary: the number of the newest summary; 0 if there is none.
        covered: the last number that this summary covers.
        removals: the number of records that have removed others. A read of several pages looks whether it has grown.
        is_unfinished: True if items that a record has removed may still be there, because they were too many for a
            batch.
        undone: if the newest record is an undo or a replacement that is not finished, the number of the turn that it
            removed.
        draft: the valid draft, or None.
    """

    number: int = HEAD_NUMBER
    incarnation: str
    life: Literal["new", "alive", "over"] = "new"
    writes: int = 0
    call: str = ""
    revision: int = 0
    record_id: str = ""
    edits: int = 0
    rewritten: int = 0
    first: int = 1
    turns: int = 0
    messages: int = 0
    user_id: str | None = None
    title: str | None = None
    title_turn: int | None = None
    metadata: str = "{}"
    parent: ThreadParent | None = None
    archived: bool = False
    tags: tuple[str, ...] = ()
    created_us: str = "0"
    updated_us: str = "0"
    summary: int = 0
    covered: int = 0
    removals: int = 0
    is_unfinished: bool = False
    undone: int | None = None
    draft: DraftMark | None = None

    @property
    def thread_id(self) -> str:
        """The thread's id."""
        return self.partition.removeprefix(thread_partition(""))

    def info(self) -> ThreadInfo:
        """Return the information about the thread."""
        return ThreadInfo(
            id=self.thread_id,
            revision=self.revision,
            incarnation=self.incarnation,
            record_id=self.record_id,
            edits=self.edits,
            rewritten=self.rewritten,
            first=self.first,
            turns=self.turns,
            messages=self.messages,
            user_id=self.user_id,
            title=self.title,
            title_turn=self.title_turn,
            metadata=msgspec.json.decode(self.metadata),
            created_us=int(self.created_us),
            updated_us=int(self.updated_us),
            parent=self.parent,
            archived=self.archived,
            tags=self.tags,
        )


class RecordItem(Item, frozen=True, kw_only=True):
    """A record of a thread's log, or (kind "gone") the place of a removed record.

    Attributes:
        number: the record's number.
        incarnation: the incarnation of the thread that it belongs to.
        record_id: the record's id. For a removed record, only the id of a turn that no other turn may use.
        removed_id: the id of any other removed record.
        call: a random id of the `append` call that wrote the record. By it, a call recognizes its own record among
            records with the same turn id.
        committed_us: the time of the commit, if it differs from `created_us`.
        text: the body, if it is text; otherwise `data` holds it as base64.
        digests: the digests of the blobs that a turn names; None if it names none.
        uploads: the ids of the uploads that hold these blobs, in the same order.
    """

    number: int
    incarnation: str
    record_id: str | None = None
    removed_id: str | None = None
    call: str | None = None
    target: int | None = None
    message_count: int = 0
    created_us: str = "0"
    committed_us: str | None = None
    text: str | None = None
    data: str | None = None
    digests: tuple[str, ...] | None = None
    uploads: tuple[str, ...] | None = None

    @property
    def original_id(self) -> str:
        """The record's id, even if it has been removed."""
        return self.record_id or self.removed_id or ""

    def record(self) -> TurnRecord:
        """Return the record that the item holds."""
        return TurnRecord(
            number=self.number,
            id=self.original_id,
            created_us=int(self.created_us),
            committed_us=int(self.committed_us or self.created_us),
            message_count=self.message_count,
            body=read_body(self.text, self.data),
            kind=_KINDS.get(self.kind, "turn"),
            target=self.target,
            blobs=self.digests or (),
        )

    def emptied(self, *, keeps_id: bool) -> RecordItem:
        """Return the item that replaces the record when it is removed.

        Args:
            keeps_id: True if no other turn may use the record's id.
        """
        return RecordItem(
            partition=self.partition,
            id=self.id,
            kind="gone",
            number=self.number,
            incarnation=self.incarnation,
            record_id=self.original_id if keeps_id else None,
            removed_id=None if keeps_id else self.original_id,
        )


class DraftItem(Item, frozen=True, kw_only=True):
    """A step of a draft.

    Attributes:
        incarnation: the incarnation of the thread that it belongs to.
        draft: the id of the draft; see `DraftMark`.
        step: the step's number.
        step_id: the step's id, as the caller gave it; `turn_id`, `revision` and `created_us` likewise.
        text: the body; see `RecordItem`.
    """

    number: int = BESIDE_NUMBER
    incarnation: str
    draft: str
    step: int
    step_id: str = ""
    turn_id: str
    revision: int
    created_us: str = "0"
    text: str | None = None
    data: str | None = None


class BlobItem(Item, frozen=True, kw_only=True):
    """A part of a blob.

    Attributes:
        incarnation: the incarnation of the thread that it belongs to.
        upload: the id that the parts of the blob share.
        part: the part's number, from 0 on; `parts` is the number of parts.
        begun_on: the value of `writes` in the head on which the upload was begun.
        data: the bytes of the part, as base64.
    """

    number: int = BESIDE_NUMBER
    incarnation: str
    upload: str
    part: int
    parts: int
    begun_on: int
    data: str = ""


class LeaseItem(Item, frozen=True, kw_only=True):
    """The lease of a thread.

    Attributes:
        holder: the id of its holder.
        lasts_us: the time after which a lease that is not renewed is free, in microseconds.
    """

    number: int = BESIDE_NUMBER
    holder: str
    lasts_us: int


class DirectoryItem(Item, frozen=True, kw_only=True):
    """A thread's entry in the directory, from which listings are made.

    Attributes:
        thread_id: the thread's id.
        sort: orders entries by time and then by id.
        users: the users whose listings have the entry: the thread's user, and during a change also the new user.
        writes: the value of `writes` in the thread's head when the entry was copied from it.
        pending: the number that `writes` has to reach. Until then, a listing has to read the thread itself.
        copy: the information about the thread, as JSON.
    """

    thread_id: str
    incarnation: str
    sort: str
    users: tuple[str, ...] = ()
    writes: int = 0
    pending: int = 1
    copy: str

    @property
    def is_settled(self) -> bool:
        """True if the entry can be trusted without reading the thread."""
        return self.writes >= self.pending

    def info(self) -> ThreadInfo:
        """Return the entry's copy of the information about the thread."""
        return msgspec.json.decode(self.copy, type=ThreadInfo)


_TYPES: Final[Mapping[str, type[Item]]] = {
    "thread": HeadItem,
    "lease": LeaseItem,
    "draft": DraftItem,
    "blob": BlobItem,
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
    """Return the id of a record's item."""
    return f"{incarnation}.{number}"


def step_item_id(draft: str, step: int) -> str:
    """Return the id of the item of a draft's step."""
    return f"draft.{draft}.{step}"


def blob_item_id(upload: str, part: int) -> str:
    """Return the id of the item of a blob's part."""
    return f"blob.{upload}.{part}"


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
