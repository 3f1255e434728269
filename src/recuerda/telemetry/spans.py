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
from typing import TypeAlias

from opentelemetry.context import Context, attach, create_key, detach, get_value, set_value
from opentelemetry.metrics import Histogram
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from recuerda._events import fields
from recuerda._observing import Record
from recuerda.agent.chat import ChatResponse
from recuerda.agent.response import AgentResponse
from recuerda.errors import ChatClientError, ThreadConflict
from recuerda.messages.message import FunctionResultContent, Usage
from recuerda.telemetry import names
from recuerda.telemetry.contents import Contents
from recuerda.telemetry.metrics import Metrics

Attributes: TypeAlias = dict[str, str | int | float | bool]

_RUN = create_key("recuerda-run")
_logger = logging.getLogger("recuerda.telemetry")


class Active:
    """A block in which a context is the current one. It may be entered again after it was left."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._token: Token[Context] | None = None

    def __enter__(self) -> None:
        self._token = attach(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            detach(self._token)


class SpanWork:
    """A piece of work as a span.

    Args:
        tracer: makes the span.
        name: the name of the span.
        kind: the kind of the span.
        attributes: the attributes that are known from the beginning.
        durations: the histogram that gets the duration.
        measured: the attributes of the duration.
        parent: the context in which the span is made; None for the current one.
    """

    __slots__ = ("_began", "_durations", "_is_ended", "_measured", "context", "span")

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, str | int | float | bool],
        *,
        durations: Histogram,
        measured: Mapping[str, str | int],
        parent: Context | None = None,
    ) -> None:
        try:
            self.span: Span = tracer.start_span(name, parent, kind, attributes)
        except Exception as error:  # noqa: BLE001 - a sampler or a processor is the application's, and must end no run
            self.span = INVALID_SPAN
            _tell(error)
        self.context: Context = set_span_in_context(self.span, parent)
        self._durations = durations
        self._measured = measured
        self._is_ended = False
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The time since the work began."""
        return time.perf_counter() - self._began

    def active(self) -> Active:
        """Return a block in which this span is the current one."""
        return Active(self.context)

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
        system: the storage of the run's last operation.
        is_counted: True when a storage has counted the turn.
        trips: the number of operations of the storage so far.
        is_windowed: True when the window of the run has been noted.
    """

    __slots__ = ("_agent", "_contents", "_metrics", "is_counted", "is_windowed", "system", "thread_id", "trips")

    def begin(self, thread_id: str, agent: str | None, metrics: Metrics, contents: Contents | None) -> None:
        """Take what only a run needs."""
        self.thread_id: str = thread_id
        self.system: str = ""
        self.is_counted: bool = False
        self.trips: int = 0
        self.is_windowed: bool = False
        self._agent = agent
        self._metrics = metrics
        self._contents = contents
        self.context: Context = set_value(_RUN, self, self.context)

    def answered(self, response: AgentResponse[object]) -> None:
        """Note the response."""
        attributes: Attributes = usage_attributes(response.usage)
        if response.turn_id is not None:
            attributes[names.TURN_ID] = response.turn_id
        if response.is_replay and not self.is_counted:
            # The run found the turn when it read the thread, so no storage was asked to append it.
            attributes[names.TURN_OUTCOME] = names.REPLAYED
            self._metrics.turns.add(1, {names.DB_SYSTEM: self.system, names.TURN_OUTCOME: names.REPLAYED}, self.context)
        if response.pending:
            attributes[names.TURN_OUTCOME] = names.PENDING
        if self._contents is not None:
            attributes[names.OUTPUT_MESSAGES] = self._contents.messages(response.messages, finish_reason="stop")
        if attributes:
            self.span.set_attributes(attributes)

    def end(self, error: BaseException | None = None) -> None:
        """End the run, and record its trips."""
        if not self._is_ended:
            self.span.set_attribute(names.RUN_TRIPS, self.trips)
            if isinstance(error, ThreadConflict):
                self.span.set_attribute(names.TURN_OUTCOME, names.CONFLICT)
            measured = {} if self._agent is None else {names.AGENT_NAME: self._agent}
            self._metrics.trips.record(self.trips, measured, self.context)
        super().end(error)


def current_run(thread_id: str | None = None) -> RunSpan | None:
    """Return the run that is active, if it is one of the given thread; None for any thread."""
    run = get_value(_RUN)
    if not isinstance(run, RunSpan) or thread_id not in (None, run.thread_id):
        return None
    return run


class ModelSpan(SpanWork):
    """The call of a model."""

    __slots__ = ("_contents", "_metrics")

    def begin(self, metrics: Metrics, contents: Contents | None) -> None:
        """Take what only the call of a model needs."""
        self._metrics = metrics
        self._contents = contents

    def began_to_arrive(self) -> None:
        """Note the time until the first piece of a streamed answer."""
        seconds = self.seconds
        self.span.set_attribute(names.TIME_TO_FIRST_CHUNK, seconds)
        self._metrics.first_chunks.record(seconds, self._measured, self.context)

    def answered(self, response: ChatResponse) -> None:
        """Note the answer, and count its tokens."""
        usage = response.usage
        attributes: Attributes = usage_attributes(usage)
        if response.response_id is not None:
            attributes[names.RESPONSE_ID] = response.response_id
        if self._contents is not None:
            reason = response.finish_reason or ("tool_call" if response.message.function_calls else "stop")
            attributes[names.OUTPUT_MESSAGES] = self._contents.messages([response.message], finish_reason=reason)
        if attributes:
            self.span.set_attributes(attributes)
        if response.finish_reason is not None:
            self.span.set_attribute(names.FINISH_REASONS, (response.finish_reason,))
        if usage is not None:
            for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
                self._metrics.tokens.record(count, {**self._measured, names.TOKEN_TYPE: kind}, self.context)


class ToolSpan(SpanWork):
    """The call of a tool."""

    __slots__ = ("_contents",)

    def begin(self, contents: Contents | None) -> None:
        """Take what only the call of a tool needs."""
        self._contents = contents

    def answered(self, result: FunctionResultContent) -> None:
        """Note the result. The failure of a tool ends no run: the model is told of it."""
        if result.is_error:
            self.span.set_attribute(names.ERROR_TYPE, TOOL_ERROR)
            self.span.set_status(Status(StatusCode.ERROR))
            self._measured = {**self._measured, names.ERROR_TYPE: TOOL_ERROR}
        if self._contents is not None:
            self.span.set_attribute(names.TOOL_RESULT, self._contents.value(result.result))


TOOL_ERROR = "tool_error"
"""The value of `error.type` for a call of a tool whose result is an error."""


class MemorySpan(SpanWork):
    """Work on memories."""

    __slots__ = ("_contents", "_hits", "_store")

    def begin(self, store: str, hits: Histogram | None, contents: Contents | None) -> None:
        """Take what only work on memories needs. `hits` counts the memories of a search."""
        self._store = store
        self._hits = hits
        self._contents = contents

    def touched(self, count: int, records: Iterable[Record] = ()) -> None:
        """Note the memories that were found or changed."""
        self.span.set_attribute(names.MEMORY_RECORD_COUNT, count)
        if self._contents is not None:
            self.span.set_attribute(names.MEMORY_RECORDS, self._contents.records(records))
        if self._hits is not None:
            self._hits.record(count, {names.MEMORY_STORE_ID: self._store}, self.context)


class StorageSpan(SpanWork):
    """An operation of a storage."""

    __slots__ = ("_conflicts",)

    def begin(self, conflicts: tuple[Metrics, str] | None) -> None:
        """Take what only an operation needs. `conflicts` has the metrics and the storage, for an append."""
        self._conflicts = conflicts

    def end(self, error: BaseException | None = None) -> None:
        """End the operation, and count a turn that was refused."""
        if self._conflicts is not None and isinstance(error, ThreadConflict):
            metrics, system = self._conflicts
            self.span.set_attribute(names.TURN_OUTCOME, names.CONFLICT)
            metrics.turns.add(1, {names.DB_SYSTEM: system, names.TURN_OUTCOME: names.CONFLICT}, self.context)
        super().end(error)


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
