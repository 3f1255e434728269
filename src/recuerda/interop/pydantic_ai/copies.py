"""Copies of Pydantic AI's messages and records that share nothing with the original that can change.

A caller may change what a store has returned, and the store keeps the original. `copy.deepcopy` looks for objects that
occur twice, and asks each class for its own way. A message that was read from JSON needs neither, so a copy of it costs
a tenth here: the fields of an object are copied at once, and only those fields are looked at that have ever held
something that can change.
"""

from __future__ import annotations

import copy
import dataclasses
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_CONSTANT = frozenset({str, int, float, bool, bytes, datetime, type(None)})

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
    elif kind not in _CONSTANT and _is_plain(kind):
        for name, one in value.__dict__.items():
            if type(one) not in _CONSTANT:
                _changing.setdefault(kind, {})[name] = None
                _note(one)


def _copied(value: Any) -> Any:
    kind = value.__class__
    if kind is list:
        return [one if type(one) in _CONSTANT else _copied(one) for one in value]
    if kind in _CONSTANT:
        return value
    if kind is dict:
        return {name: _copied(one) for name, one in value.items()}
    if not _is_plain(kind):
        return copy.deepcopy(value)
    fields = value.__dict__.copy()
    for name in _changing.get(kind, ()):
        one = fields.get(name)
        if type(one) not in _CONSTANT:
            fields[name] = _copied(one)
    made = _new(kind)
    _set(made, "__dict__", fields)
    return made


@lru_cache(maxsize=256)
def _is_plain(kind: type[Any]) -> bool:
    """Return whether the fields of a class are all that its objects have."""
    slots = [slot for base in kind.__mro__ for slot in vars(base).get("__slots__", ())]
    return dataclasses.is_dataclass(kind) and not slots and not hasattr(kind, "__deepcopy__")
