"""Tools: plain typed callables that a model may call.

The JSON schema of a tool comes from its type hints, and arguments are checked against them before the function runs. An
error in a call does not end the run: the model gets the error as the result, and can call the tool again. A parameter
of type `AgentThread` is hidden from the model and gets the run's thread.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import (
    Annotated,
    Any,
    Generic,
    ParamSpec,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

import msgspec

from recuerda.agent.results import function_result
from recuerda.errors import ConfigurationError, EncodeError, InvalidInput
from recuerda.json_value import JsonObject, to_json
from recuerda.messages.message import FunctionCallContent, FunctionResultContent
from recuerda.threads.thread import AgentThread

P = ParamSpec("P")
R = TypeVar("R")

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The form of a function's name that every service accepts."""

MAX_CALLS = 64
"""The largest number of calls in one answer that are run. They are run at the same time."""

_logger = logging.getLogger("recuerda")


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
    """

    name: str
    description: str
    parameters: JsonObject
    function: Callable[..., Any]
    _arguments: type[msgspec.Struct]
    _thread_parameter: str | None = None
    needs_approval: bool = False
    retry_safe: bool = False
    expose_errors: bool = False

    @classmethod
    def of(
        cls,
        function: Callable[..., Any] | FunctionTool,
        *,
        name: str | None = None,
        description: str | None = None,
        needs_approval: bool = False,
        retry_safe: bool = False,
        expose_errors: bool = False,
    ) -> Self:
        """Return a tool that calls `function`.

        If `function` is a tool already, return it with the changes that the arguments ask for.

        Args:
            function: the callable. Its type hints give the schema; `Annotated[str, "the city"]` describes a parameter.
            name: the tool's name; the name of the callable by default.
            description: the tool's description; the docstring of the callable by default.
            needs_approval: see the attribute. False does not change a tool that needs approval.
            retry_safe: see the attribute. False does not change a tool that is safe.
            expose_errors: see the attribute. False does not change a tool that exposes its errors.

        Raises:
            ConfigurationError: a parameter cannot be described to a model; the error names it.
        """
        if isinstance(function, FunctionTool):
            changed = function._with(
                name, description, needs_approval=needs_approval, retry_safe=retry_safe, expose_errors=expose_errors
            )
            return cast("Self", changed)
        inner = _without_partial(function)
        own_name = _checked_name(name or getattr(inner, "__name__", type(inner).__name__))
        fields, thread_parameter = _fields(function, own_name)
        try:
            arguments = msgspec.defstruct(f"{own_name}_arguments", fields, forbid_unknown_fields=True, kw_only=True)
            parameters = _schema(arguments)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"tool {own_name!r} has a parameter that has no JSON schema: {error}") from error
        return cls(
            name=own_name,
            description=description or inspect.getdoc(inner) or "",
            parameters=parameters,
            function=function,
            _arguments=arguments,
            _thread_parameter=thread_parameter,
            needs_approval=needs_approval,
            retry_safe=retry_safe,
            expose_errors=expose_errors,
        )

    def _with(
        self, name: str | None, description: str | None, *, needs_approval: bool, retry_safe: bool, expose_errors: bool
    ) -> FunctionTool:
        """Return the tool with other values. A value that is True never becomes False again."""
        if not (name or description or needs_approval or retry_safe or expose_errors):
            return self
        return msgspec.structs.replace(
            self,
            name=_checked_name(name or self.name),
            description=description or self.description,
            needs_approval=needs_approval or self.needs_approval,
            retry_safe=retry_safe or self.retry_safe,
            expose_errors=expose_errors or self.expose_errors,
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
            self._checked(arguments)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise InvalidInput(f"the arguments for tool {self.name!r} do not match its parameters: {error}") from None

    async def call(self, call: FunctionCallContent, *, thread: AgentThread) -> FunctionResultContent:
        """Run the function for a model's call, and return its result.

        If the function raises an error, the result says so. A part of the result that has no JSON form is kept as text,
        and the result says so, because the function has done its work and must not be called again for that.
        """
        try:
            values = self._checked(call.arguments)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            return _failure(call, f"the arguments do not match the parameters: {error}")
        if self._thread_parameter is not None:
            values[self._thread_parameter] = thread
        try:
            result = await self._run(values)
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            if _is_cancelled(error):
                raise
            _logger.warning("tool %s raised %s", self.name, type(error).__name__)
            # The text of an error may hold a password, so only a log at this level has it.
            _logger.debug("the error of tool %s", self.name, exc_info=error)
            return _failure(call, self._told(error))
        return self._kept(call, result)

    def _told(self, error: BaseException) -> str:
        kind = type(error).__name__
        if self.expose_errors:
            with suppress(Exception):  # the error's own __str__ may fail, and its type is told then
                return f"{kind}: {error}"
        return f"the function failed with {kind}"

    def _kept(self, call: FunctionCallContent, result: object) -> FunctionResultContent:
        kept, is_changed = function_result(call.call_id, result)
        if is_changed:
            _logger.warning("the result of tool %s has parts without a JSON form; they were kept as text", self.name)
        return kept

    def _checked(self, arguments: str | Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(arguments, str):
            parsed = msgspec.json.decode(arguments.strip() or "{}", type=self._arguments)
        else:
            parsed = msgspec.convert(arguments, self._arguments)
        values = {name: getattr(parsed, name) for name in parsed.__struct_fields__}
        return {name: value for name, value in values.items() if value is not msgspec.UNSET}

    async def _run(self, values: dict[str, Any]) -> object:
        if inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(
            getattr(self.function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
        ):
            return await self.function(**values)
        result = await asyncio.to_thread(_call, self.function, values)
        return await result if inspect.isawaitable(result) else result


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
def tool(function: Callable[P, R], /) -> DecoratedTool[P, R]: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    needs_approval: bool = False,
    retry_safe: bool = False,
    expose_errors: bool = False,
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
) -> DecoratedTool[P, R] | Callable[[Callable[P, R]], DecoratedTool[P, R]]:
    """Return a tool made from the decorated function: `@tool`, or `@tool(needs_approval=True)`.

    The tool can be called like the function itself, and a type checker knows the function's parameters and its result.
    `tool` takes the arguments of `FunctionTool.of` and raises the same error. For a method, make the tool from the
    bound method: `FunctionTool.of(self.method, …)`.
    """

    def make(decorated: Callable[P, R]) -> DecoratedTool[P, R]:
        return DecoratedTool[P, R].of(
            decorated,
            name=name,
            description=description,
            needs_approval=needs_approval,
            retry_safe=retry_safe,
            expose_errors=expose_errors,
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


def _without_partial(function: Callable[..., Any]) -> Callable[..., Any]:
    return cast("partial[Any]", function).func if isinstance(function, partial) else function


def _fields(function: Callable[..., Any], name: str) -> tuple[list[tuple[str, Any] | tuple[str, Any, Any]], str | None]:
    hinted = _without_partial(function)
    hinted = hinted if inspect.isroutine(hinted) else getattr(hinted, "__call__", hinted)  # noqa: B004 - as above
    try:
        hints = get_type_hints(hinted, include_extras=True)
        signature = inspect.signature(function)
    except (NameError, TypeError, ValueError) as error:
        raise ConfigurationError(f"tool {name!r} has a signature that cannot be read: {error}") from error
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    thread_parameter: str | None = None
    for parameter in signature.parameters.values():
        hint = hints.get(parameter.name, Any)
        if hint is AgentThread or AgentThread in get_args(hint):
            thread_parameter = parameter.name
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigurationError(f"tool {name!r}: a model cannot fill the parameter {parameter}")
        described = _described(hint)
        if parameter.default is parameter.empty:
            fields.append((parameter.name, described))
        else:
            optional = _with_default(described, parameter.default) | msgspec.UnsetType
            fields.append((parameter.name, optional, msgspec.UNSET))
    return fields, thread_parameter


def _described(hint: Any) -> Any:
    """Return the type with a plain text in `Annotated` turned into its description."""
    if get_origin(hint) is not Annotated:
        return hint
    inner, *notes = get_args(hint)
    text = next((note for note in notes if isinstance(note, str)), None)
    metas = [note for note in notes if isinstance(note, msgspec.Meta)]
    if text is not None:
        metas.append(msgspec.Meta(description=text))
    for meta in metas:
        inner = Annotated[inner, meta]
    return inner


def _with_default(hint: Any, default: object) -> Any:
    """Return the type with a default value for the schema, if the value has a JSON form."""
    try:
        shown = to_json(default, "the default")
    except EncodeError:
        return hint
    return Annotated[hint, msgspec.Meta(extra_json_schema={"default": shown})]


def _schema(arguments: type[msgspec.Struct]) -> JsonObject:
    (reference,), components = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    root: JsonObject = cast("JsonObject", components.pop(reference["$ref"].removeprefix("#/$defs/")))
    del root["title"]
    if components:
        root["$defs"] = cast("JsonObject", components)
    _complete(root)
    return root


def _complete(schema: Any) -> None:
    """Add `items` to every array: services refuse a schema without it."""
    if isinstance(schema, dict):
        node = cast("dict[str, Any]", schema)
        if node.get("type") == "array":
            node.setdefault("items", {})
        for value in node.values():
            _complete(value)
    elif isinstance(schema, list):
        for value in cast("list[Any]", schema):
            _complete(value)
