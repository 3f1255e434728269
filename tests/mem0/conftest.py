"""A stand-in for the platform, and a place of its own for what Mem0 writes when it is imported."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator

import pytest

from recuerda.mem0 import Mem0Provider
from tests.servers.mem0_platform import Mem0Platform


@pytest.fixture(autouse=True, scope="session")
def mem0_folder() -> Iterator[None]:
    """Mem0 reads its folder once, when it is imported."""
    folder = tempfile.mkdtemp()
    before = os.environ.setdefault("MEM0_DIR", folder)
    yield
    if before == folder:
        del os.environ["MEM0_DIR"]
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def running_platform() -> Iterator[Mem0Platform]:
    with Mem0Platform() as platform:
        yield platform


@pytest.fixture
def platform(running_platform: Mem0Platform) -> Mem0Platform:
    running_platform.forget()
    return running_platform


@pytest.fixture
async def provider(platform: Mem0Platform) -> AsyncIterator[Mem0Provider]:
    provider = Mem0Provider(api_key=platform.key, host=platform.host, user_id="ada")
    yield provider
    await provider.close()
