"""The inbox: the turns of all threads that wait for a person, and the decisions about them.

A call waits for an approval, or for the outcome of a tool that was started and whose result was lost. Each call has one
decision, and the thread keeps who made it. A decision needs no agent. With the agent of the studio, the turn goes on as
soon as everything is decided; without it, the program that has the tools carries the decision out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request

from recuerda.agent.decisions import CallDecision
from recuerda.agent.inbox import list_pending
from recuerda.agent.response import PendingCall, PendingTurn, WaitsFor
from recuerda.storage.records import to_microseconds
from recuerda.studio.changes.confirming import Said
from recuerda.studio.cutting import beginning
from recuerda.studio.paths import link
from recuerda.studio.rendering import indented
from recuerda.studio.studio import Studio
from recuerda.studio.visible import escaped

PAGE = 50
"""The number of unfinished turns that one page looks at."""

SHOWN_CHARACTERS = 600
"""The number of characters of the input of a turn that the inbox shows."""


class WaitingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call in a waiting turn.

    Attributes:
        call_id: the call's id.
        name: the tool's name.
        arguments: the arguments, as the model gave them.
        waits_for: "approval", "outcome", or "resume" if it is decided.
        asked_us: the time of the question, in microseconds since 1970 (UTC).
        expires_us: the time after which the call is refused; None if it waits for ever.
        decision: the decision; None if nobody has decided yet.
        decided_by: the name of the person who decided, if it is known.
        decided_us: the time of the decision.
        reason: the reason of a refusal.
        new_arguments: the arguments that a person gave.
    """

    call_id: str
    name: str
    arguments: str | Mapping[str, Any]
    waits_for: WaitsFor
    asked_us: int | None = None
    expires_us: int | None = None
    decision: str | None = None
    decided_by: str | None = None
    decided_us: int | None = None
    reason: str | None = None
    new_arguments: Mapping[str, Any] | None = None

    @property
    def editable(self) -> str:
        """The arguments as JSON to be edited; an empty text if the model gave no object."""
        return "" if isinstance(self.arguments, str) else escaped(indented(self.arguments))


class WaitingTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that waits for a person.

    Attributes:
        thread_id: the thread.
        href: the address of the thread.
        title: the thread's title.
        user_id: the thread's user.
        turn_id: the turn's id.
        age_s: the seconds since its last step.
        input: the messages that began the turn.
        said: the text that the model has said so far.
        calls: the calls without a result.
        is_decided: whether the turn only waits for a run.
        decide_href: the address that takes a decision.
        resume_href: the address of the page that resumes the turn; None without an agent.
    """

    thread_id: str
    href: str
    title: str | None
    user_id: str | None
    turn_id: str
    age_s: int
    input: tuple[Said, ...]
    said: tuple[Said, ...]
    calls: tuple[WaitingCall, ...]
    is_decided: bool
    decide_href: str
    resume_href: str | None


class InboxPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the inbox.

    Attributes:
        turns: the turns, the turn that was begun first in front.
        sealed: the number of unfinished turns that cannot be read without a key.
        user: the user whose turns are shown; "" for all.
        next_href: the address of the next page; None on the last page.
        can_decide: whether decisions are possible here.
        has_agent: whether the studio carries decisions out itself.
        acting_as: the name under which decisions are saved; None if it is not known.
    """

    turns: tuple[WaitingTurn, ...]
    sealed: int
    user: str
    next_href: str | None
    can_decide: bool
    has_agent: bool
    acting_as: str | None


async def show_inbox(studio: Studio, request: Request) -> InboxPage:
    """Return a page of the turns that wait for a person."""
    user = request.query_params.get("user", "")
    page = await list_pending(
        studio.storage,
        user_id=user or studio.user_id,
        limit=PAGE,
        cursor=request.query_params.get("cursor") or None,
        unknown_outcomes=True,
    )
    turns = [await waiting_turn(studio, turn) for turn in page.turns]
    return InboxPage(
        turns=tuple(turns),
        sealed=page.sealed,
        user=user,
        next_href=None if page.cursor is None else link("inbox", user=user or None, cursor=page.cursor),
        can_decide=studio.allow_changes,
        has_agent=studio.agent is not None,
        acting_as=studio.settings.acting_as,
    )


async def waiting_turn(studio: Studio, turn: PendingTurn, *, room: str = "threads") -> WaitingTurn:
    """Return a turn as an entry of the inbox, whose decisions are taken below a room."""
    info = await studio.storage.head(turn.thread_id)
    is_decided = bool(turn.calls) and all(call.waits_for == "resume" for call in turn.calls)
    can_resume = studio.agent is not None and studio.allow_changes
    return WaitingTurn(
        thread_id=turn.thread_id,
        href=link("threads", turn.thread_id),
        title=info and info.title,
        user_id=info and info.user_id,
        turn_id=turn.turn_id,
        age_s=int(turn.age.total_seconds()),
        input=_said((message.role, message.text) for message in turn.input),
        said=_said((message.role, message.text) for message in turn.messages if message.role == "assistant"),
        calls=tuple(map(waiting_call, turn.calls)),
        is_decided=is_decided,
        decide_href=link(room, turn.thread_id, "decide"),
        resume_href=link("threads", turn.thread_id, "resume") if can_resume else None,
    )


def waiting_call(call: PendingCall) -> WaitingCall:
    """Return a call without a result as the studio shows it."""
    decision = call.decision or CallDecision(kind="approved")
    return WaitingCall(
        call_id=call.call_id,
        name=call.name,
        arguments=call.arguments,
        waits_for=call.waits_for,
        asked_us=None if call.asked_at is None else to_microseconds(call.asked_at),
        expires_us=None if call.expires_at is None else to_microseconds(call.expires_at),
        decision=call.decision and decision.kind,
        decided_by=decision.by,
        decided_us=call.decision and decision.at_us,
        reason=decision.reason,
        new_arguments=decision.arguments,
    )


def _said(texts: Iterable[tuple[str, str]]) -> tuple[Said, ...]:
    return tuple(Said(role=role, text=beginning(text, SHOWN_CHARACTERS)) for role, text in texts if text)
