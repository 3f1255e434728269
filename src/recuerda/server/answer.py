"""The model's answer as output items, and as the events that tell of them while they come.

One class reads both forms of an answer: a whole one is a stream of a single piece. The events come in the order of
https://platform.openai.com/docs/api-reference/responses-streaming: an item is added, filled and done before the next.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from recuerda.messages.message import Usage
from recuerda.openai.text import TextMender, mend_text
from recuerda.server.faults import ApiFault
from recuerda.server.names import Scope, item_id
from recuerda.server.requests import Item
from recuerda.server.upstream import unreadable

Event: TypeAlias = dict[str, Any]


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Piece(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Piece | None = None
    message: _Piece | None = None
    finish_reason: str | None = None


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class Completion(msgspec.Struct, frozen=True):
    """A chat completion, or a chunk of one: what is read of it."""

    choices: list[_Choice] = []
    model: str | None = None
    service_tier: str | None = None
    usage: _Usage | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(Completion)
_TEXT_EVENTS = {"output_text": "response.output_text", "refusal": "response.refusal"}


def decode_completion(data: bytes) -> Completion:
    """Return a completion or a chunk.

    Raises:
        ApiFault: it is none, or the model's server reports an error in it.
    """
    try:
        completion = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            # JSON may hold half of a surrogate pair, which servers send when they cut a text between the two.
            completion = msgspec.convert(json.loads(data), Completion)
        except (ValueError, msgspec.ValidationError, RecursionError):
            raise unreadable() from None
    if completion.error is not None:
        raise ApiFault(502, "The model's server reported an error in its answer.", code="upstream_error")
    return completion


class Answer:
    """Put an answer together.

    Args:
        turn: the id of the turn that the items will be in.
        first: how many items of the turn come before them: the response's input.
    """

    def __init__(self, turn: str, *, first: int) -> None:
        self.items: list[Item] = []
        self.model: str | None = None
        self.service_tier: str | None = None
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self._turn = turn
        self._first = first
        self._mender = TextMender()
        self._call_index: int | None = None

    def take(self, completion: Completion) -> Iterator[Event]:
        """Read a completion or a chunk, and give its events."""
        self.model = completion.model or self.model
        self.service_tier = completion.service_tier or self.service_tier
        self.usage = _usage(completion.usage) or self.usage
        for choice in completion.choices[:1]:
            self.finish_reason = choice.finish_reason or self.finish_reason
            piece = choice.delta or choice.message
            if piece is not None:
                yield from self._take(piece)

    def end(self) -> Iterator[Event]:
        """Finish the last item, and give its events.

        Raises:
            ApiFault: the answer broke off before its end.
        """
        if self.finish_reason is None:
            raise ApiFault(502, "The model's server broke its answer off.", code="upstream_broken")
        if not any(item["type"] != "reasoning" for item in self.items):
            yield from self._open_text("output_text")
        yield from self._close("incomplete" if self.incomplete_reason else "completed")

    @property
    def incomplete_reason(self) -> str | None:
        """Why the answer is not whole; None when it is."""
        reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
        return reasons.get(self.finish_reason or "")

    @property
    def _item(self) -> Item | None:
        """The item that is being filled."""
        return self.items[-1] if self.items and self.items[-1].get("status") == "in_progress" else None

    @property
    def _at(self) -> Event:
        return {"item_id": self.items[-1]["id"], "output_index": len(self.items) - 1}

    def _take(self, piece: _Piece) -> Iterator[Event]:
        if reasoning := piece.reasoning_content or (piece.reasoning if isinstance(piece.reasoning, str) else ""):
            yield from self._text("reasoning_text", reasoning)
        if piece.content:
            yield from self._text("output_text", piece.content)
        if piece.refusal:
            yield from self._text("refusal", piece.refusal)
        for call in piece.tool_calls or ():
            yield from self._call(call)

    # -- text ----------------------------------------------------------------------------------------------------------

    def _text(self, kind: Literal["output_text", "refusal", "reasoning_text"], text: str) -> Iterator[Event]:
        if (self._item or {}).get("type") != ("reasoning" if kind == "reasoning_text" else "message"):
            yield from self._open_text(kind)
        elif self.items[-1]["content"][-1]["type"] != kind:
            yield from self._close_part()
            yield from self._open_part(kind)
        yield from self._fill(self._mender.take(text))

    def _open_text(self, kind: str) -> Iterator[Event]:
        if kind == "reasoning_text":
            yield from self._open({"type": "reasoning", "summary": [], "content": []})
        else:
            yield from self._open({"type": "message", "role": "assistant", "content": []})
        yield from self._open_part(kind)

    def _open_part(self, kind: str) -> Iterator[Event]:
        part: Item = {"type": kind, ("refusal" if kind == "refusal" else "text"): ""}
        if kind == "output_text":
            part |= {"annotations": [], "logprobs": []}
        content = self.items[-1]["content"]
        content.append(part)
        yield {"type": "response.content_part.added", **self._at, "content_index": len(content) - 1, "part": {**part}}

    def _fill(self, text: str) -> Iterator[Event]:
        if not text:
            return
        content = self.items[-1]["content"]
        part = content[-1]
        part["refusal" if part["type"] == "refusal" else "text"] += text
        event: Event = {"type": f"{_event_name(part)}.delta", **self._at, "content_index": len(content) - 1}
        event["delta"] = text
        if part["type"] == "output_text":
            event["logprobs"] = []
        yield event

    def _close_part(self) -> Iterator[Event]:
        yield from self._fill(self._mender.end())
        content = self.items[-1]["content"]
        yield from _part_done(content[-1], {**self._at, "content_index": len(content) - 1})

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _call(self, call: _Call) -> Iterator[Event]:
        function = call.function or _Function()
        if self._is_next_call(call):
            given = mend_text(call.id or "") or f"call_{Scope().token(None)}"
            name = mend_text(function.name or "")
            yield from self._open({"type": "function_call", "call_id": given, "name": name, "arguments": ""})
            self._call_index = call.index
        if text := self._mender.take(function.arguments or ""):
            self.items[-1]["arguments"] += text
            yield {"type": "response.function_call_arguments.delta", **self._at, "delta": text}

    def _is_next_call(self, call: _Call) -> bool:
        """Say whether a piece begins another call. The index tells; some servers give all the same, and only ids."""
        item = self._item
        if item is None or item["type"] != "function_call":
            return True
        if call.index is not None and self._call_index is not None and call.index != self._call_index:
            if call.index < self._call_index:
                raise unreadable()  # a piece of a call that was finished: its arguments would be cut
            return True
        if call.id:
            return call.id != item["call_id"]
        return call.index is None and bool(call.function and call.function.name)

    # -- items ---------------------------------------------------------------------------------------------------------

    def _open(self, item: Item) -> Iterator[Event]:
        yield from self._close("completed")
        id = item_id(item["type"], self._turn, self._first + len(self.items))
        self.items.append({"id": id, "type": item["type"], "status": "in_progress", **item})
        shown = {**self.items[-1]}
        if "content" in shown:
            shown["content"] = []
        yield {"type": "response.output_item.added", "output_index": len(self.items) - 1, "item": shown}

    def _close(self, status: str) -> Iterator[Event]:
        item = self._item
        if item is None:
            return
        if item["type"] == "function_call":
            item["arguments"] = (item["arguments"] + self._mender.end()) or "{}"
            done = {"name": item["name"], "arguments": item["arguments"]}
            yield {"type": "response.function_call_arguments.done", **self._at, **done}
        else:
            yield from self._close_part()
        item["status"] = status
        if item["type"] == "reasoning":
            del item["status"]
        yield {"type": "response.output_item.done", "output_index": len(self.items) - 1, "item": {**item}}


def replayed(items: list[Item]) -> Iterator[Event]:
    """Give the events of items that are there already, each part in one piece."""
    for index, item in enumerate(items):
        started = {**item, "status": "in_progress"}
        if "content" in item:
            started["content"] = []
        if item["type"] == "function_call":
            started["arguments"] = ""
        yield {"type": "response.output_item.added", "output_index": index, "item": started}
        at = {"item_id": item["id"], "output_index": index}
        if item["type"] == "function_call":
            text = item["arguments"]
            yield {"type": "response.function_call_arguments.delta", **at, "delta": text}
            yield {"type": "response.function_call_arguments.done", **at, "name": item["name"], "arguments": text}
        for number, part in enumerate(item.get("content") or ()):
            yield from _replayed_part(part, {**at, "content_index": number})
        yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _replayed_part(part: Item, at: Event) -> Iterator[Event]:
    name = "refusal" if part["type"] == "refusal" else "text"
    yield {"type": "response.content_part.added", **at, "part": {**part, name: ""}}
    if part.get(name):
        event: Event = {"type": f"{_event_name(part)}.delta", **at, "delta": part[name]}
        yield {**event, "logprobs": []} if part["type"] == "output_text" else event
    yield from _part_done(part, at)


def _part_done(part: Item, at: Event) -> Iterator[Event]:
    name = "refusal" if part["type"] == "refusal" else "text"
    event: Event = {"type": f"{_event_name(part)}.done", **at, name: part[name]}
    yield {**event, "logprobs": []} if part["type"] == "output_text" else event
    yield {"type": "response.content_part.done", **at, "part": {**part}}


def _event_name(part: Item) -> str:
    return _TEXT_EVENTS.get(part["type"], "response.reasoning_text")


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    given, made = usage.prompt_tokens or 0, usage.completion_tokens or 0
    inside, outside = usage.prompt_tokens_details or _Details(), usage.completion_tokens_details or _Details()
    return Usage(
        input_tokens=given,
        output_tokens=made,
        total_tokens=usage.total_tokens or given + made,
        cached_input_tokens=inside.cached_tokens or 0,
        reasoning_tokens=outside.reasoning_tokens or 0,
    )
