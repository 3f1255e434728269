"""Formats that are lists of messages: what comes in goes out unchanged, and what cannot go out is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recuerda import (
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
    Usage,
    UsageContent,
)
from recuerda.errors import StateError
from recuerda.formats import MovedThread, MovedTurn
from recuerda.formats.losses import counted
from recuerda.formats.message_lists import ListFormat
from recuerda.formats.registry import READABLE, format_of
from recuerda.messages import Turn
from recuerda.storage.thread_info import ThreadParent
from tests.formats.native import LISTS, NATIVE, as_bytes, departed, kinds, parts, threads, written

PLAIN = [
    ChatMessage("user", "What is the weather in Lima?"),
    ChatMessage("assistant", FunctionCallContent("c1", "weather", '{"city":"Lima"}')),
    ChatMessage("tool", FunctionResultContent("c1", "18 degrees")),
    ChatMessage("assistant", "It has 18 degrees."),
]


def list_of(name: str) -> ListFormat:
    read: Any = format_of(name, READABLE).read
    return read.__self__


def items_of(text: str, name: str) -> list[Any]:
    (line,) = text.splitlines()
    return json.loads(line)[list_of(name).key]


@pytest.mark.parametrize("name", LISTS)
def test_what_was_read_is_written_unchanged(name: str) -> None:
    found = threads(as_bytes(NATIVE[name]), name)
    assert [len(found), len(found[0].turns)] == [1, 3]
    text, losses = written(found, name)
    assert items_of(text, name) == NATIVE[name]
    assert losses == {}
    assert {"Text", "FunctionCall", "FunctionResult"} <= set(kinds(found[0]))
    assert any(isinstance(part, DataContent) and part.data[:4] == b"\x89PNG" for part in parts(found[0]))


@pytest.mark.parametrize("name", LISTS)
def test_each_way_to_write_a_list_is_read(name: str) -> None:
    items, key = NATIVE[name], list_of(name).key
    whole = {"id": "riker", "title": "Pixels", "user_id": "ana", key: items}
    (bare,) = threads(as_bytes(items), name)
    for content in (
        as_bytes(whole),
        as_bytes([whole]),
        as_bytes(whole) + b"\n\n",
        json.dumps(whole, indent=1).encode(),
    ):
        (found,) = threads(b"\xef\xbb\xbf" + content)
        assert (found.id, found.title, found.user_id) == ("riker", "Pixels", "ana")
        assert found.turns == bare.turns
    lines = b"\n".join(map(as_bytes, items))
    assert threads(lines, name) == [bare]
    several = threads(as_bytes(whole) + b"\n" + as_bytes({**whole, "id": "two"}), name)
    assert [one.id for one in several] == ["riker", "two"]


@pytest.mark.parametrize("name", LISTS)
def test_a_thread_of_ours_keeps_its_words_its_calls_and_their_results(name: str) -> None:
    thread = MovedThread(id="riker", title="Lima", turns=(MovedTurn(id="t1", turn=Turn(messages=tuple(PLAIN))),))
    text, losses = written([thread], name)
    (found,) = threads(text.encode(), name)
    assert (found.id, found.title, losses, len(found.turns)) == ("riker", "Lima", {}, 1)
    assert [message.text for message in found.messages if message.text] == [PLAIN[0].text, PLAIN[3].text]
    (call,) = (part for part in parts(found) if isinstance(part, FunctionCallContent))
    (result,) = (part for part in parts(found) if isinstance(part, FunctionResultContent))
    arguments = json.loads(call.arguments) if isinstance(call.arguments, str) else call.arguments
    assert (call.call_id, call.name, arguments) == ("c1", "weather", {"city": "Lima"})
    assert (result.call_id, result.result, result.is_error) == ("c1", "18 degrees", False)


SOME_PARTS = st.sampled_from(
    [
        TextContent("hello"),
        TextContent(""),
        TextReasoningContent("Hm.", "sealed"),
        UriContent("https://example.org/a.png", "image/png"),
        UriContent("https://example.org/a.pdf", "application/pdf"),
        DataContent(b"\x89PNG", "image/png"),
        DataContent(b"RIFF", "audio/wav"),
        DataContent(b"%PDF", "application/pdf", "a.pdf"),
        FunctionCallContent("c1", "look", {"at": [1, None, "x"]}),
        FunctionCallContent("c2", "look", "not JSON"),
        FunctionResultContent("c1", {"seen": [1.5, True]}),
        FunctionResultContent("c1", "failed", is_error=True),
        RefusalContent("No."),
        UsageContent(Usage(1, 2, 3)),
        UnknownContent({"type": "of tomorrow", "value": 1}),
    ]
)
SOME_MESSAGES = st.builds(
    ChatMessage,
    st.sampled_from(["system", "user", "assistant", "tool", "critic"]),
    st.lists(SOME_PARTS, max_size=3),
    author_name=st.sampled_from([None, "Ana"]),
    message_id=st.sampled_from([None, "m1"]),
)


@pytest.mark.parametrize("name", LISTS)
@settings(max_examples=40, deadline=None)
@given(drawn=st.lists(SOME_MESSAGES, min_size=1, max_size=5))
def test_any_thread_is_written_and_what_is_missing_is_counted(name: str, drawn: list[ChatMessage]) -> None:
    thread = MovedThread(id="riker", turns=(MovedTurn(id="t", turn=Turn(messages=tuple(drawn))),))
    text, losses = written([thread], name)
    assert text.count("\n") == 1
    again = threads(text.encode(), name)
    assert items_of(written(again, name)[0], name) == items_of(text, name)
    before, after = counted(parts(thread)), counted(parts(again[0]))
    for kind in ("image", "reasoning part", "tool call", "tool result"):
        assert after.get(kind, 0) >= before.get(kind, 0) - losses.get(kind, 0)
    assert sum(losses.values()) <= len(parts(thread))


TIMES = st.none() | st.integers(0, 4_000_000_000_000_000)
TURNS = st.builds(
    MovedTurn,
    id=st.uuids().map(str),
    turn=st.builds(
        Turn,
        messages=st.lists(SOME_MESSAGES, min_size=1, max_size=3).map(tuple),
        is_interrupted=st.booleans(),
        error=st.sampled_from([None, "the service failed"]),
        usage=st.sampled_from([None, Usage(1, 2, 3)]),
        metadata=st.sampled_from([None, {"trace": "a1"}]),
    ),
    created_us=TIMES,
)
THREADS = st.builds(
    MovedThread,
    id=st.sampled_from(["riker", "a/b c"]),
    title=st.sampled_from([None, "Lima"]),
    user_id=st.sampled_from([None, "ana"]),
    metadata=st.sampled_from([{}, {"a": [1, None], "shown": True}]),
    parent=st.sampled_from([None, ThreadParent(thread_id="first", turn_id="t0", number=1, turns=1)]),
    archived=st.booleans(),
    tags=st.sampled_from([(), ("a", "b")]),
    turns=st.lists(TURNS, max_size=4).map(tuple),
)


def facts(thread: MovedThread, turns: set[str]) -> list[object]:
    """Return the facts of a thread that come back, with those of some turns."""
    return [
        *(thread.id, thread.title, thread.user_id, thread.metadata, thread.parent, thread.archived, thread.tags),
        *((one.id, one.created_us, one.turn.error, one.turn.is_interrupted, one.turn.usage, one.turn.metadata)
          for one in thread.turns if one.id in turns),
    ]  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
@settings(max_examples=20, deadline=None)
@given(thread=THREADS)
def test_times_ids_turns_tags_metadata_and_parents_come_back(name: str, thread: MovedThread) -> None:
    text, (departure,) = departed([thread], name)
    (found,) = threads(text.encode(), name)
    turns = {turn.id for turn in found.turns}
    assert len(turns) == len(thread.turns) - departure.losses.get("turn", 0)
    assert facts(found, turns) == facts(thread, turns)
    assert departure.supplement.get("turn id", 0) == len(thread.turns)


def test_messages_that_another_program_has_added_become_new_turns() -> None:
    first = MovedTurn(id="t1", turn=Turn(messages=tuple(PLAIN)), created_us=1_700_000_000_000_000)
    text, _ = written([MovedThread(id="riker", turns=(first,))], "openai-chat")
    data = json.loads(text)
    data["messages"] += [{"role": "user", "content": "Thanks"}, {"role": "assistant", "content": "Fine."}]
    (longer,) = threads(as_bytes(data))
    assert [len(turn.turn.messages) for turn in longer.turns] == [4, 2]
    assert (longer.turns[0].id, longer.turns[0].created_us) == ("t1", 1_700_000_000_000_000)
    data["messages"] = data["messages"][-2:]
    (shorter,) = threads(as_bytes(data))
    assert [len(turn.turn.messages) for turn in shorter.turns] == [2]
    data["recuerda"] = {"turns": [{"id": "t1", "entries": "four"}]}
    with pytest.raises(StateError, match='the key "recuerda" cannot be read'):
        threads(as_bytes(data))


@pytest.mark.parametrize("name", LISTS)
def test_a_picture_in_a_result_is_counted(name: str) -> None:
    picture = FunctionResultContent("c1", parts=(TextContent("grey"), DataContent(b"\x89PNG", "image/png")))
    messages = (*PLAIN[:2], ChatMessage("tool", picture))
    text, losses = written([MovedThread(id="a", turns=(MovedTurn(id="t", turn=Turn(messages=messages)),))], name)
    assert "grey" in text
    assert losses == ({} if name in ("openai-responses", "pydantic-ai") else {"image": 1})


@pytest.mark.parametrize("name", LISTS)
def test_a_damaged_list_names_the_place(name: str) -> None:
    items = as_bytes(NATIVE[name])
    for content, told in (
        (items[:-20], "the end of the file"),
        (b'[{"role": "user",\n "content" "hi"}]', "line 2, column 12"),
        (b"[1]", "element 1"),
        (as_bytes(NATIVE[name][0]) + b"\n{oh", "line 2"),
        (as_bytes({list_of(name).key: [None]}), f"{list_of(name).key}[0]"),
    ):
        with pytest.raises(StateError) as raised:
            threads(content, name)
        assert told in str(raised.value)
