"""Storm 7: pictures that turns and forks share, while processes are killed and connections are cut.

Meanwhile pages meet each turn once. When nothing is under way any more, each turn has its pictures, each fork is whole
and knows its parent, a search finds what was said, and a picture that no turn shows is nowhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack

from recuerda import Storage
from recuerda.encryption import EncryptedStorage
from recuerda.errors import RecuerdaError
from recuerda.examination import DRAFTS, examine
from recuerda.recall import ThreadSearch
from recuerda.storage.thread_info import ThreadInfo
from recuerda.threads.forking import ForkPlace, fork_thread
from recuerda.threads.history import StoredTurn
from recuerda.threads.store import ChatMessageStore
from tests.chaos.clocks import clock_of
from tests.chaos.keys import TwoKeys
from tests.chaos.looking import Reader
from tests.chaos.mortal import KILLED, run_and_kill
from tests.chaos.painting import PICTURE, ROOTS, SHOWN, Painter, heard, problems_of
from tests.chaos.places import Place
from tests.chaos.speaking import turns_of
from tests.chaos.tally import Round

PAINTERS = 2
SOON_S = 5.0
"""The time in seconds within which the bytes of pictures leave every file, although others have the files open."""


async def files(place: Place, current: Round) -> None:
    """Let painters work, some of them in a process that is killed. In one round of three, everything is encrypted."""
    clock, keys = clock_of(current), TwoKeys()
    is_encrypted = current.luck.random() < 1 / 3
    current.has_outages = True
    async with AsyncExitStack() as stack:
        inner = [await stack.enter_async_context(place.open(clock)) for _ in range(PAINTERS)]
        storages = [EncryptedStorage(one, keys) for one in inner] if is_encrypted else inner
        search = await stack.enter_async_context(ThreadSearch(storages[0], place.folder / "search.db"))
        reader = Reader(storages[0], search, current)
        current.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(current.repeat(reader.look))
            for storage in storages:
                tasks.create_task(current.repeat(Painter(storage, current, keys).act))
            tasks.create_task(current.repeat(lambda: _disturb(place, current, keys if is_encrypted else None)))
        await reader.check(await _check(place, inner[0], storages[0], current))


async def _disturb(place: Place, current: Round, keys: TwoKeys | None) -> None:
    await current.pause(0.1)
    if current.luck.random() < 0.3 and await asyncio.to_thread(place.cut):
        current.disturbed("cuts")
    if not place.is_shared:
        return
    seed = f"{current.luck.getrandbits(32)}"
    words = ["tests.chaos.painter", place.scheme, place.address(), seed, keys.name if keys else ""]
    code, errors = await run_and_kill(words, after_s=current.luck.uniform(0.1, 0.6))
    if code != KILLED:
        current.fault("", expected="a process that works until it is killed", found=f"exit code {code}:\n{errors}")
    current.disturbed("kills")


async def _check(place: Place, inner: Storage, storage: Storage, current: Round) -> Mapping[str, Sequence[StoredTurn]]:
    """Check all threads, while nothing is under way, and return their turns."""
    for info in [info async for info in storage.threads()]:
        await _check_fork(storage, info, current)
    infos = [info async for info in storage.threads()]
    turns = {info.id: await turns_of(storage, info.id) for info in infos}
    for thread, its_turns in turns.items():
        _check_turns(current, thread, its_turns)
        for finding in (await examine(storage, thread)).findings:
            if finding.kind not in DRAFTS:
                current.fault(thread, expected="the doctor finds nothing", found=finding.explanation)
    _check_shared_turns(current, turns, {info.id for info in infos if info.parent is None})
    if place.can_be_counted:
        await _check_leftovers(place, inner, storage, current)
    if place.can_be_searched:
        await _check_bytes(place, turns, current)
    return turns


async def _check_fork(storage: Storage, info: ThreadInfo, current: Round) -> None:
    """Complete a fork that was cut short, or delete it if its parent has lost turns."""
    parent = info.parent
    if info.id in ROOTS:
        current.check(info.id, expected=None, found=parent)
    if parent is not None and info.revision < parent.turns:
        current.disturbed("unfinished forks")
        try:
            await fork_thread(storage, parent.thread_id, ForkPlace(), into=info.id)
        except RecuerdaError:
            await storage.delete(info.id)
            return
        found = await storage.head(info.id)
        current.check(info.id, expected=parent.turns, found=found and found.turns)
    if parent is not None and (above := await storage.head(parent.thread_id)) and parent.is_life_of(above):
        branches = await ChatMessageStore(storage=storage, thread_id=above.id).list_branches()
        if info.id not in [one.id for one in branches]:
            current.fault(above.id, expected=f"the branch {info.id} is listed", found=[one.id for one in branches])


def _check_turns(current: Round, thread: str, turns: Sequence[StoredTurn]) -> None:
    """Check that each turn has its picture, follows the turn before it, and is there without the turn it replaced."""
    before = None
    for turn in turns:
        said, answer = turn.messages[0], turn.messages[-1].text
        if not SHOWN.fullmatch(said.text) or len(turn.messages) != 2:
            current.fault(thread, expected="a question and an answer", found=[one.text for one in turn.messages])
        for problem in problems_of(said, may_lack_picture=False):
            current.fault(thread, expected=f"turn {turn.number} has its picture", found=problem)
        if before is not None and heard(before, said.text) != answer:
            found = f"turn {turn.number} was made from another turn than the one before it"
            current.fault(thread, expected="each turn was made from the turn before it", found=found)
        before = answer
    ids = [turn.id for turn in turns]
    current.check(thread, expected=sorted(set(ids)), found=sorted(ids))
    questions = [turn.messages[0].text for turn in turns]
    current.check(thread, expected=sorted(set(questions)), found=sorted(questions))


def _check_shared_turns(
    current: Round, turns: Mapping[str, Sequence[StoredTurn]], without_parent: Collection[str]
) -> None:
    """Check that a turn is the same in all forks that have it, and that all of these but the first know their parent.

    A thread that was a fork may have been deleted, and begun anew by a painter that knew its id.
    """
    known: dict[str, StoredTurn] = {}
    owner: dict[str, str] = {}
    for thread, its_turns in turns.items():
        for turn in its_turns:
            first = known.setdefault(turn.id, turn)
            current.check(thread, expected=first.messages, found=turn.messages)
            if thread in without_parent and owner.setdefault(turn.id, thread) != thread:
                current.fault(thread, expected="a fork knows its parent", found=f"{owner[turn.id]} has its turns too")


async def _check_leftovers(place: Place, inner: Storage, storage: Storage, current: Round) -> None:
    """Count the pictures that no turn shows. After a clean-up there is none."""
    named = [
        len({digest for record in (await inner.read(info.id)).records for digest in record.blobs})
        async for info in inner.threads()
    ]
    if left := await asyncio.to_thread(place.count_blobs) - sum(named):
        current.tally.disturbances["files that kills left"] += left
    await storage.clean_up()
    current.check("", expected=sum(named), found=await asyncio.to_thread(place.count_blobs))


async def _check_bytes(place: Place, turns: Mapping[str, Sequence[StoredTurn]], current: Round) -> None:
    """Search for the bytes of pictures that no turn shows."""
    shown = {match[2] for its in turns.values() for turn in its if (match := SHOWN.search(turn.messages[0].text))}
    left = await asyncio.to_thread(_left, place, {f"picture{word}".encode() for word in shown})
    if left:
        current.fault("", expected="no byte of a picture that no turn shows", found=f"bytes of {sorted(left)}")


def _left(place: Place, shown: set[bytes]) -> set[bytes]:
    """Return the pictures whose bytes are still found after some time."""
    end = time.monotonic() + SOON_S
    while (left := place.matches(PICTURE) - shown) and time.monotonic() < end:
        time.sleep(0.1)
    return left
