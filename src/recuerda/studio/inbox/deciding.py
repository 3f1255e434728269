"""A decision about one call: allow it, edit it, refuse it, or give the outcome of a started tool.

A decision is saved at once, under the name of the person. If the studio has an agent and the turn then waits for
nobody, the agent continues it. If that fails, the decision stands, and the turn stays in the inbox to be resumed.
"""

from __future__ import annotations

from typing import cast

import msgspec
from starlette.requests import Request

from recuerda.agent.decisions import Approval, Refusal
from recuerda.agent.inbox import save_decisions
from recuerda.agent.request import Decisions
from recuerda.agent.response import PendingCall, PendingTurn
from recuerda.agent.resuming import pending_turn
from recuerda.errors import InvalidInput
from recuerda.json_value import Json, JsonObject
from recuerda.studio.changes.audit import audited
from recuerda.studio.page import Done, Fields
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread

ACTIONS = ("approve", "edit", "refuse", "outcome")
"""The kinds of a decision, as the forms name them."""

_HIDDEN = "[redacted: "


async def decide(studio: Studio, request: Request, fields: Fields) -> Done:
    """Save a decision about a call, and let the agent go on if the turn waits for nobody else."""
    thread_id: str = request.path_params["thread_id"]
    turn = await save_decision(studio, thread_id, fields)
    if studio.agent is not None and can_go_on(turn):
        async with audited(studio, "resume", thread_id=thread_id):
            await studio.agent.resume(studio.agent.get_thread(thread_id, user_id=studio.user_id))
        return Done(href=link("threads", thread_id), done="resumed")
    return Done(href="/inbox", done="decided")


def can_go_on(turn: PendingTurn) -> bool:
    """Return whether a turn waits for nobody."""
    return all(call.waits_for == "resume" for call in turn.calls)


async def save_decision(studio: Studio, thread_id: str, fields: Fields) -> PendingTurn:
    """Save the decision of a form, and return the turn with it.

    Raises:
        AlreadyDecided: another person has decided about the call.
        InvalidInput: the call does not wait for this decision, or the decision cannot be used.
    """
    action, call_id = fields.needed("action"), fields.needed("call_id")
    if action not in ACTIONS:
        raise InvalidInput(f"there is no decision {action[:40]!r}: give one of {', '.join(ACTIONS)}")
    store = ChatMessageStore(storage=studio.storage, thread_id=thread_id)
    async with audited(studio, action, thread_id=thread_id):
        decisions = Decisions(decided_by=studio.settings.acting_as)
        if action == "outcome":
            outcome = _shown(fields.needed("outcome"), "outcome")
            decisions = msgspec.structs.replace(decisions, outcomes={call_id: _json_or_text(outcome)})
        else:
            approval = await _approval(studio, store, action, call_id, fields)
            decisions = msgspec.structs.replace(decisions, approvals={call_id: approval})
        return await _saved(studio, store, decisions)


async def _saved(studio: Studio, store: ChatMessageStore, decisions: Decisions) -> PendingTurn:
    thread = AgentThread(message_store=store)
    if studio.agent is None:
        return await save_decisions(thread, decisions, view=store.view, tools={})
    # The agent knows its tools, so it checks new arguments.
    return await studio.agent.decide(
        thread, decisions.approvals, outcomes=decisions.outcomes, decided_by=decisions.decided_by
    )


async def _approval(studio: Studio, store: ChatMessageStore, action: str, call_id: str, fields: Fields) -> Approval:
    if action == "approve":
        return True
    if action == "refuse":
        return Refusal(fields.text("reason") or "")
    given = _arguments(fields.needed("arguments"))
    call = await _call(store, call_id)
    # The form shows the arguments without secrets. If they come back unchanged, the call runs with its own arguments.
    if call is not None and given == studio.redaction.value(call.arguments):
        return True
    _shown(fields.needed("arguments"), "arguments")
    return given


async def _call(store: ChatMessageStore, call_id: str) -> PendingCall | None:
    draft = await store.view.load_draft(store.thread_id)
    calls = () if draft is None else pending_turn(draft, store.thread_id).calls
    return next((call for call in calls if call.call_id == call_id), None)


def _arguments(text: str) -> JsonObject:
    try:
        given: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput(f"the arguments are not JSON, and nothing was decided: {error}") from None
    if not isinstance(given, dict):
        raise InvalidInput('the arguments must be a JSON object, such as {"euros": 90}. Nothing was decided.')
    return cast("JsonObject", given)


def _json_or_text(text: str) -> Json:
    """Return the JSON value in a text, or the text itself if it is no JSON."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _shown(text: str, name: str) -> str:
    """Return a text, unless a secret in it was hidden by the page.

    Raises:
        InvalidInput: it holds the mark of a hidden secret, which nobody means to send.
    """
    if _HIDDEN in text:
        raise InvalidInput(
            f"the {name} hold the mark of a hidden secret, and nothing was decided: write the value in its place, or "
            "allow the call without a change"
        )
    return text
