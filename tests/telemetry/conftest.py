"""`recorded` switches telemetry on with exporters in memory, and off again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from recuerda import Storage
from recuerda.sqlite import SQLiteStorage
from recuerda.telemetry import uninstrument
from tests.telemetry.recorded import Recorded


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    found = Recorded()
    found.switch_on()
    yield found
    uninstrument()
    found.close()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with SQLiteStorage(tmp_path / "threads.db") as opened:
        yield opened
