"""Every error that recuerda raises on purpose.

The branches are what a caller can *do* about them: mend the call, mend the data, retry, or look at the storage. Each
error carries what it talks about as fields, says the next step in its text, and never holds message content or
credentials.

    RecuerdaError
    ├── ConfigurationError          the code that set things up is contradictory: mend it
    │   └── MissingExtraError       an optional dependency is not installed (also an ImportError)
    ├── InvalidInput                an argument cannot be used (also a ValueError): nothing was written
    │   └── EncodeError             a value cannot be stored; says where it sits
    ├── StateError                  a serialized thread cannot be restored
    ├── ThreadConflict              the thread moved on since it was read: read again, or retry the run
    ├── ThreadNotFound              there is no thread of that id
    ├── ThreadOwnershipError        the thread belongs to another owner (a service, another user)
    ├── StorageError                the storage cannot do it now
    │   ├── StorageBusy             somebody else holds it: retry
    │   ├── StorageFull             no space left
    │   ├── StorageReadOnly         no permission to write
    │   ├── StorageUnavailable      it cannot be reached or opened
    │   ├── DecryptionError         the key is missing or another one
    │   └── CorruptTurn             one record cannot be read; the others can
    ├── ChatClientError             the model's service failed
    │   └── ServiceThreadNotFound   the service no longer knows the thread: detach it, or start another
    ├── ThreadDiverged              a service's thread and its local mirror no longer agree
    ├── ProviderError               a memory service failed, or is set up in a way that cannot work
    ├── EmbedderError               an embedding model failed, or its vectors do not fit
    ├── TurnPending                 a turn was interrupted: resume it or drop it
    ├── DraftConflict               somebody else goes on with the turn, or it is over: load the draft again
    ├── ToolOutcomeUnknown          a tool was started and nobody knows whether it finished: settle it
    └── RunLimitError               the model kept calling tools
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta


class RecuerdaError(Exception):
    """Root of every error raised on purpose by recuerda."""


class ConfigurationError(RecuerdaError):
    """Raised when objects are put together in a way that cannot work."""


class MissingExtraError(ConfigurationError, ImportError):
    """Raised when a module is imported whose optional dependency is not installed."""

    def __init__(self, *, module: str, extra: str) -> None:
        self.module = module
        self.extra = extra
        super().__init__(f'{module} needs an optional dependency: pip install "recuerda[{extra}]"')


class InvalidInput(RecuerdaError, ValueError):
    """Raised when an argument cannot be used; nothing was written."""


class EncodeError(InvalidInput):
    """Raised when a value cannot be stored as JSON.

    `path` names the place inside what was given, such as `messages[1].contents[0].result.rows[3]`.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} cannot be stored: {reason}. Nothing was written.")


class StateError(RecuerdaError, ValueError):
    """Raised when a serialized thread cannot be restored; nothing was half-restored."""


class ThreadConflict(RecuerdaError):
    """Raised when an append expected a revision that the thread no longer has; nothing was written."""

    def __init__(self, thread_id: str, *, expected: int, actual: int) -> None:
        self.thread_id = thread_id
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"thread {thread_id!r} is at revision {actual}, not {expected}: somebody else added to it meanwhile. "
            "Nothing was written; run again to answer on top of what is there now."
        )


