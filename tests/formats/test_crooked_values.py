"""A value of a wrong type anywhere in a file is read, or is an error that names the place; nothing else happens."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, cast

import pytest

from recuerda.errors import MissingExtraError, StateError
from recuerda.formats import registry
from recuerda.formats.times import to_us
from recuerda.messages import encode_turn
from tests.formats.native import LISTS, NATIVE, threads, written
from tests.formats.test_archives import ARCHIVED, sample

VALUES: list[Any] = [None, 1, -1, "x", "", [], {}, True, [1], {"a": 1}, 1e300, [None], [{}], {"type": "text"}, [[]]]
FORMATS = {"librechat_tree": "librechat", "open_webui": "open-webui"}
TRIES = 25
_TIME = (0, "chat", "history", "messages", "w1", "timestamp")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, list):
        value = dict(enumerate(cast("list[Any]", value)))
    for key, one in cast("dict[Any, Any]", value).items() if isinstance(value, dict) else ():
        yield from places(one, (*path, key))


def crooked(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    changed = copy.deepcopy(value)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = other
    return changed


@pytest.mark.parametrize("name", [*ARCHIVED, *LISTS])
def test_a_crooked_value_is_read_or_is_an_error_that_names_the_place(name: str) -> None:
    whole = NATIVE[name] if name in NATIVE else json.loads(sample(name))
    drawn, spots, refused = random.Random(name), list(places(whole)), 0
    for _ in range(TRIES):
        content = json.dumps(crooked(whole, drawn.choice(spots), drawn.choice(VALUES))).encode()
        try:
            found = threads(content, FORMATS.get(name, name))
        except StateError:
            refused += 1
            continue
        for thread in found:
            for turn in thread.turns:
                encode_turn(turn.turn)
        written(found, "vercel") if found else None
    assert refused < TRIES


@pytest.mark.parametrize("time", [1e308, -1e308, 10**400, 1e19, -1, "1e308", True])
def test_a_time_that_no_calendar_has_is_no_time(time: object) -> None:
    (thread, *_) = threads(json.dumps(crooked(json.loads(sample("open_webui")), _TIME, time)).encode(), "open-webui")
    assert thread.turns[0].created_us in (None, 1700000002000000)
    assert to_us(time) is None


def test_a_format_whose_package_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_missing(package: str) -> bool:
        return package != "langgraph"

    monkeypatch.setattr(registry, "_is_installed", is_missing)
    with pytest.raises(MissingExtraError, match=r"recuerda\[langgraph\]"):
        threads(b"", "langgraph")
    assert threads(json.dumps(NATIVE["vercel"]).encode())
