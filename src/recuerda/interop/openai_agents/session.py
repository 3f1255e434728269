"""`RecuerdaSession`: the session of the OpenAI Agents SDK, kept as a thread."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, cast

from agents import RunContextWrapper, TResponseInputItem
from agents.memory import SessionABC, SessionSettings
from agents.memory.session_settings import coerce_session_settings, resolve_session_limit

from recuerda.ids import check_id
from recuerda.interop.item_log import ItemLog, Place, remember
from recuerda.interop.responses_items import ResponsesForm
from recuerda.storage.contract import Storage


class RecuerdaSession(SessionABC):
    """Keep a session's items in a thread, on any storage.

    What one run adds becomes one turn. A run whose session has got other items meanwhile raises `ThreadConflict`, and
    its items are not written.

    Args:
        session_id: the thread's id.
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
        user_id: the user to whom the thread belongs. Another user's thread raises `ThreadOwnershipError`. None opens
            the thread of any user.
        turn_id: the id of the turn that the next run begins, such as the id of a web request. It makes a retry safe: a
            run that is repeated with the same id sees the same history as the first one, and is stored once. Give each
            turn a session of its own.
        session_settings: the settings of the SDK, such as the largest number of items that a run reads. A dictionary of
            them is taken too; a name in it that the SDK does not know raises `TypeError`.

    Attributes:
        log: the thread as a list of items.
        places: where each run that is under way has read the thread, by the run's id.
    """

    def __init__(
        self,
        session_id: str,
        storage: Storage | str,
        *,
        user_id: str | None = None,
        turn_id: str | None = None,
        session_settings: SessionSettings | dict[str, Any] | None = None,
    ) -> None:
        self.session_id = session_id
        # The runner resolves its own settings against an object, and would fail at a dictionary in the middle of a run.
        self.session_settings: SessionSettings | None = (
            coerce_session_settings(session_settings) if session_settings else SessionSettings()
        )
        self._turn_id = None if turn_id is None else check_id(turn_id, "turn id")
        self.log: ItemLog = ItemLog(storage, session_id, ResponsesForm(), user_id=user_id)
        self.places: dict[int, Place] = {}

    async def get_items(
        self, limit: int | None = None, *, wrapper: RunContextWrapper[Any] | None = None
    ) -> list[TResponseInputItem]:
        """Return the newest items, the oldest of them first.

        Args:
            limit: the largest number of items; None for the limit of the settings. A result at the start whose call is
                left out is left out too.
            wrapper: the run that reads. Its next items must follow the items that it has read.
        """
        wanted = resolve_session_limit(limit, self.session_settings)
        if wanted is not None and wanted <= 0:
            wanted = None if wanted < 0 else 0
        items = [] if wanted == 0 else await self.log.items(wanted, without=self._turn_id)
        self._remember(wrapper, self.log.place)
        return cast("list[TResponseInputItem]", items)

    async def add_items(
        self, items: list[TResponseInputItem], *, wrapper: RunContextWrapper[Any] | None = None
    ) -> None:
        """Add items in one atomic step.

        Raises:
            ThreadConflict: the run has read the session, and another writer has changed it since.
            EncodeError: an item is not JSON; nothing was written.
        """
        at = None if wrapper is None else self.places.get(id(wrapper))
        place = await self.log.add(cast("list[dict[str, Any]]", items), at=at, turn_id=self._turn_id)
        if items:
            self._turn_id = None
        self._remember(wrapper, place)

    async def pop_item(self, *, wrapper: RunContextWrapper[Any] | None = None) -> TResponseInputItem | None:
        """Remove the newest item and return it; None for an empty session."""
        item = await self.log.pop()
        self._remember(wrapper, self.log.place)
        return cast("TResponseInputItem | None", item)

    async def clear_session(self, *, wrapper: RunContextWrapper[Any] | None = None) -> None:
        """Delete the thread with all its items."""
        await self.log.clear()
        self._remember(wrapper, None)

    async def close(self) -> None:
        """Close the storage if the session opened it."""
        await self.log.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _remember(self, wrapper: RunContextWrapper[Any] | None, place: Place | None) -> None:
        """Note where a run is, until the run is gone."""
        if wrapper is None:
            return
        if place is None:
            self.places.pop(id(wrapper), None)
        else:
            remember(self.places, wrapper, place)
