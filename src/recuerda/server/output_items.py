"""The output items of a response, and the stream of events that builds them.

The events come in the order of https://platform.openai.com/docs/api-reference/responses-streaming: an item is added,
filled and done before the next item begins. Only calls whose fragments alternate are open at the same time; each of
their events names its item.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from recuerda.json_value import JsonObject
from recuerda.openai.reader import CallFragment, CitationFragment, Fragment, JoinedCall, TextFragment, TextKind
from recuerda.server.faults import ApiFault
from recuerda.server.requests import Item

Event: TypeAlias = dict[str, Any]
Cuts: TypeAlias = list[list[int]]

PART_TYPES: dict[TextKind, str] = {"reasoning": "reasoning_text", "text": "output_text", "refusal": "refusal"}
"""The types of the parts that hold the kinds of text."""

SUMMARY = "summary_text"
"""The type of the parts of a summary of reasoning."""

_ITEM_TYPES = {"reasoning": "reasoning", "text": "message", "refusal": "message"}
_TEXT_EVENTS = {
    "output_text": "response.output_text",
    "refusal": "response.refusal",
    "summary_text": "response.reasoning_summary_text",
}


class OutputItems:
    """Build output items from the fragments of an answer, and report each step as events.

    The same fragments always give the same events. So the lengths of the deltas, together with the finished items, are
    enough to stream a response once more with the same events.

    Args:
        id_of: returns the id of a new item from its type and its place in the output.
        call_fields: the fields of a call that name its function, by the name that the model has for it.
        summarizes: True if reasoning is given as a summary, because the client shows summaries only.

    Attributes:
        items: the items so far.
        cuts: the lengths of the deltas, in their order. Each list begins with the place of the item in the output and
            the place of the part in the item. A negative number stands for this many citations.
    """

    def __init__(
        self, id_of: Callable[[str, int], str], call_fields: Mapping[str, Item], *, summarizes: bool = False
    ) -> None:
        self.items: list[Item] = []
        self.cuts: Cuts = []
        self._id_of = id_of
        self._call_fields = call_fields
        self._cut_at: tuple[int, int] | None = None
        self._part_types = {**PART_TYPES, "reasoning": SUMMARY} if summarizes else PART_TYPES
        self._text: Item | None = None
        self._waiting: list[JsonObject] = []
        self._of_calls: dict[JoinedCall, Item] = {}

    def take(self, fragment: Fragment) -> Iterator[Event]:
        """Yield the events that a fragment causes."""
        match fragment:
            case TextFragment():
                yield from self._take_text(fragment)
            case CallFragment(call, arguments):
                yield from self._take_call(call, arguments)
            case CitationFragment(citations):
                yield from self._take_citations(citations)

    def end(self, status: str) -> Iterator[Event]:
        """Yield the events that finish the open items with a status. An answer without any item is an empty message."""
        if not any(item["type"] != "reasoning" for item in self.items):
            yield from self._open_text("text")
        yield from self._close_text(status)
        for call, item in self._of_calls.items():
            if item["status"] == "in_progress":
                yield from self._close_call(call, item, status)

    def _take_text(self, fragment: TextFragment) -> Iterator[Event]:
        kind, text, logprobs = fragment.kind, fragment.text, fragment.logprobs
        item = self._text
        if item is None or item["type"] != _ITEM_TYPES[kind]:
            item = yield from self._open_text(kind)
        elif parts_of(item)[-1]["type"] != self._part_types[kind]:
            yield from part_done(parts_of(item)[-1], self._at_part(item))
            yield from self._open_part(item, kind)
        part = parts_of(item)[-1]
        part[text_name(part)] += text
        if logprobs:
            part["logprobs"] = [*part["logprobs"], *logprobs]
        at = self._at_part(item)
        self._cut(at["output_index"], at[index_name(item)], len(text))
        yield text_delta(part, text, at, logprobs=logprobs)
        if self._waiting and kind == "text":
            waiting, self._waiting = self._waiting, []
            yield from self._take_citations(waiting)

    def _take_citations(self, citations: Sequence[JsonObject]) -> Iterator[Event]:
        """Yield the events that add citations to the text. Citations that come before any text wait for it."""
        item = self._text
        if item is None or parts_of(item)[-1]["type"] != "output_text":
            self._waiting += citations
            return
        part, at = parts_of(item)[-1], self._at_part(item)
        for citation in citations:
            number = len(part["annotations"])
            part["annotations"] = [*part["annotations"], citation]
            self._cut(at["output_index"], at[index_name(item)], -1)
            yield annotation_added(citation, number, at)

    def _open_text(self, kind: TextKind) -> Generator[Event, None, Item]:
        if kind == "reasoning":
            is_summary = self._part_types[kind] == SUMMARY
            item = yield from self._open(
                {"type": "reasoning", "summary": [], **({} if is_summary else {"content": []})}
            )
        else:
            item = yield from self._open({"type": "message", "role": "assistant", "content": []})
        self._text = item
        yield from self._open_part(item, kind)
        return item

    def _open_part(self, item: Item, kind: TextKind) -> Iterator[Event]:
        part: Item = {"type": self._part_types[kind]}
        part[text_name(part)] = ""
        if kind == "text":
            part |= {"annotations": [], "logprobs": []}
        parts_of(item).append(part)
        yield {"type": f"{part_event(part)}.added", **self._at_part(item), "part": {**part}}

    def _close_text(self, status: str) -> Iterator[Event]:
        item, self._text = self._text, None
        if item is None:
            return
        yield from part_done(parts_of(item)[-1], self._at_part(item))
        if item["type"] == "reasoning":
            del item["status"]
        else:
            item["status"] = status
        yield self._done(item)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _take_call(self, call: JoinedCall, arguments: str) -> Iterator[Event]:
        item = self._of_calls.get(call)
        if item is None and not call.name:
            return  # Some servers send the name after the id. The client is told of the call with its name.
        if item is None:
            arguments = call.arguments
            named = self._call_fields.get(call.name, {"name": call.name})
            start: Item = {"type": "function_call", "call_id": call.id, **named, "arguments": ""}
            item = self._of_calls[call] = yield from self._open(start)
        elif item["status"] != "in_progress":
            if arguments.strip():
                raise unreadable()  # the client was told that the call has ended, without these arguments
            return
        item["arguments"] = call.arguments
        self._cut(self._index(item), 0, len(arguments))
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
        id = self._id_of(item["type"], len(self.items))
        opened: Item = {"id": id, "type": item["type"], "status": "in_progress", **item}
        self.items.append(opened)
        shown: Item = {**opened, **{name: [] for name in ("content", "summary") if name in opened}}
        yield {"type": "response.output_item.added", "output_index": len(self.items) - 1, "item": shown}
        return opened

    def _done(self, item: Item) -> Event:
        return {"type": "response.output_item.done", "output_index": self._at(item)["output_index"], "item": {**item}}

    def _at(self, item: Item) -> Event:
        return {"item_id": item["id"], "output_index": self._index(item)}

    def _index(self, item: Item) -> int:
        if self.items[-1] is item:
            return len(self.items) - 1
        return next(index for index, other in enumerate(self.items) if other is item)

    def _cut(self, index: int, part: int, length: int) -> None:
        """Note the length of a delta, behind the lengths of the deltas of the same part right before it."""
        if self._cut_at != (index, part):
            self._cut_at = (index, part)
            self.cuts.append([index, part])
        self.cuts[-1].append(length)

    def _at_part(self, item: Item) -> Event:
        return {**self._at(item), index_name(item): len(parts_of(item)) - 1}


def text_delta(part: Item, text: str, at: Event, *, logprobs: Sequence[Any] = ()) -> Event:
    """Return the event that adds a text to a part."""
    event: Event = {"type": f"{_event_name(part)}.delta", **at, "delta": text}
    return {**event, "logprobs": list(logprobs)} if part["type"] == "output_text" else event


def annotation_added(annotation: Item, number: int, at: Event) -> Event:
    """Return the event that adds an annotation to a part."""
    return {
        "type": "response.output_text.annotation.added",
        **at,
        "annotation_index": number,
        "annotation": annotation,
    }


def part_done(part: Item, at: Event) -> Iterator[Event]:
    """Yield the events that end a part."""
    name = text_name(part)
    event: Event = {"type": f"{_event_name(part)}.done", **at, name: part[name]}
    yield {**event, "logprobs": part["logprobs"]} if part["type"] == "output_text" else event
    yield {"type": f"{part_event(part)}.done", **at, "part": {**part}}


def parts_of(item: Item) -> list[Item]:
    """Return the parts of an item: its content, or the summary of reasoning that has no content; none of a call."""
    return item["content"] if "content" in item else item.get("summary", [])


def index_name(item: Item) -> str:
    """Return the field of an event that holds the place of a part."""
    return "content_index" if "content" in item else "summary_index"


def part_event(part: Item) -> str:
    """Return the beginning of the names of the events that begin and end a part."""
    return "response.reasoning_summary_part" if part["type"] == SUMMARY else "response.content_part"


def text_of(items: Sequence[Item]) -> str:
    """Return the text of the messages among some items."""
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    return "".join(part["text"] for part in parts if part["type"] == "output_text")


def text_name(part: Item) -> str:
    """Return the field that holds the text of a part."""
    return "refusal" if part["type"] == "refusal" else "text"


def _event_name(part: Item) -> str:
    return _TEXT_EVENTS.get(part["type"], "response.reasoning_text")


def unreadable() -> ApiFault:
    """Return the fault for an answer that cannot be read."""
    message = "The answer of the model's server is not a chat completion."
    return ApiFault(502, message, code="upstream_error")
