"""Messages: made in the ways that people write them, and immutable."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given

from recuerda.errors import InvalidInput
from recuerda.ids import check_id
from recuerda.json_value import JsonObject
from recuerda.messages.message import (
    KNOWN_CONTENTS,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    Turn,
    UnknownContent,
    Usage,
)
from recuerda.testing.strategies import messages, thread_ids


@pytest.mark.parametrize(
    "message",
    [
        ChatMessage("user", "hi"),
        ChatMessage(role="user", content="hi"),
        ChatMessage("user", text="hi"),
        ChatMessage("user", contents=["hi"]),
        ChatMessage("user", [TextContent("hi")]),
        ChatMessage("user", (TextContent(text="hi"),)),
        ChatMessage("user", TextContent("hi")),
    ],
    ids=range(7),
)
def test_each_way_to_say_hi_is_the_same_message(message: ChatMessage) -> None:
    assert message == ChatMessage("user", "hi")
    assert (message.role, message.text, message.content) == ("user", "hi", "hi")
    assert message.contents == (TextContent("hi"),)


def test_a_message_may_be_empty() -> None:
    assert ChatMessage("user").contents == ()
    assert ChatMessage("user").text == ""
    assert ChatMessage("user", []).content == ()


def test_the_text_of_several_parts_is_joined() -> None:
    call = FunctionCallContent("c", "f")
    message = ChatMessage("assistant", ["Let me ", call, TextContent("see")])
    assert message.text == "Let me see"
    assert message.function_calls == (call,)
    assert message.content == message.contents


@pytest.mark.parametrize(
    "arguments",
    [
        {"content": "a", "text": "a"},
        {"content": "a", "contents": ["a"]},
        {"text": "a", "contents": ["a"]},
        {"content": "a", "text": "a", "contents": ["a"]},
        {"text": "", "contents": []},
    ],
    ids=str,
)
def test_one_of_content_text_and_contents_is_given(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="one of content, text and contents"):
        ChatMessage("user", **arguments)


@pytest.mark.parametrize("name", ["texts", "Content", "metadata", "id"])
def test_an_unknown_keyword_is_never_swallowed(name: str) -> None:
    unknown: dict[str, Any] = {name: "hi"}
    with pytest.raises(TypeError, match=name):
        ChatMessage("user", **unknown)
    for kind in KNOWN_CONTENTS:
        with pytest.raises(TypeError):
            kind(**unknown)


@pytest.mark.parametrize(
    "content", [7, b"bytes", {"text": "hi"}, [7], [None], [["hi"]], [ChatMessage("user", "hi")]], ids=repr
)
def test_what_is_no_content_is_a_type_error(content: Any) -> None:
    with pytest.raises(TypeError, match="must be a str or"):
        ChatMessage("user", content)


@pytest.mark.parametrize("role", ["", None, 7, b"user"], ids=repr)
def test_a_role_is_a_text(role: Any) -> None:
    with pytest.raises(TypeError, match="role must be"):
        ChatMessage(role, "hi")


@pytest.mark.parametrize("name", ["author_name", "message_id"])
def test_names_and_ids_are_texts_or_none(name: str) -> None:
    wrong: dict[str, Any] = {name: 7}
    with pytest.raises(TypeError, match=name):
        ChatMessage("user", "hi", **wrong)


def test_text_is_a_str() -> None:
    wrong: Any = 7
    with pytest.raises(TypeError, match="text must be a str"):
        TextContent(wrong)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(ChatMessage)])
def test_a_message_cannot_be_changed(name: str) -> None:
    message = ChatMessage("user", "hi")
    with pytest.raises(AttributeError):
        setattr(message, name, None)
    with pytest.raises(AttributeError):
        delattr(message, name)
    assert message == ChatMessage("user", "hi")


@pytest.mark.parametrize(
    "part", [TextContent("hi"), DataContent(b"", "image/png"), FunctionResultContent("c"), UnknownContent({})], ids=repr
)
def test_a_part_cannot_be_changed(part: Any) -> None:
    for name in part.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(part, name, None)


def test_a_turn_and_a_usage_cannot_be_changed() -> None:
    turn: Any = Turn(messages=(ChatMessage("user", "hi"),))
    usage: Any = Usage(1)
    with pytest.raises(AttributeError):
        turn.messages = ()
    with pytest.raises(AttributeError):
        usage.input_tokens = 2


def test_what_a_message_was_made_from_can_be_changed_without_harm() -> None:
    parts = [TextContent("a")]
    properties: JsonObject = {"k": 1}
    message = ChatMessage("user", parts, additional_properties=properties)
    kept = ChatMessage("user", ["a"], additional_properties={"k": 1})
    parts.append(TextContent("b"))
    properties["k"] = 2
    assert message == kept


def test_messages_with_the_same_fields_are_equal_and_hash_alike() -> None:
    assert hash(ChatMessage("user", "hi")) == hash(ChatMessage("user", "hi"))
    assert len({ChatMessage("user", "hi"), ChatMessage("user", "hi"), ChatMessage("assistant", "hi")}) == 2


@given(messages())
def test_a_message_made_from_anothers_content_is_equal(message: ChatMessage) -> None:
    again = ChatMessage(
        message.role,
        message.content,
        author_name=message.author_name,
        message_id=message.message_id,
        additional_properties=message.additional_properties,
    )
    assert again == message
    assert message.text == "".join(part.text for part in message.contents if type(part) is TextContent)


def test_the_answer_of_a_turn_is_what_its_caller_did_not_bring() -> None:
    question, call, answer = (ChatMessage("user", "?"), ChatMessage("assistant", []), ChatMessage("assistant", "!"))
    assert Turn(messages=(question, call, answer)).answer == (call, answer)
    assert Turn(messages=(question,), input_count=0).answer == (question,)


def test_usages_add_up() -> None:
    assert Usage(1, 2, 3, 4, 5) + Usage(10, 20, 30, 40, 50) == Usage(11, 22, 33, 44, 55)


@given(thread_ids())
def test_every_drawn_id_is_an_id(name: str) -> None:
    assert check_id(name, "thread id") == name


@pytest.mark.parametrize("name", [None, 7, b"a", "", "\x00", "x" * 513, "\ud800"], ids=ascii)
def test_what_is_no_id_is_refused(name: object) -> None:
    with pytest.raises(InvalidInput, match="thread id"):
        check_id(name, "thread id")
