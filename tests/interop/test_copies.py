"""Copies of a framework's objects are equal, and share nothing that can change."""

import copy
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, cast

import pytest
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.genai import types
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, ToolCallBlock
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr
from pydantic_ai.messages import ModelRequest, ModelResponse, ToolCallPart, UserPromptPart

from recuerda.interop.copies import Original, original


class Open(BaseModel):
    """A model with everything that a model may have."""

    model_config = ConfigDict(extra="allow")

    names: list[str] = Field(default_factory=list[str])
    other: Any = None
    _private: list[int] = PrivateAttr(default_factory=lambda: [1])


class Shared(BaseModel):
    """A model that says itself how it is copied."""

    names: list[str]

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> "Shared":
        return self


def event() -> Event:
    call = types.FunctionCall(id="c", name="scan", args={"deck": [7, {"a": 1}]})
    content = types.Content(role="model", parts=[types.Part(text="m"), types.Part(function_call=call)])
    actions = EventActions(state_delta={"x": {"y": [1]}}, artifact_delta={"f": 2})
    return Event(author="a", invocation_id="i", content=content, actions=actions, long_running_tool_ids={"c"})


MADE: list[Callable[[], Any]] = [
    event,
    lambda: Event(author="a", custom_metadata={"a": [1, {"b": None}]}),
    lambda: ChatMessage(
        role="user",
        blocks=[ImageBlock(image=b"QUJD"), ToolCallBlock(tool_name="scan", tool_kwargs={"a": [1]})],
        additional_kwargs={"more": {"deep": [1]}},
    ),
    lambda: ModelRequest(parts=[UserPromptPart(["Look.", "There."])], metadata={"a": [1]}),
    lambda: ModelResponse(parts=[ToolCallPart("scan", {"deck": [7]})], provider_details={"a": [1]}),
    lambda: Open.model_validate({"names": ["a"], "other": Open(names=["b"]), "extra": [{"d": [2]}]}),
]


def changeable(value: object) -> Iterator[object]:
    """Yield the objects in a value that can change, with itself."""
    if isinstance(value, str | int | float | bytes | Enum | None):
        return
    if isinstance(value, list | set):
        yield value
        for one in cast("list[object]", value):
            yield from changeable(one)
    elif isinstance(value, dict):
        yield cast("object", value)
        for one in cast("dict[str, object]", value).values():
            yield from changeable(one)
    elif hasattr(value, "__dict__"):
        yield value
        yield from changeable(value.__dict__)
        for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
            yield from changeable(getattr(value, name, None))


@pytest.mark.parametrize("make", MADE)
def test_a_copy_is_equal_and_shares_nothing_that_can_change(make: Callable[[], Any]) -> None:
    value = make()
    before = copy.deepcopy(value)
    kept = Original(value)
    made = [kept.copy() for _ in range(2)]
    assert made == [before, before]
    for one in made:
        assert type(one) is type(value)
        assert one.__dict__.keys() == value.__dict__.keys()
    held = [{id(one) for one in changeable(each)} for each in (value, *made)]
    assert held[0]
    assert held[0].isdisjoint(held[1])
    assert held[1].isdisjoint(held[2])
    assert held[0].isdisjoint(held[2])


def test_a_copy_knows_which_fields_were_set() -> None:
    made = Original(Open(names=["a"])).copy()
    made.other = 1
    assert made.model_fields_set == {"names", "other"}
    assert Original(Open(names=["a"])).copy().model_fields_set == {"names"}


def test_a_field_that_can_change_later_is_copied_then() -> None:
    assert Original(Open(other="text")).copy().other == "text"
    value = Open(other=["list"])
    made = Original(value).copy()
    made.other.append("more")
    assert value.other == ["list"]


def test_a_class_that_says_how_it_is_copied_is_asked() -> None:
    value = Shared(names=["a"])
    assert Original(value).copy() is value


def test_an_original_of_the_callers_value_does_not_change_with_it() -> None:
    value = Open(names=["a"])
    kept = original(value)
    value.names.append("b")
    assert kept.copy().names == ["a"]
