"""Work that is cancelled at any moment, and again and again, as web servers do when a client leaves.

Every kind of work, on every storage: afterwards a turn is there whole or not at all, the lease is free, the connection
is back, the provider was told, no task is left, and nothing is written later. The short form tries each step in one of
six ways; the long form (`make chaos-tests`) tries each step in every way, and logs the counts at INFO.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from recuerda import ChatMessageStore, NewTurn, Storage, Summarizer, ThreadConflict
from recuerda.errors import AlreadyDecided, InvalidInput, ToolOutcomeUnknown
from recuerda.providers.gathering import all_of
from recuerda.recall import RecallProvider
from recuerda.storage.finishing import finished
from recuerda.testing.scripted import ScriptedChatClient
from tests.agent.cancelling import Cancelling, Moment
from tests.agent.scene import MINUTE, WHOLE, Scene, ask, resume, run, run_stream
from tests.conversation import exchange
from tests.servers.postgres_server import postgres_url, schema_of
from tests.storage.lossy import LOSSY
from tests.storage.matrix import STORAGES
from tests.storage.narrow import MOST_CONNECTIONS, NARROW, connections

WAYS = [(1, False), (2, True), (1000, False), (1, True), (2, False), (1000, True)]
"""How often the work is cancelled, and whether the thing that it waits for is there at that moment."""

FAR = [f"far {scheme}" for scheme in LOSSY]
"""The storages behind a slow network: a request may still be on its way when the work is cancelled."""

DELAY_S = 0.004

STRIDE = {"sqlite": 2, "file": 3, "redis": 3, "postgresql": 4, "cosmos": 17}
FAR_STRIDE = 3
"""The short form tries one step of this number on these storages, and one of `FAR_STRIDE` times the number if far."""

SHORT_FAR = ("run", "appends", "undo", "summary")
"""The kinds of work that the short form cancels on a slow network."""

_logger = logging.getLogger(__name__)


@dataclass
class Place:
    """A storage to cancel work on, and another storage on the same place to look."""

    scheme: str
    folder: Path
    storage: Storage
    direct: Storage
    is_far: bool = False

    @property
    def stride(self) -> int:
        """One step of this number is tried in the short form."""
        return STRIDE.get(self.scheme, 1) * (FAR_STRIDE if self.is_far else 1)


@pytest.fixture(params=[*NARROW, *FAR])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    name: str = request.param
    scheme = name.removeprefix("far ")
    if name in FAR:
        async with STORAGES[scheme](tmp_path) as direct, LOSSY[scheme](tmp_path) as (storage, proxy):
            await direct.head("warm")
            proxy.delay_s = DELAY_S
            yield Place(scheme, tmp_path, storage, direct, is_far=True)
        return
    async with NARROW[scheme](tmp_path) as storage:
        if scheme == "memory":
            yield Place(scheme, tmp_path, storage, storage)
            return
        async with STORAGES[scheme](tmp_path) as direct:
            await direct.head("warm")
            yield Place(scheme, tmp_path, storage, direct)


@dataclass
class Case:
    """A kind of work.

    Attributes:
        prepare: prepares a thread, before the work can be cancelled.
        work: the work.
        check: checks the thread after the work was cancelled or done, and finishes the work.
    """

    prepare: Callable[[Place, Scene], Awaitable[object]]
    work: Callable[[Place, Scene], Awaitable[object]]
    check: Callable[[Place, Scene], Awaitable[object]]


async def nothing(place: Place, scene: Scene) -> None:
    """Prepare nothing."""


# -- runs --------------------------------------------------------------------------------------------------------------


async def check_run(place: Place, scene: Scene) -> None:
    held = await scene.messages(place.direct)
    assert held in ([], WHOLE)
    assert len(scene.told) <= 1
    assert scene.told or "p.invoking:go" not in scene.provider.events
    assert (held == WHOLE) == (scene.told == ["p.invoked:ok"])
    assert scene.created == (held == WHOLE)
    await run(scene, place.storage)
    assert await scene.messages(place.direct) == WHOLE


async def check_resumed(place: Place, scene: Scene) -> None:
    held, acted = await scene.messages(place.direct), scene.acted
    assert held in ([], WHOLE)
    if held == WHOLE:
        return
    try:
        await resume(scene, place.storage)
    except (AlreadyDecided, InvalidInput):  # The decision was saved.
        with suppress(ToolOutcomeUnknown):
            await scene.agent(place.storage, "done", needs_approval=True).resume(scene.thread)
            assert await scene.messages(place.direct) == WHOLE
            return
        # The start of the call was saved, but the tool was not run.
        assert not acted
        await scene.agent(place.storage, "done").resume(scene.thread, outcomes={"call_1": "nothing"})
    assert scene.acted <= 1
    assert await scene.messages(place.direct) == WHOLE


# -- the storage -------------------------------------------------------------------------------------------------------

TURN = NewTurn(body=b'{"messages":[{"role":"user","content":"one"}]}', message_count=1, id="r")


async def append(place: Place, scene: Scene) -> None:
    await place.storage.append(scene.thread, TURN, expected=0)


async def check_appended(place: Place, scene: Scene) -> None:
    with suppress(ThreadConflict):
        await append(place, scene)
    assert [record.id for record in (await place.direct.read(scene.thread)).records] == ["r"]


async def append_at_once(place: Place, scene: Scene) -> None:
    """Append to three threads at the same time. They share a connection."""
    threads = (scene.thread, f"{scene.thread} b", f"{scene.thread} c")
    await all_of(place.storage.append(thread, TURN, expected=0) for thread in threads)


async def check_appended_at_once(place: Place, scene: Scene) -> None:
    for thread in (scene.thread, f"{scene.thread} b", f"{scene.thread} c"):
        await check_appended(place, Scene(thread))


async def undo(place: Place, scene: Scene) -> None:
    await place.storage.undo(scene.thread)


async def update(place: Place, scene: Scene) -> None:
    await place.storage.update_thread(scene.thread, title="Set", metadata={"k": 1})


async def delete(place: Place, scene: Scene) -> None:
    await place.storage.delete(scene.thread)


async def check_undone(place: Place, scene: Scene) -> None:
    assert len((await place.direct.read(scene.thread)).records) in (3, 4)


async def check_updated(place: Place, scene: Scene) -> None:
    info = await place.direct.head(scene.thread)
    assert info is not None
    assert (info.title, info.metadata) in (("a", {}), ("Set", {"k": 1}))


async def check_deleted(place: Place, scene: Scene) -> None:
    await delete(place, scene)
    assert await place.direct.head(scene.thread) is None


async def hold_a_lease(place: Place, scene: Scene) -> None:
    async with place.storage.lease(scene.thread, MINUTE):
        await place.storage.head(scene.thread)


# -- what comes after turns --------------------------------------------------------------------------------------------


async def four_turns(place: Place, scene: Scene) -> None:
    store = ChatMessageStore(storage=place.direct, thread_id=scene.thread)
    for word in "abcd":
        await store.add_messages(exchange(word))


def summarizer() -> Summarizer:
    return Summarizer(ScriptedChatClient(default="notes"), max_messages=4, keep_messages=2)


async def summarize(place: Place, scene: Scene) -> None:
    await summarizer().summarize(ChatMessageStore(storage=place.storage, thread_id=scene.thread))


async def check_summary(place: Place, scene: Scene) -> None:
    assert len((await place.direct.read(scene.thread)).records) == 4
    await summarize(place, scene)
    later = await place.direct.read(scene.thread, after=1)
    assert [record.target for record in later.records if record.kind == "summary"] == [3]


def index_of(place: Place) -> str:
    """Return an index in the same PostgreSQL schema, or in a file. Of the former, each provider has one connection."""
    if "postgresql" not in place.scheme:
        return str(place.folder / "index.db")
    schema = schema_of(place.folder)
    return f"{postgres_url()}&schema={schema}&application_name={schema}"


async def recall(place: Place, scene: Scene) -> None:
    """Run an agent that remembers."""
    provider = RecallProvider(index_of(place), user_id="ana", storage=place.storage)
    client = ScriptedChatClient(default="a starship")
    agent = client.create_agent(storage=place.storage, context_providers=[provider, scene.provider], lease=MINUTE)
    try:
        await agent.run(f"What is {scene.thread}?", thread=agent.get_thread(scene.thread, user_id="ana"))
    finally:
        _, cancelled = await finished(provider.close())
        if cancelled is not None:
            raise cancelled


async def check_recall(place: Place, scene: Scene) -> None:
    held = await scene.messages(place.direct)
    assert held in ([], [f"What is {scene.thread}?", "a starship"])
    assert (held != []) == (scene.told == ["p.invoked:ok"])
    async with RecallProvider(index_of(place), user_id="ana", storage=place.direct) as provider:
        found = await provider.search(scene.thread, limit=5)
    assert (scene.thread in {memory.thread_id for memory in found}) == bool(held)


CASES = {
    "run": Case(nothing, lambda place, scene: run(scene, place.storage), check_run),
    "run_stream": Case(nothing, lambda place, scene: run_stream(scene, place.storage), check_run),
    "resume": Case(
        lambda place, scene: ask(scene, place.direct), lambda place, scene: resume(scene, place.storage), check_resumed
    ),
    "append": Case(nothing, append, check_appended),
    "appends": Case(nothing, append_at_once, check_appended_at_once),
    "undo": Case(four_turns, undo, check_undone),
    "update": Case(four_turns, update, check_updated),
    "delete": Case(four_turns, delete, check_deleted),
    "lease": Case(nothing, hold_a_lease, nothing),
    "summary": Case(four_turns, summarize, check_summary),
    "recall": Case(nothing, recall, check_recall),
}


@dataclass
class Harness:
    """Cancel work at moments, and count them."""

    place: Place
    threads: Iterator[int]
    moments: int = 0
    cancellations: int = 0

    async def cancelled(self, case: Case, moment: Moment) -> int:
        """Cancel the work at a moment, and check what it leaves. Return the number of its steps."""
        place, scene = self.place, Scene(f"thread{next(self.threads)}")
        await case.prepare(place, scene)
        scene.provider.events.clear()
        cancelling = Cancelling(moment)

        async def work() -> None:
            await case.work(place, scene)

        await cancelling.carry_out(work())
        assert cancelling.unfinished == [], "a task is left"
        assert await place.direct.take_lease(scene.thread, "another", MINUTE), "the lease stays"
        await place.direct.release_lease(scene.thread, "another")
        assert not place.storage.run_lock(scene.thread).locked()
        left = await place.direct.read(scene.thread)
        async with asyncio.timeout(20):  # A connection that is not given back would be waited for without end.
            await place.storage.head(scene.thread)
        if moment.step:
            assert await place.direct.read(scene.thread) == left, "a write landed late"
        await case.check(place, scene)
        self.moments, self.cancellations = self.moments + 1, self.cancellations + cancelling.cancellations
        return cancelling.steps


@pytest.mark.chaos
async def test_work_that_is_cancelled_at_any_moment_leaves_all_or_nothing(place: Place, *, is_long: bool) -> None:
    harness = Harness(place, count())
    faults: list[str] = []
    for name, case in CASES.items():
        if place.is_far and not is_long and name not in SHORT_FAR:
            continue
        steps = await harness.cancelled(case, Moment(0))
        for step in range(1, steps + 1, 1 if is_long else place.stride):
            for way in WAYS if is_long else [WAYS[step % len(WAYS)]]:
                moment = Moment(step, *way)
                try:
                    await harness.cancelled(case, moment)
                except AssertionError as fault:
                    faults.append(f"{name}: {moment}: {fault}")
    open_now = await connections(place.scheme, place.folder)
    counts = (harness.moments, harness.cancellations, len(faults))
    _logger.info("%s, far: %s: %d moments, %d cancellations, %d faults", place.scheme, place.is_far, *counts)
    assert not faults, "\n".join(faults)
    assert open_now <= 2 * MOST_CONNECTIONS.get(place.scheme, 0)
