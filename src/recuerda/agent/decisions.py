"""A person's decision about a call that waits for approval.

A decision is saved in the turn's draft, so it may come before the run that carries it out, and from another process. It
stands on the call in the thread as well, under the key "approval" of the call's `additional_properties`. No model is
sent these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast

import msgspec

from recuerda.json_value import Json, JsonObject
from recuerda.messages.message import ChatMessage, FunctionCallContent, FunctionResultContent
from recuerda.storage.records import from_microseconds

DecisionKind: TypeAlias = Literal["approved", "refused", "edited", "expired"]
"""The decision about a call: it runs, it does not run, it runs with other arguments, or nobody decided in time."""

NOTE = "approval"
"""The key of a call's `additional_properties` under which the thread keeps the decision."""

OUTCOME = "outcome"
"""The key of a result's `additional_properties` under which the thread keeps who gave the outcome of a started call."""


class Refusal(msgspec.Struct, frozen=True):
    """A refusal of a call, with a reason that the model is told.

    Attributes:
        reason: the reason, such as "too expensive". "" gives no reason, like False.
    """

    reason: str = ""


Approval: TypeAlias = bool | JsonObject | Refusal
"""A decision about a call that waits: True runs it, False or a `Refusal` does not, an object runs it with these
arguments."""


class CallDecision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The decision about one call.

    Attributes:
        kind: "approved", "refused", "edited" or "expired".
        by: the name of the person who decided; None if it is not known.
        at_us: the time of the decision, in microseconds since 1970 (UTC).
        arguments: the arguments from the person, if the decision is "edited".
        reason: the reason of a refusal; None if none was given.
    """

    kind: DecisionKind
    by: str | None = None
    at_us: int = 0
    arguments: dict[str, Any] | None = None
    reason: str | None = None

    @property
    def at(self) -> datetime:
        """The time of the decision."""
        return from_microseconds(self.at_us)

    @property
    def is_allowed(self) -> bool:
        """True if the call runs."""
        return self.kind in ("approved", "edited")


def decision_of(*, given: Approval, by: str | None, at_us: int) -> CallDecision:
    """Return the decision that a caller gives as True, False, a refusal or other arguments."""
    if isinstance(given, Refusal):
        return CallDecision(kind="refused", by=by, at_us=at_us, reason=given.reason.strip() or None)
    if isinstance(given, bool):
        return CallDecision(kind="approved" if given else "refused", by=by, at_us=at_us)
    return CallDecision(kind="edited", by=by, at_us=at_us, arguments=dict(given))


def noted(call: FunctionCallContent, decision: CallDecision) -> FunctionCallContent:
    """Return a call with the decision about it. After an edit, the note has the model's own arguments."""
    note: dict[str, Any] = {"decision": decision.kind, "at": decision.at.isoformat()}
    if decision.by is not None:
        note["by"] = decision.by
    if decision.reason is not None:
        note["reason"] = decision.reason
    if decision.kind == "edited":
        note["asked"] = call.arguments
    return msgspec.structs.replace(call, additional_properties={**(call.additional_properties or {}), NOTE: note})


def given_outcome(call_id: str, result: Json, *, by: str | None, at_us: int) -> FunctionResultContent:
    """Return the result of a call that was started, as a person gives it, with the person's name if it is known."""
    if by is None:
        return FunctionResultContent(call_id, result)
    note: dict[str, Any] = {"by": by, "at": from_microseconds(at_us).isoformat()}
    return FunctionResultContent(call_id, result, additional_properties={OUTCOME: note})


def decision_in(messages: Iterable[ChatMessage], call_id: str) -> CallDecision | None:
    """Return the decision that stands on a call in some messages."""
    for message in messages:
        for call in message.function_calls:
            if call.call_id == call_id and isinstance(_note(call), Mapping):
                return decision_on(call)
    return None


def decision_on(call: FunctionCallContent) -> CallDecision | None:
    """Return the decision that stands on a call."""
    note = _note(call)
    return _read(cast("Mapping[str, Any]", note)) if isinstance(note, Mapping) else None


def _note(call: FunctionCallContent) -> object:
    return (call.additional_properties or {}).get(NOTE)


def _read(note: Mapping[str, Any]) -> CallDecision | None:
    try:
        at = datetime.fromisoformat(note["at"])
        known = {
            "kind": note["decision"],
            "by": note.get("by"),
            "at_us": int(at.timestamp() * 1_000_000),
            "reason": note.get("reason"),
        }
        return msgspec.convert(known, CallDecision)
    except (KeyError, TypeError, ValueError, msgspec.ValidationError):
        return None  # another program wrote something else there
