"""The place of a new response: its thread, its turn, and the turns before it.

With an idempotency key, the ids of the thread and the turn follow from the key. So a retry finds the same place and the
turn that was committed there, and does not pay for the model a second time (see `once.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

import msgspec

from recuerda.server.faults import bad_request, dropped, not_found
from recuerda.server.names import Tenancy, TurnName, is_conversation_id, parse_response_id
from recuerda.server.once import RequestKey, token_of
from recuerda.server.requests import CreateResponse
from recuerda.server.threads import Threads, View
from recuerda.server.turns import response_of
from recuerda.storage.thread_info import Expected
from recuerda.threads.history import StoredTurn


class Place(msgspec.Struct, frozen=True):
    """The place of a new response.

    Attributes:
        name: the thread and the turn of the response.
        turns: the turns before the response; older turns that do not fit the window may be missing.
        expected: the version that the thread must have when the response is added; it has no effect on a copy.
        copy_of: the thread to copy, and the number of the last turn to copy; None to add to the thread itself.
        has_older_turns: True if the thread may have turns before `turns`.
        committed: the turn of the response if an earlier request with the same key has committed it; otherwise None.
    """

    name: TurnName
    turns: Sequence[StoredTurn] = ()
    expected: Expected = 0
    copy_of: tuple[str, int] | None = None
    has_older_turns: bool = False
    committed: StoredTurn | None = None


async def find_place(
    threads: Threads, tenancy: Tenancy, request: CreateResponse, *, key: RequestKey | None, held: AsyncExitStack
) -> Place:
    """Return the place of a new response.

    Args:
        threads: the threads of the service.
        tenancy: the tenant of the request.
        request: names the conversation or the response to continue from, or neither.
        key: the idempotency key; None if the client sent none.
        held: gets the locks that this function takes. Other requests wait for the thread until `held` is closed.

    Raises:
        ApiFault: the conversation or the response to continue from does not exist, or the request names both.
    """
    turn_id = token_of(key, tenancy)
    if request.conversation_id is not None:
        if request.previous_response_id is not None:
            raise bad_request(
                "Mutually exclusive parameters: give either 'conversation' or 'previous_response_id'.",
                param="previous_response_id",
                code="mutually_exclusive_parameters",
            )
        return await _in_conversation(threads, tenancy, request.conversation_id, turn_id=turn_id, key=key, held=held)
    if request.previous_response_id is not None:
        return await _after(threads, tenancy, request, turn_id=turn_id, key=key, held=held)
    name = TurnName(f"chain_{turn_id}", turn_id)
    if key is not None and (found := committed(await threads.turn(tenancy, name.thread, turn_id))) is not None:
        return Place(name, committed=found)
    return Place(name)


async def _in_conversation(
    threads: Threads, tenancy: Tenancy, id: str, *, turn_id: str, key: RequestKey | None, held: AsyncExitStack
) -> Place:
    if not is_conversation_id(id):
        raise not_found("Conversation", id)
    await held.enter_async_context(threads.alone(tenancy, id))
    view = await threads.newest(tenancy, id, turn_id=None if key is None else turn_id)
    if view.info is None:
        raise not_found("Conversation", id)
    is_part = len(view.turns) < view.info.turns
    return Place(TurnName(id, turn_id), view.turns, view.version, has_older_turns=is_part, committed=committed(view))


async def _after(
    threads: Threads,
    tenancy: Tenancy,
    request: CreateResponse,
    *,
    turn_id: str,
    key: RequestKey | None,
    held: AsyncExitStack,
) -> Place:
    previous_id = request.previous_response_id or ""
    previous = parse_response_id(previous_id)
    if previous is None:
        raise _no_previous(previous_id)
    copy = TurnName(f"chain_{tenancy.token('copy', key and key.token)}", turn_id)
    if key is not None:
        for name in (TurnName(previous.thread, turn_id), copy):
            if (found := committed(await threads.turn(tenancy, name.thread, turn_id))) is not None:
                return Place(name, committed=found)
    # A conversation is continued only by its own id. While another request is adding to a chain, this request gets a
    # copy. With a key it waits: its first try may be adding in another process, and a copy would be a second answer.
    is_busy = key is None and threads.is_busy(tenancy, previous.thread)
    may_add = not previous.is_in_conversation and not is_busy
    if may_add:
        await held.enter_async_context(threads.alone(tenancy, previous.thread))
    view = await threads.newest(tenancy, previous.thread, turn_id=previous.turn)
    if view.found is None or not is_kept(view.found):
        raise _no_previous(previous_id)
    # Another process that took this key's lease over may have added the turn since the look-up above.
    if (found := next((turn for turn in view.turns if turn.id == turn_id), None)) is not None:
        return Place(TurnName(previous.thread, turn_id), committed=found)
    if may_add and view.turns and view.turns[-1].id == previous.turn:
        is_part = view.info is not None and len(view.turns) < view.info.turns
        return Place(TurnName(previous.thread, turn_id), view.turns, view.version, has_older_turns=is_part)
    turns = await _through(threads, tenancy, previous.thread, view, view.found.number)
    return Place(copy, turns, copy_of=(previous.thread, view.found.number))


async def _through(threads: Threads, tenancy: Tenancy, thread: str, view: View, number: int) -> Sequence[StoredTurn]:
    """Return the turns up to a number. The whole thread is read if the newest part may begin after that turn."""
    turns = view.turns
    if view.info is not None and len(turns) < view.info.turns:
        turns = (await threads.whole(tenancy, thread)).turns
    return [turn for turn in turns if turn.number <= number]


def committed(view: View) -> StoredTurn | None:
    """Return the turn that an earlier request with the same key committed; None without such a turn.

    Raises:
        ApiFault: the turn was committed, and a trim or a limit has deleted it.
    """
    if view.is_dropped:
        raise dropped()
    return view.found


def is_kept(turn: StoredTurn) -> bool:
    """Return whether a turn is a response that clients can retrieve: it was stored as a response and not deleted."""
    kept = response_of(turn.turn)
    return kept is not None and kept.get("store") is not False


def _no_previous(id: str) -> Exception:
    return bad_request(
        f"Previous response with id '{id[:100]}' not found.",
        param="previous_response_id",
        code="previous_response_not_found",
    )
