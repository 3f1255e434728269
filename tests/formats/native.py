"""Conversations as other programs write them, and the threads that they become."""

from __future__ import annotations

import asyncio
import json
from io import StringIO
from typing import Any

from recuerda.formats import MovedThread, read, write
from recuerda.formats.source import Given
from recuerda.messages.message import AnyContent

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

NATIVE: dict[str, list[dict[str, Any]]] = {
    "openai-chat": [
        {"role": "system", "content": "Answer briefly."},
        {
            "role": "user",
            "name": "riker",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":"pixel"}'}},
                {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "grey"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "small"}]},
        {"role": "assistant", "content": "A grey pixel.", "refusal": None, "annotations": []},
        {"role": "user", "content": "yes"},
        {"role": "assistant", "content": "Fine.", "reasoning_content": "The user agrees."},
        {"role": "user", "content": "yes"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ],
}
"""One conversation for each list format: three turns, with a picture, two calls and their results."""

LISTS = tuple(NATIVE)


def threads(given: Given, format: str | None = None) -> list[MovedThread]:
    """Return the threads of a source."""

    async def collect() -> list[MovedThread]:
        return [thread async for thread in read(given, format)]

    return asyncio.run(collect())


def as_bytes(value: object) -> bytes:
    return json.dumps(value).encode()


def written(found: list[MovedThread], format: str) -> tuple[str, dict[str, int]]:
    """Return threads in a format, and the losses of the first thread."""
    file = StringIO()
    losses = write(found, format, file)
    return file.getvalue(), dict(losses.get(found[0].id, {}))


def parts(thread: MovedThread) -> list[AnyContent]:
    return [part for message in thread.messages for part in message.contents]


def kinds(thread: MovedThread) -> list[str]:
    return [type(part).__name__.removesuffix("Content") for part in parts(thread)]
