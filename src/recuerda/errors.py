"""Every error that recuerda raises on purpose.

The branches follow the caller's next step: correct the call, correct the data, retry, or look at the storage. An error
carries the ids that it is about as fields, and its text says what to do next. It never holds message content or
credentials.

    RecuerdaError
    ├── ConfigurationError          objects are put together in a way that cannot work: correct the code
    │   └── MissingExtraError       an optional dependency is not installed (also an ImportError): install it
    ├── InvalidInput                an argument cannot be used (also a ValueError); nothing was written
    │   └── EncodeError             a value cannot be stored; the error names its place
    ├── StateError                  a serialized thread cannot be restored
    ├── ThreadConflict              the thread has changed since it was read: read it again, or retry the run
    │   └── TurnGone                the turn to replace is no longer in the thread
    ├── TurnDropped                 the turn was committed, and was deleted since: do not run it again
    ├── ThreadNotFound              there is no thread with this id
    ├── ThreadOwnershipError        the thread belongs to another owner: a service, or another user
    ├── StorageError                the storage cannot carry out the operation now
    │   ├── StorageBusy             another writer holds the storage: retry
    │   ├── StorageFull             no space is left
    │   ├── StorageReadOnly         writing is not permitted
    │   ├── StorageUnavailable      the storage cannot be reached or opened, or its file was removed
    │   ├── DecryptionError         the key is missing or wrong
    │   └── CorruptTurn             one record cannot be read; the others can
    ├── ChatClientError             the model's service failed
    │   └── ServiceThreadNotFound   the service no longer knows the thread: detach it, or start another
    ├── ThreadDiverged              a service's thread and its local mirror hold different turns
    ├── ProviderError               a memory service failed, or is set up in a way that cannot work
    ├── EmbedderError               an embedding model failed, or its vectors do not match
    ├── RerankerError               a reranking model failed, or its scores do not match
    ├── TurnPending                 a turn was interrupted: resume it or drop it
    ├── DraftConflict               another process continues the turn, or the turn ended: load the draft again
    │   └── AlreadyDecided          another person has decided about the call: the decision stands
    ├── ToolOutcomeUnknown          a tool was started, and nobody knows whether it finished: find out
    ├── OutputError                 the model's answer does not have the form that the caller asked for
    │   └── OutputRefused           the model refused to answer
    ├── UsageLimitExceeded          the run has used up one of its `UsageLimits`
    └── RunLimitError               the model called tools in more rounds than the limit allows
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any


class RecuerdaError(Exception):
    """The root of every error that recuerda raises on purpose. It can be pickled and copied with its fields."""

    def __reduce__(self) -> tuple[object, ...]:
        # The usual way calls the class with the text alone, but most of these classes need their fields.
        return _remade, (type(self), self.args, self.__dict__)


class ConfigurationError(RecuerdaError):
    """Raised when objects are put together in a way that cannot work."""


class MissingExtraError(ConfigurationError, ImportError):
    """Raised when an imported module needs an optional dependency that is not installed."""

    def __init__(self, *, module: str, extra: str) -> None:
        self.module = module
        self.extra = extra
        super().__init__(f'{module} needs an optional dependency: pip install "recuerda[{extra}]"')


class InvalidInput(RecuerdaError, ValueError):
    """Raised when an argument cannot be used; nothing was written."""


class EncodeError(InvalidInput):
    """Raised when a value cannot be stored as JSON.

    `path` names the value's place inside the argument, such as `messages[1].contents[0].result.rows[3]`.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} cannot be stored: {reason}. Nothing was written.")


class StateError(RecuerdaError, ValueError):
    """Raised when a serialized thread cannot be restored; no part of it was restored."""


