"""The server-sent events of a response: each with its name and its number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from recuerda.server.answer import Event, replayed
from recuerda.server.response_object import ResponseObject


class Frames:
    """Number events, and write them down."""

    def __init__(self) -> None:
        self._next = 0

    def write(self, event: Event) -> bytes:
        """Return an event as it goes out."""
        numbered = {"type": event["type"], "sequence_number": self._next, **event}
        self._next += 1
        return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(numbered))

    def all(self, events: Iterable[Event]) -> bytes:
        """Return several events as they go out together."""
        return b"".join([self.write(event) for event in events])


def opening(response: ResponseObject) -> Iterator[Event]:
    """Give the events before the model's first word."""
    yield {"type": "response.created", "response": response}
    yield {"type": "response.in_progress", "response": response}


def closing(response: ResponseObject) -> Event:
    """Return the last event: the response, and by its name what became of it."""
    return {"type": f"response.{response['status']}", "response": response}


def replay(response: ResponseObject, *, after: int | None = None) -> bytes:
    """Return the stream of a response that is there already, or what comes after an event's number."""
    begun = {**response, "status": "in_progress", "completed_at": None, "incomplete_details": None}
    started: ResponseObject = {**begun, "output": [], "usage": None}
    events = [*opening(started), *replayed(response["output"]), closing(response)]
    frames = Frames()
    written = [frames.write(event) for event in events]
    return b"".join(written if after is None else written[after + 1 :])
