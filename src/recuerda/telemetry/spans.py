"""Spans: each piece of work is one span, and is measured once when it ends.

A span becomes the current one only inside of `active` blocks. So a stream that its consumer leaves, or that the garbage
collector closes in another context, cannot leave a foreign span behind.
"""

from __future__ import annotations

import logging
import time
from asyncio import CancelledError
from collections.abc import Iterable, Mapping
from contextvars import Token
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias

from opentelemetry.context import Context, attach, create_key, detach, get_value, set_value
from opentelemetry.metrics import Histogram
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from recuerda._events import fields
from recuerda._observing import Record
from recuerda.agent.chat import ChatResponse
from recuerda.agent.response import AgentResponse
from recuerda.errors import ChatClientError, ThreadConflict
from recuerda.messages.message import FunctionResultContent, Usage
from recuerda.telemetry import names
from recuerda.telemetry.contents import Contents
from recuerda.telemetry.metrics import Metrics

Attributes: TypeAlias = dict[str, AttributeValue]

_RUN = create_key("recuerda-run")
_logger = logging.getLogger("recuerda.telemetry")


class Recorder(NamedTuple):
    """Everything that work is recorded with.

    Attributes:
        tracer: makes the spans.
        metrics: the instruments.
        contents: gives contents their form; None if no content is recorded.
    """

    tracer: Tracer
    metrics: Metrics
    contents: Contents | None


class SpanWork:
    """A piece of work as a span. It is its own active block, which may be entered again after it was left.

    Args:
        recorder: records the work.
        name: the name of the span.
        kind: the kind of the span.
        attributes: the attributes that are known from the beginning.
        measured: the attributes of the duration.
        durations: the histogram that gets the duration; None for the one of the operations of agents.
        parent: the context in which the span is made; None for the current one.
    """

    __slots__ = ("_began", "_durations", "_is_ended", "_measured", "_recorder", "_token", "context", "span")

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, AttributeValue],
        *,
        measured: Mapping[str, str | int],
        durations: Histogram | None = None,
        parent: Context | None = None,
    ) -> None:
        try:
            self.span: Span = recorder.tracer.start_span(name, parent, kind, attributes)
        except Exception as error:  # noqa: BLE001 - a sampler or a processor is the application's, and must end no run
            self.span = INVALID_SPAN
            _tell(error)
        self.context: Context = set_span_in_context(self.span, parent)
        self._recorder = recorder
        self._durations = durations or recorder.metrics.operations
        self._measured = measured
        self._is_ended = False
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The time since the work began."""
        return time.perf_counter() - self._began

    def active(self) -> Self:
        """Return a block in which this span is the current one."""
        return self

    def __enter__(self) -> None:
        self._token: Token[Context] = attach(self.context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        detach(self._token)

    def end(self, error: BaseException | None = None) -> None:
        """End the span, and record its duration."""
        if self._is_ended:
            return
        self._is_ended = True
        measured = self._measured
        if error is not None:
            measured = {**measured, names.ERROR_TYPE: self._failed(error)}
        self._durations.record(self.seconds, measured, self.context)
        try:
            self.span.end()
        except Exception as problem:  # noqa: BLE001 - a processor is the application's, and must end no run
            _tell(problem)

    def _failed(self, error: BaseException) -> str:
        """Note an error by its type. Its text may hold a part of a message, so it is never recorded."""
        is_cancelled = isinstance(error, CancelledError | GeneratorExit)
        name = CancelledError.__name__ if is_cancelled else error_type(error)
        self.span.set_attribute(names.ERROR_TYPE, name)
        if not is_cancelled:
            self.span.set_status(Status(StatusCode.ERROR))
        return name


def _tell(error: Exception) -> None:
    name = type(error).__name__
    _logger.warning("a span could not be recorded: %s", name, extra=fields("span_not_recorded", error=name))


def error_type(error: BaseException) -> str:
    """Return the value of `error.type`: the status of a model's service if it answered, else the type of the error."""
    if isinstance(error, ChatClientError) and error.status is not None:
        return str(error.status)
    return type(error).__qualname__