class ThreadConflict(RecuerdaError):
    """Raised when a thread is not in the state that an operation expected; nothing was written.

    `expected` and `actual` are revisions. They may be equal: then the thread was deleted and begun anew, the storage
    was put back to an earlier state, or settings have changed.
    """

    def __init__(self, thread_id: str, *, expected: int, actual: int, reason: str | None = None) -> None:
        self.thread_id = thread_id
        self.expected = expected
        self.actual = actual
        if reason is not None:
            super().__init__(f"thread {thread_id!r} {reason}")
            return
        state = (
            f"is at revision {actual}, not {expected}: another writer has changed it"
            if actual != expected
            else f"is not the one that was read at revision {expected}: it was changed, or was begun anew"
        )
        super().__init__(
            f"thread {thread_id!r} {state}. "
            "Nothing was written. Run again, so that the answer takes the new turns into account."
        )


class TurnGone(ThreadConflict):
    """Raised when a turn that was to be replaced is no longer in its thread; nothing was written.

    Another writer has removed or replaced the turn. `turn` is the turn's number, or its id if it was named by its id.
    """

    def __init__(self, thread_id: str, *, turn: int | str, revision: int) -> None:
        super().__init__(thread_id, expected=revision, actual=revision)
        self.turn = turn
        text = f"thread {thread_id!r} does not hold turn {turn!r}, so the turn cannot be replaced"
        self.args: tuple[Any, ...] = (f"{text}. Nothing was written. Read the thread again to see its newest turn.",)


class TurnDropped(RecuerdaError):
    """Raised when a turn with this id was committed, and a trim or a limit has deleted it since; nothing was written.

    The turn's answer is gone, and its tools have run. `number` is the turn's number in its thread.
    """

    def __init__(self, thread_id: str, *, turn_id: str, number: int) -> None:
        self.thread_id = thread_id
        self.turn_id = turn_id
        self.number = number
        super().__init__(
            f"turn {turn_id!r} of thread {thread_id!r} was committed as number {number}, and has been deleted since by "
            "a limit or a trim. Nothing was written. To say it again, run with a new turn id."
        )


class ThreadNotFound(RecuerdaError, LookupError):
    """Raised when an operation needs a thread that does not exist."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        super().__init__(f"there is no thread {thread_id!r} in this storage")


class ThreadOwnershipError(RecuerdaError):
    """Raised when a user, an agent or a service uses a thread that it does not own."""


class StorageError(RecuerdaError):
    """Raised when a storage cannot carry out an operation; the cause is chained."""


class StorageBusy(StorageError):
    """Raised when another process holds the storage for too long; a retry may succeed."""


class StorageFull(StorageError):
    """Raised when no space is left; turns that were acknowledged before are safe."""


class StorageReadOnly(StorageError):
    """Raised when the process is not permitted to write to the storage."""


class StorageUnavailable(StorageError):
    """Raised when a storage cannot be opened or reached, has been closed, or has lost its file."""


class CorruptTurn(StorageError):
    """Raised when a stored turn cannot be read.

    The other turns can be read: ask for them with `skip_corrupt=True`. `number` is the turn's number in its thread.
    """

    def __init__(self, thread_id: str, number: int, reason: str) -> None:
        self.thread_id = thread_id
        self.number = number
        self.reason = reason
        super().__init__(
            f"turn {number} of thread {thread_id!r} cannot be read: {reason}. "
            "The other turns can be read: call list_messages(skip_corrupt=True)."
        )


class DecryptionError(StorageError):
    """Raised when an encrypted value cannot be opened.

    The key is missing or wrong, or the value was changed. `number` is the turn's number, or None for a title, metadata
    or a draft.
    """

    def __init__(self, thread_id: str, number: int | None, reason: str) -> None:
        self.thread_id = thread_id
        self.number = number
        self.reason = reason
        what = "a value" if number is None else f"turn {number}"
        super().__init__(f"{what} of thread {thread_id!r} cannot be decrypted: {reason}. Check the keys.")


class ChatClientError(RecuerdaError):
    """Raised when the model's service refuses a request, fails or cannot be reached; the SDK's error is chained.

    `status` is the HTTP status, or None when there was no answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class ServiceThreadNotFound(ChatClientError):
    """Raised when a service does not know a thread: it was deleted, has expired, or belongs to another key."""

    def __init__(self, service_thread_id: str, *, thread_id: str | None = None, status: int | None = None) -> None:
        self.service_thread_id = service_thread_id
        self.thread_id = thread_id
        super().__init__(
            f"the service does not know thread {service_thread_id!r}: it was deleted, has expired, or belongs to "
            "another key. Start a new thread. If the agent keeps a mirror, thread.detach() continues this one locally.",
            status=status,
        )


