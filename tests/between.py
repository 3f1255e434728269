"""Another writer that comes in between two steps of the code under test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from recuerda import Storage


def before(
    patch: pytest.MonkeyPatch,
    storage: Storage,
    method: str,
    happens: Callable[[], Awaitable[object]],
    *,
    times: int = 1,
) -> None:
    """Let something happen right before the next calls of a method of the storage."""
    real = getattr(storage, method)
    left = [None] * times

    async def call(*arguments: Any, **options: Any) -> Any:
        if left:
            left.pop()
            await happens()
        return await real(*arguments, **options)

    patch.setattr(storage, method, call)