class RunSpan(SpanWork):
    """The run of an agent. Whatever is done in it finds it by `current_run`.

    Attributes:
        thread_id: the thread of the run.
        noted: the attributes that the span gets when the run ends.
        system: the storage of the run's last operation.
        is_counted: True when a storage has counted the turn.
        trips: the number of operations of the storage so far.
        is_windowed: True when the window of the run has been noted.
    """

    __slots__ = ("_agent", "is_counted", "is_windowed", "noted", "system", "thread_id", "trips")

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        attributes: Attributes,
        *,
        measured: Mapping[str, str],
        thread_id: str,
        agent: str | None,
    ) -> None:
        super().__init__(recorder, name, SpanKind.INTERNAL, attributes, measured=measured)
        self.thread_id: str = thread_id
        self.noted: Attributes = {}
        self.system: str = ""
        self.is_counted: bool = False
        self.trips: int = 0
        self.is_windowed: bool = False
        self._agent: str | None = agent
        self.context: Context = set_value(_RUN, self, self.context)

    def answered(self, response: AgentResponse[object]) -> None:
        """Note the response."""
        noted, contents = self.noted, self._recorder.contents
        noted.update(usage_attributes(response.usage))
        if response.turn_id is not None:
            noted[names.TURN_ID] = response.turn_id
        if response.is_replay and not self.is_counted:
            # The run found the turn when it read the thread, so no storage was asked to append it.
            noted[names.TURN_OUTCOME] = names.REPLAYED
            self._recorder.metrics.turns.add(1, self.system, names.REPLAYED)
        if response.pending:
            noted[names.TURN_OUTCOME] = names.PENDING
        if contents is not None:
            noted[names.OUTPUT_MESSAGES] = contents.messages(response.messages, finish_reason="stop")

    def end(self, error: BaseException | None = None) -> None:
        """End the run, and count its trips."""
        if not self._is_ended:
            self.noted[names.RUN_TRIPS] = self.trips
            if isinstance(error, ThreadConflict):
                self.noted[names.TURN_OUTCOME] = names.CONFLICT
            self.span.set_attributes(self.noted)
            self._recorder.metrics.trips.add(self.trips, self._agent)
        super().end(error)


def current_run(thread_id: str | None = None) -> RunSpan | None:
    """Return the run that is active, if it is one of the given thread; None for any thread."""
    run = get_value(_RUN)
    if not isinstance(run, RunSpan) or thread_id not in (None, run.thread_id):
        return None
    return run


class ModelSpan(SpanWork):
    """The call of a model."""

    __slots__ = ()

    def began_to_arrive(self) -> None:
        """Note the time until the first piece of a streamed answer."""
        seconds = self.seconds
        self.span.set_attribute(names.TIME_TO_FIRST_CHUNK, seconds)
        self._recorder.metrics.first_chunks.record(seconds, self._measured, self.context)

    def answered(self, response: ChatResponse) -> None:
        """Note the answer, and count its tokens."""
        usage, metrics, contents = response.usage, self._recorder.metrics, self._recorder.contents
        noted = usage_attributes(usage)
        if response.response_id is not None:
            noted[names.RESPONSE_ID] = response.response_id
        if response.finish_reason is not None:
            noted[names.FINISH_REASONS] = (response.finish_reason,)
        if contents is not None:
            reason = response.finish_reason or ("tool_call" if response.message.function_calls else "stop")
            noted[names.OUTPUT_MESSAGES] = contents.messages([response.message], finish_reason=reason)
        if noted:
            self.span.set_attributes(noted)
        if usage is not None:
            measured = self._measured
            metrics.tokens.record(usage.input_tokens, {**measured, names.TOKEN_TYPE: "input"}, self.context)
            metrics.tokens.record(usage.output_tokens, {**measured, names.TOKEN_TYPE: "output"}, self.context)


