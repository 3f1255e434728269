"""The observer that turns the work of agents, storages, memories and the server into spans and metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from recuerda._observing import MemoryOperation
from recuerda.agent.chat import ChatModel, ChatRequest, provider_of
from recuerda.messages.message import ChatMessage, FunctionCallContent
from recuerda.telemetry import names
from recuerda.telemetry.metrics import Metrics
from recuerda.telemetry.spans import (
    Attributes,
    MemorySpan,
    ModelSpan,
    Recorder,
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
_KEPT = 1_000
OPENAI = "openai"
_TRACE_HEADER = "traceparent"


class Instrumentation:
    """Observes agents, and everything below and above them.

    Args:
        recorder: records the work.
        is_newest: True leaves out the names that the conventions have replaced.
    """

    def __init__(self, recorder: Recorder, *, is_newest: bool) -> None:
        self.metrics: Metrics = recorder.metrics
        self._recorder = recorder
        self._contents = recorder.contents
        self._is_newest = is_newest

    # -- agents --------------------------------------------------------------------------------------------------------

    def run(self, name: str | None, model: ChatModel, *, thread_id: str, said: Sequence[ChatMessage]) -> RunSpan:
        """Begin a run."""
        measured = self._measured(names.INVOKE_AGENT, model, agent=name)
        attributes: Attributes = {**measured, names.CONVERSATION_ID: thread_id}
        if self._contents is not None:
            attributes[names.INPUT_MESSAGES] = self._contents.messages(said)
        title = names.INVOKE_AGENT if name is None else f"{names.INVOKE_AGENT} {name}"
        return RunSpan(self._recorder, title, attributes, measured=measured, thread_id=thread_id, agent=name)

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
        title = names.CHAT if asked_for is None else f"{names.CHAT} {asked_for}"
        return ModelSpan(self._recorder, title, SpanKind.CLIENT, attributes, measured=measured)

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
        title = f"{names.EXECUTE_TOOL} {name}"
        return ToolSpan(self._recorder, title, SpanKind.INTERNAL, attributes, measured=measured)

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
        measured = _operation(storage, action)
        attributes = measured if thread_id is None else {**measured, names.CONVERSATION_ID: thread_id}
        return StorageSpan(self._recorder, attributes, measured=measured, run=current_run())

    def windowed(self, thread_id: str, *, sent: int, left_out: int, sent_tokens: Callable[[], int]) -> None:
        """Note how much of its thread the active run sends in its first request."""
        run = current_run(thread_id)
        if run is None or run.is_windowed:
            return
        run.is_windowed = True
        run.noted[names.WINDOW_SENT], run.noted[names.WINDOW_LEFT_OUT] = sent, left_out
        tokens = sent_tokens()
        self.metrics.window.add(tokens, names.SENT)
        self.metrics.window.add(round(left_out * tokens / sent) if sent else 0, names.LEFT_OUT)

    def leased(self, *, waited_s: float) -> None:
        """Note the time for which the active run has waited for its lease."""
        self.metrics.lease_waits.record(waited_s)
        if (run := current_run()) is not None:
            run.noted[names.LEASE_WAIT] = waited_s

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
        return MemorySpan(self._recorder, operation, SpanKind.CLIENT, attributes, measured=measured)

    # -- the server ----------------------------------------------------------------------------------------------------

    def request(self, method: str, route: str, headers: Mapping[str, str]) -> RequestSpan:
        """Begin the answer to a request. It is a part of the trace that the headers name."""
        route = _CONVERTER.sub("}", route)
        measured = {names.HTTP_METHOD: method, names.HTTP_ROUTE: route, names.URL_SCHEME: "http"}
        return RequestSpan(
            self._recorder,
            f"{method} {route}",
            SpanKind.SERVER,
            measured,
            measured=measured,
            durations=self.metrics.requests,
            parent=_W3C.extract(headers),
        )

    def upstream(self, url: str, model: str | None) -> SpanWork:
        """Begin the server's call of a model, which speaks OpenAI's protocol.

        A client chooses the name of the model. So the name is on the span, and does not part the metrics.
        """
        measured = _shared(names.CHAT, OPENAI, is_newest=self._is_newest)
        named = {} if model is None else {names.REQUEST_MODEL: model}
        title = names.CHAT if model is None else f"{names.CHAT} {model}"
        attributes: Attributes = {**measured, **named, **_server_at(url)}
        return SpanWork(self._recorder, title, SpanKind.CLIENT, attributes, measured=measured)

    def used(self, *, input_tokens: int, output_tokens: int) -> None:
        """Note the tokens of an answer on the active span, and count them."""
        get_current_span().set_attributes({names.INPUT_TOKENS: input_tokens, names.OUTPUT_TOKENS: output_tokens})
        measured = _shared(names.CHAT, OPENAI, is_newest=self._is_newest)
        self.metrics.tokens.record(input_tokens, {**measured, names.TOKEN_TYPE: "input"})
        self.metrics.tokens.record(output_tokens, {**measured, names.TOKEN_TYPE: "output"})

    def trace_headers(self) -> Mapping[str, str]:
        """Return the headers that make another program's work a part of the active span."""
        headers: dict[str, str] = {}
        _W3C.inject(headers)
        return headers

    def _measured(
        self, operation: str, model: ChatModel, model_id: object = None, *, agent: str | None = None
    ) -> Mapping[str, str]:
        """Return the attributes that a span and its duration share."""
        asked_for = model_id or getattr(model, "model_id", None)
        named = None if asked_for is None else str(asked_for)
        return _shared(operation, provider_of(model), named, agent, is_newest=self._is_newest)


# Each turn asks for the same few mappings, so they are kept. Nobody changes them.


@lru_cache(maxsize=_KEPT)
def _shared(
    operation: str, provider: str, model_id: str | None = None, agent: str | None = None, *, is_newest: bool
) -> Mapping[str, str]:
    measured = {names.OPERATION_NAME: operation, names.PROVIDER_NAME: provider}
    if not is_newest:
        measured[names.SYSTEM] = provider
    if model_id is not None:
        measured[names.REQUEST_MODEL] = model_id
    if agent is not None:
        measured[names.AGENT_NAME] = agent
    return measured


@lru_cache(maxsize=_KEPT)
def _operation(storage: str, action: str) -> Mapping[str, str]:
    name = names.STORAGE_OPERATIONS.get(action, action)
    return {names.DB_SYSTEM: names.system_of(storage), names.DB_OPERATION: name}


@lru_cache(maxsize=_KEPT)
def _server_at(url: str | None) -> Mapping[str, str | int]:
    """Return the attributes for a server; nothing without an address."""
    parts = urlsplit(url or "")
    if not parts.hostname:
        return {}
    return {
        names.SERVER_ADDRESS: parts.hostname,
        names.SERVER_PORT: parts.port or (443 if parts.scheme == "https" else 80),
    }
