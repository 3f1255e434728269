"""Values come back exactly; what would come back as something else is refused before anything is written."""

import operator
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, TypedDict
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph
from langgraph.types import Send
from pydantic import BaseModel

from recuerda import ConfigurationError, EncodeError, MemoryStorage, StateError
from recuerda.interop.langgraph import RecuerdaSaver
from recuerda.interop.langgraph.messages import is_same_message
from recuerda.interop.langgraph.values import Values
from recuerda.json_value import JsonObject
from tests.interop.langgraph.graphs import RIKER, chat, said, texts

serde = JsonPlusSerializer(allowed_msgpack_modules=None)
values = Values(serde)

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text()
plain = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=6
)
ids = st.none() | st.text()
objects = st.dictionaries(st.text(max_size=5) | st.just("$m"), plain, max_size=2)
parts = st.lists(
    st.text()
    | st.fixed_dictionaries({"type": st.just("text"), "text": st.text()}, optional={"index": st.integers(0, 3)})
    | st.fixed_dictionaries({"type": st.sampled_from(["image_url", "tool_use", "data", "uri"]), "data": plain}),
    max_size=3,
)
calls = st.fixed_dictionaries(
    {"name": st.text(), "args": objects, "id": ids, "type": st.just("tool_call")},
)
common: dict[str, Any] = {
    "id": ids,
    "name": ids,
    "additional_kwargs": objects,
    "response_metadata": objects,
}
contents = st.text() | parts
messages: st.SearchStrategy[AnyMessage] = st.one_of(
    st.builds(HumanMessage, content=contents, **common),
    st.builds(SystemMessage, content=contents, **common),
    st.builds(AIMessage, content=contents, tool_calls=st.lists(calls, max_size=2), **common),
    st.builds(
        ToolMessage,
        content=contents,
        tool_call_id=st.text(),
        status=st.sampled_from(["success", "error"]),
        artifact=plain,
        **common,
    ),
    st.builds(ChatMessage, content=st.text(), role=st.text(), **common),
)


def surrogate_free(text: object) -> bool:
    try:
        serde.dumps_typed(text)
    except Exception:  # noqa: BLE001 - whatever the serializer raises
        return False
    return True


def through(value: object) -> object:
    shown: list[JsonObject] = []
    data = [values.encode(value, "value"), values.encode_shown(value, "value", shown)]
    first, second = (values.decode(one, [*shown]) for one in data)
    assert serde.dumps_typed(first) == serde.dumps_typed(second)
    return first


@given(plain.filter(surrogate_free))
def test_a_plain_value_comes_back_the_same(value: object) -> None:
    assert serde.dumps_typed(through(value)) == serde.dumps_typed(value)


@given(messages.filter(surrogate_free))
def test_a_message_comes_back_the_same(message: AnyMessage) -> None:
    back = through([message, {"nested": message}])
    assert serde.dumps_typed(back) == serde.dumps_typed([message, {"nested": message}])


@given(messages, messages)
def test_messages_that_are_surely_the_same_are_the_same_for_the_serializer(one: AnyMessage, other: AnyMessage) -> None:
    for message in (other, one.model_copy(deep=True)):
        assert not is_same_message(one, message) or serde.dumps_typed(one) == serde.dumps_typed(message)


@pytest.mark.parametrize("pair", [(1, 1.0), (1, True), ([1], (1,)), ({"a": 1, "b": 2}, {"b": 2, "a": 1})])
def test_values_that_python_calls_equal_are_not_the_same(pair: tuple[object, object]) -> None:
    one, other = (AIMessage("", additional_kwargs={"x": [value]}) for value in pair)
    assert is_same_message(one, one.model_copy(deep=True))
    assert not is_same_message(one, other)
    assert not is_same_message(one, AIMessageChunk(content="", additional_kwargs={"x": [pair[0]]}))


