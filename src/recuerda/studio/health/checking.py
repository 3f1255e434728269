"""The health of a storage, as far as a page can look in a moment: the newest threads, and the oldest leftovers.

`recuerda doctor` examines every thread, however long it takes. This page examines the newest ones and says how many. It
skips very long threads, and a thread in which several things are wrong does not hide the other threads.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
from starlette.requests import Request

from recuerda.errors import ConfigurationError, StorageError
from recuerda.examination import Examined, Finding, examine, is_sealed, read_pending
from recuerda.recall.index import IndexStats
from recuerda.storage.contract import Storage
from recuerda.storage.records import from_microseconds
from recuerda.storage.thread_info import ThreadInfo
from recuerda.studio.health.place import Place, place_of
from recuerda.studio.page import whole
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio

EXAMINED = 20
"""The number of threads that are examined unless the query asks for more."""

MOST_EXAMINED = 100
LONG_TURNS = 2_000
"""A thread with more turns is not examined here."""

AT_ONCE = 4
DRAFTS = 50
LEASES = 50
DAYS = 14
"""The number of days whose turns are counted."""


class ShownFinding(msgspec.Struct, frozen=True, kw_only=True):
    """Damage or a leftover in a thread.

    Attributes:
        thread_id: the thread.
        href: the address of the thread, or of the turn.
        kind: the kind of the finding; see `recuerda.examination.Kind`.
        words: the end of the keys of its texts, which tell more kinds apart; see `words/health.py`.
        explanation: what was found and what it means.
        next_step: what to do about it.
        number: the number of the turn or the summary; None if it is about the whole thread.
        facts: the counts and names in the explanation.
        is_damage: False for a turn that waits for a person.
    """

    thread_id: str
    href: str
    kind: str
    words: str
    explanation: str
    next_step: str
    number: int | None
    facts: Mapping[str, int | str]
    is_damage: bool


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """An unfinished turn.

    Attributes:
        thread_id: the thread.
        href: the address of the thread.
        state: "waiting" if it waits for an approval, "decided" if a run can continue it, "interrupted" if a run broke
            off or is still at work, "sealed" if it is encrypted, "damaged" if it cannot be read.
        steps: the number of its steps.
        at_us: the time of its last step, in microseconds since 1970 (UTC).
    """

    thread_id: str
    href: str
    state: str
    steps: int
    at_us: int


class RunningLease(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that a process holds now, which means that a run is at work on the thread.

    Attributes:
        thread_id: the thread.
        href: the address of the thread, which may not exist yet.
        left_us: the time until the lease ends if it is not renewed, in microseconds.
    """

    thread_id: str
    href: str
    left_us: int


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """The turns of one day (UTC) in the examined threads."""

    day: str
    turns: int


class HealthPage(msgspec.Struct, frozen=True, kw_only=True):
    """The health of a storage.

    Attributes:
        place: where the threads are, and how long they last.
        limit: the number of the newest threads that were looked at, at most.
        threads: the number of examined threads.
        turns: the number of their turns.
        sealed: the number of encrypted values, which cannot be examined.
        has_more: whether the storage has more threads.
        more_href: the address of a page that examines more; None if this one examines the most.
        findings: the damage and the leftovers in the examined threads.
        skipped: the threads that are too long to be examined here.
        leftovers: the unfinished turns, those that were begun first in front.
        has_more_leftovers: whether there are more.
        leftovers_problem: why the unfinished turns cannot be listed; None if they can.
        leases: the leases that are held now; None if the storage cannot list them.
        has_more_leases: whether there are more.
        leases_problem: why the leases cannot be listed; None if they can, or if the storage cannot list any.
        index: the statistics of the index of memories; None without an index, and in a studio of one user.
        days: the turns of the last days in the examined threads, the oldest day first.
    """

    place: Place
    limit: int
    threads: int
    turns: int
    sealed: int
    has_more: bool
    more_href: str | None
    findings: tuple[ShownFinding, ...]
    skipped: tuple[str, ...]
    leftovers: tuple[Leftover, ...]
    has_more_leftovers: bool
    leftovers_problem: str | None
    leases: tuple[RunningLease, ...] | None
    has_more_leases: bool
    leases_problem: str | None
    index: IndexStats | None
    days: tuple[Day, ...]

    @property
    def damage(self) -> int:
        """The number of findings that are damage."""
        return sum(finding.is_damage for finding in self.findings)

    @property
    def busiest(self) -> int:
        """The largest number of turns of a day; at least 1."""
        return max([1, *(day.turns for day in self.days)])


