"""The open drafts of a storage, counted again and again.

No process knows the drafts that other processes have left behind. So only the storage can tell how many there are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from recuerda import _observing
from recuerda._events import fields
from recuerda.errors import ConfigurationError, RecuerdaError
from recuerda.storage.contract import Storage
from recuerda.telemetry import names
from recuerda.telemetry.instrumentation import Instrumentation
from recuerda.telemetry.metrics import Metrics

_logger = logging.getLogger("recuerda.telemetry")
_PAGE = 1_000


@asynccontextmanager
async def watch_drafts(storage: Storage, *, every: timedelta = timedelta(minutes=1)) -> AsyncGenerator[None]:
    """Count the open drafts of a storage, and record their number and the age of the oldest one, in the block.

    The first count is made before the block begins. One process in a group of processes is enough for this.

    Args:
        storage: the storage. It must be able to list its drafts (see `Storage.list_drafts`).
        every: the time between two counts.

    Raises:
        ConfigurationError: telemetry is not switched on, or the storage cannot list drafts.
    """
    if not isinstance(observer := _observing.observer, Instrumentation):
        raise ConfigurationError("telemetry is off, so nothing can be recorded: call instrument() first")
    metrics = observer.metrics
    await _count(storage, metrics)
    watching = asyncio.create_task(_watch(storage, metrics, every))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        for numbers in (metrics.drafts_open, metrics.drafts_age):
            numbers.remove(names.system_of(storage.kind))


async def _watch(storage: Storage, metrics: Metrics, every: timedelta) -> None:
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            await _count(storage, metrics)
        except RecuerdaError as error:
            _logger.warning(
                "the drafts could not be counted: %s",
                type(error).__name__,
                extra=fields("drafts_not_counted", error=type(error).__name__),
            )


async def _count(storage: Storage, metrics: Metrics) -> None:
    count, oldest_us, cursor = 0, None, None
    while True:
        page = await storage.list_drafts(_PAGE, cursor=cursor)
        if page.drafts and oldest_us is None:
            oldest_us = page.drafts[0].begun_us
        count += len(page.drafts)
        if (cursor := page.cursor) is None:
            break
    system = names.system_of(storage.kind)
    metrics.drafts_open.set(count, system)
    metrics.drafts_age.set(0 if oldest_us is None else (storage.clock() - oldest_us) / 1e6, system)
