"""`docs/guides/agents.md` says of every error what can be done, and names every option of an agent and of a run."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from recuerda import Agent, ChatClient, RecuerdaError, StorageError, errors

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "agents.md").read_text(encoding="utf-8")
BRANCHES = (RecuerdaError, StorageError)


def errors_to_handle() -> list[str]:
    found = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, RecuerdaError)]
    return sorted(error.__name__ for error in found if error not in BRANCHES)


@pytest.mark.parametrize("name", errors_to_handle())
def test_an_error_is_in_the_table(name: str) -> None:
    assert re.search(rf"^\|.*`{name}`.*\|.+\|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(
    "method", [Agent.__init__, ChatClient.create_agent, Agent.run], ids=["agent", "create_agent", "run"]
)
def test_an_option_is_named(method: object) -> None:
    parameters = inspect.signature(method).parameters.values()  # pyright: ignore[reportArgumentType] - both are functions
    keywords = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    assert keywords <= set(re.findall(r"`(\w+)=`", PAGE))
