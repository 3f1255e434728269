"""The server-sent events of a response, each with its name and its sequence number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from recuerda.server.faults import ApiFault
from recuerda.server.output_items import Cuts, Event
from recuerda.server.replays import replayed
from recuerda.server.response_object import ResponseObject, failed


class Frames:
    """Number the events of one stream and encode them. `first` is the number of the first event."""

    def __init__(self, first: int = 0) -> None:
        self._next = first

    def write(self, event: Event) -> bytes:
        """Return one event, encoded for the stream."""
        numbered = {"type": event["type"], "sequence_number": self._next, **event}
        self._next += 1
        return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(numbered))

    def all(self, events: Iterable[Event]) -> bytes:
        """Return several events, encoded for the stream in one piece."""
        return b"".join([self.write(event) for event in events])


def opening(response: ResponseObject) -> Iterator[Event]:
    """Yield the events that come before the model's first word."""
    yield {"type": "response.created", "response": response}
    yield {"type": "response.in_progress", "response": response}


def failing(response: ResponseObject, fault: ApiFault) -> Iterator[Event]:
    """Yield the last events of a stream that fails: the error, then the failed response, as OpenAI sends them.

    OpenAI documents the error's fields in the event itself, and sends them in `error`. Clients look in one or the
    other.
    """
    named = {"code": fault.code, "message": fault.message, "param": fault.param}
    yield {"type": "error", **named, "error": {"type": fault.kind, **named}}
    yield closing(failed(response, fault.message))


def closing(response: ResponseObject) -> Event:
    """Return the last event. It holds the response, and its name gives the response's status."""
    return {"type": f"response.{response['status']}", "response": response}


def replay(response: ResponseObject, cuts: Cuts | None, *, after: int | None = None) -> bytes:
    """Return the whole stream of a finished response. With `after`, leave out the events up to that number.

    `cuts` are the lengths of the deltas; None if the response was not streamed.
    """
    begun = {**response, "status": "in_progress", "completed_at": None, "incomplete_details": None}
    started: ResponseObject = {**begun, "output": [], "usage": None}
    events = [*opening(started), *replayed(response["output"], cuts, status=response["status"]), closing(response)]
    frames = Frames()
    written = [frames.write(event) for event in events]
    return b"".join(written if after is None else written[after + 1 :])
