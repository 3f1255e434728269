"""What `recuerda doctor` looks for in a thread: damage, and what was left over.

Nothing here writes. A thread is read once, as its bytes, so that one damaged record hides no other. What is encrypted
cannot be looked into, and is no damage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from recuerda.cli.pending import is_sealed, read_pending, told_pending
from recuerda.errors import ConfigurationError, CorruptTurn, StateError, StorageError, StorageReadOnly
from recuerda.messages.codec import VERSION, decode_turn
from recuerda.messages.message import FunctionCallContent, FunctionResultContent, Turn
from recuerda.storage.contract import Storage
from recuerda.storage.records import Draft, ThreadInfo, TurnRecord
from recuerda.window.summary import decode_summary

Kind: TypeAlias = Literal[
    "open_draft",
    "unreadable_draft",
    "corrupt_turn",
    "newer_turn",
    "orphans",
    "counters",
    "unreadable_summary",
    "unreadable_thread",
]

REPAIRABLE: frozenset[Kind] = frozenset({"open_draft", "unreadable_draft", "corrupt_turn", "orphans", "counters"})
"""What can be repaired."""

ALL = 2**31
"""More drafts than any storage has."""

DRAFTS: frozenset[Kind] = frozenset({"open_draft", "unreadable_draft"})
"""What is repaired by dropping it."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it should be, or was left over.

    Attributes:
        thread_id: where.
        kind: what.
        explanation: what it means, in a sentence.
        next_step: what to do about it, likewise.
        number: of the turn or the summary, if it is about one.
    """

    thread_id: str
    kind: Kind
    explanation: str
    next_step: str
    number: int | None = None

    @property
    def key(self) -> tuple[str, Kind, int | None]:
        """What two looks at the same thing have in common."""
        return self.thread_id, self.kind, self.number


class Examined(msgspec.Struct, kw_only=True):
    """A thread as it was found.

    Attributes:
        thread_id: its id.
        info: what the storage says of it; None when it has nothing but a draft.
        records: its turns, as bytes.
        turns: those that can be read, by number.
        sealed: how many of its values are encrypted.
        summary: its newest summary.
        draft: its interrupted turn.
        findings: what is not as it should be.
    """

    thread_id: str
    info: ThreadInfo | None = None
    records: tuple[TurnRecord, ...] = ()
    turns: dict[int, Turn] = msgspec.field(default_factory=dict[int, Turn])
    sealed: int = 0
    summary: TurnRecord | None = None
    draft: Draft | None = None
    findings: list[Finding] = msgspec.field(default_factory=list[Finding])


async def examine(storage: Storage, thread_id: str) -> Examined:
    """Look a thread through."""
    thread = Examined(thread_id=thread_id)
    try:
        found = await storage.read(thread_id)
        thread.info, thread.records = found.info, found.records
        if found.info is not None:
            thread.summary = (await storage.read(thread_id, last_turns=0, with_summary=True)).summary
        if found.info is None or found.has_draft:
            thread.draft = await storage.load_draft(thread_id)
    except StorageError as error:
        thread.findings.append(
            Finding(
                thread_id=thread_id,
                kind="unreadable_thread",
                explanation=f"The storage cannot read the thread: {error}",
                next_step="Look at the storage itself, or restore the thread from a copy.",
            )
        )
    thread.findings += [*_of_turns(thread), *_of_calls(thread), *_of_counters(thread)]
    thread.findings += [*_of_summary(thread), *_of_draft(thread)]
    return thread


async def threads_of_drafts(storage: Storage) -> list[str]:
    """Return the threads that have an interrupted turn, as far as the storage can tell and may."""
    try:
        return await storage.list_drafts(ALL)
    except (ConfigurationError, StorageReadOnly):
        return []  # a storage that has no list; a user of a server who may not look through its keys


def orphans_of(turns: Sequence[Turn]) -> tuple[set[str], set[str]]:
    """Return the ids of calls that have no result anywhere, and of results that have no call."""
    calls: Counter[str] = Counter()
    results: Counter[str] = Counter()
    for part in (part for turn in turns for message in turn.messages for part in message.contents):
        if isinstance(part, FunctionCallContent):
            calls[part.call_id] += 1
        elif isinstance(part, FunctionResultContent):
            results[part.call_id] += 1
    return set(calls - results) - set(results), set(results - calls) - set(calls)


def _of_turns(thread: Examined) -> Iterator[Finding]:
    for record in thread.records:
        if is_sealed(record.body):
            thread.sealed += 1
            continue
        try:
            thread.turns[record.number] = decode_turn(record.body, thread_id=thread.thread_id, number=record.number)
        except CorruptTurn as error:
            yield _unreadable(error, record)


def _unreadable(error: CorruptTurn, record: TurnRecord) -> Finding:
    if _is_newer(record.body):
        return Finding(
            thread_id=error.thread_id,
            kind="newer_turn",
            number=error.number,
            explanation=f"Turn {error.number} was written by a newer recuerda.",
            next_step="Upgrade recuerda; the turn is left as it is.",
        )
    return Finding(
        thread_id=error.thread_id,
        kind="corrupt_turn",
        number=error.number,
        explanation=f"Turn {error.number} cannot be read ({error.reason}), so runs on this thread fail.",
        next_step="--repair puts a note in its place; its bytes are kept in the copy.",
    )


class _Version(msgspec.Struct):
    v: int = VERSION


def _is_newer(body: bytes) -> bool:
    try:
        return msgspec.json.decode(body, type=_Version).v > VERSION
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _of_calls(thread: Examined) -> Iterator[Finding]:
    if len(thread.turns) < len(thread.records):
        return  # the other half of a pair may be in what cannot be read
    calls, results = orphans_of(list(thread.turns.values()))
    if calls or results:
        yield Finding(
            thread_id=thread.thread_id,
            kind="orphans",
            explanation=f"{len(calls)} calls of tools have no result and {len(results)} results no call, as after an "
            "import of a damaged conversation.",
            next_step="Nothing has to be done: models are sent pairs only. --repair writes them down as text.",
        )


def _of_counters(thread: Examined) -> Iterator[Finding]:
    info = thread.info
    if info is None:
        return
    turns, messages = len(thread.records), sum(record.message_count for record in thread.records)
    if (info.turns, info.messages) != (turns, messages):
        yield Finding(
            thread_id=thread.thread_id,
            kind="counters",
            explanation=f"The storage counts {info.turns} turns and {info.messages} messages, and the log holds "
            f"{turns} and {messages}.",
            next_step="--repair makes the thread anew from its log; a summary of it is made again when it is time.",
        )


def _of_summary(thread: Examined) -> Iterator[Finding]:
    summary = thread.summary
    if summary is None:
        return
    if is_sealed(summary.body):
        thread.sealed += 1
        return
    try:
        decode_summary(summary.body)
    except StateError as error:
        yield Finding(
            thread_id=thread.thread_id,
            kind="unreadable_summary",
            number=summary.number,
            explanation=f"The summary of the turns up to {summary.target} cannot be read ({error}).",
            next_step="Nothing has to be done: models are sent the turns, until the next summary makes it anew.",
        )


def _of_draft(thread: Examined) -> Iterator[Finding]:
    draft = thread.draft
    if draft is None:
        return
    pending = read_pending(draft, thread.thread_id)
    if is_sealed(draft.steps[0].body):
        thread.sealed += 1
    elif pending is None:
        yield Finding(
            thread_id=thread.thread_id,
            kind="unreadable_draft",
            explanation="The thread has an interrupted turn that cannot be read.",
            next_step="It can only be dropped: --repair --drop-drafts.",
        )
        return
    yield Finding(
        thread_id=thread.thread_id,
        kind="open_draft",
        explanation=f"A turn was {told_pending(draft, pending)}.",
        next_step=_advice(thread, draft),
    )


def _advice(thread: Examined, draft: Draft) -> str:
    revision = thread.info.revision if thread.info else 0
    if revision != draft.revision:
        return (
            "The thread has changed since: if not by a summary alone, it can only be dropped (--repair --drop-drafts)."
        )
    return "If no program is at work on it: agent.resume(thread) goes on with it, --repair --drop-drafts drops it."
