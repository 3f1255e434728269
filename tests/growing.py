"""Waiting for a list that other tasks fill."""

from __future__ import annotations

import asyncio
from collections.abc import Sized


async def longer(noted: Sized, *, by: int, looks: int = 6_000) -> None:
    """Wait until a list has grown by a number of entries."""
    wanted = len(noted) + by
    for _ in range(looks):
        if len(noted) >= wanted:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"{len(noted)} of {wanted}")
