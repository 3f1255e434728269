"""Every page of a thread shows the same on every storage."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.storage.matrix import STORAGES
from tests.studio.client import settings_of, studio_client
from tests.studio.seeded import seed

PATHS = (
    "/threads",
    "/threads?user=ana&q=parcel",
    "/threads?state=waiting",
    "/threads?state=damaged",
    "/threads/rich",
    "/threads/rich?before=3",
    "/threads/rich/turns/1",
    "/threads/rich/branches",
    "/threads/rich/compare/rich-2",
)

_VARIES = re.compile(r'"(?:id|\w+_us|revision)":(?:\d+|"[\w-]{16}")')
"""Random ids and times."""


async def shown(scheme: str, folder: Path) -> list[str]:
    """Return the JSON of the pages on a storage, without random ids and times."""
    async with STORAGES[scheme](folder) as storage:
        await seed(storage)
        async with studio_client(settings_of(storage, recall_index=":memory:")) as client:
            answers = [await client.get(f"/api{path}") for path in PATHS]
            picture = await client.get("/threads/rich/turns/1/files/0")
    assert [answer.status_code for answer in answers] == [200] * len(PATHS)
    assert picture.headers["content-type"] == "image/png"
    return [_VARIES.sub("", answer.text) for answer in answers]


@pytest.mark.parametrize("scheme", sorted(STORAGES.keys() - {"memory"}))
async def test_the_pages_of_a_storage_are_those_of_the_storage_in_ram(scheme: str, tmp_path: Path) -> None:
    assert await shown(scheme, tmp_path) == await shown("memory", tmp_path)
