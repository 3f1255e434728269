"""Hypothesis strategies for everything that a thread can hold.

Every value that they draw can be stored and reads back equal. Odd values are likely: empty and long texts, all scripts
and emoji, control characters, integers of more than 64 bits, and parts of kinds that do not exist yet.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from recuerda.json_value import Json, JsonObject
from recuerda.messages.message import (
    KNOWN_CONTENTS,
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
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

__all__ = [
    "contents",
    "json_objects",
    "json_values",
    "messages",
    "thread_ids",
    "turns",
    "unknown_contents",
    "usages",
]

_TAGS = [kind.__struct_config__.tag for kind in KNOWN_CONTENTS]
_OPTIONAL_TEXT = st.none() | st.text(max_size=20)
_DETAILS = st.sampled_from([None, "low", "high", "auto"])


def json_values() -> st.SearchStrategy[Json]:
    """Draw nested JSON values. Integers have any size; there are no NaN, no infinities and no lone surrogates."""
    numbers = st.integers() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False)
    scalars = st.none() | st.booleans() | numbers | st.text(max_size=20)
    return st.recursive(scalars, _containers, max_leaves=8)


def json_objects() -> st.SearchStrategy[JsonObject]:
    """Draw JSON objects."""
    return st.dictionaries(st.text(max_size=10), json_values(), max_size=4)


def contents() -> st.SearchStrategy[AnyContent]:
    """Draw message parts of every known kind and of unknown kinds."""
    return st.one_of(
        _part(TextContent, text=st.text()),
        _part(TextReasoningContent, text=st.text(), protected_data=_OPTIONAL_TEXT),
        _part(
            UriContent,
            uri=st.text(min_size=1, max_size=40),
            media_type=st.sampled_from(["image/png", "text/plain"]),
            name=_OPTIONAL_TEXT,
            detail=_DETAILS,
        ),
        _data(),
        _part(HostedFileContent, file_id=st.text(), media_type=_OPTIONAL_TEXT, name=_OPTIONAL_TEXT, detail=_DETAILS),
        _part(FunctionCallContent, call_id=st.text(), name=st.text(), arguments=st.text() | json_objects()),
        _part(FunctionResultContent, call_id=st.text(), result=json_values(), is_error=st.booleans()),
        _part(
            FunctionResultContent,
            call_id=st.text(),
            result=json_values(),
            parts=st.lists(_data() | _part(TextContent, text=st.text()), min_size=1, max_size=3).map(tuple),
        ),
        _part(UsageContent, usage=usages()),
        _part(RefusalContent, refusal=st.text()),
        unknown_contents(),
    )


def _data() -> st.SearchStrategy[Any]:
    return _part(
        DataContent, data=st.binary(max_size=60), media_type=st.just("image/png"), name=_OPTIONAL_TEXT, detail=_DETAILS
    )


def unknown_contents() -> st.SearchStrategy[UnknownContent]:
    """Draw message parts of a future version: of a new kind, or of a known kind with a new field."""
    new_kinds = st.fixed_dictionaries({"type": st.text().filter(lambda kind: kind not in _TAGS)})
    new_fields = st.fixed_dictionaries({"type": st.sampled_from(_TAGS), "a field of tomorrow": json_values()})
    return st.builds(_unknown, json_objects(), new_kinds | new_fields)


def usages() -> st.SearchStrategy[Usage]:
    """Draw token counts."""
    counts = st.integers(0, 2**63)
    return st.builds(Usage, counts, counts, counts, counts, counts)


def messages() -> st.SearchStrategy[ChatMessage]:
    """Draw messages of any role with no part, one part or several parts."""
    return st.builds(
        ChatMessage,
        st.sampled_from(["system", "user", "assistant", "tool"]) | st.text(min_size=1, max_size=10),
        st.text() | st.lists(contents(), max_size=4),
        author_name=_OPTIONAL_TEXT,
        message_id=_OPTIONAL_TEXT,
        additional_properties=st.none() | json_objects(),
    )


def turns() -> st.SearchStrategy[Turn]:
    """Draw turns of one to five messages."""
    return st.lists(messages(), min_size=1, max_size=5).flatmap(_turns_of)


def thread_ids() -> st.SearchStrategy[str]:
    """Draw valid ids of threads, turns and users."""
    anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=128)
    hostile = st.sampled_from(["../../etc/passwd", "CON", "a/b", "A", "a", "a.", "a ", "%00", "'; --", "🐧", "x" * 512])
    return anything | hostile


def _part(kind: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **fields, additional_properties=st.none() | json_objects())


def _unknown(fields: JsonObject, decisive: JsonObject) -> UnknownContent:
    return UnknownContent({**fields, **decisive})


def _turns_of(messages_of_turn: list[ChatMessage]) -> st.SearchStrategy[Turn]:
    counts = st.integers(0, len(messages_of_turn))
    return st.builds(
        Turn,
        messages=st.just(tuple(messages_of_turn)),
        input_count=counts,
        usage=st.none() | usages(),
        runs=st.none() | _runs(),
    )


def _runs() -> st.SearchStrategy[TurnRuns]:
    times = st.none() | st.integers(0, 10**17)
    return st.builds(TurnRuns, took_ms=st.integers(0, 10**14), count=st.integers(1, 100), began_us=times)


def _containers(items: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    lists: st.SearchStrategy[Json] = st.lists(items, max_size=4)
    objects: st.SearchStrategy[Json] = st.dictionaries(st.text(max_size=10), items, max_size=4)
    return lists | objects
