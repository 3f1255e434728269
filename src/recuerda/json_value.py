"""The JSON values that recuerda stores, and the conversion of other values into JSON.

A tool may return any value. `to_json` converts the usual Python values in one documented way. It refuses all others and
names the path to the value, so that nothing is stored that would read back as something else. The JSON encoder alone
would silently turn NaN into null, and its errors name no path.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import TYPE_CHECKING, ForwardRef, TypeAlias, cast

import msgspec

from recuerda.errors import EncodeError

if TYPE_CHECKING:
    Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
else:
    # A bare name would be looked up in the module of each annotation that uses it, where it does not exist.
    Json = ForwardRef("bool | int | float | str | list[Json] | dict[str, Json] | None", module=__name__)
JsonObject: TypeAlias = dict[str, Json]

MAX_DEPTH = 100
"""The deepest nesting of a value: far deeper than data needs, and far less than the interpreter's stack allows."""


_LEAST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**64 - 1
"""The bounds of the integers of which nobody has to count the digits."""

_KEPT_DEPTH = MAX_DEPTH // 2
"""The nesting at which `to_kept_json` cuts a value, which then still fits into a message."""

_KEPT_REPEATS = 10_000
"""The number of repeated parts that `to_kept_json` shows. Parts that refer to each other would have no end."""


def to_json(value: object, path: str) -> Json:
    """Return `value` as plain JSON data, as it is stored and shown to the model.

    - Integers keep any size up to 4,300 digits.
    - Tuples, sets and frozensets become arrays. Dataclasses and msgspec structs become objects.
    - Enums become their values. Bytes become base64. UUIDs and Decimals become strings.
    - Datetimes, dates, times and timedeltas become ISO 8601.
    - Keys must be strings or numbers.
    - An object with `model_dump(mode="json")`, such as a pydantic model, is converted by that method.

    Raises:
        EncodeError: the value holds NaN, an infinity, a lone surrogate, a cycle, more than 100 levels of nesting, or a
            value of any other type.
    """
    try:
        return _copied(value, 0)
    except (_OtherValue, UnicodeEncodeError):
        return _to_json(value, path, 0)


def to_json_object(value: object, path: str) -> JsonObject:
    """Return `value` as a JSON object, converted as in `to_json`.

    Raises:
        EncodeError: as in `to_json`, or the value is not an object.
    """
    plain = to_json(value, path)
    if not isinstance(plain, dict):
        raise EncodeError(path, "it is not an object")
    return plain


def replaced(value: Json, replacement_of: Callable[[Json], Json]) -> Json:
    """Return JSON data with replacements, in new lists and objects.

    Args:
        value: the data.
        replacement_of: called with each value, the outer one first. None leaves the value, and looks into it.
    """
    if (replacement := replacement_of(value)) is not None:
        return replacement
    if isinstance(value, list):
        return [replaced(one, replacement_of) for one in value]
    if isinstance(value, dict):
        return {name: replaced(one, replacement_of) for name, one in value.items()}
    return value


def to_kept_json(value: object) -> tuple[Json, bool]:
    """Return `value` as JSON data that can be stored in any case, and whether it had to be changed.

    It is converted as in `to_json`. A part without a JSON form becomes text, half a surrogate pair becomes U+FFFD, and
    a part that is nested too deeply or contains itself becomes "…". Use it for a value whose loss would be worse than
    its change, such as the result of a tool that has acted.
    """
    try:
        return to_json(value, ""), False
    except Exception:  # noqa: BLE001 - code of the value, such as a property, may raise anything
        return _Keeper().kept(value, 0), True


class _Keeper:
    """Convert one value, of which parts may refer to each other."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._seen: set[int] = set()
        self._repeats = 0

    def kept(self, value: object, depth: int) -> Json:
        try:
            if isinstance(value, Mapping | list | tuple | AbstractSet):
                return self._container(cast("Mapping[object, object] | list[object]", value), depth)
            return to_json(value, "")
        except Exception:  # noqa: BLE001 - as above
            return _kept_text(cast("object", value))

    def _container(self, value: Mapping[object, object] | Iterable[object], depth: int) -> Json:
        own = id(value)
        self._repeats += own in self._seen
        if depth > _KEPT_DEPTH or own in self._open or self._repeats > _KEPT_REPEATS:
            return "…"
        self._seen.add(own)
        self._open.add(own)
        try:
            if isinstance(value, Mapping):
                items = cast("Mapping[object, object]", value).items()
                return {_kept_text(key): self.kept(item, depth + 1) for key, item in items}
            return [self.kept(item, depth + 1) for item in value]
        finally:
            self._open.discard(own)


def _kept_text(value: object) -> str:
    """Return the text of a value. An object that has no text of its own gives only its type."""
    kind = type(value).__name__
    try:
        text = str(value) if isinstance(value, str | int | float) else f"<{kind}>"
    except ValueError:
        text = f"<{kind} of more than 4,300 digits>"
    except Exception:  # noqa: BLE001 - as above
        text = f"<{kind}>"
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def check_text(text: str, path: str) -> None:
    """Raise `EncodeError` if `text` holds a lone surrogate. No storage or service that uses UTF-8 accepts one."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(path, f"it has a lone surrogate at position {error.start}") from None


