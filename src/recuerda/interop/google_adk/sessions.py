"""`RecuerdaSessionService`: the session service of ADK, with a thread for each session."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast

from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event
from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig, ListSessionsResponse
from google.adk.sessions.session import Session
from msgspec import structs
from pydantic_core import to_jsonable_python

from recuerda.agent.resuming import running_turn
from recuerda.agent.steps import RunningTurn, encode_step
from recuerda.errors import DraftConflict, ThreadConflict
from recuerda.ids import check_id, new_id
from recuerda.interop.copies import Original
from recuerda.interop.google_adk.form import dump, fields_of, is_same_event, keep
from recuerda.interop.google_adk.marks import (
    SESSION,
    THROUGH,
    UPDATED,
    Found,
    Mark,
    events_in,
    folded,
    mark_of,
    put_mark,
    through_of,
)
from recuerda.interop.google_adk.places import app_thread, namespace_of, session_thread, user_thread
from recuerda.interop.google_adk.state import as_metadata, joined, share, split, state_in
from recuerda.interop.google_adk.turns import added, belongs, is_answered, is_complete
from recuerda.interop.own_storage import OwnStorage
from recuerda.interop.warm_threads import warm_threads
from recuerda.json_value import JsonObject, to_json_object
from recuerda.messages.message import ChatMessage
from recuerda.recall.scopes import NAMESPACE_KEY
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.run_lock import RunLocks
from recuerda.storage.thread_info import ThreadInfo, Version
from recuerda.threads.history import StoredTurn, stored_turn, title_of
from recuerda.threads.new_turn import new_turn
from recuerda.threads.store import ChatMessageStore
from recuerda.window.window import ContextWindow

_FIRST_MESSAGES = 64
"""The number of messages of the first read for the events after a time."""

_MORE = 8
"""Each further read of a session takes this number of times as many messages as the one before."""

_REMEMBERED = 1000
"""The number of sessions whose turn under way is remembered, so that it is not read again."""

_RECENT = 100
"""The number of ids of events that a session object notes although it does not hold the events."""

_TRIES = 10

_STALE = "the session has changed in the storage since it was read: get it again, and repeat what you did with it"


class RecuerdaSessionService(OwnStorage, BaseSessionService):
    """Keep ADK's sessions as threads, on any storage.

    The events of an invocation are one turn. They are stored one by one, as the thread's draft, and the final response
    commits the turn. So no other reader sees half of a turn, and a process that dies loses nothing.

    A session that somebody else has changed raises `StaleSessionError`. An event that is appended again is stored once.

    Args:
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
    """

    def __init__(self, storage: Storage | str) -> None:
        self._open(storage)
        self._locks = RunLocks()
        self._running: dict[str, tuple[str, str, RunningTurn]] = {}

    @staticmethod
    def thread_id(app_name: str, user_id: str, session_id: str) -> str:
        """Return the id of the thread that keeps a session, for other readers."""
        return session_thread(app_name, user_id, session_id)

    # -- sessions ------------------------------------------------------------------------------------------------------

    async def create_session(
        self,
        *,
        app_name: str,
        user_id: str,
        state: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> Session:
        """Create a session and return it.

        Args:
            app_name: the name of the application.
            user_id: the user.
            state: the values of the state that the session begins with; None for no values.
            session_id: the session's id. Blanks around it are removed, as ADK's own services do. None, and an id of
                blanks alone, stand for a new id.

        Raises:
            AlreadyExistsError: there is such a session.
            InvalidInput: the user id cannot be the owner of a thread.
            EncodeError: the state is not JSON.
        """
        check_id(user_id, "user id")
        given = (session_id or "").strip()
        session_id = given or str(uuid.uuid4())
        # ADK stores a value that is not JSON, such as a time, in the form that pydantic gives it.
        of_app, of_user, of_session = split(
            to_jsonable_python(state or {}, inf_nan_mode="null", serialize_unknown=True)
        )
        now = self.storage.clock() / 1e6
        metadata: JsonObject = {
            SESSION: {"app": app_name, "user": user_id, "id": session_id},
            NAMESPACE_KEY: namespace_of(app_name),
            UPDATED: now,
            THROUGH: 0,
            **as_metadata(of_session),
        }
        to_json_object({**of_app, **of_user}, "the state")
        info = await self._create(session_thread(app_name, user_id, session_id), user_id, metadata, is_new=not given)
        for thread_id, values, owner in (
            (app_thread(app_name), of_app, None),
            (user_thread(app_name, user_id), of_user, user_id),
        ):
            await share(self.storage, thread_id, values, user_id=owner, event_id=info.incarnation)
        shared = await self._shared(app_name, user_id)
        session = Session(
            id=session_id,
            app_name=app_name,
            user_id=user_id,
            state=joined(*shared, state_in(info)),
            last_update_time=now,
        )
        put_mark(session, Mark(version=info.version))
        return session

    async def _create(self, thread_id: str, user_id: str, metadata: JsonObject, *, is_new: bool) -> ThreadInfo:
        if is_new:
            return await self.storage.update_thread(thread_id, metadata=metadata, expected_user_id=user_id)
        # A thread without turns has the same revision as no thread. So it is made first, and its settings decide.
        info = await self.storage.head(thread_id, user_id=user_id)
        if info is None:
            info = await self.storage.update_thread(thread_id, expected_user_id=user_id)
        taken = AlreadyExistsError(f"there is a session in the thread {thread_id!r} already")
        if info.revision or SESSION in info.metadata:
            raise taken
        try:
            return await self.storage.update_thread(
                thread_id, metadata=metadata, expected=info.version, expected_user_id=user_id
            )
        except ThreadConflict:
            raise taken from None

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        """Return a session; None if there is no such session.

        Args:
            app_name: the name of the application.
            user_id: the user.
            session_id: the session.
            config: which events to return. The newest events cost the same however long the session is.
        """
        check_id(user_id, "user id")
        found, shared = await asyncio.gather(
            self._find(session_thread(app_name, user_id, session_id), user_id, config or GetSessionConfig()),
            self._shared(app_name, user_id),
        )
        if found is None:
            return None
        events = [one.copy() for one in _chosen(found.newest_first(), config or GetSessionConfig())]
        newest = next((one.value for one in found.newest_first()), None)
        held = {event.id for event in events}
        session = Session(
            id=session_id.strip(),
            app_name=app_name,
            user_id=user_id,
            state=joined(*shared, {**state_in(found.info), **found.delta()}),
            events=events,
            last_update_time=_updated(found.info) if newest is None else newest.timestamp,
        )
        recent = [event_id for event_id in islice(found.ids(), _RECENT) if event_id not in held]
        put_mark(session, structs.replace(found.mark, recent=tuple(reversed(recent))))
        return session

    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """Return the sessions of an application, or of one of its users, without their events.

        The session that was updated last comes last. No event is read: the state of a session is the state after its
        last whole turn.
        """
        of_app = state_in(await self.storage.head(app_thread(app_name)))
        of_users: dict[str, dict[str, Any]] = {}
        infos: list[ThreadInfo] = []
        cursor: str | None = None
        while True:
            page = await self.storage.list_threads(user_id=user_id, archived=None, limit=1000, cursor=cursor)
            for info in page.threads:
                if _names(info).get("app") == app_name:
                    infos.append(info)
                elif info.user_id is not None and info.id == user_thread(app_name, info.user_id):
                    of_users[info.user_id] = state_in(info)
            if (cursor := page.cursor) is None:
                break
        late = await self._late(infos)
        sessions: list[Session] = []
        for info in infos:
            of_user = of_users.get(info.user_id or "", {})
            own = {**state_in(info), **late.get(info.id, {})}
            sessions.append(_listed(info, joined(of_app, of_user, own)))
        sessions.sort(key=lambda session: (session.last_update_time, session.user_id, session.id))
        return ListSessionsResponse(sessions=sessions)

    async def _late(self, infos: Sequence[ThreadInfo]) -> dict[str, dict[str, object]]:
        """Return the changes of state that metadata lack, by thread: another writer went on, or a process has died."""
        late: dict[str, dict[str, object]] = {}
        for info in infos:
            if through_of(info) < info.revision:
                found = await self.storage.read(info.id, after=through_of(info), blobs=None)
                late[info.id] = folded([turn.messages for turn in _turns(found)])
        return late

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """Delete a session with all its events and its own state. The states of the user and the application stay."""
        check_id(user_id, "user id")
        thread_id = session_thread(app_name, user_id, session_id)
        self._running.pop(thread_id, None)
        await self.storage.delete(thread_id, user_id=user_id)

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        """Return the state that all sessions of a user share, without the prefix `user:`."""
        return state_in(await self.storage.head(user_thread(app_name, user_id), user_id=user_id))

    async def _shared(self, app_name: str, user_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        of_app, of_user = await asyncio.gather(
            self.storage.head(app_thread(app_name)),
            self.storage.head(user_thread(app_name, user_id), user_id=user_id),
        )
        return state_in(of_app), state_in(of_user)

    # -- events --------------------------------------------------------------------------------------------------------

    async def append_event(self, session: Session, event: Event) -> Event:
        """Append an event to a session, in the storage and in the session object, and return it.

        A partial event is not stored. An event that the session has already is not stored again. Values of the state
        that belong to the user or to the application are set after the event is stored, each key alone.

        Raises:
            StaleSessionError: somebody else has changed the session since it was read; nothing was written.
            SessionNotFoundError: there is no such session.
            EncodeError: the event is not JSON; nothing was written.
        """
        if event.partial:
            return event
        thread_id = session_thread(session.app_name, session.user_id, session.id)
        async with self._locks.of(thread_id):
            # Branches of one invocation share the session object, and may append at the same time.
            return await self._append_event(thread_id, session, event)

    async def _append_event(self, thread_id: str, session: Session, event: Event) -> Event:
        self._apply_temp_state(session, event)
        event = self._trim_temp_delta_state(event)
        item = dump(event)
        mark = mark_of(session) or await self._first_mark(thread_id, session)
        is_held = any(is_same_event(one, event) for one in [one for one in session.events if one.id == event.id])
        if is_held or (event.id in mark.recent and await self._has(thread_id, session.user_id, event)):
            await self._share(session, event, item)
            return event
        try:
            mark = await self._store(thread_id, session.user_id, mark, event, keep(item))
        except (ThreadConflict, DraftConflict):
            mark = await self._after_conflict(thread_id, session, mark, event)
        put_mark(session, mark)
        await self._share(session, event, item)
        session.last_update_time = event.timestamp
        return self._commit_event_to_session(session, event)

    async def _share(self, session: Session, event: Event, item: Mapping[str, Any]) -> None:
        """Set the values of the state that an event gives to the application and to the user."""
        of_app, of_user, _ = split(item.get("actions", {}).get("state_delta", {}))
        await share(self.storage, app_thread(session.app_name), of_app, user_id=None, event_id=event.id)
        place = user_thread(session.app_name, session.user_id)
        await share(self.storage, place, of_user, user_id=session.user_id, event_id=event.id)

    async def _store(
        self, thread_id: str, user_id: str, mark: Mark, event: Event, messages: Sequence[ChatMessage]
    ) -> Mark:
        running = await self._under_way(thread_id, user_id, mark)
        if running.messages and not belongs(event, messages, running):
            mark = await self._commit(thread_id, user_id, mark, running)
            running = RunningTurn()
        step = added(running, messages)
        turn = RunningTurn([running.whole(), step])
        if is_complete(event, turn):
            return await self._commit(thread_id, user_id, mark, turn)
        draft = DraftStep(
            turn_id=mark.turn_id,
            revision=mark.version.revision,
            number=mark.steps + 1,
            # Two processes may write the same event at once. Only their claims tell them apart.
            body=encode_step(structs.replace(step if mark.steps else turn.whole(), claim=new_id())),
            id=new_id(),
            previous=mark.last_id,
        )
        await self.storage.save_draft(thread_id, draft, expected=mark.version, user_id=user_id)
        mark = structs.replace(mark, steps=draft.number, last_id=draft.id)
        self._remember(thread_id, mark, turn)
        return mark

    async def _commit(self, thread_id: str, user_id: str, mark: Mark, running: RunningTurn) -> Mark:
        turn = structs.replace(running.turn(), is_interrupted=not is_answered(running))
        new = new_turn(turn, self.storage, id=mark.turn_id)
        appended = await self.storage.append(
            thread_id, new, expected=mark.version, user_id=user_id, title=title_of(turn), last_step=mark.last_id
        )
        if appended.replayed and appended.record.body != new.body:
            raise ThreadConflict(thread_id, expected=mark.version.revision, actual=appended.revision)
        self._running.pop(thread_id, None)
        warm_threads(self.storage).grow(thread_id, mark.version, appended, turn)
        version = Version(mark.version.incarnation, appended.revision, appended.record.id)
        through = await self._settle(thread_id, user_id, mark, appended.revision, turn.messages)
        return Mark(version=version, through=through, recent=mark.recent)

    async def _settle(
        self, thread_id: str, user_id: str, mark: Mark, revision: int, messages: Sequence[ChatMessage]
    ) -> int:
        """Bring the session's state in the metadata up to a revision, and return the revision that they have."""
        turns: list[Sequence[ChatMessage]] = [messages]
        if mark.through < mark.version.revision:
            # Another writer has continued the thread, or has died at this place.
            found = await self.storage.read(thread_id, after=mark.through, blobs=None, user_id=user_id)
            turns = [turn.messages for turn in _turns(found) if turn.number <= revision]
        times = [fields["timestamp"] for message in messages if (fields := fields_of(message)) is not None]
        metadata = {
            **as_metadata(folded(turns)),
            THROUGH: revision,
            **({UPDATED: times[-1]} if times else {}),
        }
        try:
            await self.storage.update_thread(thread_id, metadata=metadata, expected=revision, expected_user_id=user_id)
        except ThreadConflict:
            # The thread has gone on, and the next turn brings the metadata up to date.
            return mark.through
        return revision

    async def _after_conflict(self, thread_id: str, session: Session, mark: Mark, event: Event) -> Mark:
        """Return a mark if the storage has got the event already, because its answer was lost.

        Raises:
            StaleSessionError: it has not.
            SessionNotFoundError: there is no such session any more.
        """
        self._running.pop(thread_id, None)
        found = await self._find(thread_id, session.user_id, GetSessionConfig(num_recent_events=0))
        if found is None:
            raise SessionNotFoundError(f"there is no session {session.id!r}")
        newest_first = [one.value for one in found.newest_first()]
        if not any(is_same_event(one, event) for one in newest_first):
            raise StaleSessionError(_STALE)
        # If others have written after the event, the old mark makes the next event of this session object stale.
        return found.mark if is_same_event(newest_first[0], event) else mark

    async def _first_mark(self, thread_id: str, session: Session) -> Mark:
        """Return the mark of a session that has none, such as a session that was read from JSON."""
        found = await self._find(thread_id, session.user_id, GetSessionConfig(num_recent_events=0))
        if found is None:
            raise SessionNotFoundError(f"there is no session {session.id!r}")
        newest = next((one.value.id for one in found.newest_first()), None)
        if (session.events[-1].id if session.events else None) != newest:
            raise StaleSessionError(_STALE)
        return found.mark

    async def _has(self, thread_id: str, user_id: str, event: Event) -> bool:
        found = await self._find(thread_id, user_id, GetSessionConfig(num_recent_events=_RECENT))
        return found is not None and any(is_same_event(one.value, event) for one in found.newest_first())

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _find(self, thread_id: str, user_id: str, config: GetSessionConfig) -> Found | None:
        """Return a session with at least the events that a configuration asks for, and at least its newest turn."""
        messages: int | None = None
        if config.num_recent_events is not None:
            # Whole turns are read, so the newest turns that fit into the limit may hold fewer events than the limit.
            messages = 2 * config.num_recent_events + 16 if config.num_recent_events else 1
        elif config.after_timestamp is not None:
            messages = _FIRST_MESSAGES
        while True:
            found = await self._read(thread_id, user_id, messages)
            if found is None or messages is None or found.is_whole or _is_enough(found.newest_first(), config):
                return found
            messages *= _MORE

    async def _read(self, thread_id: str, user_id: str, messages: int | None) -> Found | None:
        """Read a session, or its newest whole turns with at most a number of messages; one turn in any case."""
        warm = warm_threads(self.storage)
        store = ChatMessageStore(storage=self.storage, thread_id=thread_id, user_id=user_id)
        window = None if messages is None else ContextWindow(max_messages=messages)
        for _ in range(_TRIES):
            await store.refresh(window, keep_files=None, warm=warm.histories)
            # Another call may read on through the same history, so what it holds is taken before the next `await`.
            history = store.history
            info, has_draft = history.info, history.has_draft
            if info is None:
                return None
            turns = [*history.turns_with_files(last=messages)]
            history.files.release(history.turns)
            known = warm.known(history, "google-adk.events", events_in)
            draft = await self.storage.load_draft(thread_id, user_id=user_id) if has_draft else None
            if not has_draft or (draft is not None and draft.revision <= info.revision):
                break
            # The draft was committed between the two reads.
        else:
            raise StaleSessionError("the session changes faster than it can be read: try it again")
        if not (info.turns or draft or SESSION in info.metadata):
            return None
        mark = Mark(version=info.version, through=through_of(info))
        if turns and len(turns) < info.turns and mark.through < turns[0].number - 1:
            turns = _turns(await self.storage.read(thread_id, after=mark.through, blobs=None, user_id=user_id))
        running = running_turn(draft) if draft else RunningTurn()
        if draft is not None:
            mark = structs.replace(mark, last_id=draft.steps[-1].id)
            if draft.revision == info.revision:
                mark = structs.replace(mark, turn_id=draft.turn_id, steps=len(draft.steps))
            self._remember(thread_id, mark, running)
        return Found(info=info, turns=turns, running=running, mark=mark, known=known)

    async def _under_way(self, thread_id: str, user_id: str, mark: Mark) -> RunningTurn:
        """Return the turn that is under way at a mark.

        Raises:
            DraftConflict: the storage has another turn, or has other steps of it.
        """
        known = self._running.get(thread_id)
        if known is not None and known[:2] == (mark.turn_id, mark.last_id):
            return known[2]
        if not mark.last_id:
            return RunningTurn()
        draft = await self.storage.load_draft(thread_id, user_id=user_id)
        if draft is None or draft.steps[-1].id != mark.last_id:
            raise DraftConflict(thread_id, turn_id=mark.turn_id, number=mark.steps + 1)
        return running_turn(draft)

    def _remember(self, thread_id: str, mark: Mark, turn: RunningTurn) -> None:
        self._running.pop(thread_id, None)
        self._running[thread_id] = (mark.turn_id, mark.last_id, turn)
        if len(self._running) > _REMEMBERED:
            del self._running[next(iter(self._running))]


