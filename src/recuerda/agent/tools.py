"""Tools: plain typed callables that a model may call.

The JSON schema of a tool comes from its type hints, and arguments are checked against them before the function runs. An
error in a call does not end the run: the model gets the error as the result, and can call the tool again. A parameter
of type `AgentThread` is hidden from the model and gets the run's thread, and one of type `RunContext` gets the object
that the caller gave with the run.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import (
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    overload,
)

import msgspec

from recuerda._events import fields
from recuerda.agent.docstrings import described
from recuerda.agent.parameters import ArgumentError, Parameters, given_parameters, typed_parameters
from recuerda.agent.results import function_result
from recuerda.agent.run_context import RunContext
from recuerda.agent.signatures import Signature, check_gives_one_result, without_descriptor, without_partial
from recuerda.errors import ConfigurationError, InvalidInput
from recuerda.json_value import JsonObject
from recuerda.messages.message import FunctionCallContent, FunctionResultContent
from recuerda.threads.thread import AgentThread

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The form of a function's name that every service accepts."""

MAX_CALLS = 64
"""The largest number of calls in one answer that are run. They are run at the same time."""

_logger = logging.getLogger("recuerda.tools")


class FunctionTool(msgspec.Struct, frozen=True, kw_only=True):
    """A callable with its description for a model. Create one with `@tool` or `FunctionTool.of`.

    Attributes:
        name: the name by which the model calls it.
        description: what the function does, for the model.
        parameters: the JSON schema of its arguments; the schema of an object.
        function: the callable, sync or async. A sync function runs in an operating-system thread of its own, so it does
            not block the event loop.
        needs_approval: True ends the run before the function is called. The caller allows or refuses the call with
            `Agent.resume`.
        retry_safe: True says that calling the function twice does no harm. A resumed turn then calls it again if it is
            not known whether the first call finished.
        expose_errors: True tells the model the text of an error that the function raises. By default the model is told
            only the error's type, because texts of errors may hold passwords and paths. The log has the whole error at
            the level DEBUG.
        timeout: the time after which a call is given up; None for no limit. The model is told that the outcome is not
            known: an async function is cancelled, but a sync function goes on in its thread.
        approval_expires: the time after which a call that waits for approval is refused; None for the agent's time.
            The next run on the thread tells the model so.
    """

    name: str
    description: str
    parameters: JsonObject
    function: Callable[..., Any]
    _parameters: Parameters
    _thread_parameter: str | None = None
    _context_parameter: str | None = None
    _context_type: type[Any] | None = None
    _is_unbound: bool = False
    needs_approval: bool = False
    retry_safe: bool = False
    expose_errors: bool = False
    timeout: timedelta | None = None
    approval_expires: timedelta | None = None

    @classmethod
    def of(
        cls,
        function: Callable[..., Any] | FunctionTool,
        *,
        name: str | None = None,
        description: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        needs_approval: bool = False,
        retry_safe: bool = False,
        expose_errors: bool = False,
        timeout: timedelta | None = None,
        approval_expires: timedelta | None = None,
    ) -> Self:
        """Return a tool that calls `function`.

        If `function` is a tool already, return it with the changes that the arguments ask for.

        Args:
            function: the callable. Its type hints give the schema. `Annotated[str, "the city"]` describes a parameter,
                and so does the section of the parameters in the docstring.
            name: the tool's name; the name of the callable by default.
            description: the tool's description; the docstring of the callable by default, without the parameters.
            parameters: the JSON schema of the arguments, for a callable without type hints, such as a tool of another
                program. The arguments are handed over by name as they came; only their names are checked. By default
                the schema comes from the type hints.
            needs_approval: see the attribute. False does not change a tool that needs approval.
            retry_safe: see the attribute. False does not change a tool that is safe.
            expose_errors: see the attribute. False does not change a tool that exposes its errors.
            timeout: see the attribute. None does not change a tool that has a limit.
            approval_expires: see the attribute. None does not change a tool that has a time of its own.

        Raises:
            ConfigurationError: a parameter cannot be described to a model, or the function is a generator; the error
                names it, and says what to write instead.
        """
        if isinstance(function, FunctionTool):
            changed = function._with(
                name,
                description,
                needs_approval=needs_approval,
                retry_safe=retry_safe,
                expose_errors=expose_errors,
                timeout=timeout,
                approval_expires=approval_expires,
            )
            return cast("Self", changed)
        inner = without_partial(without_descriptor(function))
        own_name = _checked_name(name or getattr(inner, "__name__", type(inner).__name__))
        check_gives_one_result(inner, own_name)
        told = described(inspect.getdoc(inner) or "")
        signed = Signature.of(function, own_name)
        known: Parameters
        if parameters is not None:
            known = given_parameters(parameters, own_name)
        else:
            signed.check_can_be_filled(own_name)
            known = typed_parameters(signed.given, signed.hints, told.parameters, own_name)
        return cls(
            name=own_name,
            description=description or told.text,
            parameters=known.schema,
            function=function,
            _parameters=known,
            _thread_parameter=signed.thread_parameter,
            _context_parameter=signed.context_parameter,
            _context_type=signed.context_type,
            _is_unbound=signed.is_unbound,
            needs_approval=needs_approval,
            retry_safe=retry_safe,
            expose_errors=expose_errors,
            timeout=timeout,
            approval_expires=checked_limit(approval_expires, "approval_expires"),
        )

    @classmethod
    def from_schema(
        cls, function: Callable[..., Any], *, name: str, description: str, parameters: Mapping[str, Any]
    ) -> Self:
        """Return a tool of a JSON schema and a callable that takes the arguments by name.

        It is `of` with all that a schema needs; see there for the arguments and the error.
        """
        return cls.of(function, name=name, description=description, parameters=parameters)

    def _with(
        self,
        name: str | None,
        description: str | None,
        *,
        needs_approval: bool,
        retry_safe: bool,
        expose_errors: bool,
        timeout: timedelta | None,
        approval_expires: timedelta | None,
    ) -> FunctionTool:
        """Return the tool with other values. A value that is True never becomes False again."""
        if not (name or description or needs_approval or retry_safe or expose_errors or timeout or approval_expires):
            return self
        return msgspec.structs.replace(
            self,
            name=_checked_name(name or self.name),
            description=description or self.description,
            needs_approval=needs_approval or self.needs_approval,
            retry_safe=retry_safe or self.retry_safe,
            expose_errors=expose_errors or self.expose_errors,
            timeout=timeout or self.timeout,
            approval_expires=checked_limit(approval_expires, "approval_expires") or self.approval_expires,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function directly, from code instead of from a model."""
        return self.function(*args, **kwargs)

    def check(self, arguments: str | Mapping[str, Any]) -> None:
        """Check that arguments match the parameters.

        Raises:
            InvalidInput: they do not match; the error says where.
        """
        try:
            self._parameters.check(arguments)
        except ArgumentError as error:
            raise InvalidInput(f"the arguments for tool {self.name!r} do not match its parameters: {error}") from None

    @property
    def needs_context(self) -> bool:
        """True if the function asks for a context of a certain type."""
        return self._context_type is not None

    def check_context(self, context: object) -> None:
        """Check that the context of a run is of the type that the function asks for.

        Raises:
            ConfigurationError: it is not.
        """
        if self._context_type is not None and not isinstance(context, self._context_type):
            given = "none was given" if context is None else f"it is a {type(context).__name__}"
            raise ConfigurationError(
                f"tool {self.name!r} needs a run with a context of type {self._context_type.__name__}, and {given}: "
                "use run(…, context=…)"
            )

    async def call(
        self, call: FunctionCallContent, *, thread: AgentThread, context: object = None
    ) -> FunctionResultContent:
        """Run the function for a model's call, and return its result.

        If the function raises an error, the result says so. A part of the result that has no JSON form is kept as text,
        and the result says so, because the function has done its work and must not be called again for that.

        Args:
            call: the call.
            thread: the thread of the run.
            context: the object that the caller gave with the run.

        Raises:
            ConfigurationError: the function asks for a context of another type.
        """
        try:
            values = self._parameters.check(call.arguments)
        except ArgumentError as error:
            return _failure(call, f"the arguments do not match the parameters: {error}")
        if self._thread_parameter is not None:
            values[self._thread_parameter] = thread
        if self._context_parameter is not None:
            self.check_context(context)
            values[self._context_parameter] = RunContext(context=context, thread=thread, call_id=call.call_id)
        limit = asyncio.timeout(None if self.timeout is None else self.timeout.total_seconds())
        try:
            async with limit:
                result = await self._run(values)
        except TimeoutError as error:
            if not limit.expired():
                return self._failed(call, error)
            return _failure(call, f"the function took longer than {self.timeout}; whether it has acted is not known")
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            if _is_cancelled(error):
                raise
            return self._failed(call, error)
        return self._kept(call, result)

    def _failed(self, call: FunctionCallContent, error: BaseException) -> FunctionResultContent:
        _logger.warning(
            "tool %s raised %s",
            self.name,
            type(error).__name__,
            extra=fields("tool_failed", tool=self.name, error=type(error).__name__),
        )
        # The text of an error may hold a password, so only a log at this level has it.
        _logger.debug("the error of tool %s", self.name, exc_info=error, extra=fields("tool_error", tool=self.name))
        return _failure(call, self._told(error))

    def _told(self, error: BaseException) -> str:
        kind = type(error).__name__
        if self.expose_errors:
            with suppress(Exception):  # the error's own __str__ may fail, and its type is told then
                return f"{kind}: {error}"
        return f"the function failed with {kind}"

    def _kept(self, call: FunctionCallContent, result: object) -> FunctionResultContent:
        kept, is_changed = function_result(call.call_id, result)
        if is_changed:
            _logger.warning(
                "the result of tool %s has parts without a JSON form; they were kept as text",
                self.name,
                extra=fields("tool_result_changed", tool=self.name),
            )
        return kept

    async def _run(self, values: dict[str, Any]) -> object:
        if inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(
            getattr(self.function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
        ):
            return await self.function(**values)
        result = await asyncio.to_thread(_call, self.function, values)
        return await result if inspect.isawaitable(result) else result


def checked_limit(limit: timedelta | None, name: str) -> timedelta | None:
    """Return a time limit.

    Raises:
        ConfigurationError: the limit is neither None nor a positive timedelta.
    """
    if limit is not None and not (isinstance(limit, timedelta) and limit > timedelta()):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
        raise ConfigurationError(f"{name} must be a timedelta such as timedelta(days=2), or None; it is {limit!r}")
    return limit


def _checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be a tool's name: give it a name of letters, digits, _ and - with "
            "FunctionTool.of(function, name=...)"
        )
    return name


def _is_cancelled(error: BaseException) -> bool:
    """Return True if the run is being cancelled, and not the function alone."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _call(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    try:
        return function(**values)
    except StopIteration as error:
        # A future cannot hold a StopIteration: the caller would wait forever.
        raise RuntimeError("the function raised StopIteration") from error


class DecoratedTool(FunctionTool, Generic[P, R], frozen=True, kw_only=True):
    """The tool that `@tool` makes from a function. Calling the tool calls the function, with the same types."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function directly, from code instead of from a model."""
        return cast("R", self.function(*args, **kwargs))

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self: DecoratedTool[Concatenate[Any, Q], R], instance: object, owner: type) -> DecoratedTool[Q, R]: ...

    def __get__(self, instance: object, owner: type) -> FunctionTool:
        """Return the tool of an object's method, as Python does with functions."""
        is_of_class = isinstance(self.function, classmethod)
        if not self._is_unbound or (instance is None and not is_of_class):
            return self
        bound = self.function.__get__(instance, owner)
        return msgspec.structs.replace(self, function=bound, _is_unbound=False)


