"""Tools in the habits of other libraries: each way to say a type gives that library's schema, value and error."""

import asyncio
import dataclasses
import enum
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeGuard
from uuid import UUID

import annotated_types
import msgspec
import pydantic
import pytest
from typing_extensions import TypedDict

from recuerda import AgentThread, ConfigurationError, FunctionCallContent, FunctionResultContent, FunctionTool, tool
from recuerda.testing.scripted import ScriptedChatClient, call


class Struct(msgspec.Struct):
    name: str
    amount: Annotated[int, msgspec.Meta(ge=1)]
    note: str | None = None


@dataclass
class Data:
    name: str
    amount: Annotated[int, msgspec.Meta(ge=1)]
    note: str | None = None


class Typed(TypedDict):
    name: str
    amount: Annotated[int, msgspec.Meta(ge=1)]


class Model(pydantic.BaseModel):
    name: str
    amount: int = pydantic.Field(ge=1)
    note: str | None = None


@dataclass
class DataOfPydantic:
    name: str
    amount: Annotated[int, pydantic.Field(ge=1)]


@pydantic.dataclasses.dataclass
class PydanticData:
    name: str
    amount: int = pydantic.Field(ge=1)


OF_MSGSPEC: list[Any] = [Struct, Data, Typed]
OF_PYDANTIC: list[Any] = [Model, DataOfPydantic, PydanticData]


def wrapped(kind: Any) -> list[Any]:
    """Return the shapes in which a type is tried."""
    return [kind, list[kind], dict[str, kind], kind | None, tuple[kind, kind]]


VALUES: list[Any] = [
    {"name": "a", "amount": 2},
    [{"name": "a", "amount": 2}],
    {"x": {"name": "a", "amount": 2}},
    None,
    [{"name": "a", "amount": 2}, {"name": "b", "amount": 3}],
]


def schema_of(made: FunctionTool) -> Any:
    return made.parameters


def tool_of(hint: Any) -> FunctionTool:
    def f(given: Any) -> str:
        return repr(given)

    f.__annotations__["given"] = hint
    return FunctionTool.of(f)


async def result(tool: FunctionTool, arguments: Any) -> FunctionResultContent:
    return await tool.call(FunctionCallContent("c", tool.name, arguments), thread=AgentThread())


async def test_each_way_to_say_a_type_gives_its_own_librarys_schema_value_and_error() -> None:
    tried = 0
    for kind in [*OF_MSGSPEC, *OF_PYDANTIC]:
        is_pydantic = kind in OF_PYDANTIC
        for hint, value in zip(wrapped(kind), VALUES, strict=True):
            made = tool_of(hint)
            shown = dict(schema_of(made))
            definitions: Any = shown.pop("$defs", {})
            given: Any = shown["properties"]
            if is_pydantic:
                expected = pydantic.TypeAdapter(hint).json_schema()
                assert definitions == expected.pop("$defs", {})
            else:
                expected = msgspec.json.schema(hint, ref_template="#/$defs/{name}")
                assert definitions == expected.pop("$defs", {})
            assert given["given"] == expected
            converted = (
                pydantic.TypeAdapter(hint).validate_python(value) if is_pydantic else msgspec.convert(value, hint)
            )
            assert (await result(made, {"given": value})).result == repr(converted)
            assert (await result(made, msgspec.json.encode({"given": value}).decode())).result == repr(converted)
            tried += 1
    assert tried == 30


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


