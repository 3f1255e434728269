"""A server's answer is lost at any trip of an agent's run: the run's answer, its usage, its provider, its tool."""

from __future__ import annotations

import logging
from itertools import count
from pathlib import Path

import pytest

from recuerda import Storage
from recuerda.errors import InvalidInput, StorageError
from tests.agent.scene import MINUTE, USAGE, WHOLE, Scene, Way, ask, resume, run, run_stream
from tests.storage.lossy import LOSSY, Lossy
from tests.storage.matrix import STORAGES

_logger = logging.getLogger(__name__)

WAYS: list[tuple[Way, Way | None]] = [(run, None), (run_stream, None), (resume, ask)]
"""How the turn is committed, and how it is begun before that."""

SAMPLE = 3
"""The short form loses every third answer."""


async def check(lossy: Lossy, direct: Storage, way: Way, before: Way | None, *, at: int) -> int:
    """Lose the answer of trip `at` during a turn, check the turn and its repetition. Return the number of cuts."""
    (storage, proxy), scene = lossy, Scene(f"{way.__name__} {at}")
    if before is not None:
        await before(scene, direct)
    proxy.clear()
    proxy.lose = {at}
    response = None
    try:
        response = await way(scene, storage)
    except StorageError:
        assert await scene.messages(direct) in ([], WHOLE)
    cuts = proxy.cuts
    proxy.clear()
    if response is not None:
        assert (response.usage, response.is_replay, response.text) == (USAGE + USAGE, False, "done"), at
        assert (scene.created, scene.acted, scene.told[-1:]) == (1, 1, ["p.invoked:ok"]), at
        assert await scene.messages(direct) == WHOLE, at
    assert await direct.take_lease(scene.thread, "another", MINUTE), f"the lease stays after trip {at}"
    await direct.release_lease(scene.thread, "another")
    acted = scene.acted
    if before is None or await scene.messages(direct) == WHOLE:
        await run(scene, storage)
    else:
        await finished(scene, storage, way)
    assert await scene.messages(direct) == WHOLE, at
    assert scene.created <= 1, at
    assert response is None or scene.acted == acted, "the tool was run twice"
    return cuts


async def finished(scene: Scene, storage: Storage, way: Way) -> None:
    try:
        await way(scene, storage)
    except InvalidInput:
        # The decision was saved, and the answer to that was lost.
        await scene.agent(storage, "done", needs_approval=True).resume(scene.thread)
    assert scene.acted == 1


@pytest.mark.chaos
@pytest.mark.parametrize("scheme", LOSSY)
async def test_a_run_whose_storage_loses_an_answer_reports_the_turn_once(
    scheme: str, tmp_path: Path, *, is_long: bool
) -> None:
    cuts = 0
    async with LOSSY[scheme](tmp_path) as lossy, STORAGES[scheme](tmp_path) as direct:
        await run(Scene("warm"), lossy[0])
        for way, before in WAYS:
            for at in count(1, 1 if is_long else SAMPLE):
                lost = await check(lossy, direct, way, before, at=at)
                cuts += lost
                if not lost:
                    break
    _logger.info("%s: %d lost answers", scheme, cuts)
