"""Every exception class of a driver, found by looking through its modules."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType


def exceptions_of(package: ModuleType, *, is_deep: bool = False) -> set[type[Exception]]:
    """Return the public exception classes of a driver that a module names.

    Args:
        package: the module.
        is_deep: True also looks through all modules below it. A module that cannot be imported needs a library that is
            not installed, so its exceptions cannot be raised.
    """
    modules = _modules(package) if is_deep else (package,)
    found = {kind for module in modules for kind in vars(module).values() if _is_own(kind, package)}
    assert found, f"{package.__name__} has no exceptions"
    return found


def raised(kind: type[Exception], *keywords: Mapping[str, object]) -> Exception:
    """Return an exception of a class as it is caught.

    Args:
        kind: the class.
        keywords: keyword arguments, of which the class may need a few.
    """
    nothing: Mapping[str, object] = {}
    for given in (nothing, *keywords):
        for words in (("s3cret",), ()):
            try:
                return kind(*words, **given)
            except (TypeError, AttributeError):
                continue
    error = kind.__new__(kind, "s3cret")
    error.args = ("s3cret",)
    return error


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for info in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}.", onerror=_nothing):
        try:
            yield importlib.import_module(info.name)
        except ImportError:
            continue


def _nothing(name: str) -> None:
    del name


def _is_own(kind: object, package: ModuleType) -> bool:
    # `isinstance` would load the parts of a package that are loaded when they are first used.
    return (
        type(kind) is type
        and issubclass(kind, Exception)
        and kind.__module__.partition(".")[0] == package.__name__.partition(".")[0]
        and not kind.__name__.startswith("_")
    )