class ThreadNotFound(RecuerdaError, LookupError):
    """Raised when an operation needs a thread that does not exist."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        super().__init__(f"there is no thread {thread_id!r} in this storage")


class ThreadOwnershipError(RecuerdaError):
    """Raised when a thread is used by somebody, or something, that does not own it."""


class StorageError(RecuerdaError):
    """Raised when a storage cannot do what was asked; the cause is chained."""


class StorageBusy(StorageError):
    """Raised when another process held the storage for too long; a retry may succeed."""


class StorageFull(StorageError):
    """Raised when there is no space left; what was acknowledged before is safe."""


class StorageReadOnly(StorageError):
    """Raised when the storage may not be written to."""


class StorageUnavailable(StorageError):
    """Raised when a storage cannot be opened or reached, or has been closed."""


class CorruptTurn(StorageError):
    """Raised when a stored turn cannot be read.

    The turns around it can be: ask for them with `skip_corrupt=True`. `number` is the turn's number in its thread.
    """

    def __init__(self, thread_id: str, number: int, reason: str) -> None:
        self.thread_id = thread_id
        self.number = number
        self.reason = reason
        super().__init__(
            f"turn {number} of thread {thread_id!r} cannot be read: {reason}. "
            "The other turns can: list_messages(skip_corrupt=True)."
        )


class DecryptionError(StorageError):
    """Raised when an encrypted value cannot be opened: its key is gone, is another one, or the value was tampered with.

    `number` is the turn's number, or None for a title, metadata or a draft.
    """

    def __init__(self, thread_id: str, number: int | None, reason: str) -> None:
        self.thread_id = thread_id
        self.number = number
        self.reason = reason
        what = "a value" if number is None else f"turn {number}"
        super().__init__(f"{what} of thread {thread_id!r} cannot be decrypted: {reason}; check the keys")


class ChatClientError(RecuerdaError):
    """Raised when the model's service refuses, fails or cannot be reached; the SDK's error is chained.

    `status` is the HTTP status, or None when there was no answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class ServiceThreadNotFound(ChatClientError):
    """Raised when a service does not know a thread: it was deleted, has expired, or is another key's."""

    def __init__(self, service_thread_id: str, *, thread_id: str | None = None, status: int | None = None) -> None:
        self.service_thread_id = service_thread_id
        self.thread_id = thread_id
        super().__init__(
            f"the service does not know thread {service_thread_id!r}: it was deleted, has expired, or belongs to "
            "another key. Start a new thread, or go on locally with thread.detach() where the agent keeps a mirror.",
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
            "Nothing was merged; choose one of them and go on with it."
        )


class ProviderError(RecuerdaError):
    """Raised when a context provider's service fails, or is not as the provider needs it; the cause is chained."""


class EmbedderError(RecuerdaError):
    """Raised when an embedder fails, or gives vectors that do not fit what was asked or stored."""


class TurnPending(RecuerdaError):
    """Raised when a run meets a turn that was begun on the thread and never committed.

    `age` is since its last step, `step` the number of steps that are saved, `turn_id` its id.
    """

    def __init__(self, thread_id: str, *, turn_id: str, step: int, age: timedelta) -> None:
        self.thread_id = thread_id
        self.turn_id = turn_id
        self.step = step
        self.age = age
        super().__init__(
            f"thread {thread_id!r} has a turn that was interrupted after step {step}, {age.total_seconds():.0f} s ago: "
            'resume it with agent.resume(thread), or run with on_pending="resume" or "discard"'
        )


class DraftConflict(RecuerdaError):
    """Raised when a step does not begin or continue the thread's draft; nothing was saved.

    `number` is the step's: 1 for a turn that would begin. Of several that begin a turn on a thread at once, or go on
    with one, one saves each step: the others get this.
    """

    def __init__(self, thread_id: str, *, turn_id: str, number: int) -> None:
        self.thread_id = thread_id
        self.turn_id = turn_id
        self.number = number
        super().__init__(
            f"turn {turn_id!r} cannot begin on thread {thread_id!r}: somebody else, or an earlier run, has begun a "
            "turn there. Nothing was saved; go on with that turn when it is interrupted, or drop it."
            if number == 1
            else f"step {number} of turn {turn_id!r} does not continue the draft of thread {thread_id!r}: somebody "
            "else goes on with this turn, or it was committed or dropped. Nothing was saved; load the draft to see."
        )


class ToolOutcomeUnknown(RecuerdaError):
    """Raised when a resumed turn has a call that was started and has no result.

    The tool may have done its work or not. `arguments` are the call's, as the model gave them.
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
            "finished. Look, then say what came of it: resume(thread, outcomes={call_id: result}). "
            "A tool that is declared retry_safe=True is called again."
        )


class RunLimitError(RecuerdaError):
    """Raised when a model goes on calling tools after its limit of rounds; the thread is as it was."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        super().__init__(
            f"the model still called tools after {rounds} rounds; raise max_tool_rounds if that is expected"
        )
