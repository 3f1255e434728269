"""Messages as input items: what OpenAI's Responses API accepts, whoever wrote them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recuerda import (
    ChatMessage,
    ChatRequest,
    ConfigurationError,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
)
from recuerda.agent.tools import FunctionTool
from recuerda.openai.responses_call import response_arguments
from recuerda.openai.responses_input import input_items
from recuerda.openai.responses_reading import read_items
from recuerda.testing.openai_response_rules import check_context, check_response_request
from recuerda.testing.strategies import messages

CALL = FunctionCallContent("c1", "add", '{"a":1}', additional_properties={"id": "fc_1"})
RESULT = ChatMessage("tool", [FunctionResultContent("c1", 3)])
SUMMARY = [{"type": "summary_text", "text": "hm"}]
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "3"}


def thought(id: str = "rs_1") -> TextReasoningContent:
    return TextReasoningContent("hm", f"encrypted:{id}", additional_properties={"id": id, "summary": SUMMARY})


def said(text: str, **fields: object) -> dict[str, object]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}], **fields}


def check(items: object) -> None:
    check_response_request(cast("Any", {"model": "m", "input": items}))
    check_context([], cast("Any", items), known_ids=())


@given(st.lists(messages(), max_size=6))
def test_whatever_a_thread_holds_the_service_accepts(thread: list[ChatMessage]) -> None:
    check(input_items(thread))


@given(st.lists(messages(), max_size=4))
def test_the_same_messages_give_the_same_items(thread: list[ChatMessage]) -> None:
    assert input_items(thread) == input_items(list(thread))


def test_texts_are_plain_and_unknown_roles_are_somebody_else_than_the_model() -> None:
    thread = [ChatMessage("system", "Be brief."), ChatMessage("user", "Hi"), ChatMessage("narrator", "It rains.")]
    assert input_items(thread) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": "It rains."},
    ]


def test_images_and_files_are_parts_and_sound_is_told_of() -> None:
    message = ChatMessage(
        "user",
        [
            "Look",
            UriContent("https://example.test/a.png", "image/png"),
            UriContent("https://example.test/a.pdf", "application/pdf"),
            UriContent("ftp://example.test/a", "text/plain"),
            DataContent(b"\x00", "image/png"),
            DataContent(b"%PDF", "application/pdf", "a.pdf"),
            DataContent(b"RIFF", "audio/wav", "a.wav"),
            UriContent("data:audio/wav;base64,UklGRg==", "audio/wav", "b.wav"),
            UriContent("data:image/png;base64,AA==", "image/png", detail="low"),
            UriContent("s3://bucket/a.png", "image/png"),
        ],
    )
    assert input_items([message]) == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": "https://example.test/a.png", "detail": "auto"},
                {"type": "input_file", "file_url": "https://example.test/a.pdf"},
                {"type": "input_text", "text": "ftp://example.test/a (text/plain)"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
                {"type": "input_text", "text": "a.wav (audio/wav, which this model does not accept)"},
                {"type": "input_text", "text": "b.wav (audio/wav, which this model does not accept)"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
                {"type": "input_text", "text": "s3://bucket/a.png (image/png)"},
            ],
        }
    ]


def test_calls_and_results_without_each_other_are_left_out() -> None:
    thread = [
        ChatMessage("user", "Hi"),
        ChatMessage("assistant", ["Let me see", FunctionCallContent("lost", "add")]),
        ChatMessage("tool", [FunctionResultContent("nobody's", 1)]),
    ]
    assert input_items(thread) == [{"role": "user", "content": "Hi"}, said("Let me see")]


def test_results_of_calls_that_the_service_holds_are_sent_as_they_are_named() -> None:
    long_id = "call_" + "x" * 60
    results = ChatMessage("tool", [FunctionResultContent(long_id, {"sum": 3}), FunctionResultContent("c2", "no", True)])
    assert input_items([results], is_continued=True) == [
        {"type": "function_call_output", "call_id": long_id, "output": '{"sum":3}'},
        {"type": "function_call_output", "call_id": "c2", "output": "Error: no"},
    ]
    assert input_items([results]) == []


def test_a_call_id_that_is_too_long_is_shortened_in_both_places() -> None:
    call = FunctionCallContent("x" * 65, "functions.add", {"a": 1})
    items = input_items([ChatMessage("assistant", call), ChatMessage("tool", FunctionResultContent("x" * 65, 3))])
    assert items[0]["call_id"] == items[1]["call_id"]
    assert items[0]["name"] == "functions_add"
    check(items)


def test_reasoning_is_sent_back_whole_in_its_place_with_the_ids_of_what_it_led_to() -> None:
    message = ChatMessage("assistant", [thought(), "Let me see", thought("rs_2"), CALL], message_id="msg_1")
    items = input_items([message, RESULT])
    text: dict[str, object] = {"type": "output_text", "text": "Let me see", "annotations": []}
    assert items == [
        {"type": "reasoning", "id": "rs_1", "summary": SUMMARY, "encrypted_content": "encrypted:rs_1"},
        {**said("Let me see", id="msg_1", status="completed"), "content": [text]},
        {"type": "reasoning", "id": "rs_2", "summary": SUMMARY, "encrypted_content": "encrypted:rs_2"},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a":1}', "id": "fc_1"},
        OUTPUT,
    ]
    check(items)


def test_without_encrypted_reasoning_no_item_is_named() -> None:
    forgotten = TextReasoningContent("hm", additional_properties={"id": "rs_1", "summary": []})
    message = ChatMessage("assistant", [forgotten, "Let me see", CALL], message_id="msg_1")
    call = {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a":1}'}
    assert input_items([message, RESULT]) == [said("Let me see"), call, OUTPUT]
    assert input_items([ChatMessage("assistant", [thought(), CALL]), RESULT], with_reasoning=False) == [call, OUTPUT]


def test_reasoning_that_has_lost_what_it_led_to_is_left_out() -> None:
    thread = [ChatMessage("assistant", [thought(), CALL]), ChatMessage("user", "Stop")]
    assert input_items(thread) == [{"role": "user", "content": "Stop"}]


def test_reasoning_of_other_services_is_not_sent() -> None:
    thread = [
        ChatMessage("assistant", [TextReasoningContent("visible"), "A"]),
        ChatMessage("assistant", [TextReasoningContent("", "signed by another"), "B"]),
    ]
    assert input_items(thread) == [said("A"), said("B")]


def test_a_copied_message_does_not_repeat_its_ids() -> None:
    search = UnknownContent({"type": "web_search_call", "id": "ws_1", "status": "completed"})
    message = ChatMessage("assistant", [thought(), search, "Three"], message_id="msg_1")
    items = input_items([message, message])
    assert items[3:] == [said("Three")]
    check(items)


def test_the_phase_of_a_text_and_several_output_messages_are_kept_apart() -> None:
    comment = TextContent("Looking", additional_properties={"id": "msg_1", "phase": "commentary"})
    answer = TextContent("Three", additional_properties={"id": "msg_2", "phase": "final_answer"})
    items = input_items([ChatMessage("assistant", [thought(), comment, answer], message_id="msg_1")])
    assert [(item.get("id"), item.get("phase")) for item in items[1:]] == [
        ("msg_1", "commentary"),
        ("msg_2", "final_answer"),
    ]
    check(items)


def test_a_text_and_a_refusal_of_one_output_message_stay_together() -> None:
    message = ChatMessage("assistant", [thought(), "I would", RefusalContent("but no")], message_id="msg_1")
    (_, item) = input_items([message])
    assert [part["type"] for part in cast("list[dict[str, str]]", item["content"])] == ["output_text", "refusal"]
    check(input_items([message]))


def test_items_that_this_version_does_not_know_are_sent_back_and_parts_of_ours_are_not() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "x"}}
    tomorrow = {"type": "hologram", "data": "…"}
    message = ChatMessage("assistant", [UnknownContent(search), UnknownContent(tomorrow), "Done"])
    assert input_items([message]) == [search, said("Done")]


def test_lone_surrogates_are_mended() -> None:
    items = input_items([ChatMessage("user", "a\ud83d"), ChatMessage("assistant", "b\udc00")])
    assert items == [{"role": "user", "content": "a\ufffd"}, said("b\ufffd")]


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


def test_a_request_has_its_tools_its_thread_and_its_options() -> None:
    request = ChatRequest(
        messages=[ChatMessage("user", "Hi")],
        instructions="Be brief.",
        tools=[FunctionTool.of(add)],
        may_call_tools=False,
        options={"max_output_tokens": 5, "include": ["file_search_call.results"], "top_k": 3},
    )
    arguments = response_arguments(request, model_id="m", store=False, service_thread_id="resp_1", is_streamed=True)
    assert arguments.pop("extra_headers").keys() == {"Idempotency-Key"}
    assert arguments.pop("tools")[0] | {"parameters": None} == {
        "type": "function",
        "name": "add",
        "description": "Add two numbers.",
        "parameters": None,
        "strict": False,
    }
    assert arguments == {
        "model": "m",
        "input": [{"role": "user", "content": "Hi"}],
        "instructions": "Be brief.",
        "store": False,
        "include": ["file_search_call.results", "reasoning.encrypted_content"],
        "max_output_tokens": 5,
        "extra_body": {"top_k": 3},
        "tool_choice": "none",
        "previous_response_id": "resp_1",
        "stream": True,
    }


@pytest.mark.parametrize("option", ["input", "store", "conversation", "previous_response_id", "background"])
def test_what_the_client_decides_is_no_option(option: str) -> None:
    request = ChatRequest(messages=[], options={option: True})
    with pytest.raises(ConfigurationError, match=option):
        response_arguments(request, model_id="m", store=True, service_thread_id=None)


def test_a_result_with_files_is_sent_as_parts_and_is_read_back() -> None:
    result = FunctionResultContent(
        "a",
        parts=(
            TextContent("Here:"),
            DataContent(b"\x01", "image/png", detail="low"),
            DataContent(b"%PDF", "application/pdf", "a.pdf"),
            HostedFileContent("file-1", "image/*"),
        ),
    )
    call = FunctionCallContent("a", "look", "{}")
    items = input_items([ChatMessage("user", "Go"), ChatMessage("assistant", [call]), ChatMessage("tool", [result])])
    assert items[-1]["output"] == [
        {"type": "input_text", "text": "Here:"},
        {"type": "input_image", "image_url": "data:image/png;base64,AQ==", "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        {"type": "input_image", "file_id": "file-1", "detail": "auto"},
    ]
    assert read_items(items)[-1].contents == (result,)
