"""The parameters of a tool: their JSON schema, and the check of a model's arguments.

msgspec describes and checks the types that it knows. A parameter whose type involves Pydantic is left to Pydantic,
which the caller then has. The tool of a given schema leaves the check of its arguments to its function.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from datetime import datetime, time
from types import UnionType
from typing import Annotated, Any, Protocol, TypeAlias, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from recuerda.errors import ConfigurationError, EncodeError
from recuerda.json_value import to_json, to_json_object

Schema: TypeAlias = dict[str, Any]
"""A JSON schema."""

_FORMATS: dict[Any, str] = {datetime: "date-time", time: "time"}
"""The formats of types for which msgspec gives one only if they must have a time zone."""

_LIMITS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length")
"""The constraints of the package annotated-types that msgspec has as well, under the same names."""


class ArgumentError(ValueError):
    """A model's arguments do not match the parameters. The text is for the model."""


class Parameters(Protocol):
    """The parameters of one tool."""

    @property
    def schema(self) -> Schema:
        """The JSON schema of the arguments; the schema of an object."""
        ...

    def check(self, arguments: str | Mapping[str, Any]) -> dict[str, Any]:
        """Return the values for the function by name. A parameter that keeps its default is left out.

        Args:
            arguments: the JSON text of a model, or an object.

        Raises:
            ArgumentError: the arguments do not match.
        """
        ...


class GivenParameters(msgspec.Struct, frozen=True):
    """Parameters that a JSON schema describes. Only their names are checked."""

    schema: Schema

    def check(self, arguments: str | Mapping[str, Any]) -> dict[str, Any]:
        """Do what `Parameters.check` describes."""
        values = _object(arguments)
        if missing := [name for name in self.schema.get("required", ()) if name not in values]:
            raise ArgumentError(f"Object missing required field `{missing[0]}`")
        if self.schema.get("additionalProperties") is False:
            known = self.schema.get("properties", {})
            if unknown := [name for name in values if name not in known]:
                raise ArgumentError(f"Object contains unknown field `{unknown[0]}`")
        return values


class TypedParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters with type hints.

    Attributes:
        schema: the JSON schema of the arguments.
        struct: the parameters that msgspec checks, as a struct.
        adapters: Pydantic's adapters of the other parameters, by name.
        required: the parameters of the adapters that have no default.
        defaults: returns the defaults that Pydantic's `Field` states, by name.
    """

    schema: Schema
    struct: type[msgspec.Struct]
    adapters: Mapping[str, Any]
    required: frozenset[str]
    defaults: Mapping[str, Callable[[], Any]]

    def check(self, arguments: str | Mapping[str, Any]) -> dict[str, Any]:
        """Do what `Parameters.check` describes."""
        if not self.adapters:
            return _values(_convert(arguments, self.struct))
        given = _object(arguments)
        plain = {name: value for name, value in given.items() if name not in self.adapters}
        values = _values(_convert(plain, self.struct))
        for name, adapter in self.adapters.items():
            if name in given:
                values[name] = _validated(adapter, name, given[name])
            elif name in self.required:
                raise ArgumentError(f"Object missing required field `{name}`")
            elif name in self.defaults:
                values[name] = self.defaults[name]()
        return values


def given_parameters(schema: Mapping[str, Any], tool: str) -> GivenParameters:
    """Return the parameters that a JSON schema describes.

    Raises:
        ConfigurationError: the schema is not JSON, or not the schema of an object.
    """
    try:
        known = to_json_object(schema, "parameters")
    except EncodeError as error:
        raise ConfigurationError(f"the schema of tool {tool!r} is not JSON: {error}") from None
    if known.get("type", "object") != "object":
        raise ConfigurationError(
            f'the schema of tool {tool!r} is of type {known["type"]!r}: the parameters of a tool are an "object" with '
            '"properties"'
        )
    return GivenParameters({"type": "object", "properties": {}, **known})


def typed_parameters(
    given: Mapping[str, inspect.Parameter], hints: Mapping[str, Any], texts: Mapping[str, str], tool: str
) -> TypedParameters:
    """Return the parameters of a function.

    Args:
        given: the parameters that the model fills, by name.
        hints: their type hints, with the notes of `Annotated`.
        texts: the descriptions from the docstring, by name.
        tool: the tool's name.

    Raises:
        ConfigurationError: a parameter cannot be described to a model; the error names it.
    """
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    adapters: dict[str, Any] = {}
    properties: dict[str, Schema] = {}
    defaults: dict[str, Callable[[], Any]] = {}
    required: set[str] = set()
    for name, parameter in given.items():
        hint, default = hints.get(name, Any), parameter.default
        if _is_field(default):
            hint, field, default = Annotated[hint, default], default, parameter.empty
            if not field.is_required():
                defaults[name] = _default_of(field)
        if default is parameter.empty and name not in defaults:
            required.add(name)
        if involves_pydantic(hint):
            adapters[name] = adapter = _adapter(hint, name, tool)
            properties[name] = _pydantic_schema(adapter, default, parameter.empty, _text(hint))
        elif default is parameter.empty:
            fields.append((name, _described(hint, name, tool)))
        else:
            optional = _with_default(_described(hint, name, tool), default) | msgspec.UnsetType
            fields.append((name, optional, msgspec.UNSET))
    struct, schema = _struct(fields, tool)
    if adapters:
        schema = _joined(schema, properties, [name for name in given if name in required], list(given), tool)
    for name, node in schema["properties"].items():
        if name in texts:
            node.setdefault("description", texts[name])
    return TypedParameters(
        schema=schema,
        struct=struct,
        adapters=adapters,
        required=frozenset(required & adapters.keys()),
        defaults=defaults,
    )


def involves_pydantic(hint: Any) -> bool:
    """Return True if a type, or a type inside of it, is a model or has a constraint of Pydantic."""
    return "pydantic" in sys.modules and any(map(_is_of_pydantic, _parts(hint, set())))


def _parts(hint: Any, seen: set[int]) -> Iterator[Any]:
    """Yield a type, the types inside of it, and the notes of `Annotated`."""
    if id(hint) in seen:
        return
    seen.add(id(hint))
    yield hint
    for part in get_args(hint):
        yield from _parts(part, seen)
    if is_dataclass(hint) or is_typeddict(hint):
        try:
            inner = get_type_hints(hint, include_extras=True)
        except (NameError, TypeError):
            return
        for part in inner.values():
            yield from _parts(part, seen)


def _is_of_pydantic(part: Any) -> bool:
    own = ("__pydantic_core_schema__", "__get_pydantic_core_schema__")
    return any(hasattr(part, name) for name in own) or type(part).__module__.partition(".")[0] == "pydantic"


def _is_field(default: object) -> bool:
    return type(default).__module__ == "pydantic.fields" and hasattr(default, "is_required")


def _default_of(field: Any) -> Callable[[], Any]:
    return lambda: field.get_default(call_default_factory=True)


# -- msgspec -----------------------------------------------------------------------------------------------------------


def _convert(arguments: str | Mapping[str, Any], struct: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        if isinstance(arguments, str):
            return msgspec.json.decode(arguments.strip() or "{}", type=struct)
        return msgspec.convert(arguments, struct)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise ArgumentError(str(error)) from None


def _values(checked: msgspec.Struct) -> dict[str, Any]:
    values = {name: getattr(checked, name) for name in checked.__struct_fields__}
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}


def _object(arguments: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(arguments, str):
        return dict(arguments)
    try:
        parsed: object = msgspec.json.decode(arguments.strip() or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise ArgumentError(str(error)) from None
    if not isinstance(parsed, dict):
        raise ArgumentError(f"Expected `object`, got `{type(parsed).__name__}`")
    return cast("dict[str, Any]", parsed)


def _struct(fields: list[Any], tool: str) -> tuple[type[msgspec.Struct], Schema]:
    try:
        struct = msgspec.defstruct(f"{tool}_arguments", fields, forbid_unknown_fields=True, kw_only=True)
        return struct, _schema(struct)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"tool {tool!r} has a parameter that has no JSON schema: {error}. Use a type that JSON can say, such as a "
            "dataclass, a TypedDict or a msgspec.Struct, and make the object inside the function"
        ) from error


def _schema(struct: type[msgspec.Struct]) -> Schema:
    (reference,), components = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    root: Schema = cast("Schema", components.pop(reference["$ref"].removeprefix("#/$defs/")))
    del root["title"]
    if components:
        root["$defs"] = components
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


def _described(hint: Any, name: str, tool: str) -> Any:
    """Return a type whose notes msgspec understands: a text becomes its description, a limit a limit of msgspec."""
    if get_origin(hint) is not Annotated:
        return _with_formats(hint)
    inner, *notes = get_args(hint)
    metas = [meta for note in notes if (meta := _meta(note, name, tool)) is not None]
    inner = _with_formats(inner)
    for meta in sorted(metas, key=lambda meta: meta.description is not None):
        inner = Annotated[inner, meta]
    return inner


def _meta(note: Any, name: str, tool: str) -> msgspec.Meta | None:
    if isinstance(note, msgspec.Meta):
        return note
    if isinstance(note, str):
        return msgspec.Meta(description=note)
    if type(note).__module__ != "annotated_types":
        return None
    limits = {key: getattr(note, key) for key in _LIMITS if getattr(note, key, None) is not None}
    if not limits:
        raise ConfigurationError(
            f"tool {tool!r}: the constraint {note!r} of the parameter {name!r} cannot be described to a model: use "
            "msgspec.Meta, or check it inside the function"
        )
    return msgspec.Meta(**limits)


def _with_formats(hint: Any) -> Any:
    """Return a type in which each type of `_FORMATS` has its format, also in lists, unions and dictionaries."""
    if (found := _FORMATS.get(hint) if isinstance(hint, type) else None) is not None:
        return Annotated[hint, msgspec.Meta(extra_json_schema={"format": found})]
    arguments = get_args(hint)
    if not any(part in _FORMATS for part in arguments if isinstance(part, type)):
        return hint
    parts = tuple(map(_with_formats, arguments))
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return Union[parts]  # noqa: UP007 - built from a tuple
    known: Any = origin
    return known[parts] if origin in (list, tuple, set, frozenset, dict) else hint


def _with_default(hint: Any, default: object) -> Any:
    """Return the type with a default value for the schema, if the value has a JSON form."""
    try:
        shown = to_json(default, "the default")
    except EncodeError:
        return hint
    return Annotated[hint, msgspec.Meta(extra_json_schema={"default": shown})]


def _text(hint: Any) -> str | None:
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((note for note in notes if isinstance(note, str)), None)


# -- Pydantic ----------------------------------------------------------------------------------------------------------


def _adapter(hint: Any, name: str, tool: str) -> Any:
    import pydantic

    if any(isinstance(part, msgspec.Meta) for part in _parts(hint, set())):
        raise ConfigurationError(
            f"tool {tool!r}: the parameter {name!r} mixes msgspec.Meta with Pydantic's types: use Field alone"
        )
    try:
        return pydantic.TypeAdapter(hint)
    except (pydantic.errors.PydanticUserError, pydantic.errors.PydanticUndefinedAnnotation) as error:
        raise ConfigurationError(
            f"tool {tool!r}: Pydantic cannot describe the parameter {name!r}: {error.message}"
        ) from error


def _pydantic_schema(adapter: Any, default: object, none: object, text: str | None) -> Schema:
    schema: Schema = adapter.json_schema(ref_template="#/$defs/{model}")
    if text is not None:
        schema.setdefault("description", text)
    if default is not none and "default" not in schema:
        try:
            schema["default"] = to_json(default, "the default")
        except EncodeError:
            return schema
    return schema


def _validated(adapter: Any, name: str, value: object) -> Any:
    import pydantic

    try:
        return adapter.validate_json(msgspec.json.encode(value))
    except pydantic.ValidationError as error:
        places = [
            (".".join(str(step) for step in (name, *problem["loc"])), problem["msg"])
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise ArgumentError("; ".join(f"{text} - at `$.{place}`" for place, text in places)) from None


def _joined(
    schema: Schema, properties: Mapping[str, Schema], required: list[str], order: list[str], tool: str
) -> Schema:
    """Return one schema of the parameters of both libraries, in the order of the function."""
    definitions: Schema = dict(schema.get("$defs") or {})
    for node in properties.values():
        for name, definition in node.pop("$defs", {}).items():
            if definitions.setdefault(name, definition) != definition:
                raise ConfigurationError(f"tool {tool!r} uses two types that are both called {name!r}: rename one")
    nodes = {**schema["properties"], **properties}
    joined: Schema = {**schema, "properties": {name: nodes[name] for name in order}, "required": required}
    return {**joined, "$defs": definitions} if definitions else joined
