"""The type variables of an answer's value, by which a type checker knows `reply.value` from `output_type`.

Python 3.11 has neither defaults of type variables nor type forms. Type checkers know both from typing_extensions, which
is not needed at run time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import TypeForm, TypeVar

    V = TypeVar("V", default=None)
    V_co = TypeVar("V_co", covariant=True, default=object)
    OutputType: TypeAlias = TypeForm[V]
else:
    from typing import TypeVar

    V = TypeVar("V")
    V_co = TypeVar("V_co", covariant=True)
    OutputType = type
