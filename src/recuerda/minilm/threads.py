"""One thread for numpy's matrix products while the model runs.

OpenBLAS, which numpy's wheels carry, splits each product among all cores and lets them spin until the others are done.
The products here are small: on two busy cores that takes longer than one core alone, many times longer at worst. The
library's number of threads is one for the process, so it is put back as soon as nobody embeds any more. A numpy with
another library (Accelerate, MKL) is left as it is.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

_PREFIXES = ("scipy_openblas", "openblas")
_SUFFIXES = ("64_", "")

_mutex = threading.Lock()
_users = 0
_threads_before = 1


class _Control(NamedTuple):
    get: Callable[[], int]
    set: Callable[[int], object]


@contextmanager
def one_thread() -> Generator[None]:
    """Let numpy's products run on the calling thread alone."""
    global _users, _threads_before  # noqa: PLW0603 - the library's setting is one for the process as well
    control = _openblas()
    if control is None:
        yield
        return
    with _mutex:
        if _users == 0:
            _threads_before = control.get()
            control.set(1)
        _users += 1
    try:
        yield
    finally:
        with _mutex:
            _users -= 1
            if _users == 0:
                control.set(_threads_before)


@cache
def _openblas() -> _Control | None:
    package = Path(np.__file__).parent
    folders = (package.parent / "numpy.libs", package / ".dylibs")
    for path in (path for folder in folders for path in sorted(folder.glob("*openblas*"))):
        try:
            library = ctypes.CDLL(str(path))  # is loaded already: this gives another handle on it
        except OSError:
            continue
        for name in (f"{prefix}_{{}}_num_threads{suffix}" for prefix in _PREFIXES for suffix in _SUFFIXES):
            if hasattr(library, name.format("get")) and hasattr(library, name.format("set")):
                return _Control(getattr(library, name.format("get")), getattr(library, name.format("set")))
    return None
