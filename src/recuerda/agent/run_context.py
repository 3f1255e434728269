"""The context of a run, for the tools that ask for it."""

from __future__ import annotations

from typing import Any, Generic, get_args, get_origin

import msgspec

from recuerda.agent.generics import V_co
from recuerda.threads.thread import AgentThread


class RunContext(msgspec.Struct, Generic[V_co], frozen=True, kw_only=True):
    """What a tool knows of the run that calls it. A parameter of this type is hidden from the model.

    `RunContext[User]` says that the tool needs a run with `context=` of type `User`.

    Attributes:
        context: the object that the caller gave with `run(…, context=…)`; None if the caller gave none.
        thread: the thread of the run.
        call_id: the id of the call; empty in a hook around the model.
    """

    context: V_co
    thread: AgentThread
    call_id: str


def context_type(hint: object) -> type[Any] | None:
    """Return the class that a type hint wants the context of the run to have; None if it may be any object.

    Other than a class, such as a union, is not checked.
    """
    arguments = get_args(hint) if get_origin(hint) is RunContext else ()
    return arguments[0] if arguments and isinstance(arguments[0], type) and arguments[0] is not object else None


def is_run_context(hint: object) -> bool:
    """Return whether a type hint is `RunContext`, with or without the type of the context."""
    return hint is RunContext or get_origin(hint) is RunContext