@overload
def tool(function: Callable[P, R], /) -> DecoratedTool[P, R]: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    needs_approval: bool = False,
    retry_safe: bool = False,
    expose_errors: bool = False,
    timeout: timedelta | None = None,
    approval_expires: timedelta | None = None,
) -> Callable[[Callable[P, R]], DecoratedTool[P, R]]: ...


def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    needs_approval: bool = False,
    retry_safe: bool = False,
    expose_errors: bool = False,
    timeout: timedelta | None = None,
    approval_expires: timedelta | None = None,
) -> DecoratedTool[P, R] | Callable[[Callable[P, R]], DecoratedTool[P, R]]:
    """Return a tool made from the decorated function: `@tool`, or `@tool(needs_approval=True)`.

    The tool can be called like the function itself, and a type checker knows the function's parameters and its result.
    `tool` takes the arguments of `FunctionTool.of`, except `parameters`, and raises the same error. A decorated method
    is a tool of its object: give the agent `tools=[service.method]`.
    """

    def make(decorated: Callable[P, R]) -> DecoratedTool[P, R]:
        return DecoratedTool[P, R].of(
            decorated,
            name=name,
            description=description,
            needs_approval=needs_approval,
            retry_safe=retry_safe,
            expose_errors=expose_errors,
            timeout=timeout,
            approval_expires=approval_expires,
        )

    return make if function is None else make(function)


