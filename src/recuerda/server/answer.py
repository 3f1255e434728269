"""The model's answer as output items, and as the stream of events that builds them.

One class reads both forms of an answer: a whole answer is a stream of a single piece. The events come in the order of
https://platform.openai.com/docs/api-reference/responses-streaming: an item is added, filled and done before the next
item begins. Only calls whose fragments alternate are open at the same time; each of their events names its item.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, TypeAlias

from recuerda.messages.message import Usage
from recuerda.openai.completion import Completion, decode_completion
from recuerda.openai.reader import AnswerReader, CallFragment, Fragment, JoinedCall, TextFragment, TextKind
from recuerda.server.faults import ApiFault
from recuerda.server.names import TurnName
from recuerda.server.requests import Item

Event: TypeAlias = dict[str, Any]

_ITEM_TYPES = {"reasoning": "reasoning", "text": "message", "refusal": "message"}
_PART_TYPES = {"reasoning": "reasoning_text", "text": "output_text", "refusal": "refusal"}
_TEXT_EVENTS = {"output_text": "response.output_text", "refusal": "response.refusal"}


def read_answer(data: bytes) -> Completion:
    """Return a completion or a chunk from its JSON.

    Raises:
        ApiFault: the data is neither a completion nor a chunk, or the model's server reports an error in it.
    """
    try:
        completion = decode_completion(data)
    except (ValueError, RecursionError):
        raise _unreadable() from None
    if completion.error is not None:
        raise ApiFault(502, "The model's server reported an error in its answer.", code="upstream_error")
    return completion


class Answer:
    """Build the output items of one answer from its pieces, and report each step as events.

    Args:
        name: the thread and the turn that will hold the items.
        first: the number of items that the turn holds before these items, which is the length of the response's input.
    """

    def __init__(self, name: TurnName, *, first: int) -> None:
        self.items: list[Item] = []
        self._name = name
        self._first = first
        self._reader = AnswerReader()
        self._text: Item | None = None
        self._of_calls: dict[JoinedCall, Item] = {}

    @property
    def model(self) -> str | None:
        """The model that answers, as its server names it."""
        return self._reader.model

    @property
    def service_tier(self) -> str | None:
        """The service tier that the model's server reports."""
        return self._reader.service_tier

    @property
    def usage(self) -> Usage | None:
        """The tokens that the model's server reports."""
        return self._reader.usage

    @property
    def is_whole(self) -> bool:
        """True when the model has finished its answer. Only the token usage can still follow."""
        return self._reader.is_whole

    @property
    def incomplete_reason(self) -> str | None:
        """The reason why the answer is incomplete; None if it is complete."""
        reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
        return reasons.get(self._reader.finish_reason or "")

    def take(self, completion: Completion) -> Iterator[Event]:
        """Yield the events that a completion or a chunk causes."""
        for fragment in self._reader.take(completion):
            yield from self._take(fragment)

    def end(self) -> Iterator[Event]:
        """Yield the events that finish the open items.

        Raises:
            ApiFault: the model's server stopped before the answer was complete.
        """
        if not self.is_whole:
            raise ApiFault(502, "The model's server ended its answer too early.", code="upstream_broken")
        for fragment in self._reader.end():
            yield from self._take(fragment)
        if not any(item["type"] != "reasoning" for item in self.items):
            yield from self._open_text("text")
        status = "incomplete" if self.incomplete_reason else "completed"
        yield from self._close_text(status)
        for call, item in self._of_calls.items():
            if item["status"] == "in_progress":
                yield from self._close_call(call, item, status)

    def _take(self, fragment: Fragment) -> Iterator[Event]:
        match fragment:
            case TextFragment(kind, text):
                yield from self._take_text(kind, text)
            case CallFragment(call, arguments):
                yield from self._take_call(call, arguments)

    # -- text ----------------------------------------------------------------------------------------------------------

    def _take_text(self, kind: TextKind, text: str) -> Iterator[Event]:
        item = self._text
        if item is None or item["type"] != _ITEM_TYPES[kind]:
            item = yield from self._open_text(kind)
        elif item["content"][-1]["type"] != _PART_TYPES[kind]:
            yield from _part_done(item["content"][-1], self._at_part(item))
            yield from self._open_part(item, kind)
        part = item["content"][-1]
        part[_text_name(part)] += text
        yield _text_delta(part, text, self._at_part(item))

    def _open_text(self, kind: TextKind) -> Generator[Event, None, Item]:
        if kind == "reasoning":
            item = yield from self._open({"type": "reasoning", "summary": [], "content": []})
        else:
            item = yield from self._open({"type": "message", "role": "assistant", "content": []})
        self._text = item
        yield from self._open_part(item, kind)
        return item

    def _open_part(self, item: Item, kind: TextKind) -> Iterator[Event]:
        part: Item = {"type": _PART_TYPES[kind]}
        part[_text_name(part)] = ""
        if kind == "text":
            part |= {"annotations": [], "logprobs": []}
        item["content"].append(part)
        yield {"type": "response.content_part.added", **self._at_part(item), "part": {**part}}

    def _close_text(self, status: str) -> Iterator[Event]:
        item, self._text = self._text, None
        if item is None:
            return
        yield from _part_done(item["content"][-1], self._at_part(item))
        if item["type"] == "reasoning":
            del item["status"]
        else:
            item["status"] = status
        yield self._done(item)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _take_call(self, call: JoinedCall, arguments: str) -> Iterator[Event]:
        item = self._of_calls.get(call)
        if item is None:
            start = {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": ""}
            item = self._of_calls[call] = yield from self._open(start)
        elif item["status"] != "in_progress":
            if arguments.strip():
                raise _unreadable()  # the client was told that the call has ended, without these arguments
            return
        item |= {"name": call.name, "arguments": call.arguments}
        if arguments:
            yield {"type": "response.function_call_arguments.delta", **self._at(item), "delta": arguments}

    def _close_call(self, call: JoinedCall, item: Item, status: str) -> Iterator[Event]:
        item |= {"arguments": call.end(), "status": status}
        done = {"name": item["name"], "arguments": item["arguments"]}
        yield {"type": "response.function_call_arguments.done", **self._at(item), **done}
        yield self._done(item)

    # -- items ---------------------------------------------------------------------------------------------------------

    def _open(self, item: Item) -> Generator[Event, None, Item]:
        """Begin an item. The items before it are done, except for calls that may still get more arguments."""
        yield from self._close_text("completed")
        for call, before in self._of_calls.items():
            if before["status"] == "in_progress" and call.is_complete:
                yield from self._close_call(call, before, "completed")
        id = self._name.item_id(item["type"], self._first + len(self.items))
        opened: Item = {"id": id, "type": item["type"], "status": "in_progress", **item}
        self.items.append(opened)
        shown: Item = {**opened, "content": []} if "content" in opened else {**opened}
        yield {"type": "response.output_item.added", "output_index": len(self.items) - 1, "item": shown}
        return opened

    def _done(self, item: Item) -> Event:
        return {"type": "response.output_item.done", "output_index": self._at(item)["output_index"], "item": {**item}}

    def _at(self, item: Item) -> Event:
        index = next(index for index, other in enumerate(self.items) if other is item)
        return {"item_id": item["id"], "output_index": index}

    def _at_part(self, item: Item) -> Event:
        return {**self._at(item), "content_index": len(item["content"]) - 1}


def replayed(items: list[Item]) -> Iterator[Event]:
    """Yield the events that stream finished items once more, with each part in one piece."""
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
    name = _text_name(part)
    yield {"type": "response.content_part.added", **at, "part": {**part, name: ""}}
    if part.get(name):
        yield _text_delta(part, part[name], at)
    yield from _part_done(part, at)


def _text_delta(part: Item, text: str, at: Event) -> Event:
    event: Event = {"type": f"{_event_name(part)}.delta", **at, "delta": text}
    return {**event, "logprobs": []} if part["type"] == "output_text" else event


def _part_done(part: Item, at: Event) -> Iterator[Event]:
    name = _text_name(part)
    event: Event = {"type": f"{_event_name(part)}.done", **at, name: part[name]}
    yield {**event, "logprobs": []} if part["type"] == "output_text" else event
    yield {"type": "response.content_part.done", **at, "part": {**part}}


def _text_name(part: Item) -> str:
    return "refusal" if part["type"] == "refusal" else "text"


def _event_name(part: Item) -> str:
    return _TEXT_EVENTS.get(part["type"], "response.reasoning_text")


def _unreadable() -> ApiFault:
    message = "The answer of the model's server is not a chat completion."
    return ApiFault(502, message, code="upstream_error")
