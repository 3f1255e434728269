"""The examination of a thread, for `recuerda doctor` and the studio: it looks for damage and for leftovers.

Nothing here writes. A thread is read once, as bytes, so a damaged record does not hide the other records. An encrypted
value cannot be examined and does not count as damage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from recuerda.agent.response import PendingTurn
from recuerda.errors import CorruptTurn, InvalidInput, StateError, StorageError
from recuerda.examination.unfinished import is_sealed, read_pending, told_pending
from recuerda.messages.codec import VERSION, decode_turn
from recuerda.messages.message import FunctionCallContent, FunctionResultContent, Turn
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import Draft
from recuerda.storage.records import NO_BLOBS, Blob, TurnRecord
from recuerda.storage.thread_info import ThreadInfo
from recuerda.window.summary import decode_summary

Kind: TypeAlias = Literal[
    "open_draft",
    "waiting_draft",
    "unreadable_draft",
    "corrupt_turn",
    "newer_turn",
    "lost_file",
    "orphans",
    "counters",
    "unreadable_summary",
    "unreadable_thread",
]

REPAIRABLE: frozenset[Kind] = frozenset(
    {"open_draft", "waiting_draft", "unreadable_draft", "corrupt_turn", "orphans", "counters"}
)
"""The kinds of findings that can be repaired."""

DRAFTS: frozenset[Kind] = frozenset({"open_draft", "waiting_draft", "unreadable_draft"})
"""The kinds of findings that are repaired by dropping the draft."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Damage or a leftover in a thread.

    Attributes:
        thread_id: the thread.
        kind: the kind of the finding.
        explanation: a sentence that says what was found and what it means.
        next_step: a sentence that says what to do about it.
        number: the number of the turn or the summary that the finding is about, if it is about one.
        facts: the counts and names in the explanation, for a text in another language.
    """

    thread_id: str
    kind: Kind
    explanation: str
    next_step: str
    number: int | None = None
    facts: Mapping[str, int | str] = {}

    @property
    def is_damage(self) -> bool:
        """False for a turn that waits for a person: it is as it should be."""
        return self.kind != "waiting_draft"

    @property
    def key(self) -> tuple[str, Kind, int | None]:
        """The identity of the finding. A later examination finds the same thing with the same key."""
        return self.thread_id, self.kind, self.number


class Examined(msgspec.Struct, kw_only=True):
    """An examined thread.

    Attributes:
        thread_id: the thread's id.
        info: the storage's information about the thread; None when there is no such thread, or it cannot be read.
        records: the thread's turns, as bytes.
        turns: the readable turns, by number.
        sealed: the number of encrypted values.
        summary: the newest summary.
        draft: the interrupted turn.
        blobs: the bytes of the turns' files by digest; see `load_files`.
        findings: the damage and the leftovers that were found.
    """

    thread_id: str
    info: ThreadInfo | None = None
    records: tuple[TurnRecord, ...] = ()
    turns: dict[int, Turn] = msgspec.field(default_factory=dict[int, Turn])
    sealed: int = 0
    summary: TurnRecord | None = None
    draft: Draft | None = None
    blobs: Mapping[str, bytes] = NO_BLOBS
    findings: list[Finding] = msgspec.field(default_factory=list[Finding])


async def examine(storage: Storage, thread_id: str, *, user_id: str | None = None) -> Examined:
    """Examine a thread, and return it with its findings.

    Raises:
        ThreadOwnershipError: the thread belongs to another user than `user_id`.
    """
    thread = Examined(thread_id=thread_id)
    lost: list[Finding] = []
    try:
        found = await storage.read(thread_id, user_id=user_id)
        thread.info, thread.records = found.info, found.records
        if found.info is not None:
            thread.summary = (await storage.read(thread_id, last_turns=0, with_summary=True)).summary
        if found.has_draft:
            thread.draft = await storage.load_draft(thread_id)
        lost = await _lost_files(storage, thread)
    except StorageError as error:
        thread.findings.append(
            Finding(
                thread_id=thread_id,
                kind="unreadable_thread",
                explanation=f"The storage cannot read the thread: {error}",
                next_step="Examine the storage itself, or restore the thread from a copy.",
                facts={"reason": str(error)},
            )
        )
    thread.findings += [*_of_turns(thread), *lost, *_of_calls(thread), *_of_counters(thread)]
    thread.findings += [*_of_summary(thread), *_of_draft(thread)]
    return thread


async def load_files(storage: Storage, thread: Examined) -> Examined:
    """Read the bytes of an examined thread's files, for a copy of the thread. Return the same object.

    A file that is missing or damaged is left out.
    """
    found = await storage.read_blobs(thread.thread_id, {one for record in thread.records for one in record.blobs})
    thread.blobs = {digest: data for digest, data in found.items() if _is_whole(digest, data)}
    return thread


async def _lost_files(storage: Storage, thread: Examined) -> list[Finding]:
    """Return a finding for each turn that names a missing or damaged file. One file is in memory at once."""
    lost: dict[str, str] = {}
    for digest in dict.fromkeys(digest for record in thread.records for digest in record.blobs):
        data = (await storage.read_blobs(thread.thread_id, [digest])).get(digest)
        if data is None or not _is_whole(digest, data):
            lost[digest] = "missing" if data is None else "damaged"
    return [
        Finding(
            thread_id=thread.thread_id,
            kind="lost_file",
            number=record.number,
            explanation=f"A file that turn {record.number} names is {' or '.join(sorted(damage))}.",
            next_step="Restore the thread from a copy, or undo the turn.",
            facts={"number": record.number},
        )
        for record in thread.records
        if (damage := {lost[digest] for digest in record.blobs if digest in lost})
    ]


def _is_whole(digest: str, data: bytes) -> bool:
    """Return True if a file has its digest. An encrypted file cannot be examined, and counts as whole."""
    try:
        Blob(digest, data).check()
    except InvalidInput:
        return False
    return True


def orphans_of(turns: Sequence[Turn]) -> tuple[set[str], set[str]]:
    """Return the ids of calls without any result, and the ids of results without a call."""
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
            next_step="Upgrade recuerda. The turn stays unchanged.",
            facts={"number": error.number},
        )
    return Finding(
        thread_id=error.thread_id,
        kind="corrupt_turn",
        number=error.number,
        explanation=f"Turn {error.number} cannot be read ({error.reason}), so runs on this thread fail.",
        next_step="--repair replaces it with a note and keeps its bytes in the copy.",
        facts={"number": error.number, "reason": error.reason},
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
        return  # the other half of a pair may be in a turn that cannot be read
    calls, results = orphans_of(list(thread.turns.values()))
    if calls or results:
        yield Finding(
            thread_id=thread.thread_id,
            kind="orphans",
            explanation=f"{len(calls)} calls of tools have no result, and {len(results)} results have no call, for "
            "example after the import of a damaged conversation.",
            next_step="You do not have to do anything: models get complete pairs only. --repair turns the rest "
            "into text.",
            facts={"calls": len(calls), "results": len(results)},
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
            explanation=f"The storage counts {info.turns} turns and {info.messages} messages, but the log holds "
            f"{turns} and {messages}.",
            next_step="--repair creates the thread again from its log. A later run writes a new summary.",
            facts={
                "counted_turns": info.turns,
                "counted_messages": info.messages,
                "turns": turns,
                "messages": messages,
            },
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
            next_step="You do not have to do anything: models get the turns, until the next summary replaces this one.",
            facts={"target": summary.target or 0, "reason": str(error)},
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
            next_step="It can only be deleted: --repair --drop-drafts.",
        )
        return
    is_current = (thread.info.revision if thread.info else 0) == draft.revision
    if pending is not None and pending.is_paused and is_current:
        yield Finding(
            thread_id=thread.thread_id,
            kind="waiting_draft",
            explanation=f"A turn is {told_pending(draft, pending)}.",
            next_step=f"{_next_step(pending)} Only --repair --drop-drafts --thread with this id deletes it.",
            facts={
                "waits_for": "approval" if pending.waits_for_approval else "resume",
                "calls": ", ".join(call.name for call in pending.calls),
            },
        )
        return
    yield Finding(
        thread_id=thread.thread_id,
        kind="open_draft",
        explanation=f"A turn was {told_pending(draft, pending)}.",
        next_step=_advice(is_current=is_current),
        facts={"step": len(draft.steps), "is_current": int(is_current)},
    )


def _next_step(pending: PendingTurn) -> str:
    if not pending.waits_for_approval:
        return "agent.resume(thread) continues it."
    return "`recuerda pending` lists the calls and decides, and agent.resume(thread, approvals=…) does so too."


def _advice(*, is_current: bool) -> str:
    if not is_current:
        return (
            "The thread has changed since. Unless only a summary was added, the turn can only be deleted: --repair "
            "--drop-drafts."
        )
    return "If no program is working on it, agent.resume(thread) continues it and --repair --drop-drafts deletes it."
