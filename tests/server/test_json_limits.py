"""The size of a JSON text is measured before it is parsed."""

from __future__ import annotations

import json
import random
from typing import Any, cast

import pytest

from recuerda.server import json_limits
from recuerda.server.faults import ApiFault
from recuerda.server.json_limits import JsonMeter
from recuerda.server.requests import CreateConversation, parse_body

TEXTS = ["", "a", '"', "\\", '\\"', "[{,", "]}", "\\\\", "é\u2028", "\n", '"\\"', 'x","y":[']


def some_json(draw: random.Random, depth: int) -> object:
    """Return a random JSON value."""
    kind = draw.randrange(6) if depth else draw.randrange(4)
    if kind == 4:
        return [some_json(draw, depth - 1) for _ in range(draw.randrange(4))]
    if kind == 5:
        return {draw.choice(TEXTS) + str(i): some_json(draw, depth - 1) for i in range(draw.randrange(4))}
    return draw.choice([draw.choice(TEXTS), draw.choice(TEXTS), draw.randrange(-9, 9), 1.5e3, None, True])


def inside(value: Any) -> list[Any] | None:
    """Return the values in an array or an object; None for another value."""
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value).values())
    return cast("list[Any]", value) if isinstance(value, list) else None


def depth_of(value: object) -> int:
    found = inside(value)
    return 0 if found is None else 1 + max((depth_of(item) for item in found), default=0)


def count_of(value: object) -> int:
    return 1 + sum(count_of(item) for item in inside(value) or ())


def faults(
    body: bytes, *, max_depth: int = 1000, max_values: int = 100_000, piece_bytes: int = 1_000_000
) -> str | None:
    """Return the code of the fault for a text that arrives in pieces; None if it is accepted."""
    meter = JsonMeter(max_depth=max_depth, max_values=max_values)
    try:
        for start in range(0, len(body), piece_bytes):
            meter.add(body[start : start + piece_bytes])
        meter.finish()
    except ApiFault as fault:
        return fault.code
    return None


def test_depth_is_exact_and_values_are_counted_once_whatever_the_strings_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = random.Random(7)
    for round_number in range(400):
        monkeypatch.setattr(json_limits, "_SLICE_BYTES", draw.choice([1, 2, 3, 7, 64, 10_000]))
        value = some_json(draw, 6)
        body = json.dumps(value, ensure_ascii=False, indent=draw.choice([None, 1])).encode()
        depth, count = depth_of(value), count_of(value)
        piece = draw.choice([1, 2, 5, 10_000])
        assert faults(body, max_depth=depth, piece_bytes=piece) is None, (round_number, body)
        if depth:
            assert faults(body, max_depth=depth - 1, piece_bytes=piece) == "json_too_deep", (round_number, body)
        # An empty array or object counts as two values, because its comma-free inside is not looked at.
        empty = body.count(b"[]") + body.count(b"{}") if count > 1 else 1
        assert faults(body, max_values=count + empty, piece_bytes=piece) is None, (round_number, body)
        if count > 1:
            assert faults(body, max_values=count - 1, piece_bytes=piece) == "request_too_large", (round_number, body)


def test_text_that_is_not_json_is_left_to_the_parser() -> None:
    for body in (b"", b"]" * 9, b"[" * 9, b"[}" * 9, b'"', b'"\\', b"\\\\\\", b"\xff", b'{"a":'):
        assert faults(body, max_depth=10) is None, body


def test_a_wrong_key_is_named_by_the_path_of_its_object() -> None:
    with pytest.raises(ApiFault) as caught:
        parse_body(json.dumps({"metadata": {"k" * 65: "v"}}).encode(), CreateConversation)
    assert caught.value.param == "metadata"


def test_a_flood_of_quotes_digits_or_brackets_is_refused() -> None:
    assert faults(b'"' * 1_000_000, max_values=1000) == "request_too_large"
    assert faults(b"[" * 1_000_000, max_values=1000) == "request_too_large"
    assert faults(b"]" * 1_000_000, max_values=1000) == "request_too_large"
    assert faults(b'{"a":' + b"9" * 1_000_000 + b"}") == "number_too_long"
    assert faults(b'{"a":0.' + b"1" * 1_000_000 + b"}") == "number_too_long"
    assert faults(b'{"a":"' + b"9" * 1_000_000 + b'"}') is None
    assert faults(b"{" + b" " * 1_000_000 + b"}") is None
