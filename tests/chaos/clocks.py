"""Clocks that cannot be trusted."""

from __future__ import annotations

from random import Random

from recuerda.storage.contract import Clock, system_clock
from tests.chaos.tally import Round

DAY_US = 24 * 3600 * 1_000_000


def clock_of(current: Round) -> Clock:
    """Return the machine's clock, or, in about one round of three, a clock that jumps."""
    if current.luck.random() < 2 / 3:
        return system_clock
    current.disturbed("clocks that jump")
    luck = Random(current.seed)
    return lambda: system_clock() + luck.choice((0, 0, -3, 3, -400, 400)) * DAY_US