ToolInput: TypeAlias = Callable[..., Any] | FunctionTool
"""A tool, or a callable that becomes one."""


def tools_by_name(tools: Iterable[ToolInput]) -> dict[str, FunctionTool]:
    """Return a dictionary of the tools by name.

    Raises:
        ConfigurationError: two tools have the same name.
    """
    named: dict[str, FunctionTool] = {}
    for one in map(FunctionTool.of, tools):
        if one._is_unbound:  # pyright: ignore[reportPrivateUsage] - of this module
            raise ConfigurationError(
                f"tool {one.name!r} is a method without its object: give the method of an object, such as "
                f"service.{one.name}"
            )
        if one.name in named:
            raise ConfigurationError(f"two tools have the name {one.name!r}; the model could not tell them apart")
        named[one.name] = one
    return named


def unknown_tool(call: FunctionCallContent, known: list[str]) -> FunctionResultContent:
    """Return the result that tells the model that a function does not exist."""
    return _failure(
        call, f"there is no function {call.name!r}; the available functions are: {', '.join(known) or 'none'}"
    )


def too_many_calls(calls: Sequence[FunctionCallContent]) -> dict[int, FunctionResultContent]:
    """Return the results, by position, of the calls in an answer that are too many to be run."""
    text = f"the call was not run, because an answer may have up to {MAX_CALLS} calls; make it again if it is needed"
    return {i: _failure(call, text) for i, call in enumerate(calls) if i >= MAX_CALLS}


def _failure(call: FunctionCallContent, text: str) -> FunctionResultContent:
    safe = text.encode("utf-8", "replace").decode()
    return FunctionResultContent(call.call_id, f"Error: {safe}", is_error=True)