def _turns(found: ThreadSlice) -> list[StoredTurn]:
    info = found.info
    return (
        [] if info is None else [stored_turn(one, info.id, found.blobs) for one in found.records if one.kind == "turn"]
    )


def _listed(info: ThreadInfo, state: dict[str, Any]) -> Session:
    names = _names(info)
    return Session(
        id=names["id"],
        app_name=names["app"],
        user_id=names["user"],
        state=state,
        last_update_time=_updated(info),
    )


def _names(info: ThreadInfo) -> Mapping[str, str]:
    return cast("Mapping[str, str]", info.metadata.get(SESSION) or {})


def _updated(info: ThreadInfo) -> float:
    updated = info.metadata.get(UPDATED)
    return float(updated) if isinstance(updated, int | float) else info.updated_us / 1e6


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _is_enough(newest_first: Iterator[Original[Event]], config: GetSessionConfig) -> bool:
    """Return whether the read events hold all events that a configuration asks for."""
    if config.num_recent_events is not None:
        return len([*islice(newest_first, config.num_recent_events)]) == config.num_recent_events
    after = config.after_timestamp
    oldest = [*newest_first][-1:]
    return after is None or any(_microseconds(one.value.timestamp) < _microseconds(after) for one in oldest)


def _chosen(newest_first: Iterator[Original[Event]], config: GetSessionConfig) -> list[Original[Event]]:
    """Return the events that a configuration asks for, the oldest first."""
    if config.after_timestamp is not None:
        start = _microseconds(config.after_timestamp)
        newest_first = (one for one in newest_first if _microseconds(one.value.timestamp) >= start)
    return [*islice(newest_first, config.num_recent_events)][::-1]