class _OtherValue(Exception):
    """A value is not plain JSON data, or it cannot be stored."""


def _copied(value: object, depth: int) -> Json:
    """Return a copy of a value that is plain JSON data already, which nearly every value is.

    This takes a third of the time of `_to_json`, which keeps the path to each value for its errors.

    Raises:
        _OtherValue: `_to_json` has to convert the value, or to refuse it.
        UnicodeEncodeError: a text has a lone surrogate.
    """
    if value is None or value is True or value is False:
        return value
    if type(value) is str:
        if not value.isascii():
            value.encode()
        return value
    if type(value) is int and _LEAST_INTEGER <= value <= _LARGEST_INTEGER:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    return _copied_container(value, depth)


def _copied_container(value: object, depth: int) -> Json:
    if depth > MAX_DEPTH:
        raise _OtherValue
    if type(value) is list:
        return [_copied(item, depth + 1) for item in cast("list[object]", value)]
    if type(value) is not dict:
        raise _OtherValue
    made: JsonObject = {}
    for name, item in cast("dict[object, object]", value).items():
        if type(name) is not str:
            raise _OtherValue
        if not name.isascii():
            name.encode()
        made[name] = _copied(item, depth + 1)
    return made


def _to_json(value: object, path: str, depth: int) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if type(value) is str:
        check_text(value, path)
        return value
    if isinstance(value, Enum):
        return _to_json(value.value, path, depth)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise EncodeError(path, f"JSON has no {value!r}")
        return float(value)
    if depth > MAX_DEPTH:
        raise EncodeError(path[:200], f"it is nested deeper than {MAX_DEPTH} levels, or contains itself")
    if isinstance(value, Mapping):
        return _object(cast("Mapping[object, object]", value), path, depth)
    if isinstance(value, list | tuple | AbstractSet):
        items = cast("list[object]", value)
        return [_to_json(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(items)]
    return _other(value, path, depth)


def _object(value: Mapping[object, object], path: str, depth: int) -> JsonObject:
    result: JsonObject = {}
    for key, item in value.items():
        if isinstance(key, Enum):
            key = key.value  # noqa: PLW2901 - an enum key stands for its value
        if isinstance(key, bool) or not isinstance(key, str | int | float):
            raise EncodeError(path, f"a key of type {type(key).__name__} is not a string")
        name = str(_integer(key, path) if isinstance(key, int) else key)
        check_text(name, f"{path} (a key)")
        if name in result:
            raise EncodeError(path, f"two keys become the same name {name!r}")
        result[name] = _to_json(item, f"{path}.{name}", depth + 1)
    return result


def _other(value: object, path: str, depth: int) -> Json:
    if isinstance(value, int):
        return _integer(int(value), path)
    if isinstance(value, str):
        return _to_json(str.__str__(value), path, depth)  # `str(value)` would call a method of the subclass
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return _to_json(dump(mode="json"), path, depth + 1)
    if not isinstance(value, type) and dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return _object({name: getattr(value, name) for name in names}, path, depth)
    if isinstance(value, msgspec.Struct):
        pairs = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        return _object({encoded: getattr(value, name) for name, encoded in pairs}, path, depth)
    try:
        plain: object = msgspec.to_builtins(value)
    except (TypeError, ValueError):
        plain = None
    if not isinstance(plain, str):
        raise EncodeError(path, f"a {type(value).__name__} has no JSON form")
    return plain


def _integer(value: int, path: str) -> int:
    try:
        str(value)
    except ValueError:
        raise EncodeError(path, "it is an integer of more than 4,300 digits") from None
    return value
