"""Copies of a framework's objects that share nothing with the original that can change.

A caller may change what a store has returned, and the store keeps the original. `copy.deepcopy` looks for objects that
occur twice, and asks each class for its own way. A message that was read from JSON needs neither, so a copy of it costs
a tenth here: the fields of an object are copied at once, and only those fields are looked at that have ever held
something that can change. Objects of dataclasses and of pydantic's models are copied so; others by `copy.deepcopy`.
"""

from __future__ import annotations

import copy
import dataclasses
from datetime import datetime
from enum import Enum
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel

T = TypeVar("T")

_CONSTANT = frozenset({str, int, float, bool, bytes, datetime, type(None)})

_Kind: TypeAlias = Literal["constant", "dataclass", "model", "other"]

_kinds: dict[type[Any], _Kind] = {}

_changing: dict[type[Any], dict[str, None]] = {}
"""By class: the names of the fields that hold something that can change, in an original that is or was there."""

_new, _set = object.__new__, object.__setattr__


class Original(Generic[T]):
    """A value from which equal values are made. Nobody changes the value.

    Objects that occur twice in the value are two objects in a copy.

    Args:
        value: the value.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        _note(value)
        self._value = value

    @property
    def value(self) -> T:
        """The value itself, to look at."""
        return self._value

    def copy(self) -> T:
        """Return an equal value."""
        return _copied(self._value)


def copy_as_model(kind: type[BaseModel]) -> None:
    """Copy objects of a class like other models, although it has a deep copy of its own, which gives the same."""
    _kinds[kind] = "model"


def original(value: T) -> Original[T]:
    """Return a copy of a value that the caller may change, as an original."""
    return Original(Original(value).copy())


def _note(value: Any) -> None:
    """Note the fields of a value, and of the values in it, that hold something that can change."""
    kind = value.__class__
    if kind is list:
        for one in value:
            _note(one)
    elif kind is dict:
        for one in value.values():
            _note(one)
    elif kind not in _CONSTANT and _kind_of(kind) in {"dataclass", "model"}:
        for name, one in value.__dict__.items():
            if one.__class__ not in _CONSTANT and _kind_of(one.__class__) != "constant":
                _changing.setdefault(kind, {})[name] = None
                _note(one)


def _copied(value: Any) -> Any:
    kind = value.__class__
    if kind is list:
        return [one if type(one) in _CONSTANT else _copied(one) for one in value]
    if kind in _CONSTANT:
        return value
    if kind is dict:
        return {name: one if type(one) in _CONSTANT else _copied(one) for name, one in value.items()}
    how = _kinds.get(kind) or _kind_of(kind)
    if how == "constant":
        return value
    if how == "other":
        return copy.deepcopy(value)
    fields = value.__dict__.copy()
    for name in _changing.get(kind, ()):
        one = fields.get(name)
        if type(one) not in _CONSTANT:
            fields[name] = _copied(one)
    made = _new(kind)
    _set(made, "__dict__", fields)
    if how == "model":
        extra, private = value.__pydantic_extra__, value.__pydantic_private__
        _set(made, "__pydantic_fields_set__", value.__pydantic_fields_set__.copy())
        _set(made, "__pydantic_extra__", extra if extra is None else _copied(extra))
        _set(made, "__pydantic_private__", private if private is None else _copied(private))
    return made


def _kind_of(kind: type[Any]) -> _Kind:
    """Return how objects of a class are copied."""
    if (known := _kinds.get(kind)) is not None:
        return known
    found: _Kind = "other"
    if kind in _CONSTANT or issubclass(kind, Enum):
        found = "constant"
    elif issubclass(kind, BaseModel):
        if kind.__deepcopy__ is BaseModel.__deepcopy__ and not _slots(kind, BaseModel):
            found = "model"
    elif dataclasses.is_dataclass(kind) and not _slots(kind, object) and not hasattr(kind, "__deepcopy__"):
        found = "dataclass"
    _kinds[kind] = found
    return found


def _slots(kind: type[Any], known: type[Any]) -> list[str]:
    """Return the slots of a class, and of its bases that are no bases of a known class."""
    bases = [base for base in kind.__mro__ if base not in known.__mro__]
    return [slot for base in bases for slot in vars(base).get("__slots__", ())]
