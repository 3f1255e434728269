"""The read of a thread for a run: the query and its result. It is one trip, before anything is paid for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from recuerda import _observing
from recuerda._observing import Observer
from recuerda.messages.message import ChatMessage
from recuerda.storage.records import TurnRecord
from recuerda.storage.thread_info import Expected, revision_of
from recuerda.threads.history import History, StoredTurn
from recuerda.threads.mirror import ThreadService
from recuerda.threads.pins import Pinned
from recuerda.window.explaining import WindowReport
from recuerda.window.tokens import ESTIMATES
from recuerda.window.window import ContextWindow, group_turns

_NO_LIMIT = ContextWindow(keep_files=None)
"""The window of an agent without a window: it sends everything."""


class ThreadQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a thread that a run reads.

    Attributes:
        window: the limit for the messages to read; None for all messages.
        turn_id: the id of a turn to look for as well; None looks for no turn.
        reach: if given, the newest summary is read too, with the turns after it up to this limit; `window` is cut from
            them. None reads only turns.
        service: the client's service if it keeps threads, otherwise None. A thread that recuerda keeps ignores it.
        spare: the number of messages to read beyond `window` and `reach`.
    """

    window: ContextWindow | None = None
    turn_id: str | None = None
    reach: ContextWindow | None = None
    service: ThreadService | None = None
    spare: int = 0


class LoadedThread(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the read with which a run starts.

    Attributes:
        version: the version that the commit expects; None when the thread's owner has no versions.
        history: the turns that were read; None when the store knows no turns, or a service keeps the thread.
        messages: the messages of a store that knows no turns.
        committed: the turn with the requested id; None if the thread does not have it yet.
        is_new: True if the thread has no turn yet.
        summary: the newest summary; None if it was not requested or there is none.
        has_draft: True if a turn was begun on the thread and is neither committed nor dropped.
        pinned: the pinned messages that stay in every request; none without a window, and none if the newest summary
            was requested, because a summary has its own.
        replaced: the newest turn if the run replaces it; `history` and `pinned` are without it. Otherwise None.
    """

    version: Expected | None = None
    history: History | None = None
    messages: Sequence[ChatMessage] = ()
    committed: StoredTurn | None = None
    is_new: bool = False
    summary: TurnRecord | None = None
    has_draft: bool = False
    pinned: Pinned = Pinned()
    replaced: StoredTurn | None = None

    @property
    def revision(self) -> int:
        """The revision of `version`; 0 without a version."""
        return revision_of(self.version or 0)

    def first_sent(self, window: ContextWindow | None, overhead_tokens: int = 0, input_tokens: int = 0) -> int | None:
        """Return the number of the first turn that `select` returns; None if the store knows no turns.

        If it returns no turn, because the thread has none or a summary covers them all, this is the number of the next
        turn.
        """
        if self.history is None:
            return None
        if not self.history.turns:
            return self.revision + 1
        if window is None:
            return self.history.turns[0].number
        return self.history.first_sent(window, overhead_tokens=overhead_tokens, input_tokens=input_tokens)

    def select(
        self, window: ContextWindow | None, overhead_tokens: int = 0, input_tokens: int = 0
    ) -> Sequence[ChatMessage]:
        """Return the messages to send, the oldest first; the arguments are those of `ContextWindow.select`.

        Pinned messages of turns that the window leaves out come first.
        """
        sent = self._selected(window, overhead_tokens, input_tokens)
        if _observing.observer is not None:
            self._told_observer(_observing.observer, window, sent)
        return sent

    def _selected(self, window: ContextWindow | None, overhead_tokens: int, input_tokens: int) -> Sequence[ChatMessage]:
        if window is None:
            return self.messages if self.history is None else self.history.messages()
        beside = {"overhead_tokens": overhead_tokens, "input_tokens": input_tokens}
        if self.history is not None:
            sent = self.history.window(window, **beside)
            first = self.history.first_sent(window, **beside) if self.pinned.pins else 0
        else:
            sent = window.select(group_turns(self.messages), **beside)
            first = len(self.messages) - len(sent)
        return [*self.pinned.before(first, sent), *sent] if self.pinned.pins else sent

    def explain(
        self, window: ContextWindow | None, overhead_tokens: int = 0, input_tokens: int = 0
    ) -> tuple[list[ChatMessage], WindowReport]:
        """Return what `select` returns for the same arguments: the pinned messages, and the report on the others."""
        limits = window or _NO_LIMIT
        beside = {"overhead_tokens": overhead_tokens, "input_tokens": input_tokens}
        if self.history is None:
            turns = group_turns(self.messages)
            return [], limits.explain(turns, overhead_tokens=overhead_tokens, input_tokens=input_tokens)
        sent = self.history.messages() if window is None else self.history.window(window, **beside)
        report = self.history.report(limits, sent, **beside)
        pinned = self.pinned.before(report.first_sent or 0, sent) if window is not None else []
        return pinned, report

    def _told_observer(self, observer: Observer, window: ContextWindow | None, sent: Sequence[ChatMessage]) -> None:
        if self.history is None or (info := self.history.info) is None:
            return
        counter = (window and window.counter) or ESTIMATES
        # An exact count of the whole window would cost more than the run.
        counter = ESTIMATES if counter.is_exact else counter
        left_out = max(0, info.messages - len(sent))
        observer.windowed(info.id, sent=len(sent), left_out=left_out, sent_tokens=lambda: counter.count(sent))