FIELDS: list[tuple[Any, Any, Any]] = [
    # the type of the parameter, a value of it in JSON, and a value that the type refuses
    (int, 3, "many"),
    (str, "tea", 3),
    (float, 2.5, "much"),
    (bool, True, "perhaps"),
    (int | None, None, "many"),
    (str | None, "tea", 3),
    (list[int], [1, 2], ["many"]),
    (list[str], ["a", "b"], [3]),
    (list[list[int]], [[1], []], [["many"]]),
    (tuple[int, str], [1, "a"], ["a"]),
    (tuple[int, ...], [1, 2, 3], ["many"]),
    (set[str], ["a"], [3]),
    (frozenset[int], [1], ["many"]),
    (dict[str, int], {"a": 1}, {"a": "many"}),
    (dict[str, list[str]], {"a": ["b"]}, {"a": "b"}),
    (Literal["tea", "coffee"], "tea", "water"),
    (Literal[1, 2], 1, 3),
    (Level, "low", "middle"),
    (Level | None, "high", "middle"),
    (list[Level], ["low"], ["middle"]),
    (datetime, "2026-03-01T12:30:00", "noon"),
    (date, "2026-03-01", "today"),
    (time, "12:30:00", "noon"),
    (UUID, "12345678-1234-5678-1234-567812345678", "an id"),
    (Decimal, "1.50", "much"),
    (int | str, "tea", []),
    (int | list[int], [1], "many"),
    (list[dict[str, int]], [{"a": 1}], [{"a": "many"}]),
    (list[int] | None, None, ["many"]),
    (dict[str, float | None], {"a": None}, {"a": "much"}),
]


def four_ways(hint: Any) -> list[Any]:
    """Return an object with a field of this type, said in four ways; the last way is Pydantic's."""
    return [
        msgspec.defstruct("Order", [("field", hint)]),
        dataclasses.make_dataclass("Order", [("field", hint)]),
        TypedDict("Order", {"field": hint}),  # pyright: ignore[reportInvalidTypeForm]
        pydantic.create_model("Order", field=(hint, ...)),
    ]


async def test_thirty_signatures_in_four_ways_give_their_librarys_schema_value_and_error() -> None:
    assert len(FIELDS) == 30
    for hint, good, bad in FIELDS:
        for kind in four_ways(hint):
            made = tool_of(kind)
            shown = dict(schema_of(made))
            definitions: Any = shown.pop("$defs", {})
            expected, convert = library_of(kind)
            assert definitions == expected.pop("$defs", {}), (hint, kind)
            given: Any = shown["properties"]
            assert given["given"] == expected, (hint, kind)
            assert (await result(made, {"given": {"field": good}})).result == repr(convert({"field": good})), hint
            with pytest.raises((msgspec.ValidationError, pydantic.ValidationError)) as refusal:
                convert({"field": bad})
            refused = await result(made, {"given": {"field": bad}})
            assert refused.is_error, (hint, kind)
            words = (
                refusal.value.errors()[0]["msg"] if is_pydantics(refusal.value) else str(refusal.value).split(" - ")[0]
            )
            assert words in str(refused.result), (hint, kind)


