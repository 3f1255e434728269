"""The parts that every page of a studio works with, made once when the studio starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request

from recuerda.agent.agent import Agent
from recuerda.errors import ConfigurationError
from recuerda.recall.index import RecallIndex
from recuerda.recall.places import index_beside, opened_index
from recuerda.recall.recollection import Recollection
from recuerda.recall.thread_search import ThreadSearch
from recuerda.storage.contract import Storage
from recuerda.storage.hooks import Clock
from recuerda.studio.redaction import Redaction
from recuerda.studio.rendering import Renderer
from recuerda.studio.settings import StudioSettings
from recuerda.studio.uploads import Uploads
from recuerda.studio.watching import Watching


@dataclass(frozen=True, slots=True)
class Studio:
    """The parts of a studio.

    Attributes:
        settings: the settings.
        storage: the storage. In a studio of one user, it is the view of that user.
        index: the index of memories; None if there is none.
        recall: searches the memories of the storage; None without an index.
        search: searches the threads by what was said in them; None without an index.
        redaction: hides secrets.
        renderer: makes HTML.
        watching: notices that threads change.
        uploads: the files whose import is not confirmed yet.
    """

    settings: StudioSettings
    storage: Storage
    index: RecallIndex | None
    recall: Recollection | None
    search: ThreadSearch | None
    redaction: Redaction
    renderer: Renderer
    watching: Watching
    uploads: Uploads = field(default_factory=Uploads)
    _owns_index: bool = False

    @property
    def allow_changes(self) -> bool:
        """Whether people may change threads here."""
        return self.settings.allow_changes

    @property
    def user_id(self) -> str | None:
        """The only user whose threads are shown; None shows everything."""
        return self.settings.user_id

    @property
    def agent(self) -> Agent | None:
        """The agent of the chat pane, or None."""
        return self.settings.agent

    @property
    def clock(self) -> Clock:
        """Gives the time in microseconds since 1970."""
        return self.settings.clock

    async def close(self) -> None:
        """Close what the studio has opened. The storage stays open."""
        self.uploads.close()
        if self.search is not None:
            await self.search.close()
        if self.index is not None and self._owns_index:
            await self.index.close()


def make_studio(settings: StudioSettings) -> Studio:
    """Return the parts of a studio.

    Raises:
        ConfigurationError: the index of memories cannot be used, or a redaction is not a regular expression.
    """
    storage = settings.storage if settings.user_id is None else settings.storage.for_user(settings.user_id)
    index, owns_index = _index(settings)
    return Studio(
        settings=settings,
        storage=storage,
        index=index,
        recall=None if index is None else Recollection(index, storage, None, settings.clock),
        search=None if index is None else ThreadSearch(storage, index, clock=settings.clock),
        redaction=Redaction(settings.redactions),
        renderer=Renderer(clock=settings.clock),
        watching=Watching(storage, interval_s=settings.live_interval_s),
        _owns_index=owns_index,
    )


def studio_of(request: Request) -> Studio:
    """Return the studio that answers a request."""
    studio: Studio = request.app.state.studio
    return studio


def _index(settings: StudioSettings) -> tuple[RecallIndex | None, bool]:
    """Return the index that the settings name or that is beside the storage, and whether it was opened here."""
    if settings.recall_index is not None:
        return opened_index(settings.recall_index)
    try:
        index = index_beside(settings.storage)
    except ConfigurationError:  # this storage has no place for an index, or must not have one
        return None, False
    path = getattr(index, "path", None)
    # Looking at threads must not begin an index that nobody asked for.
    return (index, True) if settings.storage.kind == "memory" or _exists(path) else (None, False)


def _exists(path: object) -> bool:
    return isinstance(path, str | Path) and Path(path).exists()
