"""What becomes JSON and how, and what is refused with its path."""

import dataclasses
import enum
import json
import math
import uuid
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recuerda.errors import EncodeError, InvalidInput
from recuerda.json_value import Json, check_text, to_json, to_json_object
from recuerda.testing.strategies import json_values


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    YES = "yes"


class Nested(enum.Enum):
    PAIR = (1, "two")


class Name(str):
    __slots__ = ()


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Patient:
    name: str
    seen: datetime
    children: "list[Patient]" = dataclasses.field(default_factory=list["Patient"])


class Dose(msgspec.Struct, rename="camel", omit_defaults=True):
    milli_grams: int
    note: str | None = None


class Model:
    """Looks like a pydantic model."""

    def model_dump(self, *, mode: str) -> dict[str, object]:
        return {"mode": mode, "at": datetime(2024, 1, 2, tzinfo=UTC)}


NOON = datetime(2024, 1, 2, 12, 30, 5, 250, tzinfo=UTC)

CONVERTED: dict[str, tuple[object, Json]] = {
    "a tuple": ((1, (2,)), [1, [2]]),
    "a named tuple": (Point(1, 2), [1, 2]),
    "a set": ({7}, [7]),
    "a frozenset": (frozenset(["a"]), ["a"]),
    "a range": ({}.keys(), []),
    "an ordered dict": (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "a mapping": (MappingProxyType({"a": 1}), {"a": 1}),
    "number keys": ({1: "a", 2.5: "b"}, {"1": "a", "2.5": "b"}),
    "enum keys": ({Colour.RED: 1, Level.HIGH: 2, Word.YES: 3}, {"red": 1, "3": 2, "yes": 3}),
    "an enum": (Colour.RED, "red"),
    "an int enum": (Level.HIGH, 3),
    "a str enum": (Word.YES, "yes"),
    "an enum of a tuple": (Nested.PAIR, [1, "two"]),
    "a str subclass": (Name("x"), "x"),
    "an aware datetime": (NOON, "2024-01-02T12:30:05.000250Z"),
    "a datetime of another zone": (NOON.astimezone(timezone(timedelta(hours=2))), "2024-01-02T14:30:05.000250+02:00"),
    "a naive datetime": (datetime(2024, 1, 2), "2024-01-02T00:00:00"),  # noqa: DTZ001 - the point
    "a date": (date(2024, 1, 2), "2024-01-02"),
    "a time": (time(1, 2, 3), "01:02:03"),
    "a timedelta": (timedelta(hours=1, seconds=1), "PT3601S"),
    "bytes": (b"\x00\xff", "AP8="),
    "a bytearray": (bytearray(b"\x00\xff"), "AP8="),
    "a memoryview": (memoryview(b"\x00\xff"), "AP8="),
    "a UUID": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "a Decimal": (Decimal("1.10"), "1.10"),
    "a dataclass": (
        Patient("Ana", NOON, [Patient("Bo", NOON)]),
        {
            "name": "Ana",
            "seen": "2024-01-02T12:30:05.000250Z",
            "children": [{"name": "Bo", "seen": "2024-01-02T12:30:05.000250Z", "children": []}],
        },
    ),
    "a struct": (Dose(5), {"milliGrams": 5, "note": None}),
    "a pydantic-like model": (Model(), {"mode": "json", "at": "2024-01-02T00:00:00Z"}),
    "NUL and control characters": ("a\x00b\x1f", "a\x00b\x1f"),
    "an astral character": ("🐧", "🐧"),
    "a large integer": (10**4299, 10**4299),
    "a bool": (True, True),
    "minus zero": (-0.0, -0.0),
}


@pytest.mark.parametrize(("value", "expected"), CONVERTED.values(), ids=CONVERTED.keys())
def test_a_usual_value_becomes_its_documented_json(value: object, expected: Json) -> None:
    found = to_json({"k": [value]}, "result")
    assert found == {"k": [expected]}
    assert msgspec.json.decode(msgspec.json.encode(found)) == found


class Opaque:
    pass


def cycle_of_lists() -> object:
    value: list[object] = []
    value.append(value)
    return value


def cycle_of_dataclasses() -> object:
    value = Patient("Ana", NOON)
    value.children.append(value)
    return value


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


REFUSED: dict[str, tuple[object, str, str]] = {
    "NaN": (math.nan, "", "nan"),
    "infinity": (math.inf, "", "inf"),
    "minus infinity": (-math.inf, "", "-inf"),
    "a lone surrogate": ("ab\ud800", "", "position 2"),
    "a lone surrogate in a str subclass": (Name("\ud800"), "", "position 0"),
    "a lone surrogate in a key": ({"\ud800": 1}, " (a key)", "position 0"),
    "an object": (Opaque(), "", "Opaque"),
    "a class": (Patient, "", "type"),
    "a function": (len, "", "builtin_function_or_method"),
    "a module": (json, "", "module"),
    "a complex number": (1j, "", "complex"),
    "a path": (Path("a"), "", "Path"),
    "a generator": ((i for i in ()), "", "generator"),
    "an exception": (ValueError("secret"), "", "ValueError"),
    "a key of a tuple": ({(1, 2): 3}, "", "tuple"),
    "a key of None": ({None: 1}, "", "NoneType"),
    "a key of a bool": ({True: 1}, "", "bool"),
    "a key of bytes": ({b"k": 1}, "", "bytes"),
    "two keys of one name": ({1: "a", "1": "b"}, "", "'1'"),
    "a huge integer": (10**4300, "", "4,300 digits"),
    "a huge integer as a key": ({10**4300: 1}, "", "4,300 digits"),
    "deep inside": ({"rows": [0, {"at": (1, math.nan)}]}, ".rows[1].at[1]", "nan"),
    "inside a dataclass": ([Patient("\ud800", NOON)], "[0].name", "position 0"),
    "inside a struct": (Dose(5, note="\ud800"), ".note", "position 0"),
}


@pytest.mark.parametrize(("value", "path", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_json_form_is_refused_with_its_path(value: object, path: str, reason: str) -> None:
    with pytest.raises(EncodeError) as refused:
        to_json({"k": value}, "result")
    assert refused.value.path == f"result.k{path}"
    assert reason in refused.value.reason
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("value", [cycle_of_lists(), cycle_of_dataclasses(), nested(102), nested(5000)], ids=range(4))
def test_a_cycle_or_too_deep_a_value_is_refused_briefly(value: object) -> None:
    with pytest.raises(EncodeError, match="100 levels, or contains itself") as refused:
        to_json(value, "result")
    assert refused.value.path.startswith("result")
    assert len(refused.value.path) <= 200


def test_a_value_of_100_levels_is_fine() -> None:
    value = nested(100)
    assert to_json(value, "result") == value
    assert msgspec.json.decode(msgspec.json.encode(to_json(value, "result"))) == value


@given(json_values())
def test_json_becomes_itself_and_reads_back_the_same(value: Json) -> None:
    found = to_json(value, "value")
    assert found == value
    again = msgspec.json.decode(msgspec.json.encode(found))
    assert again == value
    assert repr(again) == repr(value)


@given(json_values())
def test_what_is_given_back_shares_nothing_with_what_was_given(value: Json) -> None:
    given_value: dict[str, Any] = {"k": value, "list": [1], "object": {}}
    found = to_json_object(given_value, "value")
    given_value["list"].append(2)
    given_value["object"]["new"] = 1
    assert found == {"k": value, "list": [1], "object": {}}


@pytest.mark.parametrize("value", [None, 7, "text", [1], (1,)], ids=str)
def test_what_is_no_object_is_refused_where_one_is_needed(value: object) -> None:
    with pytest.raises(EncodeError) as refused:
        to_json_object(value, "metadata")
    assert refused.value.path == "metadata"


@given(st.text(st.characters(categories=["Cs", "L"]), max_size=10))
def test_a_text_is_fine_exactly_if_it_can_be_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        with pytest.raises(InvalidInput, match=f"position {error.start}"):
            check_text(text, "title")
    else:
        check_text(text, "title")
