"""The results of a run: the whole answer, or the pieces of a stream."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeAlias

import msgspec

from recuerda._events import fields
from recuerda.agent.decisions import CallDecision
from recuerda.agent.generics import V_co
from recuerda.agent.output import OutputForm
from recuerda.errors import InvalidInput, OutputError, RecuerdaError
from recuerda.messages.message import AnyContent, ChatMessage, TextContent, Usage
from recuerda.threads.history import StoredTurn

_logger = logging.getLogger("recuerda.agent")

WaitsFor: TypeAlias = Literal["approval", "outcome", "resume"]
"""What a call without a result waits for: a person's approval, the outcome of a tool that was started, or the next
run, which carries out the decision of a person."""


class PendingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a tool that has no result yet.

    Attributes:
        call_id: the id of the call, for the decisions given to `Agent.resume`.
        name: the tool's name.
        arguments: the arguments as the model gave them: an object, or a text that should have been one.
        is_started: True when the tool was started and it is not known whether it finished.
        asked_at: the time at which the answer with the call was saved.
        expires_at: the time after which the call is refused; None if it waits for ever.
        decision: the decision about the call that the next run carries out; None if nobody has decided yet.
    """

    call_id: str
    name: str
    arguments: str | Mapping[str, Any]
    is_started: bool = False
    asked_at: datetime | None = None
    expires_at: datetime | None = None
    decision: CallDecision | None = None

    @property
    def waits_for(self) -> WaitsFor:
        """What the call waits for: a person's "approval", the "outcome" of a started tool, or a "resume"."""
        if self.is_started:
            return "outcome"
        return "approval" if self.decision is None else "resume"


class PendingTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that was begun on a thread and is not yet committed.

    Attributes:
        thread_id: the thread's id.
        turn_id: the turn's id.
        revision: the thread's revision when the turn began. If turns were added since, the turn cannot be resumed.
        steps: the number of saved steps.
        age: the time since the last step was saved.
        input: the input of the turn.
        messages: the messages that the model and its tools have added so far.
        calls: the calls that have no result yet.
        user_id: the user to whom the thread belongs, if `Agent.list_pending` found the turn.
    """

    thread_id: str
    turn_id: str
    revision: int
    steps: int
    age: timedelta
    input: tuple[ChatMessage, ...]
    messages: tuple[ChatMessage, ...]
    calls: tuple[PendingCall, ...]
    user_id: str | None = None

    @property
    def is_paused(self) -> bool:
        """True if the turn is whole but for decisions of a person, or for the run that carries them out.

        False if it broke off.
        """
        return bool(self.calls) and not self.has_unknown_outcome

    @property
    def has_unknown_outcome(self) -> bool:
        """True if a tool was started and has no result: it still runs, or nobody knows whether it finished."""
        return any(call.is_started for call in self.calls)

    @property
    def waits_for_approval(self) -> bool:
        """True if the turn is paused, and a person has not yet decided about all of its calls."""
        return self.is_paused and any(call.waits_for == "approval" for call in self.calls)


class PendingPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list of paused turns.

    Attributes:
        turns: the turns, the turn that was begun first in front. They may be fewer than the limit, because turns that
            broke off are left out.
        cursor: an opaque text with which to ask for the next page; None on the last page.
        sealed: the number of further unfinished turns on this page that cannot be read, because the storage is
            encrypted and the key is not here.
    """

    turns: tuple[PendingTurn, ...]
    cursor: str | None
    sealed: int = 0


class AgentResponse(msgspec.Struct, Generic[V_co], frozen=True, kw_only=True):
    """The result of a run. `AgentResponse[Trip]` is the result of a run with `output_type=Trip`.

    Attributes:
        messages: the messages that the run added after its input: calls, results, the answer.
        usage: the tokens that all model calls of the run cost together; None when the service does not report
            them.
        thread_id: the thread's id; after an edit, the id of the new branch.
        turn_id: the turn's id; None when the thread's store knows no turns.
        is_replay: True when the thread already had a turn with the given `turn_id`. The response is the answer of that
            turn.
        is_interrupted: True for the replay of a turn that was stopped before the model had answered.
        pending: the calls that wait for approval. The run has ended, but its turn has not: continue it with
            `Agent.resume`.
        warnings: problems that did not end the run, such as a provider that failed or a summary that could not be
            written.
    """

    messages: tuple[ChatMessage, ...]
    usage: Usage | None
    thread_id: str
    turn_id: str | None
    is_replay: bool = False
    is_interrupted: bool = False
    pending: tuple[PendingCall, ...] = ()
    warnings: tuple[str, ...] = ()
    _value: Any = None

    @property
    def value(self) -> V_co:
        """The answer as a value of the run's `output_type`; None if the run had none.

        Raises:
            InvalidInput: there is no whole answer: calls wait for approval, or the turn was interrupted.
            OutputError: the response is a replay, and the answer in the thread does not have this form.
        """
        if isinstance(self._value, RecuerdaError):
            raise self._value
        return self._value

    @property
    def text(self) -> str:
        """The text of the last message that the model wrote."""
        return next((message.text for message in reversed(self.messages) if message.role == "assistant"), "")

    def __str__(self) -> str:
        return self.text


class AgentResponseUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a streamed run.

    Attributes:
        role: "assistant" for a part of the model's answer, "tool" for results of calls.
        contents: the new parts: fragments of text, whole calls, or results.
        author_name: the name of the agent that speaks, if it has one.
        rejected: the checker's words, after an answer that did not have the form of the run's `output_type`: the model
            is asked once more. Otherwise None.
    """

    role: str
    contents: tuple[AnyContent, ...]
    author_name: str | None = None
    rejected: str | None = None

    @property
    def text(self) -> str:
        """The new text; empty for calls and results."""
        return (
            "".join(part.text for part in self.contents if isinstance(part, TextContent)) if self.role != "tool" else ""
        )


def no_value() -> InvalidInput:
    """Return the error for the value of a turn without a whole answer."""
    return InvalidInput(
        "there is no value, because the model has not answered yet: see `pending` and `is_interrupted`. Give resume() "
        "the same output_type"
    )


def replayed(stored: StoredTurn, thread_id: str, form: OutputForm | None = None) -> AgentResponse[Any]:
    """Return the response of a turn that is already in the thread, and log that it was asked for again."""
    _logger.info(
        "a run was answered with the turn that its thread has already: %s",
        stored.id,
        extra=fields("turn_replayed", thread_id=thread_id, turn_id=stored.id),
    )
    return AgentResponse(
        messages=stored.turn.answer,
        usage=stored.usage,
        thread_id=thread_id,
        turn_id=stored.id,
        is_replay=True,
        is_interrupted=stored.turn.is_interrupted,
        _value=None if form is None else _stored_value(stored, form),
    )


def _stored_value(stored: StoredTurn, form: OutputForm) -> Any:
    """Return the value of a turn's answer, or the error for it."""
    answers = [message for message in stored.turn.answer if message.role == "assistant"]
    if stored.turn.is_interrupted or not answers:
        return no_value()
    try:
        return form.value(answers[-1])
    except OutputError as error:
        return error
