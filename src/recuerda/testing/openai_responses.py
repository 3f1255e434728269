"""Scripted replies in the format of `POST /v1/responses`, whole and as a stream of server-sent events.

Unlike chat completions, this endpoint keeps its answers unless `store` is false, and can continue from a conversation
or from an earlier response. `openai_conversations` holds the kept objects, and `openai_response_rules` refuses invalid
requests. The shapes follow https://platform.openai.com/docs/api-reference/responses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from recuerda.testing.openai_conversations import ServiceThreads, StoredResponse, kept_items, named, shown
from recuerda.testing.openai_response_rules import ENCRYPTED, check_context, check_response_request
from recuerda.testing.openai_script import JSONObject, Reply, ToolCall, Usage
from recuerda.testing.openai_wire import CREATED, BadRequest, Dialect, Exchange, arguments_text, cut, encode

__all__ = ["responses_dialect"]

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def responses_dialect(threads: ServiceThreads) -> Dialect:
    """Return the behaviour of the Responses endpoint, with `threads` as its memory."""

    def check(body: JSONObject) -> None:
        check_response_request(body)
        kept = threads.context(body)
        given = kept_items(body["input"], number=0) if isinstance(body["input"], str) else body["input"]
        known = {str(item["id"]) for item in kept if item.get("type") == "reasoning"}
        check_context(kept, cast("list[JSONObject]", given), known_ids=known)

    def keep(reply: Reply, exchange: Exchange) -> None:
        try:
            context = threads.context(exchange.body)
        except BadRequest:  # the conversation or the earlier response has been deleted
            return
        body, given = _response(reply, exchange), kept_items(exchange.body["input"], number=exchange.number)
        response = StoredResponse(body, given, context=context)
        if response.body["status"] == "failed":
            return
        if exchange.body.get("store") is not False:
            threads.responses[str(response.body["id"])] = response
        if (conversation := named(exchange.body)) in threads.conversations:
            threads.conversations[conversation].items.extend([*response.input, *response.output])

    return Dialect(check=check, whole=_shown_response, frames=_frames, keep=keep)


def _shown_response(reply: Reply, exchange: Exchange) -> dict[str, object]:
    body = _response(reply, exchange)
    return body | {"output": [shown(item, included=_included(exchange)) for item in _output(reply, exchange)]}


def _response(reply: Reply, exchange: Exchange) -> dict[str, object]:
    """Return the response as the service keeps it, with its reasoning."""
    reason = _INCOMPLETE.get(reply.finish_reason or "")
    is_failed = reply.finish_reason == "failed"
    conversation = named(exchange.body)
    return {
        "id": f"resp_{exchange.number:06d}",
        "object": "response",
        "created_at": CREATED,
        "status": "failed" if is_failed else "incomplete" if reason else "completed",
        "error": {"code": "server_error", "message": "The model failed."} if is_failed else None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": exchange.body.get("instructions"),
        "metadata": exchange.body.get("metadata") or {},
        "model": exchange.model,
        "output": [] if is_failed else _output(reply, exchange),
        "parallel_tool_calls": True,
        "previous_response_id": exchange.body.get("previous_response_id"),
        "conversation": None if conversation is None else {"id": conversation},
        "store": exchange.body.get("store") is not False,
        "tool_choice": exchange.body.get("tool_choice", "auto"),
        "tools": exchange.body.get("tools") or [],
        "usage": None if reply.usage is None or is_failed else _usage(reply.usage),
    }


def _output(reply: Reply, exchange: Exchange) -> list[JSONObject]:
    items: list[JSONObject] = []
    if reply.reasoning is not None:
        id = _id("rs", items, exchange)
        summary: list[JSONObject] = [{"type": "summary_text", "text": reply.reasoning}] if reply.reasoning else []
        items.append({"id": id, "type": "reasoning", "summary": [*summary], "encrypted_content": f"{ENCRYPTED}{id}"})
    items.extend(reply.items)
    if reply.text or reply.refusal is not None or not (reply.tool_calls or items):
        items.append(_message(reply, _id("msg", items, exchange)))
    items.extend(_call(call, _id("fc", [*items, *([{}] * i)], exchange)) for i, call in enumerate(reply.tool_calls))
    return items


def _id(prefix: str, items: list[JSONObject], exchange: Exchange) -> str:
    return f"{prefix}_{exchange.number:06d}o{len(items):03d}"


def _message(reply: Reply, id: str) -> JSONObject:
    content: list[JSONObject] = []
    if reply.text or reply.refusal is None:
        content.append({"type": "output_text", "text": reply.text, "annotations": []})
    if reply.refusal is not None:
        content.append({"type": "refusal", "refusal": reply.refusal})
    status = "incomplete" if reply.finish_reason in _INCOMPLETE else "completed"
    return {"id": id, "type": "message", "status": status, "role": "assistant", "content": [*content]}


def _call(call: ToolCall, id: str) -> JSONObject:
    return {
        "id": id,
        "type": "function_call",
        "status": "completed",
        "call_id": call.id or id.replace("fc_", "call_"),
        "name": call.name,
        "arguments": arguments_text(call),
    }


def _included(exchange: Exchange) -> list[str]:
    return cast("list[str]", exchange.body.get("include") or [])


def _frames(reply: Reply, exchange: Exchange) -> Iterator[str]:
    for number, (kind, fields) in enumerate(_events(reply, exchange)):
        event = {"type": kind, "sequence_number": number, **fields}
        yield f"event: {kind}\ndata: {encode(event)}\n\n"


def _events(reply: Reply, exchange: Exchange) -> Iterator[tuple[str, dict[str, object]]]:
    final = _shown_response(reply, exchange)
    begun: dict[str, object] = {**final, "status": "in_progress", "output": [], "usage": None}
    begun |= {"error": None, "incomplete_details": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    if final["status"] != "failed":
        for index, item in enumerate(cast("list[JSONObject]", final["output"])):
            yield "response.output_item.added", {"output_index": index, "item": _empty(item)}
            where: dict[str, object] = {"item_id": item["id"], "output_index": index}
            for kind, fields in _pieces_of(item):
                yield kind, where | fields
            yield "response.output_item.done", {"output_index": index, "item": item}
    yield f"response.{final['status']}", {"response": final}


def _empty(item: JSONObject) -> JSONObject:
    """Return an item in its state before its first piece."""
    blank: JSONObject = {"content": [], "summary": [], "arguments": "", "status": "in_progress"}
    return {name: blank.get(name, value) for name, value in item.items() if name != "encrypted_content"}


def _pieces_of(item: JSONObject) -> Iterator[tuple[str, dict[str, object]]]:
    if item["type"] == "function_call":
        arguments = str(item["arguments"])
        for piece in cut(arguments):
            yield "response.function_call_arguments.delta", {"delta": piece}
        yield "response.function_call_arguments.done", {"arguments": arguments}
    for index, part in enumerate(cast("list[JSONObject]", item.get("summary") or [])):
        for piece in cut(str(part["text"])):
            yield "response.reasoning_summary_text.delta", {"summary_index": index, "delta": piece}
        yield "response.reasoning_summary_text.done", {"summary_index": index, "text": part["text"]}
    if item["type"] == "message":
        yield from _pieces_of_message(cast("list[JSONObject]", item["content"]))


def _pieces_of_message(parts: list[JSONObject]) -> Iterator[tuple[str, dict[str, object]]]:
    for index, part in enumerate(parts):
        kind, field = ("refusal", "refusal") if part["type"] == "refusal" else ("output_text", "text")
        where: dict[str, object] = {"content_index": index}
        yield "response.content_part.added", where | {"part": part | {field: ""}}
        for piece in cut(str(part[field])):
            yield f"response.{kind}.delta", where | {"delta": piece}
        yield f"response.{kind}.done", where | {field: part[field]}
        yield "response.content_part.done", where | {"part": part}


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
