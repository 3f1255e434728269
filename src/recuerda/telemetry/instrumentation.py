"""The observer that turns the work of agents, storages, memories and the server into spans and metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from recuerda._observing import MemoryOperation
from recuerda.agent.chat import ChatModel, ChatRequest, provider_of
from recuerda.messages.message import ChatMessage, FunctionCallContent
from recuerda.telemetry import names
from recuerda.telemetry.contents import Contents
from recuerda.telemetry.metrics import Metrics
from recuerda.telemetry.spans import (
    Attributes,
    MemorySpan,
    ModelSpan,
    RequestSpan,
    RunSpan,
    SpanWork,
    StorageSpan,
    ToolSpan,
    current_run,
)

_CONVERTER = re.compile(r":\w+}")
"""The type of a parameter in Starlette's routes, which is left out of `http.route`."""

_W3C = TraceContextTextMapPropagator()
OPENAI = "openai"
_TRACE_HEADER = "traceparent"


class Instrumentation:
    """Observes agents, and everything below and above them.

    Args:
        tracer: makes the spans.
        metrics: the instruments.
        contents: gives contents their form; None if no content is recorded.
        is_newest: True leaves out the names that the conventions have replaced.
    """

    def __init__(self, tracer: Tracer, metrics: Metrics, *, contents: Contents | None, is_newest: bool) -> None:
        self.metrics: Metrics = metrics
        self._tracer = tracer
        self._contents = contents
        self._is_newest = is_newest

    # -- agents --------------------------------------------------------------------------------------------------------

    def run(self, name: str | None, model: ChatModel, *, thread_id: str, said: Sequence[ChatMessage]) -> RunSpan:
        """Begin a run."""
        measured = self._measured(names.INVOKE_AGENT, model)
        attributes: Attributes = {**measured, names.CONVERSATION_ID: thread_id}
        if name is not None:
            attributes[names.AGENT_NAME] = measured[names.AGENT_NAME] = name
        if self._contents is not None:
            attributes[names.INPUT_MESSAGES] = self._contents.messages(said)
        work = RunSpan(
            self._tracer,
            names.INVOKE_AGENT if name is None else f"{names.INVOKE_AGENT} {name}",
            SpanKind.INTERNAL,
            attributes,
            durations=self.metrics.operations,
            measured=measured,
        )
        work.begin(thread_id, name, self.metrics, self._contents)
        return work

    def model(
        self, model: ChatModel, request: ChatRequest, *, thread_id: str | None, is_streamed: bool = False
    ) -> ModelSpan:
        """Begin a call of a model."""
        measured = self._measured(names.CHAT, model, request.options.get("model"))
        attributes: Attributes = {**measured, **_server_at(getattr(model, "server_url", None))}
        if thread_id is not None:
            attributes[names.CONVERSATION_ID] = thread_id
        if is_streamed:
            attributes[names.REQUEST_STREAM] = True
        if request.output is not None:
            attributes[names.OUTPUT_TYPE] = "json"
        for option, value in request.options.items():
            if (name := names.REQUEST_OPTIONS.get(option)) is not None and isinstance(value, int | float):
                attributes[name] = value
        if self._contents is not None:
            attributes[names.INPUT_MESSAGES] = self._contents.messages(request.messages)
            if request.instructions is not None:
                attributes[names.SYSTEM_INSTRUCTIONS] = self._contents.instructions(request.instructions)
        asked_for = measured.get(names.REQUEST_MODEL)
        work = ModelSpan(
            self._tracer,
            names.CHAT if asked_for is None else f"{names.CHAT} {asked_for}",
            SpanKind.CLIENT,
            attributes,
            durations=self.metrics.operations,
            measured=measured,
        )
        work.begin(self.metrics, self._contents)
        return work

    def tool(self, call: FunctionCallContent, *, thread_id: str, description: str | None) -> ToolSpan:
        """Begin a call of a tool. A name that the model has made up does not become the name of a span."""
        name = "unknown" if description is None else call.name
        measured = {names.OPERATION_NAME: names.EXECUTE_TOOL, names.TOOL_NAME: name}
        attributes: Attributes = {
            **measured,
            names.TOOL_CALL_ID: call.call_id,
            names.TOOL_TYPE: "function",
            names.CONVERSATION_ID: thread_id,
        }
        if description:
            attributes[names.TOOL_DESCRIPTION] = description
        if self._contents is not None:
            attributes[names.TOOL_ARGUMENTS] = self._contents.value(call.arguments)
        work = ToolSpan(
            self._tracer,
            f"{names.EXECUTE_TOOL} {name}",
            SpanKind.INTERNAL,
            attributes,
            durations=self.metrics.operations,
            measured=measured,
        )
        work.begin(self._contents)
        return work

    def trace(self) -> str | None:
        """Return the active run's place in its trace, in the form of the header `traceparent`."""
        run = current_run()
        if run is None:
            return None
        headers: dict[str, str] = {}
        _W3C.inject(headers, run.context)
        return headers.get(_TRACE_HEADER)

    def continued(self, traces: Sequence[str]) -> None:
        """Link the active run to the runs that have worked on its turn before."""
        run = current_run()
        for trace in traces if run is not None else ():
            place = get_current_span(_W3C.extract({_TRACE_HEADER: trace}, Context())).get_span_context()
            if run is not None and place.is_valid:
                run.span.add_link(place)

    # -- storages ------------------------------------------------------------------------------------------------------

    def operation(self, storage: str, action: str, thread_id: str | None) -> StorageSpan:
        """Begin an operation of a storage."""
        system, name = names.STORAGES.get(storage, storage), names.STORAGE_OPERATIONS.get(action, action)
        if (run := current_run()) is not None:
            run.trips += 1
            run.system = system
        measured = {names.DB_SYSTEM: system, names.DB_OPERATION: name}
        attributes = measured if thread_id is None else {**measured, names.CONVERSATION_ID: thread_id}
        work = StorageSpan(
            self._tracer, name, SpanKind.CLIENT, attributes, durations=self.metrics.storages, measured=measured
        )
        work.begin((self.metrics, system) if action == "append to" else None)
        return work

    def appended(self, storage: str, thread_id: str, *, turn_id: str, revision: int, is_replay: bool) -> None:
        """Count a turn, and note it on the active operation and on the run whose turn it is."""
        outcome = names.REPLAYED if is_replay else names.COMMITTED
        self.metrics.turns.add(1, {names.DB_SYSTEM: names.STORAGES.get(storage, storage), names.TURN_OUTCOME: outcome})
        attributes = {names.TURN_ID: turn_id, names.TURN_REVISION: revision, names.TURN_OUTCOME: outcome}
        get_current_span().set_attributes(attributes)
        if (run := current_run(thread_id)) is not None:
            run.is_counted = True
            run.span.set_attributes(attributes)

    def windowed(self, thread_id: str, *, sent: int, left_out: int, sent_tokens: Callable[[], int]) -> None:
        """Note how much of its thread the active run sends in its first request."""
        run = current_run(thread_id)
        if run is None or run.is_windowed:
            return
        run.is_windowed = True
        tokens = sent_tokens()
        run.span.set_attributes({names.WINDOW_SENT: sent, names.WINDOW_LEFT_OUT: left_out})
        record = self.metrics.window.record
        record(tokens, {names.WINDOW_PART: names.SENT}, run.context)
        record(round(left_out * tokens / sent) if sent else 0, {names.WINDOW_PART: names.LEFT_OUT}, run.context)

    def leased(self, *, waited_s: float) -> None:
        """Note the time for which the active run has waited for its lease."""
        self.metrics.lease_waits.record(waited_s)
        if (run := current_run()) is not None:
            run.span.set_attribute(names.LEASE_WAIT, waited_s)

    # -- memories ------------------------------------------------------------------------------------------------------

    def memory(
        self, operation: MemoryOperation, *, store: str, query: str | None = None, record_id: str | None = None
    ) -> MemorySpan:
        """Begin work on memories."""
        measured = {names.OPERATION_NAME: operation, names.MEMORY_STORE_ID: store}
        attributes: Attributes = {**measured}
        if record_id is not None:
            attributes[names.MEMORY_RECORD_ID] = record_id
        if query is not None and self._contents is not None:
            attributes[names.MEMORY_QUERY] = self._contents.text(query)
        if (run := current_run()) is not None:
            attributes[names.CONVERSATION_ID] = run.thread_id
        work = MemorySpan(
            self._tracer,
            operation,
            SpanKind.CLIENT,
            attributes,
            durations=self.metrics.operations,
            measured=measured,
        )
        work.begin(store, self.metrics.hits if operation == names.SEARCH_MEMORY else None, self._contents)
        return work

    # -- the server ----------------------------------------------------------------------------------------------------

    def request(self, method: str, route: str, headers: Mapping[str, str]) -> RequestSpan:
        """Begin the answer to a request. It is a part of the trace that the headers name."""
        route = _CONVERTER.sub("}", route)
        measured = {names.HTTP_METHOD: method, names.HTTP_ROUTE: route, names.URL_SCHEME: "http"}
        return RequestSpan(
            self._tracer,
            f"{method} {route}",
            SpanKind.SERVER,
            measured,
            durations=self.metrics.requests,
            measured=measured,
            parent=_W3C.extract(headers),
        )

    def upstream(self, url: str, model: str | None) -> SpanWork:
        """Begin the server's call of a model, which speaks OpenAI's protocol.

        A client chooses the name of the model. So the name is on the span, and does not part the metrics.
        """
        measured = self._shared(names.CHAT, OPENAI, None)
        named = {} if model is None else {names.REQUEST_MODEL: model}
        return SpanWork(
            self._tracer,
            names.CHAT if model is None else f"{names.CHAT} {model}",
            SpanKind.CLIENT,
            {**measured, **named, **_server_at(url)},
            durations=self.metrics.operations,
            measured=measured,
        )

    def used(self, *, input_tokens: int, output_tokens: int) -> None:
        """Note the tokens of an answer on the active span, and count them."""
        get_current_span().set_attributes({names.INPUT_TOKENS: input_tokens, names.OUTPUT_TOKENS: output_tokens})
        measured = self._shared(names.CHAT, OPENAI, None)
        self.metrics.tokens.record(input_tokens, {**measured, names.TOKEN_TYPE: "input"})
        self.metrics.tokens.record(output_tokens, {**measured, names.TOKEN_TYPE: "output"})

    def trace_headers(self) -> Mapping[str, str]:
        """Return the headers that make another program's work a part of the active span."""
        headers: dict[str, str] = {}
        _W3C.inject(headers)
        return headers

    def _measured(self, operation: str, model: ChatModel, model_id: object = None) -> dict[str, str]:
        """Return the attributes that a span and its duration share."""
        return self._shared(operation, provider_of(model), model_id or getattr(model, "model_id", None))

    def _shared(self, operation: str, provider: str, model_id: object) -> dict[str, str]:
        measured = {names.OPERATION_NAME: operation, names.PROVIDER_NAME: provider}
        if not self._is_newest:
            measured[names.SYSTEM] = provider
        if model_id is not None:
            measured[names.REQUEST_MODEL] = str(model_id)
        return measured


def _server_at(url: str | None) -> Attributes:
    """Return the attributes for a server; nothing without an address."""
    parts = urlsplit(url or "")
    if not parts.hostname:
        return {}
    return {
        names.SERVER_ADDRESS: parts.hostname,
        names.SERVER_PORT: parts.port or (443 if parts.scheme == "https" else 80),
    }
