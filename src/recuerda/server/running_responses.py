"""Responses that are made in the background, as the storage has them while they run.

Each one has a thread of its own, `running_R`, where `R` is the id of its turn. The steps of that thread's draft are the
fragments of the answer, from which any node makes the same events. The storage lets only one writer save the step of a
number. So the end of an answer and its cancellation exclude each other, whichever nodes they come from.

The first step names the node that makes the response. If that node dies, its lease ends (see `node.py`), and the node
that looks at the response next notes that it has failed. A response that failed or was cancelled stays in its thread. A
completed one is a turn of its conversation or its chain, and its thread is deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import msgspec

from recuerda.errors import DraftConflict, ThreadConflict, ThreadOwnershipError
from recuerda.ids import new_id
from recuerda.openai.completion import CallPiece, FunctionPiece
from recuerda.openai.reader import CallFragment, CitationFragment, Fragment, JoinedCall, TextFragment, TextKind
from recuerda.server.names import Tenancy, TurnName
from recuerda.server.node import Node
from recuerda.server.output_items import Event, OutputItems
from recuerda.server.patience import Patience
from recuerda.server.requests import Item
from recuerda.server.response_object import ResponseObject, shows_summary
from recuerda.server.threads import Threads
from recuerda.server.turns import pack_turn, response_of
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.threads.history import stored_turn

Piece: TypeAlias = list[Any]
"""A fragment of text (kind, text, log probabilities), of a call (place of the call, id, name, arguments), or a list of
citations."""


class Begun(msgspec.Struct, frozen=True):
    """The beginning of a response.

    Attributes:
        response: the response before the model's first word.
        inputs: its input items.
        call_fields: the fields of a call that name its function, by the name that the model has for it.
        node: the id of the node that makes the response.
    """

    response: ResponseObject
    inputs: list[Item]
    call_fields: dict[str, Item]
    node: str


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step: new fragments, and whether the answer has ended or was cancelled."""

    begun: Begun | None = None
    pieces: list[Piece] = []
    has_ended: bool = False
    is_cancelled: bool = False


class Running(msgspec.Struct, frozen=True):
    """A response that runs, as the storage has it.

    Attributes:
        begun: its beginning.
        steps: all steps.
        last: the last step's number and id.
        saved_us: the time of the last step, in microseconds since 1970 (UTC).
    """

    begun: Begun
    steps: Sequence[Step]
    last: tuple[int, str]
    saved_us: int

    @property
    def has_ended(self) -> bool:
        """True when the answer is whole. Its commit follows."""
        return any(step.has_ended for step in self.steps)

    @property
    def is_cancelled(self) -> bool:
        """True when a client has cancelled the response."""
        return any(step.is_cancelled for step in self.steps)

    def events(self, name: TurnName) -> list[Event]:
        """Return the events of the fragments so far, as the node that makes the response sends them."""
        first = len(self.begun.inputs)
        begun = self.begun
        summarizes = shows_summary(begun.response)
        output = OutputItems(
            lambda kind, index: name.item_id(kind, first + index), begun.call_fields, summarizes=summarizes
        )
        pieces = (piece for step in self.steps for piece in step.pieces)
        return [event for fragment in fragments_of(pieces) for event in output.take(fragment)]


class Outcome(msgspec.Struct, frozen=True):
    """The end of a response that came to nothing.

    Attributes:
        response: the response, which has failed or was cancelled.
        events: the number of its events before the last ones.
    """

    response: ResponseObject
    events: int


