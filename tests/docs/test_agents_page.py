"""`docs/guides/agents.md` says of every error what can be done, and names every option of an agent and of a run."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from recuerda import Agent, ChatClient, RecuerdaError, StorageError, errors

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "agents.md").read_text(encoding="utf-8")
BRANCHES = (RecuerdaError, StorageError)


def errors_to_handle() -> list[str]:
    found = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, RecuerdaError)]
    return sorted(error.__name__ for error in found if error not in BRANCHES)


def test_every_error_is_in_the_table() -> None:
    for name in errors_to_handle():
        assert re.search(rf"^\|.*`{name}`.*\|.+\|$", PAGE, re.MULTILINE), name


def test_every_option_is_named() -> None:
    for method in (Agent.__init__, ChatClient.create_agent, Agent.run):
        parameters = inspect.signature(method).parameters.values()
        keywords = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
        assert keywords - set(re.findall(r"`(\w+)=`", PAGE)) == set(), method
