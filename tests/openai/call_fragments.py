"""How services cut parallel tool calls into the chunks of a stream, and the calls that each stream means."""

from __future__ import annotations

Fragment = dict[str, object]
ExpectedCall = tuple[str | None, str, str]
"""A call's id, where the service gave one, its name and its arguments."""


def fragment(
    arguments: str | None = None, *, index: int | None = None, id: str | None = None, name: str | None = None
) -> Fragment:
    """Return one fragment of a call, with the fields that are given and no others."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields = {"index": index, "id": id, "function": function}
    return {key: value for key, value in fields.items() if value is not None}


ADD = ("x", "add", '{"a":1}')
SUB = ("y", "sub", '{"b":2}')
NAMELESS_ADD: ExpectedCall = (None, "add", '{"a":1}')
NAMELESS_SUB: ExpectedCall = (None, "sub", '{"b":2}')

STREAMS: dict[str, tuple[list[Fragment], list[ExpectedCall]]] = {
    "one after the other": (
        [
            fragment("", index=0, id="x", name="add"),
            fragment('{"a":', index=0),
            fragment("1}", index=0),
            fragment("", index=1, id="y", name="sub"),
            fragment('{"b":2}', index=1),
        ],
        [ADD, SUB],
    ),
    "alternating": (
        [
            fragment("", index=0, id="x", name="add"),
            fragment("", index=1, id="y", name="sub"),
            fragment('{"a":', index=0),
            fragment('{"b":', index=1),
            fragment("1}", index=0),
            fragment("2}", index=1),
        ],
        [ADD, SUB],
    ),
    "alternating, each with its id": (
        [
            fragment("", index=0, id="x", name="add"),
            fragment("", index=1, id="y", name="sub"),
            fragment('{"a":', index=0, id="x"),
            fragment('{"b":', index=1, id="y"),
            fragment("1}", index=0, id="x"),
            fragment("2}", index=1, id="y"),
        ],
        [ADD, SUB],
    ),
    "alternating, each with its id and its name": (
        [
            fragment('{"a":', index=0, id="x", name="add"),
            fragment('{"b":', index=1, id="y", name="sub"),
            fragment("1}", index=0, id="x", name="add"),
            fragment("2}", index=1, id="y", name="sub"),
        ],
        [ADD, SUB],
    ),
    "alternating under one index": (
        [
            fragment('{"a":', index=0, id="x", name="add"),
            fragment('{"b":', index=0, id="y", name="sub"),
            fragment("1}", index=0, id="x"),
            fragment("2}", index=0, id="y"),
        ],
        [ADD, SUB],
    ),
    "alternating by their ids alone": (
        [
            fragment('{"a":', id="x", name="add"),
            fragment('{"b":', id="y", name="sub"),
            fragment("1}", id="x"),
            fragment("2}", id="y"),
        ],
        [ADD, SUB],
    ),
    "alternating by their indexes alone": (
        [
            fragment("", index=0, name="add"),
            fragment("", index=1, name="sub"),
            fragment('{"a":', index=0),
            fragment('{"b":', index=1),
            fragment("1}", index=0),
            fragment("2}", index=1),
        ],
        [NAMELESS_ADD, NAMELESS_SUB],
    ),
    "the higher index first": (
        [
            fragment('{"a":', index=1, id="x", name="add"),
            fragment('{"b":', index=0, id="y", name="sub"),
            fragment("1}", index=1),
            fragment("2}", index=0),
        ],
        [ADD, SUB],
    ),
    "only the first fragment has an index": (
        [
            fragment('{"a":', index=0, id="x", name="add"),
            fragment("1}"),
            fragment('{"b":', index=1, id="y", name="sub"),
            fragment("2}"),
        ],
        [ADD, SUB],
    ),
    "neither ids nor indexes": (
        [fragment('{"a":', name="add"), fragment("1}"), fragment('{"b":', name="sub"), fragment("2}")],
        [NAMELESS_ADD, NAMELESS_SUB],
    ),
    "whole calls under one index, without ids": (
        [fragment('{"a":1}', index=0, name="add"), fragment('{"b":2}', index=0, name="sub")],
        [NAMELESS_ADD, NAMELESS_SUB],
    ),
    "the last fragment repeats the name": (
        [
            fragment('{"a":1}', index=0, id="x", name="add"),
            fragment("", index=0, name="add"),
            fragment('{"b":2}', index=1, id="y", name="sub"),
            fragment("", index=1, name="sub"),
        ],
        [ADD, SUB],
    ),
    "another id with every fragment": (
        [
            fragment('{"a":', index=0, id="x", name="add"),
            fragment("1}", index=0, id="x2"),
            fragment('{"b":', index=1, id="y", name="sub"),
            fragment("2}", index=1, id="y2"),
        ],
        [ADD, SUB],
    ),
    "half a character at the end of a fragment": (
        [
            fragment('{"a":"\ud83d', index=0, id="x", name="add"),
            fragment('{"b":"\ud83d', index=1, id="y", name="sub"),
            fragment('\ude00"}', index=0),
            fragment('"}', index=1),
        ],
        [("x", "add", '{"a":"😀"}'), ("y", "sub", '{"b":"\ufffd"}')],
    ),
    "a text between the fragments": (
        [fragment('{"a":', index=0, id="x", name="add"), {}, fragment("1}", index=0)],
        [ADD],
    ),
}
