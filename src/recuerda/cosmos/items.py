"""What a container keeps, and the rules that make one item a commit.

A thread has a logical partition of its own. In it are:

- **The thread's own item**, with its incarnation and its settings. It sorts above all records, so that one query,
  newest first, gives it and then the records.
- **A record for each number.** Its id is made of the incarnation and the number, and ids are unique in a partition:
  of two writers one gets 409. That create is the commit; nothing else has to be written for a turn to be there.
  A record carries the totals of the thread as of itself, so the newest record tells what there is to know.
- **Gone records.** What an undo or a trim takes out is replaced by an empty item of the same id, never removed:
  otherwise a writer that was held up could use the number again. Before it is replaced it is invisible already, by the
  newest record: a trim raises `first`, and an undo names its target.
- **Draft steps**, each with the revision that the thread had: the append of a turn makes them void by itself. A step is
  created, never written over: of two that save it one gets 409.

Listings need all threads at once, which no partition has. So each thread also has an entry in one of a few directory
partitions: a copy of its info. It is made before a thread can be seen, and marked `pending` before the thread's
settings change; a listing looks at the thread itself for every entry that is marked. So a crash never hides a thread.

Numbers in Cosmos DB are IEEE 754 doubles, exact up to 2**53: times are kept as text, metadata as a text of JSON.
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
"""Of the later steps of a draft: no look at the thread meets them, however many there are."""

HIGHEST_NUMBER: Final = 2**53 - 3
"""The number of the last record that a thread can have."""

THREAD_ID: Final = "thread"
"""The id of a thread's own item, in its partition."""

FIRST_STEP_ID: Final = "draft"
"""The id of the first step of a thread's draft, in its partition: fixed, so that a thread has one draft."""

FOREVER: Final = 2**53 - 1
"""A `pending` that no change of settings settles: the thread is being deleted."""

SHARDS: Final = 4
"""How many directory partitions there are. Each takes 10,000 request units a second; a listing asks all of them."""

MAX_BODY_BYTES: Final = 1_400_000
"""Cosmos DB takes items of 2 MB of JSON: this many bytes fit as base64, with room for the rest."""

T = TypeVar("T", bound="Item")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a container. `etag` and `changed_s` (seconds since 1970) are the service's, and not written."""

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
        number: above every record's.
        incarnation: drawn when the thread is made.
        is_set: the thread exists even without a record, because its settings were made first.
        is_settled: what the first record says of user and title has been taken over.
        created_us: the thread's time.
        user_id: the setting; likewise `title`, and `metadata` as JSON.
        changed_us: when the settings were changed, if that was after the record of the number `changed_at`.
        changes: how often the item has been changed.
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
    """A record of a thread's log, or (kind "gone") the empty place of one.

    Attributes:
        number: the record's.
        incarnation: of the thread that it belongs to.
        record_id: the turn's id.
        call: drawn for each call of `append`, so that a call can tell its own record from another's of the same id.
        first: of the thread as of this record; likewise `turns` and `messages`.
        summary: the number of the newest summary as of this record, which may be before `first`; 0 without one.
        covered: the last number that this summary covers.
        last_turn: the number of the newest turn that was ever appended; None in the record of a turn, which is itself
            the newest.
        user_id: in the first record only: the user to take over if the thread has none; likewise `title`.
        text: the body, if it is text; else `data` has it, as base64.
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
        """Return what stays in the record's place when it is taken out."""
        return RecordItem(
            partition=self.partition, id=self.id, kind="gone", number=self.number, incarnation=self.incarnation
        )


class DraftItem(Item, frozen=True, kw_only=True):
    """A step of a draft. The first one's id is fixed, so a draft begins, or replaces an old one, in a single write.

    Attributes:
        number: the first step's is between the thread's own item and the records, a later one's below them.
        draft: the same for all steps of one draft.
        step: the step's number.
        turn_id: of the running turn; likewise `revision` and the time, as the caller gave them.
        base: the revision that the thread had when the step was saved, on `incarnation` (None: no thread). The draft
            holds until a turn is appended.
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
    """What a listing knows of a thread.

    Attributes:
        thread_id: which.
        sort: orders by time and then by id.
        users: whose listing it is in: the thread's user; and while a change is pending also who will be.
        changes: of the thread's own item that this was copied from.
        pending: the `changes` that will have settled it; below that, the thread itself has to be asked.
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
        """True when the entry can be believed without asking the thread."""
        return self.changes >= self.pending

    def info(self) -> ThreadInfo:
        """Return the copy of the thread's info."""
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
    """Return the partition key and the id of a thread's directory entry: item ids cannot have every character."""
    digest = hashlib.sha256(thread_id.encode()).hexdigest()
    return directory_partition(int(digest[:8], 16) % SHARDS), digest


def directory_partition(shard: int) -> str:
    """Return the partition key of one part of the directory."""
    return f"directory:{shard}"


def record_item_id(incarnation: str, number: int) -> str:
    """Return the id of a record's item: that two writers cannot both make it is what orders a thread."""
    return f"{incarnation}.{number}"


def sort_key(updated_us: int, thread_id: str) -> str:
    """Return the text that orders listings by time and then by id, as code points do."""
    return f"{updated_us:018d}{thread_id.encode().hex()}"


def write_body(body: bytes) -> tuple[str | None, str | None]:
    """Return the `text` and the `data` that keep a body: readable text if its JSON is short enough, else base64."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = None
    if text is not None and "\x00" not in text and len(json.dumps(text)) <= MAX_BODY_BYTES * 4 // 3:
        return text, None
    return None, base64.b64encode(body).decode()


def read_body(text: str | None, data: str | None) -> bytes:
    """Return the body that `write_body` kept."""
    return text.encode() if text is not None else base64.b64decode(data or "")
