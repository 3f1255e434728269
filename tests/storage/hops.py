"""Counts the jobs that a storage gives to OS threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recuerda.storage import recent


def counted_hops(kind: type[Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return a function that tells how many jobs were given to objects of a class since its last call.

    Args:
        kind: a class with a method `submit`.
        monkeypatch: undoes the counting.
    """
    count = 0
    submit = kind.submit

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return submit(*args, **options)

    def taken() -> int:
        nonlocal count
        now, count = count, 0
        return now

    monkeypatch.setattr(kind, "submit", counted)
    monkeypatch.setattr(recent, "SLOW_S", float("inf"))  # a busy machine must not change the counts
    return taken
