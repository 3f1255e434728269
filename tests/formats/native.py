"""Conversations as other programs write them, and the threads that they become."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

from recuerda.formats import Departure, MovedThread, read, write
from recuerda.formats.source import Given
from recuerda.messages.message import AnyContent

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

_NO = {"type": "text", "text": "no"}
_LC = ("langchain", "schema", "messages")

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
    "openai-responses": [
        {"role": "developer", "content": "Answer briefly."},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"},
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Look."}],
            "encrypted_content": "x",
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "c1",
            "name": "look",
            "arguments": "{}",
            "status": "completed",
        },
        {"type": "function_call_output", "call_id": "c1", "output": "grey"},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "A grey pixel.", "annotations": []}],
        },
        {"role": "user", "content": "yes"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "grey"}},
        {"role": "assistant", "content": "Fine."},
        {"role": "user", "content": "yes"},
        {"role": "assistant", "content": "Good."},
    ],
    "anthropic": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Look.", "signature": "sig"},
                {"type": "redacted_thinking", "data": "sealed"},
                {"type": "text", "text": "I look.", "citations": None},
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "pixel"}},
                {"type": "tool_use", "id": "c2", "name": "look", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "grey"},
                {
                    "type": "tool_result",
                    "tool_use_id": "c2",
                    "content": [{"type": "text", "text": "no"}],
                    "is_error": True,
                },
            ],
        },
        {"role": "assistant", "content": "A grey pixel."},
        {"role": "user", "content": "yes"},
        {"role": "assistant", "content": [{"type": "text", "text": "Fine."}]},
        {"role": "user", "content": "yes"},
        {"role": "assistant", "content": "Good."},
    ],
    "langchain": [
        {"type": "system", "data": {"content": "Answer briefly.", "type": "system", "id": "m0"}},
        {
            "type": "human",
            "data": {
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                    {"type": "image", "base64": PNG, "mime_type": "image/png"},
                ],
                "id": "m1",
                "name": "riker",
            },
        },
        {
            "type": "ai",
            "data": {
                "content": [
                    {"type": "thinking", "thinking": "Look."},
                    {"type": "tool_use", "id": "c1", "name": "look"},
                ],
                "tool_calls": [{"name": "look", "args": {"at": "pixel"}, "id": "c1", "type": "tool_call"}],
                "usage_metadata": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
                "id": "m2",
            },
        },
        {"type": "tool", "data": {"content": "grey", "tool_call_id": "c1", "status": "success", "artifact": None}},
        {"type": "ai", "data": {"content": "A grey pixel.", "tool_calls": []}},
        {
            "lc": 1,
            "type": "constructor",
            "id": [*_LC, "HumanMessage"],
            "kwargs": {"content": "yes"},
        },
        {
            "lc": 1,
            "type": "constructor",
            "id": [*_LC, "AIMessage"],
            "kwargs": {"content": "Fine."},
        },
        {"type": "human", "content": "yes"},
        {"type": "ai", "content": "Good."},
    ],
    "pydantic-ai": [
        {
            "kind": "request",
            "instructions": "Answer briefly.",
            "parts": [
                {
                    "part_kind": "user-prompt",
                    "content": ["What is this?", {"kind": "binary", "data": PNG, "media_type": "image/png"}],
                    "timestamp": "2026-01-02T03:04:05Z",
                }
            ],
        },
        {
            "kind": "response",
            "model_name": "m",
            "parts": [
                {"part_kind": "thinking", "content": "Look."},
                {"part_kind": "tool-call", "tool_name": "look", "args": {"at": "pixel"}, "tool_call_id": "c1"},
            ],
        },
        {
            "kind": "request",
            "parts": [{"part_kind": "tool-return", "tool_name": "look", "content": "grey", "tool_call_id": "c1"}],
        },
        {"kind": "response", "parts": [{"part_kind": "text", "content": "A grey pixel."}]},
        {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "yes"}]},
        {"kind": "response", "parts": [{"part_kind": "text", "content": "Fine."}]},
        {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "yes"}]},
        {"kind": "response", "parts": [{"part_kind": "text", "content": "Good."}]},
    ],
    "vercel": [
        {
            "id": "u1",
            "role": "user",
            "parts": [
                {"type": "text", "text": "What is this?"},
                {"type": "file", "mediaType": "image/png", "filename": "a.png", "url": f"data:image/png;base64,{PNG}"},
            ],
        },
        {
            "id": "a1",
            "role": "assistant",
            "metadata": {"createdAt": 1767323045000},
            "parts": [
                {"type": "step-start"},
                {"type": "reasoning", "text": "Look.", "state": "done", "providerMetadata": {"x": {"signature": "s"}}},
                {
                    "type": "tool-look",
                    "toolCallId": "c1",
                    "state": "output-available",
                    "input": {"at": 1},
                    "output": 7,
                },
                {
                    "type": "dynamic-tool",
                    "toolName": "look",
                    "toolCallId": "c2",
                    "state": "output-error",
                    "input": {},
                    "errorText": "No light.",
                },
                {"type": "step-start"},
                {"type": "text", "text": "A grey pixel.", "state": "done"},
                {"type": "source-url", "sourceId": "s1", "url": "https://example.org", "title": "Grey"},
                {"type": "data-weather", "id": "w", "data": {"city": "Lima"}},
            ],
        },
        {"id": "u2", "role": "user", "parts": [{"type": "text", "text": "yes"}]},
        {"id": "a2", "role": "assistant", "parts": [{"type": "text", "text": "Fine."}]},
        {"id": "u3", "role": "user", "parts": [{"type": "text", "text": "yes"}]},
        {"id": "a3", "role": "assistant", "parts": [{"type": "text", "text": "Good."}]},
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


def departed(found: list[MovedThread], format: str) -> tuple[str, list[Departure]]:
    """Return threads in a format of text, and the result for each thread."""
    file = StringIO()
    with ThreadPoolExecutor(1) as thread:  # a test may have a running loop of its own
        departures = thread.submit(asyncio.run, write(found, format, file)).result()
    return file.getvalue(), departures


FACTS = {"turn", "interruption", "turn metadata key", "turn id",
         "time", "title", "user", "metadata key", "tag", "parent", "archived mark", "usage count", "duration",
         "name", "message id", "property"}  # fmt: skip


def written(found: list[MovedThread], format: str) -> tuple[str, dict[str, int]]:
    """Return threads in a format, and the lost parts of the first thread."""
    text, departures = departed(found, format)
    return text, {kind: number for kind, number in departures[0].losses.items() if kind not in FACTS}


def parts(thread: MovedThread) -> list[AnyContent]:
    return [part for message in thread.messages for part in message.contents]


def kinds(thread: MovedThread) -> list[str]:
    return [type(part).__name__.removesuffix("Content") for part in parts(thread)]
