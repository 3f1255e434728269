"""The request of one run. It is checked once and then passed on as one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast, get_args

import msgspec

from recuerda.agent.branching import Branch
from recuerda.agent.decisions import Approval
from recuerda.agent.incoming import InputChoice
from recuerda.agent.output import OutputForm
from recuerda.agent.settings import AgentSettings, Durability
from recuerda.errors import InvalidInput
from recuerda.ids import check_choice, check_id
from recuerda.json_value import Json, JsonObject
from recuerda.messages.message import ChatMessage
from recuerda.threads.forking import TurnReference
from recuerda.threads.thread import AgentThread

RunInput: TypeAlias = str | ChatMessage | Mapping[str, Any] | Sequence[str | ChatMessage | Mapping[str, Any]]
"""The input of a run: texts or messages. A text becomes a message from the user.

An object such as `{"role": "user", "content": "Hello"}` becomes the message with these fields.
"""

OnPending: TypeAlias = Literal["raise", "resume", "discard"]
"""What a run does when its thread has an interrupted turn."""

_DURABILITIES: tuple[str, ...] = get_args(Durability)
_PENDING_CHOICES: tuple[str, ...] = get_args(OnPending)
_INPUT_CHOICES: tuple[str, ...] = get_args(InputChoice)


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's decisions about the calls of an interrupted turn, by call id.

    Attributes:
        outcomes: the results of calls that were started.
        approvals: True to run a call, False or a `Refusal` to refuse it, an object to run it with these arguments.
        decided_by: the name of the person who decided; None if it is not known.
    """

    outcomes: Mapping[str, Json] = msgspec.field(default_factory=dict[str, Json])
    approvals: Mapping[str, Approval] = msgspec.field(default_factory=dict[str, Approval])
    decided_by: str | None = None

    def __post_init__(self) -> None:
        if self.decided_by is not None:
            check_id(self.decided_by, "decided_by")


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as its caller asks for it: a new turn, or an interrupted turn to continue.

    Attributes:
        thread: the thread, whose owner is already decided.
        messages: the input of a new turn.
        decisions: the caller's decisions about an interrupted turn; None for a new turn.
        turn_id: the caller's name for a new turn.
        durability: as in `Agent`.
        on_pending: what to do first with an interrupted turn that blocks a new one.
        keep_partial: True commits the messages so far when the run is cancelled.
        keep_failed: True commits the messages so far when the run fails or is cancelled.
        is_streamed: True asks the model to answer piece by piece.
        is_temporary: True when the thread is forgotten after the run.
        choice: the messages of the input that count, if the client sends more than the thread lacks.
        replaces: the newest turn, which the new turn replaces; None for none.
        is_again: True answers the newest turn's input again, in place of `messages`, and replaces that turn.
        branch: the place at which the thread leaves another thread, if the run begins it as a branch.
        form: the form of the answer; None for text.
        settings: the settings of this run; None for those of the agent.
        context: the object that is handed to tools; it is not stored.
        metadata: the metadata of the new turn.

    Raises:
        InvalidInput: the turn id, `durability`, `on_pending` or the choice cannot be used. Or a turn is to be replaced,
            and the run has no thread.
    """

    thread: AgentThread
    messages: tuple[ChatMessage, ...] = ()
    decisions: Decisions | None = None
    turn_id: str | None = None
    durability: Durability = "turn"
    on_pending: OnPending = "raise"
    keep_partial: bool = False
    keep_failed: bool = False
    is_streamed: bool = False
    is_temporary: bool = False
    choice: InputChoice = "new"
    replaces: TurnReference | None = None
    is_again: bool = False
    branch: Branch | None = None
    form: OutputForm | None = None
    settings: AgentSettings | None = None
    context: object = None
    metadata: JsonObject | None = None

    def __post_init__(self) -> None:
        if self.turn_id is not None:
            check_id(self.turn_id, "turn id")
        check_choice(self.durability, _DURABILITIES, "durability")
        check_choice(self.on_pending, _PENDING_CHOICES, "on_pending")
        check_choice(self.choice, _INPUT_CHOICES, "input")
        if self.replaces is not None and self.is_temporary:
            raise InvalidInput("a run replaces a turn of a thread, and this run has none: use run(…, thread=…)")

    @property
    def is_replacement(self) -> bool:
        """True if the new turn replaces the newest turn."""
        return self.is_again or self.replaces is not None


def input_messages(given: RunInput) -> tuple[ChatMessage, ...]:
    """Return the input of a run as messages.

    Raises:
        InvalidInput: the input is empty, or contains a value that is neither a text nor a message.
    """
    items = list(given) if isinstance(given, Sequence) and not isinstance(given, str | bytes) else [given]
    if not items:
        raise InvalidInput("a run needs at least one message")
    return tuple(_message(item) for item in items)


def _message(given: object) -> ChatMessage:
    if isinstance(given, ChatMessage):
        return given
    if isinstance(given, str):
        return ChatMessage("user", given)
    if isinstance(given, Mapping):
        fields = cast("Mapping[str, Any]", given)
        try:
            return ChatMessage(**fields)
        except TypeError as error:
            raise InvalidInput(f"a message with the fields {sorted(fields)} cannot be used: {error}") from None
    raise InvalidInput(f"a run takes text or ChatMessage, not {type(given).__name__}")
