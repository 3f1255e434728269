"""Whatever a model raises is an exception of ours; only the caller's own cancellation passes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from recuerda.errors import EmbedderError
from recuerda.providers.foreign import awaited


class Panic(BaseException):
    """What a library that is written in another language may raise."""


async def panics() -> str:
    raise Panic


async def cancels_itself() -> str:
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task
    return "never"


async def is_late() -> str:
    async with asyncio.timeout(0):
        await asyncio.sleep(60)
    return "never"


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (panics, r"m failed \(Panic\)"),
        (cancels_itself, "m cancelled its own work"),
        (is_late, "m did not answer within its own time limit"),
    ],
)
async def test_what_would_pass_for_something_else_is_an_error(call: Callable[[], Awaitable[str]], reason: str) -> None:
    with pytest.raises(EmbedderError, match=reason):
        await awaited(call(), name="m", error=EmbedderError)


async def test_other_exceptions_are_raised_unchanged() -> None:
    for error in (ValueError("wrong"), KeyboardInterrupt(), SystemExit(3)):

        async def fails(error: BaseException = error) -> str:
            raise error

        with pytest.raises(type(error)) as caught:
            await awaited(fails(), name="m", error=EmbedderError)
        assert caught.value is error


async def test_the_caller_s_cancellation_and_time_limit_are_its_own() -> None:
    async def hangs() -> str:
        await asyncio.Event().wait()
        return "never"

    task = asyncio.ensure_future(awaited(hangs(), name="m", error=EmbedderError))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await awaited(hangs(), name="m", error=EmbedderError)


async def test_an_answer_is_returned() -> None:
    async def answers() -> str:
        return "yes"

    assert await awaited(answers(), name="m", error=EmbedderError) == "yes"