def library_of(kind: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return the JSON schema that a type's own library gives, and the library's conversion."""
    if hasattr(kind, "model_fields"):
        adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(kind)
        return adapter.json_schema(), lambda value: adapter.validate_json(msgspec.json.encode(value))
    return msgspec.json.schema(kind, ref_template="#/$defs/{name}"), lambda value: msgspec.convert(value, kind)


def is_pydantics(error: Exception) -> TypeGuard[pydantic.ValidationError]:
    return isinstance(error, pydantic.ValidationError)


async def test_a_value_beyond_a_limit_is_refused_in_the_librarys_words() -> None:
    for kind in OF_MSGSPEC:
        refused = await result(tool_of(kind), {"given": {"name": "a", "amount": 0}})
        assert refused.is_error
        assert "Expected `int` >= 1 - at `$.given.amount`" in refused.result
    for kind in OF_PYDANTIC:
        refused = await result(tool_of(kind), {"given": {"name": "a", "amount": 0}})
        assert refused.is_error
        assert "Input should be greater than or equal to 1 - at `$.given.amount`" in refused.result


async def test_limits_of_every_library_count_on_a_plain_parameter() -> None:
    for note in (msgspec.Meta(ge=3), pydantic.Field(ge=3), annotated_types.Ge(3), annotated_types.Interval(ge=3)):
        made = tool_of(Annotated[int, note])
        assert schema_of(made)["properties"]["given"]["minimum"] == 3
        assert (await result(made, {"given": 1})).is_error
        assert (await result(made, {"given": 3})).result == "3"
    described = tool_of(Annotated[int, pydantic.Field(ge=3, description="how much")])
    assert schema_of(described)["properties"]["given"]["description"] == "how much"


async def test_pydantics_field_may_be_the_default() -> None:
    def pay(
        euros: int = pydantic.Field(ge=3, description="how much"),
        tags: list[str] = pydantic.Field(default_factory=list),  # noqa: B008 - likewise
        note: str = pydantic.Field("none", max_length=5),
    ) -> str:
        return f"{euros} {tags} {note}"

    made = FunctionTool.of(pay)
    assert schema_of(made)["required"] == ["euros"]
    assert schema_of(made)["properties"]["note"] == {"default": "none", "maxLength": 5, "type": "string"}
    assert (await result(made, {"euros": 4})).result == "4 [] none"
    assert (await result(made, {"euros": 2})).is_error
    assert "missing required field `euros`" in (await result(made, {})).result


async def test_both_libraries_serve_one_tool() -> None:
    def f(first: Model, second: Struct, third: int = 5, fourth: Model | None = None) -> str:
        return f"{first.amount} {second.amount} {third} {fourth}"

    made = FunctionTool.of(f)
    assert list(schema_of(made)["properties"]) == ["first", "second", "third", "fourth"]
    assert schema_of(made)["required"] == ["first", "second"]
    one = {"name": "a", "amount": 1}
    assert (await result(made, {"first": one, "second": one})).result == "1 1 5 None"
    assert "unknown field `fifth`" in (await result(made, {"first": one, "second": one, "fifth": 1})).result
    made.check('{"first": {"name": "a", "amount": 1}, "second": {"name": "a", "amount": 1}}')


async def test_a_model_is_a_result() -> None:
    def f() -> Model:
        return Model(name="a", amount=1)

    assert (await result(FunctionTool.of(f), {})).result == {"name": "a", "amount": 1, "note": None}


def test_a_mixture_that_a_library_would_drop_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"mixes msgspec\.Meta with Pydantic"):
        tool_of(Annotated[int, msgspec.Meta(le=9), pydantic.Field(ge=3)])
    with pytest.raises(ConfigurationError, match="cannot be described to a model"):
        tool_of(Annotated[int, annotated_types.Predicate(bool)])


def test_times_have_their_formats() -> None:
    formats = {datetime: "date-time", time: "time", date: "date", timedelta: "duration"}
    for kind, name in formats.items():
        assert schema_of(tool_of(kind))["properties"]["given"]["format"] == name
        assert schema_of(tool_of(list[kind]))["properties"]["given"]["items"]["format"] == name
    optional = schema_of(tool_of(datetime | None))["properties"]["given"]
    assert optional["anyOf"][0] == {"type": "string", "format": "date-time"}


GOOGLE = """Book a seat.

    Only for today.

    Args:
        city: the city's
            name
        days: how many

    Returns:
        The seat.
    """
NUMPY = """Book a seat.

    Only for today.

    Parameters
    ----------
    city : str
        the city's name
    days : int
        how many

    Returns
    -------
    str
        The seat.
    """
SPHINX = """Book a seat.

    Only for today.

    :param city: the city's name
    :param days: how many
    :returns: The seat.
    """


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, SPHINX])
def test_a_docstring_describes_the_parameters(docstring: str) -> None:
    def f(city: str, days: Annotated[int, "the number of days"] = 1) -> str:
        return city * days

    f.__doc__ = docstring
    made = FunctionTool.of(f)
    assert made.description == "Book a seat.\n\nOnly for today.\n\nReturns: The seat."
    descriptions = [node["description"] for node in schema_of(made)["properties"].values()]
    assert descriptions == ["the city's name", "the number of days"]


class Service:
    def __init__(self, name: str) -> None:
        self.name = name

    @tool
    def greet(self, whom: str) -> str:
        """Greet somebody."""
        return f"{self.name} greets {whom}"

    @tool(needs_approval=True)
    async def pay(self, euros: int) -> str:
        return f"{self.name} pays {euros}"

    @staticmethod
    @tool
    def plain(key: str) -> str:
        return key

    def loose(self, key: str) -> str:
        return key


async def test_a_decorated_method_is_a_tool_of_its_object() -> None:
    ana, ben = Service("Ana"), Service("Ben")
    assert list(schema_of(ana.greet)["properties"]) == ["whom"]
    assert ana.greet("you") == "Ana greets you"
    assert (await result(ben.greet, {"whom": "you"})).result == "Ben greets you"
    assert (await result(ben.pay, {"euros": 3})).result == "Ben pays 3"
    assert ben.pay.needs_approval
    assert (await result(Service.plain, {"key": "k"})).result == "k"
    client = ScriptedChatClient([call("greet", {"whom": "you"}), "Done."])
    reply = await client.create_agent(tools=[ana.greet]).run("Greet me.")
    assert [part.result for part in reply.messages[1].contents if isinstance(part, FunctionResultContent)] == [
        "Ana greets you"
    ]


@pytest.mark.parametrize("method", [Service.greet, Service.loose])
def test_a_method_without_its_object_is_refused(method: Any) -> None:
    with pytest.raises(ConfigurationError, match="is a method without its object"):
        ScriptedChatClient([]).create_agent(tools=[method])


def test_a_generator_is_refused() -> None:
    async def later() -> AsyncIterator[int]:
        yield 1

    def now() -> Iterator[int]:
        yield 1

    for function in (later, now):
        with pytest.raises(ConfigurationError, match="return them as a list"):
            FunctionTool.of(function)


def test_a_refusal_says_what_to_write() -> None:
    def many(*items: str) -> None: ...

    def more(**options: str) -> None: ...

    class Engine: ...

    def start(engine: Engine) -> None: ...

    for function, way in ((many, r"items: list\[str\]"), (more, r"options: dict\[str, str\]"), (start, "a dataclass")):
        with pytest.raises(ConfigurationError, match=way):
            FunctionTool.of(function)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


async def test_a_tool_of_a_schema_hands_the_arguments_over() -> None:
    async def remote(**arguments: Any) -> dict[str, Any]:
        return arguments

    for made in (
        FunctionTool.of(remote, name="w", description="d", parameters=SCHEMA),
        FunctionTool.from_schema(remote, name="w", description="d", parameters=SCHEMA),
    ):
        assert schema_of(made) == SCHEMA
        assert (await result(made, '{"city": "Lima"}')).result == {"city": "Lima"}
        assert "missing required field `city`" in (await result(made, "{}")).result
        assert "unknown field `days`" in (await result(made, {"city": "Lima", "days": 1})).result
        assert (await result(made, "[1]")).is_error
    with pytest.raises(ConfigurationError, match="is of type 'string'"):
        FunctionTool.of(remote, name="w", parameters={"type": "string"})
    with pytest.raises(ConfigurationError, match="is not JSON"):
        FunctionTool.of(remote, name="w", parameters={"x": object()})


async def test_a_call_that_takes_too_long_is_given_up() -> None:
    ended: list[str] = []

    @tool(timeout=timedelta(milliseconds=5))
    async def slow() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return "never"

    given_up = await result(slow, {})
    assert given_up.is_error
    assert "took longer than 0:00:00.005000; whether it has acted is not known" in given_up.result
    assert ended == ["cancelled"]

    @tool(timeout=timedelta(seconds=60), expose_errors=True)
    def fails() -> str:
        raise TimeoutError("the server's own")

    assert (await result(fails, {})).result == "Error: TimeoutError: the server's own"
