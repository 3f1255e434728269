"""The response as the JSON object that clients see, and the part of it that the storage keeps beside its items."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, cast

import msgspec

from recuerda.ids import new_id
from recuerda.messages.message import Usage
from recuerda.server.answer import Answer
from recuerda.server.names import TurnName
from recuerda.server.output_items import Cuts
from recuerda.server.requests import MAX_METADATA, CreateResponse, Item, ReasoningSettings
from recuerda.server.tools import IGNORED, Tools

ResponseObject: TypeAlias = dict[str, Any]

_CUTS = "cuts"
NO_NOTES: Mapping[str, str] = MappingProxyType({})


def begun(
    request: CreateResponse,
    name: TurnName,
    tools: Tools,
    *,
    model: str,
    created_at: int,
    notes: Mapping[str, str] = NO_NOTES,
) -> ResponseObject:
    """Return the response in its state before the model's first word. `notes` are added to its metadata."""
    text: Item = {"format": {"type": "text"}}
    if request.text is not None:
        text |= _given(request.text)
    return {
        "id": name.id,
        "object": "response",
        "created_at": created_at,
        "status": "in_progress",
        "background": bool(request.background),
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "model": model,
        "output": [],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "conversation": {"id": name.thread} if request.conversation is not None else None,
        "reasoning": _reasoning(request.reasoning),
        "service_tier": request.service_tier or "auto",
        "store": request.store is not False,
        "temperature": request.temperature,
        "text": text,
        "tool_choice": "auto" if request.tool_choice is None else msgspec.to_builtins(request.tool_choice),
        "tools": list(tools.shown),
        "top_logprobs": request.top_logprobs or 0,
        "top_p": request.top_p,
        "truncation": request.truncation or "auto",
        "usage": None,
        "user": request.user,
        "metadata": _with_notes(request.metadata or {}, {**_left_out(tools), **notes}),
    }


def _with_notes(given: Mapping[str, str], notes: Mapping[str, str]) -> dict[str, str]:
    """Return a client's metadata with the server's notes.

    The client's own values stay as they are: a note whose key is taken gets an underscore at the end of its key. A note
    for which the metadata have no room is left out.
    """
    made = dict(given)
    for name, value in notes.items():
        key = name
        while key in made:
            key += "_"
        if len(made) < MAX_METADATA:
            made[key] = value
    return made


def shows_summary(response: ResponseObject) -> bool:
    """Return whether the client asked for summaries of reasoning."""
    return response["reasoning"]["summary"] is not None


def _reasoning(settings: ReasoningSettings | None) -> Item:
    if settings is None:
        return {"effort": None, "summary": None}
    return {"effort": settings.effort, "summary": settings.summary or settings.generate_summary}


def _left_out(tools: Tools) -> dict[str, str]:
    """Return the metadata that says which tools were left out."""
    return {IGNORED: ", ".join(tools.ignored)[:512]} if tools.ignored else {}


def finished(response: ResponseObject, answer: Answer, *, completed_at: int) -> ResponseObject:
    """Return the response with the model's answer."""
    reason = answer.incomplete_reason
    return {
        **response,
        "status": "completed" if reason is None else "incomplete",
        "completed_at": completed_at if reason is None else None,
        "incomplete_details": None if reason is None else {"reason": reason},
        "model": answer.model or response["model"],
        "service_tier": answer.service_tier or response["service_tier"],
        "output": answer.items,
        "usage": None if answer.usage is None else _usage(answer.usage),
    }


def failed(response: ResponseObject, message: str) -> ResponseObject:
    """Return the response after a failure. No part of its answer is kept."""
    return {**response, "status": "failed", "error": {"code": "server_error", "message": message}, "output": []}


def compacted(output: list[Item], usage: Usage | None, *, created_at: int) -> ResponseObject:
    """Return the answer to a compaction."""
    return {
        "id": f"cmp_{new_id()}",
        "object": "response.compaction",
        "created_at": created_at,
        "output": output,
        "usage": _usage(usage or Usage()),
    }


def to_keep(response: ResponseObject, cuts: Cuts | None) -> ResponseObject:
    """Return the fields of a response to keep: all except its items and its id, which the turn gives.

    `cuts` are the lengths of its deltas; None if it was not streamed.
    """
    kept = {name: value for name, value in response.items() if name not in ("id", "object", "output")}
    return kept if cuts is None else {**kept, _CUTS: cuts}


def cuts_in(kept: ResponseObject) -> Cuts | None:
    """Return the lengths of the deltas of a response; None if it was not streamed."""
    return kept.get(_CUTS)


def from_kept(kept: ResponseObject, name: TurnName, outputs: list[Item]) -> ResponseObject:
    """Return the whole response again from the fields that were kept and its output items."""
    shown = {field: value for field, value in kept.items() if field != _CUTS}
    return {"id": name.id, "object": "response", **shown, "output": outputs}


def _given(settings: msgspec.Struct) -> Item:
    return {name: _without_nulls(value) for name, value in msgspec.to_builtins(settings).items() if value is not None}


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: one for name, one in cast("Item", value).items() if one is not None}


def _usage(usage: Usage) -> Item:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
