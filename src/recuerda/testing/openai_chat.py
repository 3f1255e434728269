"""Scripted replies in the format of `POST /v1/chat/completions`, whole and as a stream of server-sent events.

A stream is cut into small pieces on purpose, even inside words and arguments, because clients make mistakes there. The
shapes follow https://platform.openai.com/docs/api-reference/chat. Ids and times are the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from recuerda.testing.openai_rules import check_chat_request
from recuerda.testing.openai_script import Reply, ToolCall, Usage
from recuerda.testing.openai_wire import CREATED, Dialect, Exchange, arguments_text, cut, encode

__all__ = ["CHAT_COMPLETIONS"]


def _whole(reply: Reply, exchange: Exchange) -> dict[str, object]:
    message: dict[str, object] = {
        "role": "assistant",
        "content": _content(reply),
        "refusal": reply.refusal,
        "annotations": [],
    }
    if reply.reasoning is not None:
        message["reasoning_content"] = reply.reasoning
    if reply.tool_calls:
        message["tool_calls"] = _tool_calls(reply, exchange)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}
    body = _envelope("chat.completion", exchange) | {"choices": [choice]}
    return body if reply.usage is None else body | {"usage": _usage(reply.usage)}


def _frames(reply: Reply, exchange: Exchange) -> Iterator[str]:
    for chunk in _chunks(reply, exchange):
        yield f"data: {encode(chunk)}\n\n"
    yield "data: [DONE]\n\n"


def _chunks(reply: Reply, exchange: Exchange) -> Iterator[dict[str, object]]:
    options = exchange.body.get("stream_options")
    has_usage = isinstance(options, dict) and options.get("include_usage") is True and reply.usage is not None
    envelope = _envelope("chat.completion.chunk", exchange)
    if has_usage:
        envelope["usage"] = None
    if exchange.is_azure:  # Azure starts a stream with the verdict of its filters, in a chunk without a choice.
        yield envelope | {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}
    for delta in _deltas(reply, exchange):
        yield envelope | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]}
    finish: dict[str, object] = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": _finish_reason(reply)}
    yield envelope | {"choices": [finish]}
    if has_usage and reply.usage is not None:
        yield envelope | {"choices": [], "usage": _usage(reply.usage)}


def _deltas(reply: Reply, exchange: Exchange) -> Iterator[Mapping[str, object]]:
    yield {"role": "assistant", "content": None if _content(reply) is None else "", "refusal": None}
    for piece in cut(reply.reasoning or ""):
        yield {"reasoning_content": piece}
    for piece in cut(reply.text):
        yield {"content": piece}
    for piece in cut(reply.refusal or ""):
        yield {"refusal": piece}
    for index, call in enumerate(reply.tool_calls):
        function = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, **_tool_call(call, index, exchange), "function": function}]}
        for piece in cut(arguments_text(call)):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _envelope(kind: str, exchange: Exchange) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{exchange.number}",
        "object": kind,
        "created": CREATED,
        "model": exchange.model,
        "system_fingerprint": "fp_scripted",
    }


def _content(reply: Reply) -> str | None:
    is_answered_otherwise = bool(reply.tool_calls) or reply.refusal is not None
    return None if is_answered_otherwise and not reply.text else reply.text


def _finish_reason(reply: Reply) -> str:
    return reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")


def _tool_calls(reply: Reply, exchange: Exchange) -> list[dict[str, object]]:
    return [_tool_call(call, index, exchange) for index, call in enumerate(reply.tool_calls)]


def _tool_call(call: ToolCall, index: int, exchange: Exchange) -> dict[str, object]:
    call_id = call.id or f"call_{exchange.number}_{index}"
    return {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": arguments_text(call)}}


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": 0},
    }


CHAT_COMPLETIONS = Dialect(check=check_chat_request, whole=_whole, frames=_frames)
"""The chat completions of the scripted server."""
