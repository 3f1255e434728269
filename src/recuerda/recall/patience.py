"""How long searches wait for a model: up to a limit and, after a wait in vain, not at all for a while.

Without the pause, a service that hangs would cost every run of an agent the whole time limit.
"""

from __future__ import annotations

import time

PAUSES = 6
"""The length of the pause after a wait in vain, in multiples of the time limit."""


class Patience:
    """The waiting of searches for one model.

    Args:
        limit_s: the seconds that one search waits.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s: float = limit_s
        self._pauses_until = 0.0

    @property
    def is_paused(self) -> bool:
        """True while searches do without the model."""
        return time.monotonic() < self._pauses_until

    def pause(self, seconds: float | None = None) -> None:
        """Note a wait in vain. The pause has the usual length, unless its seconds are given."""
        self._pauses_until = time.monotonic() + (PAUSES * self.limit_s if seconds is None else seconds)

    def resume(self) -> None:
        """Note that the model works."""
        self._pauses_until = 0.0
