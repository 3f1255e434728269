"""The server takes part in its clients' traces, and passes the trace on to the model's server."""

from __future__ import annotations

from typing import Any

import pytest
from openai import APIStatusError
from opentelemetry.trace import SpanKind, StatusCode

from recuerda import Storage
from recuerda.testing import Failure, ScriptedOpenAIServer
from tests.server.serving import running, sdk
from tests.telemetry.recorded import Recorded, context_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT = "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{CLIENT}-01"}


async def test_a_request_is_a_part_of_the_trace_that_its_headers_name(recorded: Recorded, storage: Storage) -> None:
    with ScriptedOpenAIServer("Yes.", "Yes.") as model:
        async with running(storage, model.base_url) as url, sdk(url) as client:
            await client.responses.create(model="small", input="Well?", extra_headers=HEADERS)
            async with await client.responses.create(
                model="small", input="Well?", stream=True, extra_headers=HEADERS
            ) as stream:
                async for _ in stream:
                    pass
        sent = [request.headers["traceparent"] for request in model.requests]
    requests = [span for span in recorded.spans if span.name == "POST /v1/responses"]
    calls = [span for span in recorded.spans if span.name == "chat small"]
    assert len(requests) == len(calls) == 2
    for request, call, header in zip(requests, calls, sent, strict=True):
        assert request.kind is SpanKind.SERVER
        assert request.parent is not None
        assert (f"{request.parent.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, CLIENT)
        assert call.parent is not None
        assert call.parent.span_id == context_id(request)
        assert header == f"00-{TRACE}-{context_id(call):016x}-01"
        told: dict[str, Any] = dict(request.attributes or {})
        assert told.pop("gen_ai.usage.output_tokens") > 0
        assert told.pop("gen_ai.usage.input_tokens") > 0
        assert told == {
            "http.request.method": "POST",
            "http.route": "/v1/responses",
            "http.response.status_code": 200,
            "url.scheme": "http",
        }
    assert (calls[0].attributes or {})["gen_ai.request.model"] == "small"
    durations = recorded.points("gen_ai.client.operation.duration")
    assert all("gen_ai.request.model" not in point.attributes for point in durations)  # a client could send any name
    appended = [span for span in recorded.spans if span.name == "append"]
    assert [span.parent and span.parent.span_id for span in appended] == [context_id(span) for span in requests]


async def test_a_request_that_fails_has_the_type_of_its_error(recorded: Recorded, storage: Storage) -> None:
    with ScriptedOpenAIServer(Failure(500)) as model:
        async with running(storage, model.base_url) as url, sdk(url) as client:
            with pytest.raises(APIStatusError):
                await client.responses.create(model="small", input="Well?")
            with pytest.raises(APIStatusError):
                await client.responses.retrieve("resp_unknown")
    failed, unknown = recorded.span("POST /v1/responses"), recorded.span("GET /v1/responses/{response_id}")
    assert (failed.attributes or {})["error.type"] == "502"
    assert failed.status.status_code is StatusCode.ERROR
    assert recorded.facts("chat small")["error.type"] == "ApiFault"
    assert (unknown.attributes or {})["http.response.status_code"] == 404
    assert unknown.status.status_code is StatusCode.UNSET
    durations = {
        point.attributes["http.response.status_code"] for point in recorded.points("http.server.request.duration")
    }
    assert durations == {502, 404}
