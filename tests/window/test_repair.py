"""Histories are mended when they are sent, and only where something is wrong."""

from __future__ import annotations

from recuerda import ChatMessage, FunctionCallContent, FunctionResultContent, TextContent, Usage, UsageContent
from recuerda.window.repair import NOT_RECORDED, is_sound, mend

USER = ChatMessage("user", "Hello")
REPLY = ChatMessage("assistant", "Hi")


def calls(*ids: str, text: str | None = None) -> ChatMessage:
    return ChatMessage("assistant", [*([text] if text else []), *(FunctionCallContent(id, "add") for id in ids)])


def results(*ids: str, value: str = "3") -> ChatMessage:
    return ChatMessage("tool", [FunctionResultContent(id, value) for id in ids])


def interrupted(*ids: str) -> ChatMessage:
    return ChatMessage("tool", [FunctionResultContent(id, NOT_RECORDED, is_error=True) for id in ids])


def mended(*messages: ChatMessage) -> list[ChatMessage]:
    before = list(messages)
    found = list(mend(before))
    assert before == list(messages)
    assert is_sound(found)
    return found


def test_what_is_sound_comes_back_as_it_is() -> None:
    messages = [USER, calls("a", "b"), results("b"), results("a"), calls("a"), results("a"), REPLY, USER, USER]
    assert mend(messages) is messages
    assert mend([]) == []


def test_messages_that_are_left_as_they_are_stay_the_same_objects() -> None:
    found = mended(USER, calls("a"), results("a"), REPLY, calls("x"))
    assert found[0] is USER
    assert found[1:4] == [calls("a"), results("a"), REPLY]
    assert found[-1] == interrupted("x")


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    assert mended(USER, calls("a", "b"), results("b"), USER) == [
        USER,
        calls("a", "b"),
        ChatMessage("tool", [FunctionResultContent("b", "3"), FunctionResultContent("a", NOT_RECORDED, is_error=True)]),
        USER,
    ]


def test_a_result_without_a_call_is_left_out() -> None:
    assert mended(results("a"), USER, REPLY, results("b")) == [USER, REPLY]


def test_a_second_result_of_a_call_is_left_out() -> None:
    assert mended(calls("a"), results("a", value="1"), results("a", value="2")) == [calls("a"), results("a", value="1")]


def test_a_result_is_brought_to_its_call() -> None:
    late = [USER, calls("a"), USER, results("a"), REPLY]
    assert mended(*late) == [USER, calls("a"), results("a"), USER, REPLY]
    assert mended(USER, results("a"), calls("a"), REPLY) == [USER, calls("a"), results("a"), REPLY]
    assert mended(USER, calls("a"), REPLY, USER, results("a")) == [USER, calls("a"), results("a"), REPLY, USER]


def test_a_result_from_elsewhere_is_not_given_to_one_of_several_calls() -> None:
    assert mended(results("a"), calls("a"), REPLY, calls("a")) == [
        calls("a"),
        interrupted("a"),
        REPLY,
        calls("a"),
        interrupted("a"),
    ]


def test_the_same_id_in_later_rounds_is_answered_in_each() -> None:
    messages = [calls("a"), USER, results("a", value="1"), calls("a"), USER, results("a", value="2")]
    assert mended(*messages) == [
        calls("a"),
        results("a", value="1"),
        USER,
        calls("a"),
        results("a", value="2"),
        USER,
    ]


def test_two_calls_of_one_id_get_ids_of_their_own() -> None:
    assert mended(calls("a", "a", "a-2"), results("a", value="1"), results("a", value="2"), results("a-2")) == [
        calls("a", "a-3", "a-2"),
        ChatMessage(
            "tool",
            [FunctionResultContent("a", "1"), FunctionResultContent("a-3", "2"), FunctionResultContent("a-2", "3")],
        ),
    ]


def test_results_in_other_messages_and_calls_of_other_speakers_are_put_right() -> None:
    answer = ChatMessage("user", [TextContent("Here:"), FunctionResultContent("a", "3")])
    assert mended(calls("a"), answer) == [calls("a"), results("a"), ChatMessage("user", [TextContent("Here:")])]
    assert mended(ChatMessage("user", [TextContent("x"), FunctionCallContent("a", "add")]), results("a")) == [
        ChatMessage("user", "x")
    ]
    both = ChatMessage("assistant", [FunctionCallContent("a", "add"), FunctionResultContent("a", "3")])
    assert mended(both) == [calls("a"), results("a")]


def test_empty_messages_are_left_out_but_a_user_may_say_nothing() -> None:
    silent = ChatMessage("user", "")
    assert mended(ChatMessage("user"), silent, ChatMessage("assistant", ""), ChatMessage("tool"), REPLY) == [
        silent,
        REPLY,
    ]


def test_what_a_message_has_besides_stays_with_it() -> None:
    call = ChatMessage(
        "assistant",
        ["Well.", FunctionCallContent("a", "add"), UsageContent(Usage(1)), FunctionResultContent("z", "")],
        author_name="Ana",
        message_id="m",
        additional_properties={"k": 1},
    )
    found = mended(call)[0]
    assert (found.author_name, found.message_id, found.additional_properties) == ("Ana", "m", {"k": 1})
    assert [type(part) for part in found.contents] == [TextContent, FunctionCallContent, UsageContent]
