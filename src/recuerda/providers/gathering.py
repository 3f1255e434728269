"""Calls to the hooks of an agent's context providers.

All providers are called at the same time, and their contexts are used in the agent's order. Each provider has its own
time limit and failure policy. A failure after the commit is a warning and never an error, because the turn is
committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from recuerda._events import fields
from recuerda.errors import ConfigurationError, ProviderError
from recuerda.messages.message import ChatMessage
from recuerda.providers.context import Context, ContextProvider

T = TypeVar("T")
Hook = Callable[[ContextProvider], Awaitable[object]]

_logger = logging.getLogger("recuerda.providers")


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """The contexts of all providers for one run, in the agent's order.

    Attributes:
        instructions: the instructions of the providers that give any.
        messages: the messages of all providers.
        tools: the tools of all providers.
        warnings: the failures of providers with `on_failure="warn"`.
    """

    instructions: list[str]
    messages: list[ChatMessage]
    tools: list[Callable[..., object]]
    warnings: list[str]


def checked(providers: Sequence[ContextProvider]) -> tuple[ContextProvider, ...]:
    """Return the providers as a tuple.

    Raises:
        ConfigurationError: one of them is not a ContextProvider.
    """
    for provider in providers:
        if not isinstance(provider, ContextProvider):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
            raise ConfigurationError(
                f"context_providers must contain only ContextProvider objects, but one is of type "
                f"{type(provider).__name__}"
            )
    return tuple(providers)


async def gather(
    providers: Sequence[ContextProvider], ask: Callable[[ContextProvider], Coroutine[Any, Any, Context | None]]
) -> Gathered:
    """Return the contexts of all providers. They are asked at the same time; `ask` calls a provider's `invoking`.

    Raises:
        Exception: a provider with `on_failure="raise"` raised it. The other providers are cancelled.
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
    """Call a hook of all providers at the same time, and return the failures as warnings. Each is also logged."""

    async def tell_one(provider: ContextProvider) -> str | None:
        try:
            await _limited(provider, hook, call(provider))
        except Exception as error:  # noqa: BLE001 - the turn is committed, whatever a provider does
            return _warning(provider, hook, error)
        return None

    return [warning for warning in await all_of(tell_one(provider) for provider in providers) if warning is not None]


async def all_of(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines at the same time and return their results in order. The first failure cancels the others."""
    coroutines = tuple(work)
    if not coroutines:
        return []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in coroutines]
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
        raise ProviderError(
            f"{provider.name}.{hook} took longer than its timeout of {seconds:g} s; raise the timeout"
        ) from error


def _checked(provider: ContextProvider, given: object) -> Context | None:
    if given is not None and not isinstance(given, Context):
        raise ProviderError(
            f"{provider.name}.invoking returned {type(given).__name__}; it must return a Context or None"
        )
    for message in given.messages if given else ():
        if not isinstance(message, ChatMessage):  # pyright: ignore[reportUnnecessaryIsInstance] - as above
            raise ProviderError(
                f"{provider.name}.invoking returned a message of type {type(message).__name__}, not ChatMessage"
            )
    return given


def _warning(provider: ContextProvider, hook: str, error: Exception) -> str:
    text = f"{provider.name}.{hook} failed: {type(error).__name__}: {error}"
    event = fields("provider_failed", provider=provider.name, hook=hook, error=type(error).__name__)
    _logger.warning("%s", text, extra=event)
    return text
