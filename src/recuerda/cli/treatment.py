"""The repairs of `recuerda doctor --repair`: first a copy of the thread, then as few changes as possible.

Bodies are replaced in place: the thread keeps its revision, its numbers and its counts. A storage cannot replace other
values, such as its counters. Then the thread is made again (`remaking.py`).

Other programs may use the storage meanwhile. Each repair expects the version that was examined and copied. If a program
has changed the thread since, it is examined and copied anew, and left alone if that happens each time.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta

import msgspec

from recuerda.agent.resuming import draft_age
from recuerda.cli.copies import Backup
from recuerda.cli.remaking import make_again
from recuerda.errors import DraftConflict, ThreadConflict
from recuerda.examination import DRAFTS, REPAIRABLE, Examined, Finding, Kind, examine, load_files, orphans_of
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
from recuerda.storage.records import TurnRecord

UNREADABLE_QUESTION = "(A part of this conversation could not be read and was removed here.)"
UNREADABLE_ANSWER = "(This answer could not be read and was removed here.)"
STAYS = (
    "It stays: the thread would have to be created again, and its interrupted turn or its encrypted turns would be "
    "lost. Resume or drop the turn first, or repair the storage itself."
)
IN_USE = (
    "It stays: the thread changed during each try. Stop the programs that use the thread and run the command again, or "
    "repair the storage itself."
)
MAX_TRIES = 8
"""The number of tries after which a thread that other programs keep changing is left alone."""
MADE_AGAIN: frozenset[Kind] = frozenset({"counters", "corrupt_turn"})
"""The kinds of findings that disappear when the thread is created again."""


class Drops(msgspec.Struct, frozen=True, kw_only=True):
    """The interrupted turns to drop: none, or each whose last step is older than `older_than`.

    A turn that waits for a person is dropped only in the threads that the command `names`.
    """

    is_wanted: bool = False
    older_than: timedelta = timedelta()
    names: frozenset[str] = frozenset()

    def __contains__(self, thread: Examined) -> bool:
        return self.is_wanted and thread.draft is not None and draft_age(thread.draft) >= self.older_than


def kinds_to_repair(thread: Examined, drops: Drops) -> set[Kind]:
    """Return the kinds of a thread's findings that are to be repaired."""
    wanted = REPAIRABLE if thread in drops else REPAIRABLE - DRAFTS
    if thread.thread_id not in drops.names:
        wanted -= {"waiting_draft"}
    return {finding.kind for finding in thread.findings if finding.kind in wanted}


async def repair(storage: Storage, thread: Examined, drops: Drops, copies: Backup) -> Examined:
    """Copy a thread, repair it, and return the result of examining it again."""
    for _ in range(MAX_TRIES):
        kinds = kinds_to_repair(thread, drops)
        if not kinds:
            return thread
        copies.keep(await load_files(storage, thread))
        try:
            return await _repair_copied(storage, thread, kinds, copies)
        except ThreadConflict:
            thread = await examine(storage, thread.thread_id)
    thread.findings = [msgspec.structs.replace(finding, next_step=IN_USE) for finding in thread.findings]
    return thread


async def _repair_copied(storage: Storage, thread: Examined, kinds: set[Kind], copies: Backup) -> Examined:
    """Repair a thread in the version that was copied.

    Raises:
        ThreadConflict: another program changed the thread since it was copied.
    """
    if thread.info is None:
        return thread
    version = thread.info.version
    if bodies := _bodies(thread, kinds):
        edits = await storage.rewrite(thread.thread_id, bodies, expected=version)
        version = msgspec.structs.replace(version, edits=edits or version.edits)
    if kinds & DRAFTS and (draft := thread.draft) is not None:
        with suppress(DraftConflict):  # a program is working on the turn
            last_step = draft.steps[-1].id
            await storage.drop_draft(thread.thread_id, turn_id=draft.turn_id, expected=version, last_step=last_step)
    after = await examine(storage, thread.thread_id)
    is_left = any(finding.kind in kinds & MADE_AGAIN for finding in after.findings)
    if is_left and after.info is not None and after.draft is None and not after.sealed:
        if after.info.version != version:  # the copy lacks the newest turns
            raise ThreadConflict(thread.thread_id, expected=version.revision, actual=after.info.revision)
        await make_again(storage, await load_files(storage, after), _bodies(after, kinds), copies)
        after = await examine(storage, thread.thread_id)
    after.findings = [_still_there(finding) if finding.kind in kinds else finding for finding in after.findings]
    return after


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