class ThreadDiverged(RecuerdaError):
    """Raised when a service's thread and its mirror hold different turns; nothing was merged."""

    def __init__(self, thread_id: str, service_thread_id: str, reason: str) -> None:
        self.thread_id = thread_id
        self.service_thread_id = service_thread_id
        self.reason = reason
        super().__init__(
            f"thread {thread_id!r} and its service's thread {service_thread_id!r} do not agree: {reason}. "
            "Nothing was merged. Choose one of them and continue with it."
        )


class ProviderError(RecuerdaError):
    """Raised when a context provider's service fails or is set up in a way that cannot work; the cause is chained."""


class EmbedderError(RecuerdaError):
    """Raised when an embedder fails, or when its vectors do not match the request or the stored vectors.

    `status` is the HTTP status of a service, or None without an answer. `retry_after_s` is the number of seconds after
    which the service wants to be asked again, or None if it did not say so.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after_s: float | None = None) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(message)


class RerankerError(RecuerdaError):
    """Raised when a reranker fails, or when its scores do not match the texts."""


class TurnPending(RecuerdaError):
    """Raised when a run meets a turn that was begun on the thread and never committed.

    `turn_id` is the turn's id, `step` is the number of its saved steps, and `age` is the time since the last step.
    `waiting` has the ids of the calls that wait for approval. `is_decided` is True if a person has decided about all
    calls, and the turn waits for the run that carries the decisions out.
    """

    def __init__(
        self,
        thread_id: str,
        *,
        turn_id: str,
        step: int,
        age: timedelta,
        waiting: Sequence[str] = (),
        is_decided: bool = False,
    ) -> None:
        self.thread_id = thread_id
        self.turn_id = turn_id
        self.step = step
        self.age = age
        self.waiting: tuple[str, ...] = tuple(waiting)
        self.is_decided = is_decided
        since = f"{age.total_seconds():.0f} s ago"
        super().__init__(
            f"thread {thread_id!r} has a turn whose calls {', '.join(map(repr, waiting))} wait for approval since "
            f"{since}: decide with agent.resume(thread, approvals={{call_id: True or False}}), or drop the turn with "
            "agent.discard_turn(thread)"
            if waiting
            else f"thread {thread_id!r} has a turn whose calls a person has decided about, {since}: carry the "
            'decisions out with agent.resume(thread), or run with on_pending="resume"'
            if is_decided
            else f"thread {thread_id!r} has a turn that was interrupted after step {step}, {since}: "
            'resume it with agent.resume(thread), or run with on_pending="resume" or "discard"'
        )


class DraftConflict(RecuerdaError):
    """Raised when a writer does not know the whole draft of a thread; nothing was written.

    `number` is the number of the step that the writer wanted to save: 1 for a turn that would begin, and 0 for a commit
    or a removal of the draft. When several processes begin or continue a turn at once, exactly one of them saves each
    step. The others get this error.
    """

    def __init__(self, thread_id: str, *, turn_id: str, number: int) -> None:
        self.thread_id = thread_id
        self.turn_id = turn_id
        self.number = number
        if number == 0:
            message = (
                f"the draft of thread {thread_id!r} is not the one that the writer of turn {turn_id!r} knows: another "
                "process has saved a step, or has committed or dropped the draft. Nothing was written. Load the draft "
                "to see."
            )
        elif number == 1:
            message = (
                f"turn {turn_id!r} cannot begin on thread {thread_id!r}: another process, or an earlier run, has begun "
                "a turn there. Nothing was saved. If that turn was interrupted, resume it or drop it."
            )
        else:
            message = (
                f"step {number} of turn {turn_id!r} does not continue the draft of thread {thread_id!r}: another "
                "process continues this turn, or it was committed or dropped. Nothing was saved. Load the draft to see."
            )
        super().__init__(message)


class AlreadyDecided(DraftConflict):
    """Raised when a person decides about a call about which another person has decided; nothing was changed.

    `decision` is "approved", "refused", "edited" or "expired". `decided_by` is the name of the person who decided, or
    None, and `decided_at` is the time.
    """

    def __init__(
        self, thread_id: str, *, call_id: str, decision: str, decided_by: str | None, decided_at: datetime
    ) -> None:
        by = "" if decided_by is None else f" by {decided_by}"
        RecuerdaError.__init__(
            self,
            f"call {call_id!r} of thread {thread_id!r} was already {decision}{by} at "
            f"{decided_at:%Y-%m-%d %H:%M:%S} UTC. That decision stands; nothing was changed.",
        )
        self.thread_id = thread_id
        self.call_id = call_id
        self.decision = decision
        self.decided_by = decided_by
        self.decided_at = decided_at


class ToolOutcomeUnknown(RecuerdaError):
    """Raised when a resumed turn holds a call that was started and has no result.

    The tool may or may not have done its work. `arguments` are the call's arguments as the model gave them.
    """

    def __init__(
        self, thread_id: str, *, call_id: str, name: str, arguments: Mapping[str, object] | str | None
    ) -> None:
        self.thread_id = thread_id
        self.call_id = call_id
        self.name = name
        self.arguments = arguments
        super().__init__(
            f"tool {name!r} was called in thread {thread_id!r} (call {call_id!r}), and nobody knows whether it "
            "finished. Find out, and give its result: resume(thread, outcomes={call_id: result}). "
            "A tool that is declared retry_safe=True is called again."
        )


class OutputError(RecuerdaError):
    """Raised when a model's answer does not have the form of the run's `output_type`, also after a correction.

    `type_name` is the name of the type, and `field` the place in the answer, such as `stops[0].city`; None if the
    whole answer does not fit. `reason` holds the checker's words, which may quote the answer.
    """

    def __init__(self, type_name: str, *, reason: str, field: str | None = None) -> None:
        self.type_name = type_name
        self.reason = reason
        self.field = field
        place = "" if field is None else f": the field {field!r} does not fit"
        super().__init__(
            f"the model's answer does not have the form of {type_name}{place}. "
            "See the error's `reason`, and describe the type more closely, or run again."
        )


class OutputRefused(OutputError):
    """Raised when a model refuses to answer in the form of the run's `output_type`."""

    def __init__(self, type_name: str) -> None:
        super().__init__(type_name, reason="the model refused to answer")
        text = f"the model refused to answer, so there is no {type_name}"
        self.args: tuple[Any, ...] = (f"{text}. Ask in another way, or run without output_type to read the refusal.",)


class UsageLimitExceeded(RecuerdaError):
    """Raised when a run has used up one of its `UsageLimits` before the model had answered.

    `limit` is the name of the limit, `allowed` its value, and `used` what the run has used, or would use next.
    """

    def __init__(self, limit: str, *, allowed: int, used: int) -> None:
        self.limit = limit
        self.allowed = allowed
        self.used = used
        super().__init__(
            f"the run needs more than its {limit} allows ({used} of {allowed}), and the model has not answered yet: "
            "raise the limit in UsageLimits, or ask for less"
        )


class RunLimitError(RecuerdaError):
    """Raised when a model still calls tools after the limit of rounds; the thread is unchanged."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        super().__init__(
            f"the model still called tools after {rounds} rounds: raise max_tool_rounds if that is expected"
        )


def _remade(kind: type[RecuerdaError], args: tuple[object, ...], fields: dict[str, object]) -> RecuerdaError:
    """Return an error that was pickled or copied, without calling its class."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error