class RunningResponses:
    """The background responses of all tenants in the storage.

    Args:
        threads: the threads of the service.
        node: this node.
    """

    def __init__(self, threads: Threads, node: Node) -> None:
        self._threads = threads
        self.node = node
        self.patience: Patience = Patience()

    async def save(self, tenancy: Tenancy, turn: str, step: Step, *, last: tuple[int, str]) -> tuple[int, str]:
        """Save the step after the step `last`. Return its number and its id.

        Raises:
            DraftConflict: another writer has saved a step, or the response is settled.
            ThreadConflict: the response is settled.
        """
        number, previous = last
        new = DraftStep(
            turn_id=turn,
            revision=0,
            number=number + 1,
            body=msgspec.json.encode(step),
            id=new_id(),
            previous=previous or None,
        )
        storage, thread_id = self._storage(tenancy), _thread_id(tenancy, turn)
        await self.patience.with_(lambda: storage.save_draft(thread_id, new))
        return new.number, new.id

    async def find(self, tenancy: Tenancy, turn: str) -> Running | None:
        """Return a response that runs; None if there is none."""
        try:
            draft = await self._storage(tenancy).load_draft(_thread_id(tenancy, turn))
        except ThreadOwnershipError:
            return None
        if draft is None:
            return None
        steps = [msgspec.json.decode(step.body, type=Step) for step in draft.steps]
        begun = steps[0].begun
        newest = draft.steps[-1]
        return None if begun is None else Running(begun, steps, (newest.number, newest.id), newest.created_us)

    async def check_uncancelled(self, tenancy: Tenancy, turn: str) -> None:
        """Check that nobody has cancelled or settled a response that runs.

        Raises:
            DraftConflict: the response was cancelled or settled.
        """
        running = await self.find(tenancy, turn)
        if running is None or running.is_cancelled:
            number = 1 if running is None else running.last[0] + 1
            raise DraftConflict(_thread_id(tenancy, turn), turn_id=turn, number=number)

    async def outcome(self, tenancy: Tenancy, turn: str) -> Outcome | None:
        """Return a response that failed or was cancelled; None if there is none."""
        try:
            found = await self._storage(tenancy).read(_thread_id(tenancy, turn), turn_id=turn, last_turns=0)
        except ThreadOwnershipError:
            return None
        kept = None if found.found is None else response_of(stored_turn(found.found, turn).turn)
        return None if kept is None else msgspec.convert(kept, Outcome)

    async def settle(self, tenancy: Tenancy, turn: str, outcome: Outcome) -> Outcome:
        """Note how a response ended. Return the outcome that was noted first."""
        made = pack_turn((), response=msgspec.to_builtins(outcome))
        note = partial(self._threads.note, tenancy, _name(turn), made, turn_id=turn, keep=None)
        noted, _ = await self.patience.with_(note)
        return msgspec.convert(response_of(noted.turn), Outcome)

    async def remove(self, tenancy: Tenancy, turn: str) -> None:
        """Delete all that is kept of a response while it runs, or of its failure."""
        storage, thread_id = self._storage(tenancy), _thread_id(tenancy, turn)
        await self.patience.with_(lambda: storage.delete(thread_id))

    async def cancel(self, tenancy: Tenancy, turn: str) -> bool:
        """Cancel a response that runs. Return False if it does not run, or if its answer is already whole."""
        while (running := await self.find(tenancy, turn)) is not None:
            if running.is_cancelled or running.has_ended:
                return running.is_cancelled
            try:
                await self.save(tenancy, turn, Step(is_cancelled=True), last=running.last)
            except (DraftConflict, ThreadConflict):
                continue  # The node that makes the response was faster with its next step.
            return True
        return False

    def _storage(self, tenancy: Tenancy) -> Storage:
        return self._threads.storage_of(tenancy)


def pieces_of(fragments: Sequence[Fragment], calls: dict[JoinedCall, int]) -> list[Piece]:
    """Return the fragments as JSON values. `calls` numbers the calls, and gets the new ones."""
    pieces: list[Piece] = []
    for fragment in fragments:
        if isinstance(fragment, TextFragment):
            pieces.append([fragment.kind, fragment.text, list(fragment.logprobs)])
        elif isinstance(fragment, CitationFragment):
            pieces.append([list(fragment.citations)])
        else:
            call = fragment.call
            place = calls.setdefault(call, len(calls))
            pieces.append([place, call.id, call.name, fragment.arguments])
    return pieces


def fragments_of(pieces: Iterator[Piece]) -> Iterator[Fragment]:
    """Yield the fragments again, each call joined as far as its fragments go."""
    calls: dict[int, JoinedCall] = {}
    for piece in pieces:
        match piece:
            case [place, id, name, arguments]:
                call = calls.setdefault(place, JoinedCall(CallPiece(id=id)))
                yield CallFragment(call, call.take(FunctionPiece(name=name, arguments=arguments)))
            case [citations]:
                yield CitationFragment(citations)
            case _:
                kind, text, logprobs = piece
                yield TextFragment(_kind(kind), text, logprobs)


def _kind(kind: str) -> TextKind:
    return msgspec.convert(kind, TextKind)


def _name(turn: str) -> str:
    return f"running_{turn}"


def _thread_id(tenancy: Tenancy, turn: str) -> str:
    return tenancy.thread_id(_name(turn))
