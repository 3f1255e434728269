"""The signature of a tool's function: the parameters that a model fills, and those that recuerda fills."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast, get_args, get_type_hints

import msgspec

from recuerda.agent.run_context import context_type, is_run_context
from recuerda.errors import ConfigurationError
from recuerda.threads.thread import AgentThread

_WAYS_OUT = {
    inspect.Parameter.VAR_POSITIONAL: "make it a list, such as items: list[str]",
    inspect.Parameter.VAR_KEYWORD: "name each parameter, or make it one dict, such as options: dict[str, str]",
    inspect.Parameter.POSITIONAL_ONLY: "remove the / behind it",
}


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a function's signature that a tool needs.

    Attributes:
        given: the parameters that the model fills, by name.
        hints: the type hints, with the notes of `Annotated`.
        thread_parameter: the parameter that gets the thread of the run; None if there is none.
        context_parameter: the parameter that gets the `RunContext`; None if there is none.
        context_type: the class that the context of the run has to have; None for any object.
        is_unbound: True for a method that has no object yet.
    """

    given: dict[str, inspect.Parameter]
    hints: dict[str, Any]
    thread_parameter: str | None
    context_parameter: str | None
    context_type: type[Any] | None
    is_unbound: bool

    @classmethod
    def of(cls, function: Callable[..., Any], tool: str) -> Signature:
        """Return the signature of a tool's function.

        Raises:
            ConfigurationError: it cannot be read.
        """
        hinted = without_partial(without_descriptor(function))
        hinted = hinted if inspect.isroutine(hinted) else getattr(hinted, "__call__", hinted)  # noqa: B004 - an object may be callable
        try:
            hints = get_type_hints(hinted, include_extras=True)
            listed = list(inspect.signature(without_descriptor(function)).parameters.values())
        except (NameError, TypeError, ValueError) as error:
            raise ConfigurationError(f"tool {tool!r} has a signature that cannot be read: {error}") from error
        is_unbound = bool(listed) and _is_receiver(listed[0], hints, function)
        given: dict[str, inspect.Parameter] = {}
        thread_parameter: str | None = None
        context_parameter: str | None = None
        for parameter in listed[is_unbound:]:
            hint = hints.get(parameter.name, Any)
            if hint is AgentThread or AgentThread in get_args(hint):
                thread_parameter = parameter.name
                continue
            if is_run_context(hint):
                context_parameter = parameter.name
                continue
            given[parameter.name] = parameter
        return cls(
            given=given,
            hints=hints,
            thread_parameter=thread_parameter,
            context_parameter=context_parameter,
            context_type=None if context_parameter is None else context_type(hints[context_parameter]),
            is_unbound=is_unbound,
        )

    def check_can_be_filled(self, tool: str) -> None:
        """Check that a model can fill each parameter by its name.

        Raises:
            ConfigurationError: it cannot; the error says what to write instead.
        """
        for parameter in self.given.values():
            if parameter.kind in _WAYS_OUT:
                raise ConfigurationError(
                    f"tool {tool!r}: a model cannot fill the parameter {parameter}: {_WAYS_OUT[parameter.kind]}"
                )


def _is_receiver(first: inspect.Parameter, hints: Mapping[str, Any], function: Callable[..., Any]) -> bool:
    """Return True if a function's first parameter is the object of a method that is not bound to one."""
    if isinstance(function, classmethod):
        return True
    if inspect.ismethod(function) or not inspect.isfunction(function) or first.name in hints:
        return False
    outer = function.__qualname__.rpartition(".")[0]
    return first.name in ("self", "cls") and bool(outer) and not outer.endswith("<locals>")


def without_partial(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of a `functools.partial`, or the callable itself."""
    return cast("partial[Any]", function).func if isinstance(function, partial) else function


def without_descriptor(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of a static method or a class method, or the callable itself."""
    is_descriptor = isinstance(function, staticmethod | classmethod)
    return cast("Callable[..., Any]", function.__func__) if is_descriptor else function


def check_gives_one_result(function: Callable[..., Any], tool: str) -> None:
    """Check that a callable is no generator.

    Raises:
        ConfigurationError: it is one; the error says what to write instead.
    """
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004 - as above
    if inspect.isasyncgenfunction(called) or inspect.isgeneratorfunction(called):
        raise ConfigurationError(
            f"tool {tool!r} is a generator, and a model gets one result: collect the values and return them as a list"
        )
