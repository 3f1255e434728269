"""The events of a finished response, to be streamed once more.

A response that was streamed is stored with the lengths of its deltas. With them, the events are made exactly as the
first time, with the same numbers, so that a client whose connection broke gets the rest. The events of any other
response have each part in one piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, cast

from recuerda.openai.completion import CallPiece, FunctionPiece
from recuerda.openai.reader import CallFragment, CitationFragment, Fragment, JoinedCall, TextFragment, TextKind
from recuerda.server.output_items import (
    PART_TYPES,
    SUMMARY,
    Cuts,
    Event,
    OutputItems,
    annotation_added,
    index_name,
    part_done,
    part_event,
    parts_of,
    text_delta,
    text_name,
)
from recuerda.server.requests import Item
from recuerda.server.tools import named_fields, wire_name

_KINDS: dict[str, TextKind] = {SUMMARY: "reasoning", **{part: kind for kind, part in PART_TYPES.items()}}


def replayed(items: Sequence[Item], cuts: Cuts | None, *, status: str) -> list[Event]:
    """Return the events of finished items.

    Args:
        items: the output items.
        cuts: the lengths of the deltas, as `OutputItems` noted them; None if the response was not streamed.
        status: the status of the response.
    """
    if cuts is not None and _fit(items, cuts):
        calls = [item for item in items if item["type"] == "function_call"]
        fields = {_wire_name(item): named_fields(item["name"], item.get("namespace")) for item in calls}
        summarizes = any(item["type"] == "reasoning" and "content" not in item for item in items)
        output = OutputItems(lambda _, index: items[index]["id"], fields, summarizes=summarizes)
        events = [event for fragment in _fragments(items, cuts) for event in output.take(fragment)]
        events += output.end(status)
        if output.items == list(items):
            return events
    return list(_whole(items))  # the response was not streamed, or one of its items was deleted


def _fit(items: Sequence[Item], cuts: Cuts) -> bool:
    """Return whether each cut names a part of an item."""
    return all(index < len(items) and part < max(1, len(parts_of(items[index]))) for index, part, *_ in cuts)


def _fragments(items: Sequence[Item], cuts: Cuts) -> Iterator[Fragment]:
    calls: dict[int, JoinedCall] = {}
    read: Counter[tuple[int, int]] = Counter()
    cited: Counter[tuple[int, int]] = Counter()
    for index, number, *lengths in cuts:
        item = items[index]
        for length in lengths:
            if length < 0:
                cited[index, number] -= length
                chosen = slice(cited[index, number] + length, cited[index, number])
                yield CitationFragment(parts_of(item)[number]["annotations"][chosen])
                continue
            start = read[index, number]
            read[index, number] += length
            if item["type"] == "function_call":
                call = calls.setdefault(index, JoinedCall(CallPiece(id=item["call_id"])))
                piece = item["arguments"][start : start + length]
                yield CallFragment(call, call.take(FunctionPiece(name=_wire_name(item), arguments=piece)))
            else:
                yield _text_fragment(parts_of(item)[number], start, length)


def _text_fragment(part: Item, start: int, length: int) -> TextFragment:
    text = part[text_name(part)]
    return TextFragment(_KINDS[part["type"]], text[start : start + length], _logprobs(part, start, length))


def _logprobs(part: Item, start: int, length: int) -> list[Any]:
    """Return the log probabilities of the tokens that begin in a piece of a part's text."""
    found: list[Any] = []
    position = 0
    for entry in cast("list[Item]", part.get("logprobs") or []):
        if start <= position < start + length:
            found.append(entry)
        position += len(entry.get("token") or "")
    return found


def _wire_name(item: Item) -> str:
    return wire_name(item["name"], item.get("namespace"))


def _whole(items: Sequence[Item]) -> Iterator[Event]:
    """Yield the events that stream finished items once more, with each part in one piece."""
    for index, item in enumerate(items):
        started = {**item, "status": "in_progress", **dict.fromkeys(item.keys() & {"content", "summary"}, ())}
        if item["type"] == "function_call":
            started["arguments"] = ""
        yield {"type": "response.output_item.added", "output_index": index, "item": started}
        at = {"item_id": item["id"], "output_index": index}
        if item["type"] == "function_call":
            text = item["arguments"]
            yield {"type": "response.function_call_arguments.delta", **at, "delta": text}
            yield {"type": "response.function_call_arguments.done", **at, "name": item["name"], "arguments": text}
        for number, part in enumerate(parts_of(item)):
            yield from _replayed_part(part, {**at, index_name(item): number})
        yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _replayed_part(part: Item, at: Event) -> Iterator[Event]:
    name = text_name(part)
    started: Item = {**part, name: ""}
    started |= {field: [] for field in ("logprobs", "annotations") if field in part}
    yield {"type": f"{part_event(part)}.added", **at, "part": started}
    if part.get(name):
        yield text_delta(part, part[name], at, logprobs=part.get("logprobs") or ())
    for number, annotation in enumerate(cast("list[Item]", part.get("annotations") or [])):
        yield annotation_added(annotation, number, at)
    yield from part_done(part, at)
