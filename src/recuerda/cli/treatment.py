"""The repairs of `recuerda doctor --repair`: first a copy of the thread, then as few changes as possible.

The copy is an export that `recuerda import` reads. An export cannot hold unreadable turns and summaries or the steps of
an interrupted turn, so these are kept beside it, byte for byte. Bodies are replaced in place: the thread keeps its
revision, its numbers and its counts. A storage cannot replace other values, such as its counters. Then the thread is
deleted and its turns are appended again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from datetime import timedelta
from pathlib import Path

import msgspec

from recuerda.agent.resuming import draft_age
from recuerda.cli.examination import DRAFTS, REPAIRABLE, Examined, Finding, Kind, examine, orphans_of
from recuerda.errors import ThreadNotFound
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    Turn,
    with_contents,
)
from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn, TurnRecord
from recuerda.threads.transfer import export_lines

UNREADABLE_QUESTION = "(A part of this conversation could not be read and was removed here.)"
UNREADABLE_ANSWER = "(This answer could not be read and was removed here.)"
STAYS = (
    "It stays: the thread would have to be created again, and its interrupted turn or its encrypted turns would be "
    "lost. Resume or drop the turn first, or repair the storage itself."
)
MADE_AGAIN: frozenset[Kind] = frozenset({"counters", "corrupt_turn"})
"""The kinds of findings that disappear when the thread is created again."""


class Drops(msgspec.Struct, frozen=True, kw_only=True):
    """The interrupted turns to drop: none, or each whose last step is older than `older_than`."""

    is_wanted: bool = False
    older_than: timedelta = timedelta()

    def __contains__(self, thread: Examined) -> bool:
        return self.is_wanted and thread.draft is not None and draft_age(thread.draft) >= self.older_than


def kinds_to_repair(thread: Examined, drops: Drops) -> set[Kind]:
    """Return the kinds of a thread's findings that are to be repaired."""
    wanted = REPAIRABLE if thread in drops else REPAIRABLE - DRAFTS
    return {finding.kind for finding in thread.findings if finding.kind in wanted}


async def repair(storage: Storage, thread: Examined, kinds: set[Kind]) -> Examined:
    """Repair a thread that has already been copied, and return the result of examining it again."""
    if bodies := _bodies(thread, kinds):
        await storage.rewrite(thread.thread_id, bodies)
    if kinds & DRAFTS and await storage.load_draft(thread.thread_id) == thread.draft:
        # If there is another draft now, it belongs to a program that is working on the thread.
        await storage.drop_draft(thread.thread_id)
    after = await examine(storage, thread.thread_id)
    is_left = any(finding.kind in kinds & MADE_AGAIN for finding in after.findings)
    if is_left and after.draft is None and not after.sealed:
        await _make_again(storage, after, _bodies(after, kinds))
        after = await examine(storage, thread.thread_id)
    after.findings = [_still_there(finding) if finding.kind in kinds else finding for finding in after.findings]
    return after


async def _make_again(storage: Storage, thread: Examined, bodies: dict[int, bytes]) -> None:
    """Delete a thread and append its turns again, with their ids and times and the thread's settings."""
    info = thread.info
    if info is None:
        return
    turns = [
        NewTurn(
            body=bodies.get(record.number, record.body),
            message_count=max(1, record.message_count),
            id=record.id or None,
            created_us=record.created_us,
        )
        for record in thread.records
    ]
    await storage.delete(thread.thread_id)
    await storage.append_all(thread.thread_id, turns, expected=0, user_id=info.user_id, title=info.title)
    await storage.update_thread(thread.thread_id, user_id=info.user_id, title=info.title, metadata=info.metadata)


def _still_there(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, next_step=STAYS)


def _bodies(thread: Examined, kinds: set[Kind]) -> dict[int, bytes]:
    bodies: dict[int, bytes] = {}
    if "corrupt_turn" in kinds:
        broken = {finding.number for finding in thread.findings if finding.kind == "corrupt_turn"}
        bodies |= {record.number: _note(record) for record in thread.records if record.number in broken}
    if "orphans" in kinds:
        calls, results = orphans_of(list(thread.turns.values()))
        for number, turn in thread.turns.items():
            told = _told(turn, calls, results)
            if told != turn:
                bodies[number] = encode_turn(told)
    return bodies


def _note(record: TurnRecord) -> bytes:
    """Return a turn that replaces an unreadable turn: a question, and an answer if the turn had an answer."""
    question = ChatMessage("user", UNREADABLE_QUESTION)
    answer = ChatMessage("assistant", UNREADABLE_ANSWER)
    return encode_turn(Turn(messages=(question, answer) if record.message_count > 1 else (question,)))


def _told(turn: Turn, calls: set[str], results: set[str]) -> Turn:
    """Return a turn in which text replaces calls without results and results without calls."""
    messages = tuple(_told_message(message, calls, results) for message in turn.messages)
    return msgspec.structs.replace(turn, messages=messages)


def _told_message(message: ChatMessage, calls: set[str], results: set[str]) -> ChatMessage:
    parts = [_told_part(part, calls, results) for part in message.contents]
    if parts == list(message.contents):
        return message
    role = message.role
    if role == "tool":
        pairs = [part for part in parts if isinstance(part, FunctionResultContent)]
        # A tool's message can hold results only. The removed parts are in the copy.
        role, parts = ("tool", list[AnyContent](pairs)) if pairs else ("assistant", parts)
    return with_contents(message, parts, role=role)


def _told_part(part: AnyContent, calls: set[str], results: set[str]) -> AnyContent:
    if isinstance(part, FunctionCallContent) and part.call_id in calls:
        given = part.arguments if isinstance(part.arguments, str) else json.dumps(part.arguments, ensure_ascii=False)
        return TextContent(f"(called {part.name}({given}); no result was recorded)")
    if isinstance(part, FunctionResultContent) and part.call_id in results:
        return TextContent(f"(a result without its call: {json.dumps(part.result, ensure_ascii=False)})")
    return part


class Backup:
    """Copies of threads in a folder. The first copy creates the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count: int = 0

    async def keep(self, storage: Storage, thread: Examined) -> None:
        """Write a copy of a thread to the disk, before the thread is changed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = _file_name(thread.thread_id)
        try:
            lines = [line async for line in export_lines(storage, thread.thread_id, skip_corrupt=True)]
            _write(self.folder / f"{name}.jsonl", "".join(lines).encode())
        except ThreadNotFound:
            pass  # the thread has only a draft
        unreadable = [record for record in thread.records if record.number not in thread.turns]
        summary = [thread.summary] if thread.summary is not None else []
        for record in [*unreadable, *summary]:
            _write(self.folder / f"{name}.{record.kind}-{record.number}.bin", record.body)
        if thread.draft is not None:
            _write(self.folder / f"{name}.draft.jsonl", _draft_lines(thread))
        self.count += 1


def _draft_lines(thread: Examined) -> bytes:
    steps = thread.draft.steps if thread.draft is not None else ()
    return b"".join(
        msgspec.json.encode(
            {
                "thread_id": thread.thread_id,
                "turn_id": step.turn_id,
                "revision": step.revision,
                "number": step.number,
                "created_us": step.created_us,
                "body_base64": base64.b64encode(step.body).decode(),
            }
        )
        + b"\n"
        for step in steps
    )


def _file_name(thread_id: str) -> str:
    """Return a readable name for the thread's files. Two threads never have the same name."""
    digest = hashlib.sha256(thread_id.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', thread_id)[:60]}-{digest}"


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
