"""Exports in recuerda's own format: a thread comes through every storage without a change."""

from __future__ import annotations

import json
import random
from typing import Any

from recuerda import (
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    MemoryStorage,
    Storage,
    TextContent,
    TextReasoningContent,
    Turn,
    Usage,
)
from recuerda.messages.codec import encode_turn
from recuerda.messages.files import offloaded
from recuerda.threads.transfer import export_lines, import_lines
from recuerda.threads.turn_line import encode_turn_body


def drawn_thread(number: int) -> list[str]:
    """Return the lines of a thread with pictures, times, ids, tags, metadata, and a parent, drawn at random."""
    drawn = random.Random(number)
    line: dict[str, object] = {
        "format": "recuerda-thread",
        "version": 1,
        "id": f"thread {number}",
        "user_id": "ana",
        "title": drawn.choice(["Lima", "\u2028 é"]),
        "metadata": {"a": drawn.choice([[1, None], {"b": 1.5}])},
    }
    if drawn.random() < 0.5:
        line["parent"] = {"thread_id": "first", "incarnation": "", "turn_id": "t0", "number": 1, "turns": 1}
    line |= {"archived": True} if drawn.random() < 0.5 else {}
    line |= {"tags": sorted(drawn.sample(["a", "b", "c"], 2))} if drawn.random() < 0.5 else {}
    line["updated_us"] = 1_700_000_000_000_000 + number
    return [json.dumps(line), *(drawn_turn(drawn, f"turn {at}") for at in range(drawn.randrange(1, 5)))]


def drawn_turn(drawn: random.Random, turn_id: str) -> str:
    picture = DataContent(drawn.randbytes(drawn.choice([10, 5_000])), "image/png", "a.png")
    said: list[Any] = ["Look:", picture] if drawn.random() < 0.5 else ["Hello \x85"]
    calls = [FunctionCallContent("c1", "look", {"at": drawn.random()})]
    messages, blobs = offloaded(
        (
            ChatMessage("user", said, author_name="Ana", message_id="m1"),
            ChatMessage("assistant", calls, additional_properties={"x": [1]}),
            ChatMessage("tool", FunctionResultContent("c1", "grey", is_error=drawn.random() < 0.5)),
            ChatMessage("assistant", [TextReasoningContent("Hm.", "sealed"), TextContent("Fine.")]),
        )
    )
    turn = Turn(messages=messages, usage=Usage(1, 2, 3), error=drawn.choice([None, "failed"]))
    created_us = drawn.randrange(1_600_000_000_000_000, 1_700_000_000_000_000)
    return encode_turn_body(turn_id, encode_turn(turn), created_us, blobs).decode()


async def test_any_thread_comes_through_a_storage_without_a_change(storage: Storage) -> None:
    for number in range(6):
        thread_id = f"thread {number}"
        first = MemoryStorage()
        await import_lines(first, drawn_thread(number))
        lines = [line async for line in export_lines(first, thread_id)]
        assert list(map(json.loads, lines)) == list(map(json.loads, drawn_thread(number)))
        for added in (len(lines) - 1, 0):
            (imported,) = await import_lines(storage, lines)
            assert (imported.added, imported.differing) == (added, 0)
        assert [line async for line in export_lines(storage, thread_id)] == lines
