"""The JSON schema that a model is shown of a typed callable."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
import pytest

from recuerda import AgentThread, ConfigurationError, FunctionCallContent, FunctionTool
from recuerda.testing.scripted import ScriptedChatClient


def parameters(function: Any) -> Any:
    return FunctionTool.of(function, name="f").parameters


def test_names_descriptions_and_required_parameters() -> None:
    def weather(city: str, days: int = 3) -> str:
        """Tell the weather.

        For a few days.
        """
        return f"{city}{days}"

    tool = FunctionTool.of(weather)
    assert (tool.name, tool.description) == ("weather", "Tell the weather.\n\nFor a few days.")
    assert tool.parameters == {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 3}},
        "required": ["city"],
        "additionalProperties": False,
    }
    named = FunctionTool.of(weather, name="w", description="Other.")
    assert (named.name, named.description) == ("w", "Other.")


def test_a_tool_of_a_tool_is_itself() -> None:
    tool = FunctionTool.of(lambda: 1, name="f")
    assert FunctionTool.of(tool) is tool


def test_annotated_texts_describe_parameters() -> None:
    def f(
        city: Annotated[str, "The city's name"], days: Annotated[int, msgspec.Meta(ge=1), "How many"] = 1
    ) -> None: ...

    properties = parameters(f)["properties"]
    assert properties["city"] == {"type": "string", "description": "The city's name"}
    assert properties["days"] == {"type": "integer", "minimum": 1, "description": "How many", "default": 1}


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: float
    label: str | None = None


class Shape(msgspec.Struct):
    points: list[Point]
    colour: Colour = Colour.RED


def test_every_usual_type_has_a_schema() -> None:
    def f(  # noqa: PLR0917 - one of each
        text: str | None,
        choice: Literal["a", "b"],
        colour: Colour,
        shape: Shape,
        when: datetime,
        names: list[str],
        anything: list,  # pyright: ignore[reportMissingTypeArgument, reportUnknownParameterType] - as people write it
        table: dict[str, int],
        pair: tuple[int, str],
        free: Any,
        bare,  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType] - likewise
    ) -> None: ...

    schema = parameters(f)
    properties = schema["properties"]
    assert properties["text"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert properties["choice"] == {"enum": ["a", "b"]}
    assert properties["colour"] == {"$ref": "#/$defs/Colour"}
    assert properties["shape"] == {"$ref": "#/$defs/Shape"}
    assert properties["when"] == {"type": "string", "format": "date-time"}
    assert properties["names"] == {"type": "array", "items": {"type": "string"}}
    assert properties["anything"] == {"type": "array", "items": {}}
    assert properties["table"] == {"type": "object", "additionalProperties": {"type": "integer"}}
    assert properties["pair"]["items"] is False or "prefixItems" in properties["pair"]
    assert properties["free"] == properties["bare"] == {}
    assert schema["$defs"]["Colour"]["enum"] == ["blue", "red"]
    assert schema["$defs"]["Shape"]["properties"]["points"] == {"type": "array", "items": {"$ref": "#/$defs/Point"}}
    assert schema["$defs"]["Point"]["required"] == ["x"]


def test_defaults_are_shown_where_json_has_them() -> None:
    sentinel = object()

    def f(
        a: str = "x", b: int | None = None, c: Colour = Colour.BLUE, d: Any = sentinel, e: float = float("nan")
    ) -> None: ...

    schema = parameters(f)
    assert schema["required"] == []
    assert [schema["properties"][name].get("default", "-") for name in "abcde"] == ["x", None, "blue", "-", "-"]


async def test_a_default_is_the_functions_own() -> None:
    sentinel = object()

    def f(x: Any = sentinel) -> bool:
        return x is sentinel

    result = await FunctionTool.of(f).call(FunctionCallContent("c", "f"), thread=AgentThread())
    assert result.result is True


class Service:
    def lookup(self, key: str) -> str:
        """Look it up."""
        return key

    @staticmethod
    def plain(key: str) -> str:
        return key

    @classmethod
    def made(cls, key: str) -> str:
        return key


class Callable:
    """Answer a call."""

    async def __call__(self, key: str) -> str:
        return key.upper()


UNTYPED: Any = eval("lambda key: key")
BUILTIN: Any = min


def with_args(*args: int) -> None: ...


def with_more(**more: int) -> None: ...


def by_position(x: int, /) -> None: ...


async def f_of(key: str, suffix: str = "") -> str:
    return key + suffix


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (Service().lookup, "x"),
        (Service.plain, "x"),
        (Service.made, "x"),
        (Callable(), "X"),
        (f_of, "x"),
        (partial(f_of, suffix="!"), "x!"),
        (UNTYPED, "x"),
    ],
)
async def test_every_kind_of_callable_is_a_tool(function: Any, expected: str) -> None:
    tool = FunctionTool.of(function, name="f")
    assert tool.parameters["required"] == ["key"]
    result = await tool.call(FunctionCallContent("c", "f", {"key": "x"}), thread=AgentThread())
    assert result.result == expected


def test_a_partial_keeps_its_types_and_its_name() -> None:
    tool = FunctionTool.of(partial(f_of, suffix="!"))
    assert tool.name == "f_of"
    assert tool.parameters["properties"] == {
        "key": {"type": "string"},
        "suffix": {"type": "string", "default": "!"},
    }


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (with_args, r"cannot fill the parameter \*args"),
        (with_more, r"cannot fill the parameter \*\*more"),
        (BUILTIN, "cannot be read"),
        (by_position, "cannot fill the parameter x"),
    ],
)
def test_a_parameter_that_a_model_cannot_fill_is_refused(function: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        FunctionTool.of(function, name="f")


def test_a_type_without_a_schema_is_refused() -> None:
    def f(x: ScriptedChatClient) -> None: ...

    with pytest.raises(ConfigurationError, match="tool 'f' has a parameter that has no JSON schema"):
        ScriptedChatClient().create_agent(tools=f)


def test_a_hint_that_cannot_be_read_is_refused() -> None:
    def f(x: "Nowhere") -> None: ...  # noqa: F821  # pyright: ignore[reportUndefinedVariable, reportUnknownParameterType]

    with pytest.raises(ConfigurationError, match="tool 'f' has a signature that cannot be read"):
        FunctionTool.of(f)  # pyright: ignore[reportUnknownArgumentType] - as above


@pytest.mark.parametrize("name", [None, "", "two words", "x" * 65, "ñ"])
def test_a_name_that_services_refuse_is_refused(name: str | None) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a tool's name"):
        FunctionTool.of(lambda: 1, name=name)


def test_a_class_of_the_callers_may_have_any_name() -> None:
    class Arguments(msgspec.Struct):
        x: int

    Arguments.__name__ = "f_arguments"

    def f(given: Arguments) -> None: ...

    schema = parameters(f)
    assert list(schema["properties"]) == ["given"]
