"""A turn while it runs, as a series of steps.

Each event adds one step: an answer of the model, the result of a tool, or a decision of the caller. Applying the steps
in order gives the state of the run, in this process or another. So a new run and a resumed run get their state in the
same way.

A step is encoded as a JSON object without its empty fields:
`{"input":[…],"messages":[…],"results":{"0":…},"started":[0],…}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import count
from typing import Any, TypeVar, cast

import msgspec

from recuerda.agent.decisions import CallDecision, decision_on, noted
from recuerda.errors import StateError
from recuerda.json_value import Json, JsonObject, to_json, to_json_object
from recuerda.messages.codec import encode_json, message_from_json, message_to_json
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    Turn,
    TurnRuns,
    Usage,
    with_contents,
)

T = TypeVar("T")

INTERRUPTED = "(This answer was interrupted.)"
"""The text of an answer that was interrupted before its first word."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """The change that one event makes to a running turn. A call is named by its position in the model's last answer.

    Attributes:
        removed: the number of the turn's newest messages that are taken back, before anything is added.
        input: the caller's messages, in the first step of a turn.
        replaces: the number of the turn that this turn replaces, in the first step of a turn.
        metadata: the metadata of the turn, in the first step of a turn.
        messages: answers of the model. The results of an answer's calls follow it, except for the last answer.
        results: results of the last answer's calls.
        started: the calls that are started with this step.
        approved: the calls that the caller allowed.
        edited: arguments from the caller that replace the model's arguments.
        decided: the decisions about calls that wait for approval.
        expires: the time in microseconds after which an approval of a call comes too late, for calls with such a limit.
        usage: the tokens that the model's answer cost.
        claim: a random id of the run that works on the turn, in the first step after the turn was begun or resumed.
        trace: the name of the trace of that run, if it is observed; see `agent/observing.py`.
        began_us: the time at which the run began, in microseconds since 1970 (UTC), in the first step that it saves.
    """

    removed: int = 0
    input: tuple[ChatMessage, ...] = ()
    replaces: int | None = None
    metadata: JsonObject | None = None
    messages: tuple[ChatMessage, ...] = ()
    results: Mapping[int, FunctionResultContent] = {}
    started: tuple[int, ...] = ()
    approved: tuple[int, ...] = ()
    edited: Mapping[int, JsonObject] = {}
    decided: Mapping[int, CallDecision] = {}
    expires: Mapping[int, int] = {}
    usage: Usage | None = None
    claim: str | None = None
    trace: str | None = None
    began_us: int | None = None


class RunningTurn:
    """The state of a turn that is running: the sum of its steps."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self.input: tuple[ChatMessage, ...] = ()
        self.replaces: int | None = None
        self.metadata: JsonObject | None = None
        self.new: list[ChatMessage] = []
        self.usage: Usage | None = None
        self.results: dict[int, FunctionResultContent] = {}
        self.started: set[int] = set()
        self.approved: set[int] = set()
        self.decided: dict[int, CallDecision] = {}
        self.expires: dict[int, int] = {}
        self.asked_us: int = 0
        self.traces: list[str] = []
        self._earlier_runs: list[tuple[int, int]] = []  # the beginning and the last saved step of each, in microseconds
        for step in steps:
            self.apply(step)

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """The messages of the turn so far."""
        return (*self.input, *self.new)

    @property
    def calls(self) -> tuple[FunctionCallContent, ...]:
        """The calls of the model's last answer, until all of them have results."""
        return self.new[-1].function_calls if self.new and self.new[-1].role == "assistant" else ()

    @property
    def waiting(self) -> dict[int, FunctionCallContent]:
        """The calls without a result, by position."""
        return {i: call for i, call in enumerate(self.calls) if i not in self.results}

    @property
    def undecided(self) -> dict[int, FunctionCallContent]:
        """The calls that wait for approval, by position."""
        return {i: call for i, call in self.waiting.items() if i not in self.started and i not in self.decided}

    def expired(self, now_us: int) -> list[int]:
        """Return the positions of the calls for which an approval comes too late."""
        limits = {i: self.expires[i] for i in self.undecided if i in self.expires}
        return [i for i, after_us in limits.items() if self.asked_us and self.asked_us + after_us <= now_us]

    @property
    def is_answered(self) -> bool:
        """True when the model has answered without calling anything."""
        return bool(self.new) and self.new[-1].role == "assistant" and not self.calls

    @property
    def rounds(self) -> int:
        """The number of answers whose calls have all been run."""
        return sum(message.role == "tool" for message in self.new)

    def apply(self, step: Step, *, at_us: int = 0) -> None:
        """Add a step to the state.

        Args:
            step: the step.
            at_us: the time at which the step was saved, in microseconds since 1970; 0 if it has just been made.
        """
        if step.removed:
            self._take_back(step.removed)
        self.input += step.input
        if step.replaces is not None:
            self.replaces = step.replaces
        if step.metadata is not None:
            self.metadata = step.metadata
        for message in step.messages:
            self.new.append(message)
            self._forget_calls()
            self.asked_us = at_us
        if step.usage is not None:
            self.usage = step.usage if self.usage is None else self.usage + step.usage
        if step.decided:
            self.new[-1] = _with_decisions(self.new[-1], step.decided)
            self.decided.update(step.decided)
        if step.edited:
            self.new[-1] = _with_arguments(self.new[-1], step.edited)
        if step.expires:
            self.expires.update(step.expires)
        self.approved.update(step.approved)
        self.started.update(step.started)
        self.results.update(step.results)
        if self.calls and not self.waiting:
            self._close(self.results)
        self._note_run(step, at_us)

    def whole(self) -> Step:
        """Return the whole state as one step."""
        return Step(
            input=self.input,
            replaces=self.replaces,
            metadata=self.metadata,
            messages=tuple(self.new),
            results=self.results,
            started=tuple(sorted(self.started)),
            approved=tuple(sorted(self.approved)),
            expires=self.expires,
            usage=self.usage,
        )

    def runs(self, elapsed_us: int) -> TurnRuns:
        """Return the runs of the turn, when the run that ends it has worked for `elapsed_us` microseconds."""
        if not self._earlier_runs:
            return TurnRuns(took_ms=elapsed_us // 1000)
        worked_us = elapsed_us + sum(max(0, last_us - began_us) for began_us, last_us in self._earlier_runs)
        return TurnRuns(took_ms=worked_us // 1000, count=len(self._earlier_runs) + 1, began_us=self._earlier_runs[0][0])

    def turn(self, runs: TurnRuns | None = None) -> Turn:
        """Return the turn to commit, with its runs."""
        return Turn(
            messages=self.messages,
            input_count=len(self.input),
            usage=self.usage,
            metadata=self.metadata,
            runs=runs,
        )

    def interrupted(
        self, partial: ChatMessage | None, *, error: str | None = None, runs: TurnRuns | None = None
    ) -> Turn:
        """Return the unfinished turn in a form that can be committed.

        A call without a result gets a result that says so. Some models accept a user's message only after an answer, so
        a turn without an answer gets a note as its answer.

        Args:
            partial: the part of the next answer that the model had given; None when there is none.
            error: a short text about the error that ended the turn; None if the turn was stopped.
            runs: the runs of the turn.
        """
        cut = RunningTurn([self.whole()])
        if partial is not None and not _is_blank(partial):
            cut.apply(Step(messages=(partial,)))
        cut.apply(Step(results={i: not_run(call, is_started=i in cut.started) for i, call in cut.waiting.items()}))
        if not (cut.new and cut.new[-1].role == "assistant"):
            cut.apply(Step(messages=(ChatMessage("assistant", INTERRUPTED),)))
        elif not cut.new[-1].text.strip():
            cut.new[-1] = with_contents(cut.new[-1], [*cut.new[-1].contents, TextContent(INTERRUPTED)])
        turn = cut.turn(runs)
        return msgspec.structs.replace(turn, is_interrupted=True, error=error)

    def _note_run(self, step: Step, at_us: int) -> None:
        """Learn from a saved step how long an earlier run has worked."""
        if step.began_us is not None:
            self._earlier_runs.append((step.began_us, at_us))
        elif at_us and step.claim is None and self._earlier_runs:  # a claim without a beginning is a person's decision
            self._earlier_runs[-1] = (self._earlier_runs[-1][0], at_us)

    def _take_back(self, count: int) -> None:
        said = self.messages
        kept = said[: max(0, len(said) - count)]
        self.new = list(kept[len(self.input) :])
        self.input = kept[: len(self.input)]
        self._forget_calls()

    def _close(self, results: Mapping[int, FunctionResultContent]) -> None:
        self.new.append(ChatMessage("tool", [results[i] for i in range(len(self.calls))]))
        self._forget_calls()

    def _forget_calls(self) -> None:
        """Forget what is known about the calls of the last answer."""
        self.results, self.started, self.approved = {}, set(), set()
        self.decided, self.expires = {}, {}


def not_run(call: FunctionCallContent, *, is_started: bool) -> FunctionResultContent:
    """Return the result for a call whose turn ended before the call had a result."""
    text = "it was started, but it is not known whether it finished" if is_started else "it was not run"
    return FunctionResultContent(call.call_id, f"Error: the turn was interrupted: {text}", is_error=True)


def with_undecided_ids(answer: ChatMessage, said: Iterable[ChatMessage]) -> ChatMessage:
    """Return the answer with another id for each call whose id has a decision in the messages that were said before.

    Some services give the calls of one turn the same id. A decision names a call by its id, so without this, a call
    would count as decided although nobody has seen it, and its turn could not go on.
    """
    earlier = [call for message in said for call in message.function_calls]
    decided = {call.call_id for call in earlier if decision_on(call) is not None}
    if not decided:
        return answer
    taken = {call.call_id for call in (*earlier, *answer.function_calls)}
    changes: dict[int, str] = {}
    for position, call in enumerate(answer.function_calls):
        if call.call_id in decided:
            changes[position] = next(one for n in count(2) if (one := f"{call.call_id}-{n}") not in taken)
            taken.add(changes[position])
    return _with_calls(answer, changes, lambda call, call_id: msgspec.structs.replace(call, call_id=call_id))


def _with_arguments(answer: ChatMessage, edited: Mapping[int, JsonObject]) -> ChatMessage:
    """Return the answer with other arguments in some of its calls, so that the thread shows the calls that were run."""
    return _with_calls(answer, edited, lambda call, arguments: msgspec.structs.replace(call, arguments=arguments))


def _with_decisions(answer: ChatMessage, decided: Mapping[int, CallDecision]) -> ChatMessage:
    """Return the answer with the decisions about some of its calls."""
    return _with_calls(answer, decided, noted)


def _with_calls(
    answer: ChatMessage, changes: Mapping[int, T], change: Callable[[FunctionCallContent, T], FunctionCallContent]
) -> ChatMessage:
    """Return the answer with changed calls, by position."""
    parts: list[AnyContent] = []
    position = 0
    for part in answer.contents:
        if isinstance(part, FunctionCallContent):
            parts.append(change(part, changes[position]) if position in changes else part)
            position += 1
        else:
            parts.append(part)
    return with_contents(answer, parts)


def _is_blank(message: ChatMessage) -> bool:
    return all(isinstance(part, TextContent) and not part.text.strip() for part in message.contents)


class _WireStep(msgspec.Struct, kw_only=True, omit_defaults=True):
    removed: int = 0
    input: list[dict[str, Any]] = []
    replaces: int | None = None
    metadata: dict[str, Any] | None = None
    messages: list[dict[str, Any]] = []
    results: dict[int, dict[str, Any]] = {}
    started: list[int] = []
    approved: list[int] = []
    edited: dict[int, dict[str, Any]] = {}
    decided: dict[int, CallDecision] = {}
    expires: dict[int, int] = {}
    usage: Usage | None = None
    claim: str | None = None
    trace: str | None = None
    began_us: int | None = None


@cache  # Few programs need it, and making it takes a hundredth of their imports.
def _decoder() -> msgspec.json.Decoder[_WireStep]:
    return msgspec.json.Decoder(_WireStep)


def encode_step(step: Step) -> bytes:
    """Return the step as JSON bytes.

    Raises:
        EncodeError: a value has no JSON form.
    """
    wire = _WireStep(
        removed=step.removed,
        input=[message_to_json(message, f"input[{i}]") for i, message in enumerate(step.input)],
        replaces=step.replaces,
        metadata=None if step.metadata is None else to_json_object(step.metadata, "metadata"),
        messages=[message_to_json(message, f"messages[{i}]") for i, message in enumerate(step.messages)],
        results={i: message_to_json(ChatMessage("tool", [result]), "result") for i, result in step.results.items()},
        started=list(step.started),
        approved=list(step.approved),
        edited={i: cast("dict[str, Any]", to_json(values, "arguments")) for i, values in step.edited.items()},
        decided=dict(step.decided),
        expires=dict(step.expires),
        usage=step.usage,
        claim=step.claim,
        trace=step.trace,
        began_us=step.began_us,
    )
    return encode_json(wire)


def decode_step(body: bytes) -> Step:
    """Return the step that `encode_step` wrote.

    Raises:
        StateError: the bytes are not a step.
    """
    try:
        wire = _decoder().decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateError(f"a step of the interrupted turn cannot be read: {error}") from None
    return Step(
        removed=wire.removed,
        input=tuple(message_from_json(message) for message in wire.input),
        replaces=wire.replaces,
        metadata=wire.metadata,
        messages=tuple(message_from_json(message) for message in wire.messages),
        results={i: _result(message) for i, message in wire.results.items()},
        started=tuple(wire.started),
        approved=tuple(wire.approved),
        edited=wire.edited,
        decided=wire.decided,
        expires=wire.expires,
        usage=wire.usage,
        claim=wire.claim,
        trace=wire.trace,
        began_us=wire.began_us,
    )


def _result(message: Mapping[str, Json]) -> FunctionResultContent:
    (part,) = message_from_json(message).contents
    if not isinstance(part, FunctionResultContent):
        raise StateError("a step of the interrupted turn has a result that is not the result of a call")
    return part
