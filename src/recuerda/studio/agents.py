"""The agent of the chat pane, found by its import path, such as `app:agent`.

The path names a module and something in it: an agent, or a function without arguments that returns one. Modules are
looked for in the current folder too, as uvicorn does. There are many ways in which a path can be wrong, and each one is
told apart.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from recuerda.agent.agent import Agent
from recuerda.errors import ConfigurationError


def load_agent(path: str, *, folder: Path) -> Agent:
    """Return the agent that an import path names.

    Args:
        path: the module and the name in it, such as `app:agent`, `shop.agents:make_agent` or `app:agents.clerk`.
        folder: a folder in which modules are looked for, before all others.

    Raises:
        ConfigurationError: the path does not lead to an agent.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise ConfigurationError(
            f"{path!r} is not the import path of an agent: write the module and the name in it, such as app:agent"
        )
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    found = _attribute(_module(module_name, folder), name)
    return found if isinstance(found, Agent) else _made(found, path)


def _module(name: str, folder: Path) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigurationError(
                f"there is no module {name!r} in {folder} or among the installed packages: start the studio in the "
                "folder of your program, or give the whole name of the module"
            ) from None
        raise ConfigurationError(
            f"the module {name!r} cannot be imported, because it needs the module {error.name!r}: install it"
        ) from error
    except Exception as error:
        raise ConfigurationError(
            f"the module {name!r} cannot be imported: it failed with {type(error).__name__}: {error}"
        ) from error


def _attribute(module: ModuleType, name: str) -> object:
    found: object = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            agents = sorted(key for key, value in vars(module).items() if isinstance(value, Agent))
            known = f"its agents are {', '.join(agents)}" if agents else "it holds no agent under any name"
            raise ConfigurationError(f"the module {module.__name__!r} has no {name!r}: {known}") from None
    return found


def _made(found: object, path: str) -> Agent:
    """Return the agent that a function makes."""
    if not callable(found):
        raise ConfigurationError(f"{path!r} is {_kind(found)}, and neither an agent nor a function that returns one")
    try:
        made: object = found()
    except Exception as error:
        raise ConfigurationError(
            f"the function {path!r} made no agent: it failed with {type(error).__name__}: {error}"
        ) from error
    if inspect.iscoroutine(made):
        made.close()
        raise ConfigurationError(f"the function {path!r} is asynchronous: give one that returns an agent at once")
    if not isinstance(made, Agent):
        raise ConfigurationError(f"the function {path!r} returned {_kind(made)} instead of an agent")
    return made


def _kind(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"
