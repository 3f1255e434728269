"""A pause of Python's garbage collector while thousands of messages are made.

A message consists of eight objects that the collector looks at. While ten thousand messages are made, and none is
garbage, the collector would look at all objects of the program several times, which takes twice as long as the rest.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Generator[None]:
    """Pause the collector. Another OS thread that pauses it at the same time may end this pause early."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
