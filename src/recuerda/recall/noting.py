"""Notes that a process keeps in mind: those that were made last, up to a number of them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def note(notes: MutableMapping[K, V], key: K, value: V, most: int) -> None:
    """Note a value as the latest one. If there are more than `most` notes, the oldest one is forgotten."""
    notes.pop(key, None)
    notes[key] = value
    if len(notes) > most:
        del notes[next(iter(notes))]
