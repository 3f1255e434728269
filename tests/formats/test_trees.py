"""Formats that keep a conversation as a tree: threads and branches go out, and come back as they were."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from recuerda import (
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    MemoryStorage,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
    Usage,
)
from recuerda.formats import Departure, MovedThread, MovedTurn, import_threads, stored_thread, write
from recuerda.messages import Turn
from recuerda.storage.thread_info import ThreadParent
from tests.formats.native import parts, threads
from tests.formats.test_archives import PIXEL, calls, chatgpt_archive, said, sample, zipped
from tests.formats.test_lists import THREADS, facts

TREES = ["chatgpt", "claude", "librechat", "open-webui"]

FIRST = 1_700_000_000_123_456


def saved(found: Sequence[MovedThread], format: str, folder: Path) -> tuple[Path, list[Departure]]:
    """Write threads to a new file or folder, and return its path with the result for each thread."""
    path = folder / f"{format}-{len(list(folder.iterdir()))}"
    with ThreadPoolExecutor(1) as thread:  # a test may have a running loop of its own
        return path, thread.submit(asyncio.run, write(found, format, path)).result()


def turn(turn_id: str, *messages: ChatMessage, created_us: int = FIRST) -> MovedTurn:
    return MovedTurn(id=turn_id, turn=Turn(messages=messages, usage=Usage(1, 2, 3)), created_us=created_us)


ONE = turn(
    "t1", ChatMessage("user", ["Look:", DataContent(PIXEL, "image/png", "a.png")]), ChatMessage("assistant", "Grey.")
)
TWO = turn(
    "t2",
    ChatMessage("user", "How is the weather?"),
    ChatMessage(
        "assistant",
        [
            TextReasoningContent("Hm."),
            TextContent("One moment."),
            FunctionCallContent("c1", "weather", {"city": "Lima"}),
            FunctionCallContent("c2", "weather", {"city": "Quito"}),
        ],
        additional_properties={"model": "m1"},
    ),
    ChatMessage("tool", [FunctionResultContent("c1", "18 degrees"), FunctionResultContent("c2", "9 degrees")]),
    ChatMessage("assistant", "It is warmer in Lima."),
    created_us=FIRST + 5_000_000,
)  # fmt: skip
OTHER = turn("t3", ChatMessage("user", "Who are you?"), ChatMessage("assistant", "A program."))
LAST = turn("t4", ChatMessage("user", "Really?"), ChatMessage("assistant", "Really."))
FAMILY = [
    MovedThread(id="main", title="Pixels", user_id="ana", turns=(ONE, TWO), metadata={"a": [1]}, tags=("work",)),
    MovedThread(
        id="fork",
        title="Again",
        user_id="ana",
        turns=(ONE, OTHER, LAST),
        archived=True,
        metadata={"shown": True},
        parent=ThreadParent(thread_id="main", turn_id="t1", number=1, turns=1),
    ),
    MovedThread(
        id="deep",
        user_id="ana",
        turns=(ONE, OTHER),
        parent=ThreadParent(thread_id="fork", turn_id="t3", number=2, turns=2),
    ),
]


@pytest.mark.parametrize("name", TREES)
def test_a_thread_and_its_branches_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    path, departures = saved(FAMILY, name, tmp_path)
    found = threads(path, name)
    assert [facts(one, {"t1", "t2", "t3", "t4"}) for one in found] == [
        facts(one, {"t1", "t2", "t3", "t4"}) for one in FAMILY
    ]
    assert threads(path) == found
    assert [said(one) for one in found] == [said(one) for one in FAMILY]
    assert [call[0:3:2] for call in calls(found[0])] == [("weather", "18 degrees"), ("weather", "9 degrees")]
    assert [part.data for part in parts(found[1]) if isinstance(part, DataContent)] == [PIXEL]
    assert [dict(one.losses) for one in departures] == [{}, {}, {}]
    assert [one.supplement["turn id"] for one in departures] == [2, 3, 2]
    assert [dict(one.losses) for one in found] == [{}, {}, {}]


@pytest.mark.parametrize("name", TREES)
def test_without_the_facts_of_ours_the_branches_still_come_back(name: str, tmp_path: Path) -> None:
    path, _ = saved(FAMILY, name, tmp_path)
    if name in ("librechat", "open-webui"):
        data = json.loads(path.read_text())
        del (data[0] if name == "open-webui" else data)["recuerda"]
        found = threads(json.dumps(data).encode(), name)
    else:
        (data,) = json.loads(unzipped(path)["conversations.json"])
        del data["recuerda"]
        found = threads(zipped({**unzipped(path), "conversations.json": json.dumps([data]).encode()}), name)
    assert [said(one) for one in found] == [said(FAMILY[0]), said(FAMILY[1])]
    assert found[1].parent is not None
    assert (found[0].title, found[1].parent.thread_id, found[1].parent.turns) == ("Pixels", "main", 1)
    assert [len(one.turns) for one in found] == [2, 3]
    times = {one.created_us // 1_000_000 for thread in found for one in thread.turns if one.created_us}
    assert times == {FIRST // 1_000_000, FIRST // 1_000_000 + 5}


def unzipped(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", TREES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(thread=THREADS, cut=st.integers(0, 3), others=THREADS)
def test_any_thread_and_a_branch_come_back(
    name: str, thread: MovedThread, cut: int, others: MovedThread, tmp_path: Path
) -> None:
    first = structs.replace(thread, parent=None)
    shared = min(cut, len(first.turns))
    parent = ThreadParent(
        thread_id=first.id, turn_id=first.turns[shared - 1].id if shared else None, number=shared, turns=shared
    )
    branch = structs.replace(others, id="branch", parent=parent, turns=(*first.turns[:shared], *others.turns))
    path, departures = saved([first, branch], name, tmp_path)
    found = threads(path, name)
    assert [one.thread_id for one in departures] == [one.id for one in found] == [first.id, "branch"]
    for one, departure, back in zip((first, branch), departures, found, strict=True):
        turns = {turn.id for turn in back.turns}
        assert facts(back, turns) == facts(one, turns)
        assert len(turns) == len(one.turns) - departure.losses.get("turn", 0)
        for kind, name_of in ((FunctionCallContent, "tool call"), (FunctionResultContent, "tool result")):
            before, after = (sum(isinstance(part, kind) for part in parts(each)) for each in (one, back))
            assert after >= before - departure.losses.get(name_of, 0)


@pytest.mark.parametrize("name", TREES)
async def test_an_archive_goes_through_a_storage_and_comes_back(name: str, tmp_path: Path) -> None:
    storage, target = MemoryStorage(), MemoryStorage()
    given = chatgpt_archive() if name == "chatgpt" else sample(name.replace("-", "_"))
    arrivals = await import_threads(storage, given, name)
    before = [await stored_thread(storage, one.thread_id) for one in arrivals]
    path, _ = saved(before, name, tmp_path)
    for added in (sum(one.turns for one in arrivals), 0):
        again = await import_threads(target, path)
        assert ([one.thread_id for one in again], sum(one.added for one in again)) == (
            [one.thread_id for one in arrivals],
            added,
        )
    for one in before:
        moved = await stored_thread(target, one.id)
        assert said(moved) == said(one)
        assert facts(moved, {turn.id for turn in one.turns}) == facts(one, {turn.id for turn in one.turns})


def test_what_a_tree_has_no_place_for_is_counted(tmp_path: Path) -> None:
    odd = turn(
        "t1",
        ChatMessage("system", "Answer briefly."),
        ChatMessage("user", [UriContent("https://example.org/a.png", "image/png"), UnknownContent({"type": "x"})]),
        ChatMessage("assistant", TextReasoningContent("Hm.", "sealed"), author_name="Clerk"),
        ChatMessage("assistant", FunctionCallContent("c1", "look", {})),
        ChatMessage("tool", FunctionResultContent("c1", "failed", is_error=True)),
    )
    common = {"unknown part": 1, "reasoning signature": 1}
    expected: dict[str, dict[str, int]] = {
        "chatgpt": {**common, "image": 1},
        "claude": {**common, "image": 1, "name": 1},
        "librechat": {**common, "text": 1, "name": 1, "error mark": 1},
        "open-webui": {"unknown part": 1, "name": 1, "error mark": 1},
    }
    for name, losses in expected.items():
        _, (departure,) = saved([MovedThread(id="a", turns=(odd,))], name, tmp_path)
        assert (name, departure.losses) == (name, losses)