class ToolSpan(SpanWork):
    """The call of a tool."""

    __slots__ = ()

    def answered(self, result: FunctionResultContent) -> None:
        """Note the result. The failure of a tool ends no run: the model is told of it."""
        if result.is_error:
            self.span.set_attribute(names.ERROR_TYPE, TOOL_ERROR)
            self.span.set_status(Status(StatusCode.ERROR))
            self._measured = {**self._measured, names.ERROR_TYPE: TOOL_ERROR}
        if (contents := self._recorder.contents) is not None:
            self.span.set_attribute(names.TOOL_RESULT, contents.value(result.result))


TOOL_ERROR = "tool_error"
"""The value of `error.type` for a call of a tool whose result is an error."""


class MemorySpan(SpanWork):
    """Work on memories."""

    __slots__ = ()

    def touched(self, count: int, records: Iterable[Record] = ()) -> None:
        """Note the memories that were found or changed."""
        self.span.set_attribute(names.MEMORY_RECORD_COUNT, count)
        if (contents := self._recorder.contents) is not None:
            self.span.set_attribute(names.MEMORY_RECORDS, contents.records(records))
        if self._measured[names.OPERATION_NAME] == names.SEARCH_MEMORY:
            store = self._measured[names.MEMORY_STORE_ID]
            self._recorder.metrics.hits.record(count, {names.MEMORY_STORE_ID: store}, self.context)


class StorageSpan(SpanWork):
    """An operation of a storage. It is a trip of the run in which it is done."""

    __slots__ = ("_run",)

    def __init__(
        self, recorder: Recorder, attributes: Mapping[str, str], *, measured: Mapping[str, str], run: RunSpan | None
    ) -> None:
        name = measured[names.DB_OPERATION]
        super().__init__(
            recorder, name, SpanKind.CLIENT, attributes, measured=measured, durations=recorder.metrics.storages
        )
        self._run = run
        if run is not None:
            run.trips += 1
            run.system = measured[names.DB_SYSTEM]

    def appended(self, thread_id: str, *, turn_id: str, revision: int, is_replay: bool) -> None:
        """Count a turn, and note it on this operation and on the run whose turn it is."""
        outcome = names.REPLAYED if is_replay else names.COMMITTED
        attributes: Attributes = {
            names.TURN_ID: turn_id,
            names.TURN_REVISION: revision,
            names.TURN_OUTCOME: outcome,
        }
        self.span.set_attributes(attributes)
        self._count(outcome)
        if self._run is not None and self._run.thread_id == thread_id:
            self._run.is_counted = True
            self._run.noted.update(attributes)

    def end(self, error: BaseException | None = None) -> None:
        """End the operation, and count a turn that was refused."""
        if isinstance(error, ThreadConflict) and self._measured[names.DB_OPERATION] == names.APPEND:
            self.span.set_attribute(names.TURN_OUTCOME, names.CONFLICT)
            self._count(names.CONFLICT)
        super().end(error)

    def _count(self, outcome: str) -> None:
        self._recorder.metrics.turns.add(1, str(self._measured[names.DB_SYSTEM]), outcome)


class RequestSpan(SpanWork):
    """The answer to a request of the server."""

    __slots__ = ()

    def answered(self, status: int) -> None:
        """Note the status. A status from 500 on is an error of the server."""
        self.span.set_attribute(names.HTTP_STATUS, status)
        self._measured = {**self._measured, names.HTTP_STATUS: status}
        if status >= 500:
            self.span.set_attribute(names.ERROR_TYPE, str(status))
            self.span.set_status(Status(StatusCode.ERROR))
            self._measured[names.ERROR_TYPE] = str(status)


def usage_attributes(usage: Usage | None) -> Attributes:
    """Return the attributes for the tokens that a service has reported."""
    if usage is None:
        return {}
    attributes: Attributes = {names.INPUT_TOKENS: usage.input_tokens, names.OUTPUT_TOKENS: usage.output_tokens}
    if usage.cached_input_tokens:
        attributes[names.CACHED_INPUT_TOKENS] = usage.cached_input_tokens
    if usage.reasoning_tokens:
        attributes[names.REASONING_TOKENS] = usage.reasoning_tokens
    return attributes
