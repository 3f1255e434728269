"""Events in the log: each has a name and fields beside its text, so that a program can count and filter them.

A room logs under its own name, such as `recuerda.tools`. The fields name threads, turns, tools and types of errors, and
never hold a part of a message. `docs/observability.md` lists all events.
"""

from __future__ import annotations


def fields(event: str, **facts: object) -> dict[str, object]:
    """Return the `extra` of a log record: the name of the event and its fields."""
    return {"event": event, **facts}
