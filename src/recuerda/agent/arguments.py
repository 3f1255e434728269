"""A list of arguments that two callables share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from recuerda.agent.generics import V
from recuerda.agent.response import AgentResponse
from recuerda.agent.stream import AgentResponseStream

P = ParamSpec("P")
T = TypeVar("T")


def takes_arguments_of(
    source: Callable[Concatenate[Any, P], object],
) -> Callable[[Callable[..., T]], Callable[Concatenate[Any, P], T]]:
    """Give a method the arguments of the function `source`, which receives the method's object as its first argument.

    So only `source` lists the arguments. Type checkers and `help()` show them for the method as well.
    """
    return _given(source)


def streams(
    source: Callable[Concatenate[Any, P], Coroutine[Any, Any, AgentResponse[V]]],
) -> Callable[[Callable[..., AgentResponseStream[Any]]], Callable[Concatenate[Any, P], AgentResponseStream[V]]]:
    """Do the same for a method that streams the answer of `source`."""
    return _given(source)


def blocks(
    source: Callable[Concatenate[Any, P], Coroutine[Any, Any, AgentResponse[V]]],
) -> Callable[[Callable[..., AgentResponse[Any]]], Callable[Concatenate[Any, P], AgentResponse[V]]]:
    """Do the same for a method that blocks until `source` has its answer."""
    return _given(source)


def _given(source: Callable[..., object]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def give(method: Callable[..., Any]) -> Callable[..., Any]:
        own, listed = inspect.signature(method), inspect.signature(source)
        parameters = [*list(own.parameters.values())[:1], *list(listed.parameters.values())[1:]]
        method.__signature__ = own.replace(parameters=parameters)
        return method

    return give
