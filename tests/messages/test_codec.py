"""A turn's JSON: what is written reads back the same, nothing is written in vain, and damage is told."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recuerda.errors import CorruptTurn, EncodeError, StateError
from recuerda.messages.codec import decode_turn, encode_turn, message_from_json, message_to_json
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    Turn,
    TurnRuns,
    UnknownContent,
    UriContent,
    Usage,
    UsageContent,
)
from recuerda.testing.strategies import messages, turns, unknown_contents


def decode(body: bytes) -> Turn:
    return decode_turn(body, thread_id="a", number=3)


def decode_part(part: object) -> AnyContent:
    return (
        decode(json.dumps({"v": 1, "messages": [{"role": "user", "content": [part]}]}).encode()).messages[0].contents[0]
    )


def encode_one(message: ChatMessage) -> Any:
    return json.loads(encode_turn(Turn(messages=(message,))))["messages"][0]


# -- round trips -------------------------------------------------------------------------------------------------------


@given(turns())
def test_every_turn_reads_back_equal_and_encodes_to_the_same_bytes(turn: Turn) -> None:
    body = encode_turn(turn)
    again = decode(body)
    assert again == turn
    assert encode_turn(again) == body


@given(messages())
def test_every_message_reads_back_from_plain_json(message: ChatMessage) -> None:
    text = json.dumps(message_to_json(message))
    assert message_from_json(json.loads(text)) == message


@given(turns())
def test_nothing_is_written_that_says_nothing(turn: Turn) -> None:
    data = json.loads(encode_turn(turn))
    assert ("input" in data) == (turn.input_count != 1)
    assert ("usage" in data) == (turn.usage is not None)
    for message, written in zip(turn.messages, data["messages"], strict=True):
        optional = {"author_name", "message_id", "additional_properties"}
        assert optional & written.keys() == {name for name in optional if getattr(message, name) is not None}
        assert None not in written.values()


@given(unknown_contents())
def test_a_part_that_is_not_understood_survives_unchanged(part: UnknownContent) -> None:
    read = decode_part(part.data)
    assert read == part
    assert encode_one(ChatMessage("user", [read]))["content"] == [part.data]


@pytest.mark.parametrize(
    "data",
    [
        {"type": "hologram", "rays": [1, {"deep": None}]},
        {"type": "text", "text": "hi", "tone": "warm"},
        {"type": "text", "text": 5},
        {"type": "text"},
        {"type": "data", "data": "no base64!", "media_type": "image/png"},
        {"type": "usage", "usage": {"input_tokens": "many"}},
        {"type": None},
        {"type": 7},
        {"type": ["text"]},
        {"type": {"text": 1}},
        {"no type": True},
        {},
    ],
    ids=str,
)
def test_a_part_is_kept_whole_if_any_of_it_is_not_understood(data: dict[str, Any]) -> None:
    assert decode_part(data) == UnknownContent(data)


# -- the form ----------------------------------------------------------------------------------------------------------

FORMS: list[tuple[AnyContent, dict[str, Any]]] = [
    (
        TextContent("hi", additional_properties={"k": [1]}),
        {"type": "text", "text": "hi", "additional_properties": {"k": [1]}},
    ),
    (TextReasoningContent(protected_data="opaque"), {"type": "text_reasoning", "protected_data": "opaque"}),
    (UriContent("https://x/a.png", "image/png"), {"type": "uri", "uri": "https://x/a.png", "media_type": "image/png"}),
    (DataContent(b"\x00\xff", "image/png"), {"type": "data", "data": "AP8=", "media_type": "image/png"}),
    (
        FunctionCallContent("c1", "look", '{"a": 1}'),
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"a": 1}'},
    ),
    (
        FunctionCallContent("c1", "look", {"a": 1}),
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": {"a": 1}},
    ),
    (FunctionCallContent("c1", "look"), {"type": "function_call", "call_id": "c1", "name": "look"}),
    (
        FunctionResultContent("c1", "boom", is_error=True),
        {"type": "function_result", "call_id": "c1", "result": "boom", "is_error": True},
    ),
    (FunctionResultContent("c1"), {"type": "function_result", "call_id": "c1"}),
    (UsageContent(Usage(input_tokens=3)), {"type": "usage", "usage": {"input_tokens": 3}}),
    (RefusalContent("no"), {"type": "refusal", "refusal": "no"}),
]


@pytest.mark.parametrize(("part", "form"), FORMS, ids=lambda value: type(value).__name__)
def test_each_kind_of_part_has_its_compact_form(part: AnyContent, form: dict[str, Any]) -> None:
    assert encode_one(ChatMessage("assistant", [part])) == {"role": "assistant", "content": [form]}
    assert decode_part(form) == part


def test_a_plain_turn_is_no_longer_than_what_it_says() -> None:
    turn = Turn(messages=(ChatMessage("user", "hi"), ChatMessage("assistant", "hello")))
    assert encode_turn(turn) == (
        b'{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]}'
    )


def test_text_is_written_as_it_is_not_escaped() -> None:
    assert "¿Qué? 🐧".encode() in encode_turn(Turn(messages=(ChatMessage("user", "¿Qué? 🐧"),)))


class Markup(str):
    """A text as some libraries hand it out, such as LangChain, or an engine of templates."""

    __slots__ = ()

    def __str__(self) -> str:
        return "another text"


@pytest.mark.parametrize(
    "message",
    [
        ChatMessage("user", Markup("<b>")),
        ChatMessage("user", [Markup("<b>"), "plain"]),
        ChatMessage(Markup("user"), "<b>", author_name=Markup("ana"), message_id=Markup("7")),
        ChatMessage("assistant", [FunctionCallContent(Markup("1"), Markup("add"), Markup("{}"))]),
        ChatMessage("tool", [FunctionResultContent("1", Markup("<b>"))]),
        ChatMessage("assistant", RefusalContent(Markup("<b>")), additional_properties={"a": Markup("<b>")}),
    ],
)
def test_a_text_of_a_class_of_its_own_is_stored_as_plain_text(message: ChatMessage) -> None:
    (again,) = decode(encode_turn(Turn(messages=(message,)))).messages
    assert again == message
    assert message_from_json(json.loads(json.dumps(message_to_json(message)))) == message


@pytest.mark.parametrize(
    "message",
    [ChatMessage("user"), ChatMessage("user", ""), ChatMessage("user", [""]), ChatMessage("user", ["", ""])],
    ids=["nothing", "empty text", "a list of an empty text", "two empty texts"],
)
def test_nothing_and_empty_texts_are_told_apart(message: ChatMessage) -> None:
    assert decode(encode_turn(Turn(messages=(message,)))).messages[0].contents == message.contents


# -- refused, with the path --------------------------------------------------------------------------------------------

UNENCODABLE: list[tuple[ChatMessage, str]] = [
    (ChatMessage("tool", [FunctionResultContent("c", {"rows": [1, float("nan")]})]), ".contents[0].result.rows[1]"),
    (ChatMessage("tool", ["a", FunctionResultContent("c", object())]), ".contents[1].result"),
    (ChatMessage("tool", [FunctionResultContent("c", "\ud800")]), ".contents[0].result"),
    (ChatMessage("assistant", [FunctionCallContent("c", "f", {"x": float("inf")})]), ".contents[0].arguments.x"),
    (ChatMessage("assistant", [FunctionCallContent("c", "\udfff")]), ".contents[0].name"),
    (ChatMessage("user", "a lone \ud83d"), ".contents[0].text"),
    (ChatMessage("user", ["fine", TextContent("a lone \ud83d")]), ".contents[1].text"),
    (ChatMessage("user", "hi", author_name="\ud800"), ".author_name"),
    (ChatMessage("user", "hi", message_id="\ud800"), ".message_id"),
    (ChatMessage("\ud800", "hi"), ".role"),
    (ChatMessage("user", "hi", additional_properties={"a": {"b": "\ud800"}}), ".additional_properties.a.b"),
    (ChatMessage("user", [TextContent("hi", additional_properties={"a": 1j})]), ".contents[0].additional_properties.a"),
    (ChatMessage("user", [UnknownContent({"type": "x", "y": float("nan")})]), ".contents[0].y"),
    (ChatMessage("user", [UriContent(uri=7, media_type="a/b")]), ".contents[0]"),  # pyright: ignore[reportArgumentType] - the point
]


@pytest.mark.parametrize(
    ("message", "path"),
    UNENCODABLE,
    ids=range(len(UNENCODABLE)),
)
def test_a_value_that_cannot_be_stored_is_refused_with_its_path(message: ChatMessage, path: str) -> None:
    turn = Turn(messages=(ChatMessage("user", "fine"), message))
    with pytest.raises(EncodeError, match="Nothing was written") as refused:
        encode_turn(turn)
    assert refused.value.path == f"messages[1]{path}"
    with pytest.raises(EncodeError) as alone:
        message_to_json(message)
    assert alone.value.path == f"message{path}"


def test_usage_that_is_no_count_is_refused() -> None:
    usage: Any = Usage(input_tokens="many")  # pyright: ignore[reportArgumentType] - the point
    with pytest.raises(EncodeError) as refused:
        encode_turn(Turn(messages=(ChatMessage("user", "hi"),), usage=usage))
    assert refused.value.path == "usage"


# -- damage ------------------------------------------------------------------------------------------------------------

CORRUPT = {
    "nothing": b"",
    "a torn body": b'{"v":1,"messages":[{"role":"us',
    "no JSON": b"\xff\x00",
    "invalid UTF-8 in a text": b'{"v":1,"messages":[{"role":"user","content":"\xff"}]}',
    "another shape": b"[1]",
    "no messages": b'{"v":1}',
    "a message without a role": b'{"v":1,"messages":[{"content":"hi"}]}',
    "a message with an empty role": b'{"v":1,"messages":[{"role":"","content":"hi"}]}',
    "a number for a text": b'{"v":1,"messages":[{"role":"user","content":7}]}',
    "a text for a part": b'{"v":1,"messages":[{"role":"user","content":["hi"]}]}',
    "deep nesting": b'{"v":1,"messages":[{"role":"user","content":[{"type":"x","y":' + b"[" * 100_000,
    "an endless integer": b'{"v":1,"messages":[{"role":"user","content":[{"type":"x","y":' + b"9" * 100_000 + b"}]}]}",
    "an endless float": b'{"v":1,"messages":[{"role":"user","content":[{"type":"x","y":1e999}]}]}',
}


@pytest.mark.parametrize("body", CORRUPT.values(), ids=CORRUPT.keys())
def test_a_body_that_is_no_turn_is_corrupt_and_says_which(body: bytes) -> None:
    with pytest.raises(CorruptTurn, match="turn 3 of thread 'a'") as corrupt:
        decode(body)
    assert (corrupt.value.thread_id, corrupt.value.number) == ("a", 3)
    assert "hi" not in corrupt.value.reason.split()


@given(st.binary() | turns().map(encode_turn), st.data())
def test_any_bytes_are_a_turn_or_corrupt(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body)))
    damaged = body[:at] + data.draw(st.binary(max_size=3)) + body[at + data.draw(st.integers(0, 3)) :]
    try:
        turn = decode(damaged)
    except CorruptTurn:
        return
    assert decode(encode_turn(turn)) == turn


def test_a_turn_of_a_newer_version_says_to_upgrade() -> None:
    with pytest.raises(CorruptTurn, match=r"version 2.*upgrade"):
        decode(b'{"v":2,"messages":[]}')


def test_fields_of_a_turn_and_a_message_that_are_not_known_are_passed_over() -> None:
    turn = decode(b'{"v":1,"mood":"good","messages":[{"role":"user","content":"hi","mood":"good"}]}')
    assert turn.messages == (ChatMessage("user", "hi"),)


@pytest.mark.parametrize(
    "data", [None, 7, "hi", [], {}, {"role": 7}, {"role": ""}, {"role": "user", "content": [7]}], ids=str
)
def test_json_that_is_no_message_says_where(data: object) -> None:
    with pytest.raises(StateError, match=r"messages\[4\]"):
        message_from_json(data, "messages[4]")


def test_a_decoded_message_is_not_tied_to_what_it_was_made_from() -> None:
    data: dict[str, Any] = {"role": "user", "content": "hi", "additional_properties": {"k": 1}}
    message = message_from_json(data)
    data["additional_properties"]["k"] = 2
    assert message.additional_properties == {"k": 1}


def test_integers_of_any_size_read_back_exactly() -> None:
    numbers = [2**63, -(2**63) - 1, 2**64, 10**100, 10**4299]
    turn = Turn(messages=(ChatMessage("tool", [FunctionResultContent("c", numbers)]),))
    assert decode(encode_turn(turn)) == turn


def test_msgspec_itself_can_read_a_body() -> None:
    body = encode_turn(Turn(messages=(ChatMessage("user", "hi"),)))
    assert msgspec.json.decode(body) == json.loads(body)


# -- the runs of a turn ------------------------------------------------------------------------------------------------


def test_a_turn_of_one_run_has_its_time_alone() -> None:
    body = encode_turn(Turn(messages=(ChatMessage("user", "a"),), runs=TurnRuns(took_ms=4200)))
    assert json.loads(body)["runs"] == {"took_ms": 4200}
    assert "runs" not in json.loads(encode_turn(Turn(messages=(ChatMessage("user", "a"),))))


@pytest.mark.parametrize(
    "fields",
    [
        {"took_ms": -1},
        {"took_ms": "long"},
        {"took_ms": 1.5},
        {"took_ms": True},
        {"took_ms": 10**15},
        {"took_ms": 1, "count": 0},
        {"took_ms": 1, "count": True},
        {"took_ms": 1, "count": 2, "began_us": -1},
        {"took_ms": 1, "count": 2, "began_us": 10**18},
    ],
    ids=str,
)
def test_runs_that_would_not_read_back_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(EncodeError, match=r"^runs"):
        encode_turn(Turn(messages=(ChatMessage("user", "a"),), runs=TurnRuns(**fields)))
    with pytest.raises(CorruptTurn):
        decode(json.dumps({"messages": [], "runs": fields}).encode())
