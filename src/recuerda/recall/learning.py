"""The search for facts in turns that were committed: each turn once, also if the model fails on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, tzinfo

from recuerda._events import fields
from recuerda.errors import ChatClientError, ProviderError
from recuerda.recall.facts import KNOWN_FACTS, Fact, FactExtractor, NewFact
from recuerda.recall.forgotten import is_forgotten
from recuerda.recall.index import Position, RecallIndex
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadParent
from recuerda.threads.history import StoredTurn, stored_turn

_TURNS_FOR_FACTS = 10
_REFUSALS = (400, 413, 422)
"""The statuses with which a service refuses a text. Any other status may be different next time."""

_logger = logging.getLogger("recuerda.recall")


class Learning:
    """Find facts in the newest turns of threads.

    Args:
        index: the index of the memories, which keeps the facts.
        zone: the time zone of the users.
    """

    def __init__(self, index: RecallIndex, *, zone: tzinfo = UTC) -> None:
        self._index = index
        self._zone = zone
        self._failed_turns: set[str] = set()

    async def learn(self, extractor: FactExtractor, thread_id: str, home: Storage) -> int:
        """Search the turns of a thread for facts, if they have not been searched yet; return the number of facts.

        A turn on which the model fails is searched again next time. If the model fails on it again, and the reason is
        the turn, the turn is left out, so that it does not hold up the turns after it.

        Args:
            extractor: finds the facts.
            thread_id: the thread.
            home: the storage of the thread.

        Raises:
            ChatClientError: the model failed.
            ProviderError: the model's answer does not have the required form.
            TimeoutError: the model did not answer within the time limit.
        """
        position = (await self._index.positions([thread_id])).get(thread_id)
        if position is None:
            return 0
        through = await self._index.facts_through(thread_id, position.incarnation)
        found = await home.read(thread_id, last_turns=_TURNS_FOR_FACTS)
        if found.info is None or found.info.incarnation != position.incarnation:
            return 0
        if through is None and found.info.parent is not None:
            through = await self._learned_of_parent(thread_id, position, found.info.parent)
        count = 0
        for record in found.records:
            if record.number > (through or 0):
                known = (await self._index.facts(position.scope))[-KNOWN_FACTS:]
                facts = await self._facts_of(stored_turn(record, thread_id), extractor, known)
                await self._index.add_facts(thread_id, position, record.number, facts, turn_id=record.id)
                count += len(facts)
        return count

    async def _learned_of_parent(self, thread_id: str, position: Position, parent: ThreadParent) -> int | None:
        """Return the number of the last turn of a fork that was searched for facts in its parent.

        None if the parent was not searched that far. The index has the facts of these turns as facts of the fork, too.
        """
        searched = await self._index.facts_through(parent.thread_id, parent.incarnation)
        if not parent.turns or (searched or 0) < parent.number:
            return None
        await self._index.add_facts(thread_id, position, parent.turns, (), turn_id=parent.turn_id)
        return parent.turns

    async def _facts_of(self, turn: StoredTurn, extractor: FactExtractor, known: Sequence[Fact]) -> Sequence[NewFact]:
        """Return the facts of a turn; none if the model fails on it for the second time because of the turn."""
        if is_forgotten(turn):
            return []
        try:
            facts = await self._extracted(turn, extractor, known)
        except (ChatClientError, ProviderError, TimeoutError) as error:
            if not (turn.id in self._failed_turns and _is_about_the_turn(error)):
                self._failed_turns.add(turn.id)
                raise
            _logger.warning(
                "a turn is searched for facts no more, because the model failed on it twice: %s",
                error,
                extra=fields("facts_given_up", error=type(error).__name__),
            )
            facts: Sequence[NewFact] = []
        self._failed_turns.discard(turn.id)
        return facts

    async def _extracted(self, turn: StoredTurn, extractor: FactExtractor, known: Sequence[Fact]) -> Sequence[NewFact]:
        seconds = extractor.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await extractor.extract(turn, known, zone=self._zone)
        except TimeoutError:
            raise TimeoutError(f"the model that finds facts did not answer within {seconds:g} s") from None


def _is_about_the_turn(error: Exception) -> bool:
    """Return True if a model will fail on the same turn again: it refused the text, or it cannot answer in the form."""
    return not isinstance(error, ChatClientError) or error.status in _REFUSALS
