"""How messages look on the wire. Whether the service accepts it is checked by its rules."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

import pytest

from recuerda import (
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
    Usage,
    UsageContent,
)
from recuerda.openai.text import TextMender, mend_text
from recuerda.openai.wire import wire_messages
from recuerda.testing.openai_rules import check_chat_request

USER = ChatMessage("user", "Hello")


def wired(*messages: ChatMessage, instructions: str | None = None) -> list[Any]:
    wire = wire_messages(messages, instructions=instructions)
    check_chat_request({"messages": cast("Any", wire)})
    return wire


def content(*parts: Any) -> Any:
    return wired(ChatMessage("user", parts))[0]["content"]


def calling(*call_ids: str, text: str | None = None) -> ChatMessage:
    calls = [FunctionCallContent(id, "add", {"a": 1}) for id in call_ids]
    return ChatMessage("assistant", [*([text] if text else []), *calls])


def answering(*call_ids: str) -> ChatMessage:
    return ChatMessage("tool", [FunctionResultContent(id, "3") for id in call_ids])


def roles(*messages: ChatMessage) -> list[str]:
    return [message["role"] for message in wired(*messages)]


# Text and roles


def test_instructions_come_first_as_the_system_prompt() -> None:
    assert wired(USER, instructions="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]


def test_system_and_developer_messages_keep_their_role_and_another_role_is_a_user() -> None:
    messages = [ChatMessage(role, "x") for role in ("system", "developer", "user", "critic")]
    assert roles(*messages) == ["system", "developer", "user", "user"]


def test_several_texts_are_several_parts_and_empty_ones_are_left_out() -> None:
    assert content("a", "b") == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert content("a", "") == "a"
    assert content("") == ""


def test_a_message_with_nothing_to_send_is_left_out() -> None:
    unknown = UnknownContent({"type": "hologram"})
    usage = UsageContent(Usage(1))
    assert wired(USER, ChatMessage("user", unknown), ChatMessage("assistant"), ChatMessage("assistant", usage)) == [
        {"role": "user", "content": "Hello"}
    ]


@pytest.mark.parametrize(
    ("author", "sent"),
    [("Ana", "Ana"), ("Ana  María <a@b>", "Ana_María_a@b_"), ("x" * 80, "x" * 64), (" / ", None), ("", None)],
)
def test_an_authors_name_becomes_one_that_the_service_takes(author: str, sent: str | None) -> None:
    assert wired(ChatMessage("user", "Hi", author_name=author))[0].get("name") == sent


def test_half_a_character_is_replaced_wherever_it_comes_from() -> None:
    half = "\ud83d"
    call = FunctionCallContent("a", f"f{half}", f'"{half}"')
    messages = [
        ChatMessage("user", [half, UriContent(half, "text/html")], author_name=half),
        ChatMessage("assistant", [half, call]),
        ChatMessage("tool", FunctionResultContent("a", half)),
    ]
    assert half not in str(wired(*messages, instructions=half))


# Files


def test_images_are_sent_by_address_or_as_data() -> None:
    assert content(
        "What is it?", UriContent("https://e.com/a.png", "image/png"), DataContent(b"\x01", "image/gif")
    ) == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/gif;base64,AQ=="}},
    ]


@pytest.mark.parametrize(("media_type", "format"), [("audio/x-wav", "wav"), ("audio/mpeg", "mp3")])
def test_audio_is_sent_in_its_format(media_type: str, format: str) -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "AQ==", "format": format}}
    assert content(DataContent(b"\x01", media_type)) == [audio]
    assert content(UriContent(f"data:{media_type};base64,AQ==", media_type)) == [audio]


def test_the_base64_of_a_picture_is_made_once_for_several_calls() -> None:
    def url(part: DataContent) -> object:
        (message,) = cast("Any", wire_messages([ChatMessage("user", [part])]))
        return message["content"][0]["image_url"]["url"]

    picture, twin = (DataContent(bytes(3), "image/png") for _ in range(2))
    assert url(picture) == "data:image/png;base64,AAAA"
    assert url(picture) is url(picture)
    assert url(twin) is not url(picture), "files are known by themselves, because comparing bytes takes as long"
    others = [DataContent(bytes([number]), "image/png") for number in range(50)]
    assert len({url(other) for other in others}) == 50
    large = DataContent(bytes(1_000_001), "image/png")
    assert url(large) == url(large)
    assert url(large) is not url(large), "a large file is not kept in memory"


def test_other_files_are_sent_with_their_name() -> None:
    uri = "data:application/pdf;base64,AQ=="
    assert content(DataContent(b"\x01", "application/pdf", name="a.pdf"), UriContent(uri, "application/pdf")) == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": uri}},
        {"type": "file", "file": {"filename": "file", "file_data": uri}},
    ]


def test_the_detail_of_a_picture_and_the_id_of_an_uploaded_file_are_sent() -> None:
    uri, id = "data:application/pdf;base64,AQ==", "file-1"
    assert content(
        UriContent("https://e.com/a.png", "image/png", detail="low"),
        DataContent(b"\x01", "image/png", detail="high"),
        UriContent(uri, "application/pdf", name="b.pdf"),
        HostedFileContent(id, "application/pdf", "c.pdf"),
    ) == [
        {"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQ==", "detail": "high"}},
        {"type": "file", "file": {"filename": "b.pdf", "file_data": uri}},
        {"type": "file", "file": {"file_id": id}},
    ]


def test_the_files_of_results_follow_all_results_and_name_their_calls() -> None:
    shot = FunctionResultContent("a", parts=(TextContent("Here:"), DataContent(b"\x01", "image/png", "s.png")))
    sent = wired(USER, calling("a", "b"), ChatMessage("tool", [shot]), answering("b"))
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert sent[2]["content"] == "Here:\n[image s.png, image/png, 1 bytes]"
    assert sent[4]["content"] == [
        {"type": "text", "text": "[From the result of add, call a:]"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQ=="}},
    ]


def test_the_address_of_another_file_is_told_as_text() -> None:
    assert content(UriContent("https://e.com/a.pdf", "application/pdf")) == "https://e.com/a.pdf (application/pdf)"


# Calls and results


def test_a_call_and_each_of_its_results_are_messages() -> None:
    call = FunctionCallContent("a", "add", {"a": 1, "b": "ñ"})
    results = ChatMessage("tool", [FunctionResultContent("b", "two"), FunctionResultContent("a", {"n": [1, None]})])
    assert wired(
        ChatMessage("assistant", ["Let me see.", call, FunctionCallContent("b", "add", "")]), results, USER
    ) == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"a":1,"b":"ñ"}'}},
                {"id": "b", "type": "function", "function": {"name": "add", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "b", "content": "two"},
        {"role": "tool", "tool_call_id": "a", "content": '{"n":[1,null]}'},
        {"role": "user", "content": "Hello"},
    ]


@pytest.mark.parametrize(
    ("result", "is_error", "sent"),
    [
        ("as it is", False, "as it is"),
        (None, False, "null"),
        (2**70, False, str(2**70)),
        ((1, date(2026, 1, 2)), False, '[1,"2026-01-02"]'),
        ("Error: no such city", True, "Error: no such city"),
        ({"code": 7}, True, 'Error: {"code":7}'),
    ],
)
def test_a_result_is_text_and_an_error_is_seen_to_be_one(result: object, is_error: bool, sent: str) -> None:
    message = ChatMessage("tool", FunctionResultContent("a", result, is_error=is_error))
    assert wired(calling("a"), message)[1]["content"] == sent


def test_a_result_without_its_call_is_left_out() -> None:
    assert roles(answering("a"), USER, calling("b"), answering("b", "c"), USER) == ["user", "assistant", "tool", "user"]


def test_a_call_without_its_result_is_left_out_and_its_text_stays() -> None:
    wire = wired(calling("a", "b", text="Let me see."), answering("b"), USER, calling("c"), calling("d", text="Hm."))
    assert [message["role"] for message in wire] == ["assistant", "tool", "user", "assistant"]
    assert [call["id"] for call in wire[0]["tool_calls"]] == ["b"]
    assert wire[3] == {"role": "assistant", "content": "Hm."}


def test_results_follow_their_calls_although_somebody_spoke_in_between() -> None:
    assert roles(calling("a", "b"), answering("a"), USER, answering("b")) == ["assistant", "tool", "tool", "user"]


def test_ids_that_come_again_in_every_turn_are_no_confusion() -> None:
    assert roles(calling("0"), answering("0"), calling("0"), answering("0")) == ["assistant", "tool"] * 2


def test_the_same_id_twice_in_a_message_needs_two_results() -> None:
    assert len(wired(calling("0", "0"), answering("0"))[0]["tool_calls"]) == 1
    assert len(wired(calling("0", "0"), answering("0", "0"))[0]["tool_calls"]) == 2


def test_a_result_inside_a_user_message_is_found_too() -> None:
    assert roles(calling("a"), ChatMessage("user", [FunctionResultContent("a", 3), "And now?"])) == [
        "assistant",
        "tool",
        "user",
    ]


@pytest.mark.parametrize("call_id", ["", "fc_" + "x" * 60])
def test_an_id_that_the_service_refuses_becomes_the_same_short_one_on_both_sides(call_id: str) -> None:
    call, result = wired(calling(call_id), answering(call_id))
    assert call["tool_calls"][0]["id"] == result["tool_call_id"]
    assert result["tool_call_id"].startswith("call_")


def test_a_made_up_function_name_becomes_one_that_the_service_takes() -> None:
    call = FunctionCallContent("a", "functions.add me", "{}")
    wire = wired(ChatMessage("assistant", call), answering("a"))
    assert wire[0]["tool_calls"][0]["function"]["name"] == "functions_add_me"


# Refusals, reasoning


def test_a_refusal_goes_back_as_one() -> None:
    assert wired(USER, ChatMessage("assistant", RefusalContent("No.")))[1] == {
        "role": "assistant",
        "content": None,
        "refusal": "No.",
    }


def test_reasoning_goes_back_within_its_turn_and_not_later() -> None:
    reasoned = ChatMessage("assistant", [TextReasoningContent("Hm."), *calling("a").contents])
    answer = ChatMessage("assistant", [TextReasoningContent("Well."), TextContent("Three.")])
    assert wired(USER, reasoned, answering("a"))[1]["reasoning_content"] == "Hm."
    assert "reasoning_content" not in str(wired(USER, reasoned, answering("a"), answer, USER))


def test_protected_reasoning_of_another_interface_never_goes_out() -> None:
    reasoned = ChatMessage("assistant", [TextReasoningContent("Hm.", "opaque"), TextContent("Three.")])
    assert wired(USER, reasoned)[1] == {"role": "assistant", "content": "Three."}


# Halves of characters


@pytest.mark.parametrize(
    ("text", "mended"),
    [("plain", "plain"), ("\ud83d\ude00", "😀"), ("\ud83d\ud83d\ude00", "\ufffd😀"), ("\ufeffé", "\ufeffé")],
)
def test_text_is_mended_wherever_it_is_cut(text: str, mended: str) -> None:
    assert mend_text(text) == mended
    for cut in range(len(text) + 1):
        mender = TextMender()
        assert mender.take(text[:cut]) + mender.take(text[cut:]) + mender.end() == mended
