"""A list of arguments that two callables share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def takes_arguments_of(
    source: Callable[Concatenate[Any, P], object],
) -> Callable[[Callable[..., T]], Callable[Concatenate[Any, P], T]]:
    """Give a method the arguments of the function `source`, which receives the method's object as its first argument.

    So only `source` lists the arguments. Type checkers and `help()` show them for the method as well.
    """

    def give(method: Callable[..., T]) -> Callable[Concatenate[Any, P], T]:
        own, listed = inspect.signature(method), inspect.signature(source)
        parameters = [*list(own.parameters.values())[:1], *list(listed.parameters.values())[1:]]
        method.__signature__ = own.replace(parameters=parameters)
        return method

    return give
