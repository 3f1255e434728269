"""Answers of the model's server that are not as they should be: they are read rightly, or the response fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, InternalServerError

from recuerda import Storage
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Failure
from tests.openai.canned import CannedServer, chunk, completion
from tests.server.serving import failed_stream, running, sdk, streamed

TOKENS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
YES = [chunk({"content": "Y"}), chunk({"content": "es."})]
STOP = chunk({}, finish_reason="stop")


@pytest.fixture
def upstream(canned: CannedServer) -> str:
    return canned.base_url


def called(*fragments: dict[str, Any]) -> list[dict[str, object]]:
    return [*(chunk({"tool_calls": [{"index": 0, **one}]}) for one in fragments), chunk({}, finish_reason="tool_calls")]


def lines(*chunks: object, indent: int | None = None) -> bytes:
    texts = [json.dumps(one, indent=indent) for one in chunks]
    return b"".join(b"data: " + text.replace("\n", "\ndata: ").encode() + b"\n\n" for text in texts)


async def test_odd_streams_that_are_whole_are_read_rightly(canned: CannedServer, client: AsyncOpenAI) -> None:
    text = {"type": "text", "text": "Yes."}
    streams: dict[str, bytes] = {
        "no end mark": lines(*YES, STOP),
        "no usage": lines(*YES, STOP) + b"data: [DONE]\n\n",
        "comments and empty data": b": ping\n\ndata:\n\n" + lines(*YES) + b"event: x\nid: 1\n\n" + lines(STOP),
        "several lines": lines(*YES, STOP, indent=2) + b"data: [DONE]\n\n",
        "list of parts": lines(chunk({"content": [text]}), STOP),
        "list of texts": lines(chunk({"content": ["Yes", "."]}), STOP),
        "garbage behind the end": lines(*YES, STOP) + b"data: {nonsense\n\n",
        "whole instead of a stream": json.dumps(completion({"role": "assistant", "content": "Yes."})).encode(),
    }
    for name, stream in streams.items():
        canned.body = stream
        canned.content_type = "application/json; charset=utf-8" if name.startswith("whole") else "text/event-stream"
        _, response = await streamed(client, input="x")
        assert (response.status, response.output_text) == ("completed", "Yes."), name
        assert (await client.responses.retrieve(response.id)).output_text == "Yes.", name


async def test_values_of_the_wrong_type_are_put_right(canned: CannedServer, client: AsyncOpenAI) -> None:
    yes = chunk({"content": "Yes."})
    tokens: dict[str, Any] = {"prompt_tokens": 3.0, "completion_tokens": "2", "prompt_tokens_details": []}
    other = {"index": 1, "delta": {"content": "No."}}
    streams: dict[str, list[dict[str, Any]]] = {
        "numbers as texts": [{**yes, "id": 7, "model": 3, "service_tier": 1}, STOP],
        "texts as numbers": [yes, {**STOP, "usage": tokens}],
        "usage as a text": [yes, {**STOP, "usage": "3"}],
        "no refusal": [chunk({"content": "Yes.", "refusal": False}), STOP],
        "no error": [{**yes, "error": {}}, {**STOP, "error": False}],
        "one choice without a list": [{**yes, "choices": {"index": 0, "delta": {"content": "Yes."}}}, STOP],
        "more choices than one": [yes, {**yes, "choices": [other]}, STOP],
        "a reason in capitals": [yes, chunk({}, finish_reason="STOP")],
    }
    for name, stream in streams.items():
        canned.chunks(*stream)
        _, response = await streamed(client, input="x")
        assert (response.status, response.output_text) == ("completed", "Yes."), name
        if name == "texts as numbers":
            assert (response.usage.input_tokens, response.usage.total_tokens) == (3, 5)
    call: dict[str, Any] = {"index": "0", "id": 5, "function": {"name": "add", "arguments": []}}
    old = {"function_call": {"name": "add", "arguments": "{}"}}
    deltas: list[Any] = [{"tool_calls": [call]}, {"tool_calls": call}, old]
    for delta in deltas:
        canned.chunks(chunk(delta), chunk({}, finish_reason="function_call"))
        _, response = await streamed(client, input="x")
        assert [(item.name, item.arguments) for item in response.output] == [("add", "{}")]


async def test_a_server_that_refuses_a_hint_is_asked_without_it_from_then_on(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    unknown = [Failure(422, "Extra inputs.", param="prompt_cache_key"), Failure(400, "No 'safety_identifier' here.")]
    model.script.extend([*unknown, "Yes.", "Yes.", Failure(400, "Too long.")])
    asked: Any = {"input": "x", "prompt_cache_key": "k", "safety_identifier": "will", "user": "will"}
    async with running(storage, model.base_url) as url, sdk(url) as client:
        create: Any = client.responses.create
        for requests in (3, 4):
            response = await create(**asked)
            assert response.output_text == "Yes."
            assert len(model.requests) == requests
            body = model.requests[-1].body
            assert ("prompt_cache_key" in body, "safety_identifier" in body, body["user"]) == (False, False, "will")
        with pytest.raises(BadRequestError):
            await create(**asked)
        assert len(model.requests) == 5


async def test_streams_that_are_not_whole_fail_and_leave_nothing(
    canned: CannedServer, client: AsyncOpenAI, storage: Storage
) -> None:
    call = {"id": "c", "function": {"name": "add", "arguments": "{}"}}
    streams: dict[str, bytes] = {
        "no finish reason": lines(*YES) + b"data: [DONE]\n\n",
        "nothing": b"",
        "error as the reason": lines(*YES, chunk({}, finish_reason="error")) + b"data: [DONE]\n\n",
        "abort as the reason": lines(*YES, chunk({"content": ""}, finish_reason="abort")),
        "error": lines(*YES, {"error": {"message": "out of memory"}}, STOP),
        "error as a text": lines(*YES, {"error": "out of memory"}, STOP),
        "garbage": lines(*YES) + b"data: {nonsense\n\n" + lines(STOP),
        "half an event": lines(*YES) + b'data: {"choices":[{"delta":{"content":"\n\n' + lines(STOP),
        "a call without a name": lines(*called({"id": "c", "function": {"arguments": "{}"}})),
        "calls that never came": lines(*YES, chunk({}, finish_reason="tool_calls")),
        "a call and an error": lines(chunk({"tool_calls": [{"index": 0, **call}]}), chunk({}, finish_reason="error")),
    }
    for name, stream in streams.items():
        canned.body = stream
        error, _ = await failed_stream(client, input="x")
        assert error["code"] in ("upstream_error", "upstream_broken"), name
    assert (await storage.list_threads()).threads == ()


async def test_odd_whole_answers_are_read_rightly_or_refused(canned: CannedServer, client: AsyncOpenAI) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    canned.whole(completion({"role": "assistant", "content": [thought, {"type": "text", "text": "Yes."}]}))
    response = await client.responses.create(input="x")
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output_text == "Yes."
    canned.whole(completion({"content": "Yes."}, finish_reason=None))
    assert (await client.responses.create(input="x")).output_text == "Yes."
    call = {"id": "c", "function": {"name": "add", "arguments": {"a": 1}}}
    canned.whole(completion({"content": None, "tool_calls": [call]}, finish_reason="tool_calls"))
    assert (await client.responses.create(input="x")).output[0].to_dict()["arguments"] == '{"a":1}'
    odd_answers: list[object] = [
        completion({"content": "Ye"}, finish_reason="error"),
        completion({"content": None}, finish_reason="tool_calls"),
        {"choices": []},
        {"object": "error", "message": "out of memory"},
        {"error": {"message": "out of memory"}},
    ]
    for odd in odd_answers:
        canned.whole(odd)
        with pytest.raises(InternalServerError) as failure:
            await client.responses.create(input="x")
        assert failure.value.status_code == 502
    canned.body = b'{"choices":[{"message":{"content":"Ye'
    with pytest.raises(InternalServerError):
        await client.responses.create(input="x")


async def test_a_call_is_shown_with_its_name_however_late_the_name_comes(
    canned: CannedServer, client: AsyncOpenAI
) -> None:
    for fragments in (
        [{"id": "c"}, {"function": {"name": "add"}}, {"function": {"arguments": '{"a":1}'}}],
        [
            {"id": "c", "function": {"arguments": '{"a"'}},
            {"function": {"arguments": ":1}"}},
            {"function": {"name": "add"}},
        ],
        [{"id": "c", "function": {"name": "", "arguments": ""}}, {"function": {"name": "add", "arguments": '{"a":1}'}}],
    ):
        canned.chunks(*called(*fragments))
        events, response = await streamed(client, input="x")
        added = [event.item.name for event in events if event.type == "response.output_item.added"]
        deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
        assert (added, "".join(deltas)) == (["add"], '{"a":1}')
        assert [(item.call_id, item.name, item.arguments) for item in response.output] == [("c", "add", '{"a":1}')]


async def test_two_calls_under_one_id_get_ids_of_their_own(canned: CannedServer, client: AsyncOpenAI) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    canned.chunks(
        *(chunk({"tool_calls": [{"index": i, **call}]}) for i in range(2)), chunk({}, finish_reason="tool_calls")
    )
    _, response = await streamed(client, input="x")
    ids = [item.call_id for item in response.output]
    assert ids[0] == "c" != ids[1]
    outputs: Any = [{"type": "function_call_output", "call_id": id, "output": id} for id in ids]
    canned.chunks(*YES, STOP)
    await streamed(client, input=outputs, previous_response_id=response.id)
    messages = json.loads(canned.asked)["messages"]
    assert [message["content"] for message in messages if message["role"] == "tool"] == ids


async def test_the_usage_is_the_last_one_that_counts_something(canned: CannedServer, client: AsyncOpenAI) -> None:
    early = {"usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}
    empty: dict[str, object] = {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}
    last: dict[str, object] = {"choices": [], "usage": TOKENS}
    for tail in ([last, last], [last, empty]):
        canned.chunks({**YES[0], **early}, YES[1], STOP, *tail)
        _, response = await streamed(client, input="x")
        assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (3, 2, 5)
    canned.chunks(*YES, STOP)
    assert (await streamed(client, input="x"))[1].usage is None


async def test_other_names_for_the_reasons_of_an_early_end_are_known(canned: CannedServer, client: AsyncOpenAI) -> None:
    for reason, shown in (("model_length", "max_output_tokens"), ("sensitive", "content_filter")):
        canned.chunks(*YES, chunk({}, finish_reason=reason))
        _, response = await streamed(client, input="x")
        assert (response.status, response.incomplete_details.reason) == ("incomplete", shown)
