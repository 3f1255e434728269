"""The read with which a run starts: the thread's turns, and the summary of the turns before them."""

from __future__ import annotations

import msgspec

from recuerda.agent.request import RunRequest
from recuerda.agent.settings import AgentSettings
from recuerda.errors import StateError
from recuerda.threads.loading import LoadedThread, ThreadQuery
from recuerda.window.summary import Summary, decode_summary


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the read with which a run starts.

    Attributes:
        loaded: the turns, the revision, and whether there is a draft.
        summary: the newest summary; None when there is none, or the agent has no summarizer.
        warnings: the reason why a summary could not be read, and pinned messages that are not sent, if there are any.
    """

    loaded: LoadedThread
    summary: Summary | None = None
    warnings: tuple[str, ...] = ()


async def read_thread(
    request: RunRequest, settings: AgentSettings, *, spare: int = 0, with_summary: bool = True
) -> Reading:
    """Read the window of a run's thread, with the newest summary if the agent has a summarizer.

    Args:
        request: the run's request.
        settings: the agent's settings.
        spare: the number of messages to read beyond the window.
        with_summary: False reads the turns in place of a summary.
    """
    thread, summarizer = request.thread, settings.summarizer
    query = ThreadQuery(window=settings.window, turn_id=request.turn_id, service=settings.service, spare=spare)
    if summarizer is None or not with_summary:
        return reading_of(await thread.load(query), thread.id)
    loaded = await thread.load(msgspec.structs.replace(query, reach=summarizer.reach(settings.window)))
    if loaded.summary is None:
        return Reading(loaded=loaded)
    try:
        return Reading(loaded=loaded, summary=decode_summary(loaded.summary.body))
    except StateError as error:
        # The turns that the summary covers are still there. A summary that a trim has emptied is not an error.
        warning = f"thread {thread.id!r}: {error}; its turns are sent instead"
        warnings = (warning,) if loaded.summary.body else ()
        return Reading(loaded=await thread.load(query), warnings=warnings)


def reading_of(loaded: LoadedThread, thread_id: str) -> Reading:
    """Return a reading without a summary, with the warnings about its pinned messages."""
    return Reading(loaded=loaded, warnings=loaded.pinned.warnings(thread_id))