async def show_health(studio: Studio, request: Request) -> HealthPage:
    """Return the health of the storage. `?threads=100` examines that many threads."""
    limit = whole(request.query_params.get("threads"), "threads") or EXAMINED
    limit = min(limit, MOST_EXAMINED)
    newest = await studio.storage.list_threads(user_id=studio.user_id, archived=None, limit=limit)
    short = [info for info in newest.threads if info.turns <= LONG_TURNS]
    examined = await _examined(studio.storage, short)
    leftovers, has_more, problem = await _leftovers(studio)
    leases, has_more_leases, leases_problem = await _leases(studio)
    has_index = studio.index is not None and studio.user_id is None
    return HealthPage(
        place=await place_of(studio.settings.storage, studio.settings.storage_name),
        limit=limit,
        threads=len(examined),
        turns=sum(len(thread.records) for thread in examined),
        sealed=sum(thread.sealed for thread in examined),
        has_more=newest.cursor is not None,
        more_href=link("health", threads=MOST_EXAMINED) if newest.cursor and limit < MOST_EXAMINED else None,
        findings=tuple(_shown(finding) for thread in examined for finding in thread.findings),
        skipped=tuple(info.id for info in newest.threads if info.turns > LONG_TURNS),
        leftovers=leftovers,
        has_more_leftovers=has_more,
        leftovers_problem=problem,
        leases=leases,
        has_more_leases=has_more_leases,
        leases_problem=leases_problem,
        index=await studio.index.stats() if studio.index is not None and has_index else None,
        days=_days(examined, studio.clock()),
    )


async def _examined(storage: Storage, threads: Sequence[ThreadInfo]) -> list[Examined]:
    """Return the examined threads. A thread that is deleted meanwhile is left out."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(thread_id: str) -> Examined:
        async with places:
            return await examine(storage, thread_id)

    found = await asyncio.gather(*(one(info.id) for info in threads))
    return [thread for thread in found if thread.info is not None or thread.findings]


def _shown(finding: Finding) -> ShownFinding:
    thread = ("threads", finding.thread_id)
    is_of_turn = finding.number is not None and finding.kind in ("corrupt_turn", "newer_turn", "lost_file")
    return ShownFinding(
        thread_id=finding.thread_id,
        href=link(*thread, "turns", finding.number) if is_of_turn and finding.number else link(*thread),
        kind=finding.kind,
        words=words_of(finding),
        explanation=finding.explanation,
        next_step=finding.next_step,
        number=finding.number,
        facts=finding.facts,
        is_damage=finding.is_damage,
    )


def words_of(finding: Finding) -> str:
    """Return the end of the keys of a finding's texts: its kind, or a kind that tells more apart."""
    if finding.kind == "waiting_draft" and finding.facts["waits_for"] == "resume":
        return "decided_draft"
    if finding.kind == "open_draft" and not finding.facts["is_current"]:
        return "outdated_draft"
    return finding.kind


async def _leftovers(studio: Studio) -> tuple[tuple[Leftover, ...], bool, str | None]:
    """Return the oldest unfinished turns, whether there are more, and why they cannot be listed."""
    try:
        page = await studio.storage.list_drafts(DRAFTS, user_id=studio.user_id)
    except StorageError as error:
        return (), False, str(error)
    found = await asyncio.gather(*(_leftover(studio.storage, thread_id) for thread_id in page.thread_ids))
    return tuple(one for one in found if one is not None), page.cursor is not None, None


async def _leases(studio: Studio) -> tuple[tuple[RunningLease, ...] | None, bool, str | None]:
    """Return the leases that are held now, whether there are more, and why they cannot be listed."""
    try:
        found = await studio.storage.list_leases(LEASES + 1)
    except ConfigurationError:  # a storage without leases
        return None, False, None
    except StorageError as error:
        return None, False, str(error)
    shown = (
        RunningLease(thread_id=lease.thread_id, href=link("threads", lease.thread_id), left_us=lease.left_us)
        for lease in found[:LEASES]
    )
    return tuple(shown), len(found) > LEASES, None


async def _leftover(storage: Storage, thread_id: str) -> Leftover | None:
    draft = await storage.load_draft(thread_id)
    if draft is None:
        return None
    pending = read_pending(draft, thread_id)
    if pending is None:
        state = "sealed" if is_sealed(draft.steps[0].body) else "damaged"
    elif not pending.is_paused:
        state = "interrupted"
    else:
        state = "waiting" if pending.waits_for_approval else "decided"
    return Leftover(
        thread_id=thread_id,
        href=link("threads", thread_id),
        state=state,
        steps=len(draft.steps),
        at_us=draft.steps[-1].created_us,
    )


def _days(examined: Sequence[Examined], now_us: int) -> tuple[Day, ...]:
    """Return the number of turns of each of the last days."""
    counts = Counter(f"{from_microseconds(one.created_us):%Y-%m-%d}" for thread in examined for one in thread.records)
    today = from_microseconds(now_us)
    days = [f"{today - timedelta(days=ago):%Y-%m-%d}" for ago in reversed(range(DAYS))]
    return tuple(Day(day=day, turns=counts[day]) for day in days)
