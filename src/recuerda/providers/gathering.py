"""An agent's context providers, asked and told together.

All of them are asked at the same time, and what they give is used in the agent's order. Each has a time limit and a
failure policy of its own. A failure of what comes after the commit is a warning, never an error: the turn stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from recuerda.errors import ConfigurationError, ProviderError
from recuerda.messages.message import ChatMessage
from recuerda.providers.context import Context, ContextProvider

T = TypeVar("T")
Hook = Callable[[ContextProvider], Awaitable[object]]

_logger = logging.getLogger("recuerda")


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What all providers give to one run, in their order.

    Attributes:
        instructions: of those that give any.
        messages: of all, one after the other.
        tools: likewise.
        warnings: of those that failed and are not worth the run.
    """

    instructions: list[str]
    messages: list[ChatMessage]
    tools: list[Callable[..., object]]
    warnings: list[str]


def checked(providers: Sequence[ContextProvider]) -> tuple[ContextProvider, ...]:
    """Return the providers, all of which are some.

    Raises:
        ConfigurationError: one is not.
    """
    for provider in providers:
        if not isinstance(provider, ContextProvider):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
            raise ConfigurationError(f"context_providers are ContextProvider, not {type(provider).__name__}")
    return tuple(providers)


async def gather(
    providers: Sequence[ContextProvider], ask: Callable[[ContextProvider], Coroutine[Any, Any, Context | None]]
) -> Gathered:
    """Ask all providers at the same time; `ask` calls one's `invoking`.

    Raises:
        Exception: what a provider raised that is worth the run (`on_failure="raise"`); the others are cancelled.
    """
    warnings: list[str] = []

    async def ask_one(provider: ContextProvider) -> Context | None:
        try:
            return _checked(provider, await _limited(provider, "invoking", ask(provider)))
        except Exception as error:
            if provider.on_failure != "warn":
                raise
            warnings.append(_warning(provider, "invoking", error))
            return None

    given = [context for context in await all_of(ask_one(provider) for provider in providers) if context is not None]
    return Gathered(
        instructions=[context.instructions for context in given if context.instructions],
        messages=[message for context in given for message in context.messages],
        tools=[tool for context in given for tool in context.tools],
        warnings=warnings,
    )


async def tell(providers: Sequence[ContextProvider], hook: str, call: Hook) -> list[str]:
    """Call a hook of all providers at the same time; return what went wrong, which is logged and disturbs nobody."""

    async def tell_one(provider: ContextProvider) -> str | None:
        try:
            await _limited(provider, hook, call(provider))
        except Exception as error:  # noqa: BLE001 - whatever a provider does, the turn stands
            return _warning(provider, hook, error)
        return None

    return [warning for warning in await all_of(tell_one(provider) for provider in providers) if warning is not None]


async def all_of(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run at the same time and return the results in order; the first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _limited(provider: ContextProvider, hook: str, work: Awaitable[T]) -> T:
    limit = asyncio.timeout(None if provider.timeout is None else provider.timeout / timedelta(seconds=1))
    try:
        async with limit:
            return await work
    except TimeoutError as error:
        if not limit.expired():
            raise
        seconds = (provider.timeout or timedelta()).total_seconds()
        raise ProviderError(f"{provider.name}.{hook} took longer than {seconds:g} s; see its timeout") from error


def _checked(provider: ContextProvider, given: object) -> Context | None:
    if given is not None and not isinstance(given, Context):
        raise ProviderError(f"{provider.name}.invoking gave {type(given).__name__}; it gives a Context or None")
    for message in given.messages if given else ():
        if not isinstance(message, ChatMessage):  # pyright: ignore[reportUnnecessaryIsInstance] - as above
            raise ProviderError(f"{provider.name}.invoking gave a message that is {type(message).__name__}")
    return given


def _warning(provider: ContextProvider, hook: str, error: Exception) -> str:
    text = f"{provider.name}.{hook} failed: {type(error).__name__}: {error}"
    _logger.warning("%s", text)
    return text
