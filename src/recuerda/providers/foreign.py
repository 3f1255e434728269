"""Awaiting code that an application brings, such as an embedder, whose failure must stay a failure.

A tokenizer's panic is a `BaseException`, and a client may cancel its own request. Either would pass each
`except Exception` of the callers, and a `CancelledError` would look as if the caller itself were cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from recuerda.errors import RecuerdaError

T = TypeVar("T")


async def awaited(answer: Awaitable[T], *, name: str, error: type[RecuerdaError]) -> T:
    """Return the answer of a model.

    Args:
        answer: the call of the model.
        name: the model's name, for errors.
        error: the class of the errors below.

    Raises:
        RecuerdaError: `error`, if the model raised a `TimeoutError`; or as in `contained`.
    """
    try:
        return await contained(answer, name=name, error=error)
    except TimeoutError as late:
        # The caller's own time limit arrives here as a cancellation.
        raise error(f"{name} did not answer within its own time limit") from late


async def contained(answer: Awaitable[T], *, name: str, error: type[RecuerdaError]) -> T:
    """Return the answer of foreign code.

    Args:
        answer: the call.
        name: the name of the code, for errors.
        error: the class of the errors below.

    Raises:
        RecuerdaError: `error`, if the code raised what is no `Exception`, or cancelled itself. Other exceptions, the
            cancellation of the caller, `KeyboardInterrupt` and `SystemExit` are raised unchanged.
    """
    caller = asyncio.current_task()
    before = 0 if caller is None else caller.cancelling()
    try:
        return await answer
    except asyncio.CancelledError as cancelled:
        if caller is None or caller.cancelling() > before:
            raise
        raise error(f"{name} cancelled its own work; try again") from cancelled
    except (Exception, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as panic:
        raise error(f"{name} failed ({type(panic).__name__})") from panic
