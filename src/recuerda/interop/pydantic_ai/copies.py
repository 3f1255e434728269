"""Copies of Pydantic AI's messages and records that share nothing with the original that can change.

A caller may change what a store has returned, and the store keeps the original. `copy.deepcopy` looks for objects that
occur twice, and asks each class for its own way. A message that was read from JSON needs neither, so a copy of it costs
a tenth here.
"""

from __future__ import annotations

import copy
import dataclasses
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar, cast

T = TypeVar("T")

_CONSTANT = frozenset({str, int, float, bool, bytes, datetime, type(None)})


def copied(value: T) -> T:
    """Return an equal value. Objects that occur twice in the value are two objects in the copy."""
    return cast("T", _copied(value))


def _copied(value: Any) -> Any:
    kind = cast("type[Any]", type(value))
    if kind in _CONSTANT:
        return value
    if kind is list:
        return [_copied(one) for one in value]
    if kind is dict:
        return {name: _copied(one) for name, one in value.items()}
    if not _is_plain(kind):
        return copy.deepcopy(value)
    made = object.__new__(kind)
    fields = made.__dict__
    for name, one in value.__dict__.items():
        fields[name] = one if type(one) in _CONSTANT else _copied(one)
    return made


@lru_cache(maxsize=256)
def _is_plain(kind: type[Any]) -> bool:
    """Return whether the fields of a class are all that its objects have."""
    own = [name for base in kind.__mro__[:-1] for name in vars(base)]
    slots = [slot for base in kind.__mro__ for slot in vars(base).get("__slots__", ())]
    return dataclasses.is_dataclass(kind) and not slots and "__deepcopy__" not in own
