"""Functions that a model may call: plain typed callables.

The JSON schema comes from the type hints, and arguments are checked against them before the function runs. What goes
wrong in a call is told to the model, which can then do better; it does not end the run. A parameter of type
`AgentThread` is not shown to the model: it gets the run's thread.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias, cast, get_args, get_origin, get_type_hints

import msgspec

from recuerda.errors import ConfigurationError
from recuerda.json_value import JsonObject, to_json
from recuerda.messages import FunctionCallContent, FunctionResultContent
from recuerda.thread import AgentThread

_logger = logging.getLogger("recuerda")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTool:
    """A callable with what a model has to know of it. Make one with `FunctionTool.of`.

    Attributes:
        name: how the model calls it.
        description: what it does, for the model.
        parameters: the JSON schema of its arguments, an object.
        function: the callable, sync or async. A sync one runs in a thread, so that it blocks nobody.
    """

    name: str
    description: str
    parameters: JsonObject
    function: Callable[..., Any]
    _arguments: type[msgspec.Struct] = field(repr=False)
    _thread_parameter: str | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, function: Callable[..., Any] | FunctionTool, *, name: str | None = None, description: str | None = None
    ) -> FunctionTool:
        """Make a tool of a callable; a tool is returned as it is.

        Args:
            function: its type hints give the schema; `Annotated[str, "what it is"]` describes a parameter.
            name: its own name by default.
            description: its docstring by default.

        Raises:
            ConfigurationError: a parameter cannot be described to a model; the text says which.
        """
        if isinstance(function, FunctionTool):
            return function
        own_name = name or getattr(function, "__name__", type(function).__name__)
        fields, thread_parameter = _fields(function, own_name)
        try:
            arguments = msgspec.defstruct(f"{own_name}_arguments", fields, forbid_unknown_fields=True, kw_only=True)
            parameters = _schema(arguments)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"tool {own_name!r} has a parameter that has no JSON schema: {error}") from error
        return cls(
            name=own_name,
            description=description or inspect.getdoc(function) or "",
            parameters=parameters,
            function=function,
            _arguments=arguments,
            _thread_parameter=thread_parameter,
        )

    async def call(self, call: FunctionCallContent, *, thread: AgentThread) -> FunctionResultContent:
        """Run the function for a model's call, and return its result, or the error as one.

        Raises:
            EncodeError: the function returned something that has no JSON form: a fault of the program, not of the
                model.
        """
        try:
            values = self._checked(call.arguments)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            return _failure(call, f"the arguments do not fit: {error}")
        if self._thread_parameter is not None:
            values[self._thread_parameter] = thread
        try:
            result = await self._run(values)
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is told to the model
            _logger.warning("tool %s raised %s", self.name, type(error).__name__)
            return _failure(call, f"{type(error).__name__}: {error}")
        return FunctionResultContent(call.call_id, to_json(result, f"the result of tool {self.name}"))

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
        result = await asyncio.to_thread(self.function, **values)
        return await result if inspect.isawaitable(result) else result


ToolInput: TypeAlias = Callable[..., Any] | FunctionTool
"""What may be given as a tool."""


def unknown_tool(call: FunctionCallContent, known: list[str]) -> FunctionResultContent:
    """Return the error for a call of a function that there is not."""
    return _failure(call, f"there is no function {call.name!r}; there are: {', '.join(known) or 'none'}")


def _failure(call: FunctionCallContent, text: str) -> FunctionResultContent:
    safe = text.encode("utf-8", "replace").decode()
    return FunctionResultContent(call.call_id, f"Error: {safe}", is_error=True)


def _fields(function: Callable[..., Any], name: str) -> tuple[list[tuple[str, Any] | tuple[str, Any, Any]], str | None]:
    hinted = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004 - as above
    try:
        hints = get_type_hints(hinted, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigurationError(f"tool {name!r} has a type hint that cannot be read: {error}") from error
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    thread_parameter: str | None = None
    for parameter in inspect.signature(function).parameters.values():
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
            fields.append((parameter.name, described | msgspec.UnsetType, msgspec.UNSET))
    return fields, thread_parameter


def _described(hint: Any) -> Any:
    """Let a plain text in `Annotated` be the parameter's description."""
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


def _schema(arguments: type[msgspec.Struct]) -> JsonObject:
    (_,), components = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    root: JsonObject = cast("JsonObject", components.pop(arguments.__name__))
    del root["title"]
    if components:
        root["$defs"] = cast("JsonObject", components)
    _complete(root)
    return root


def _complete(schema: Any) -> None:
    """Say `items` of every array: services refuse a schema without it."""
    if isinstance(schema, dict):
        node = cast("dict[str, Any]", schema)
        if node.get("type") == "array":
            node.setdefault("items", {})
        for value in node.values():
            _complete(value)
    elif isinstance(schema, list):
        for value in cast("list[Any]", schema):
            _complete(value)