def test_the_usual_messages_need_only_our_own_form() -> None:
    call = {"name": "scan", "args": {"deck": 7}, "id": "c", "type": "tool_call"}
    usual = [
        HumanMessage("hello", id="1", name="riker"),
        SystemMessage("be brief"),
        AIMessage(
            "let me see",
            tool_calls=[call],
            id="2",
            response_metadata={"model_name": "m"},
            usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        ),
        ToolMessage("done", tool_call_id="c", status="error", artifact={"rows": [1]}),
        HumanMessage([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:,x"}}]),
    ]
    for message in usual:
        shown: list[JsonObject] = []
        assert values.encode_shown(message, "m", shown) == {"$m": 0}
        assert values.decode({"$m": 0}, [*shown]) == message


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        {"$m": 0},
        {1: "a"},
        float("inf"),
        datetime(2026, 1, 2, tzinfo=UTC),
        UUID(int=1),
        Decimal("1.50"),
        {1, 2},
        deque([1]),
        Send("node", {"messages": [HumanMessage("x")]}),
        RemoveMessage("id"),
        AIMessageChunk(content="part"),
        [[[{"deep": [b"x"]}]]],
    ],
    ids=repr,
)
def test_a_value_without_a_json_form_comes_back_the_same(value: object) -> None:
    assert through(value) == value


class Point(BaseModel):
    x: int


@dataclass
class Pair:
    left: object


class Rank(StrEnum):
    COMMANDER = "commander"


class Named(TypedDict):
    value: Any
    log: Annotated[list[Any], operator.add]


def giving(saver: RecuerdaSaver, value: object) -> Any:
    def give(state: Named) -> dict[str, Any]:
        return {"value": value, "log": [value]}

    builder = StateGraph(Named)
    builder.add_node("give", give)  # pyright: ignore[reportUnknownMemberType]
    builder.add_edge(START, "give")
    return builder.compile(checkpointer=saver)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize("value", [Point(x=1), {"in": [Pair(1)]}, Rank.COMMANDER, Pair(Point(x=2))], ids=repr)
async def test_a_class_of_the_application_is_refused_until_it_is_allowed(value: object) -> None:
    storage = MemoryStorage()
    with pytest.raises(EncodeError, match="allowed_types"):
        await giving(RecuerdaSaver(storage), value).ainvoke({"log": ["a"]}, RIKER)
    allowed = RecuerdaSaver(storage, allowed_types=[Point, Pair, Rank])
    await giving(allowed, value).ainvoke({"log": ["b"]}, RIKER)
    for saver in (allowed, RecuerdaSaver(storage, allowed_types=[Point, Pair, Rank])):
        found = (await giving(saver, value).aget_state(RIKER)).values
        assert (found["value"], found["log"][-1]) == (value, value)


async def test_a_value_that_no_serializer_takes_is_refused_with_its_place() -> None:
    with pytest.raises(EncodeError, match=r"writes\[0\]\.value"):
        await giving(RecuerdaSaver(MemoryStorage()), object()).ainvoke({"log": []}, RIKER)


@pytest.mark.parametrize("kind", ["pickle", "json"])
def test_a_value_that_may_name_code_is_never_read(kind: str) -> None:
    with pytest.raises(StateError, match=kind):
        values.decode({"$s": "gASVAA==", "$t": kind})


async def test_a_serializer_that_encrypts_has_every_value() -> None:
    class Cipher:
        def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
            return "xor", bytes(byte ^ 7 for byte in plaintext)

        def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
            return bytes(byte ^ 7 for byte in ciphertext)

    storage = MemoryStorage()
    sealed = EncryptedSerializer(Cipher(), serde)
    for text in ("secret one", "secret two"):
        await chat(RecuerdaSaver(storage, serde=sealed)).ainvoke(said(text), RIKER)
    records = (await storage.read("riker")).records
    assert not [record for record in records if b"secret" in record.body]
    found = (await chat(RecuerdaSaver(storage, serde=sealed)).aget_state(RIKER)).values["messages"]
    assert texts(found) == ["secret one", "You said: secret one", "secret two", "You said: secret two"]


def test_a_serializer_and_allowed_types_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="allowed_types or serde"):
        RecuerdaSaver("memory:", serde=serde, allowed_types=[Point])
