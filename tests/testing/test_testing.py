"""`recuerda.testing` as a package: what it exports, and that asking for little imports little."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import recuerda.testing

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", recuerda.testing.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    exported = getattr(importlib.import_module("recuerda.testing"), name)
    assert exported.__name__ == name
    assert exported.__doc__


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        recuerda.testing.nonsense  # noqa: B018 - the point


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import recuerda.testing", ["pytest", "hypothesis", "starlette"]),
        ("from recuerda.testing import ScriptedChatClient", ["pytest", "hypothesis", "starlette", "openai"]),
        ("import recuerda.testing.strategies", ["pytest", "starlette", "uvicorn", "openai"]),
        ("import recuerda", ["recuerda.testing"]),
    ],
)
def test_what_is_not_asked_for_is_not_imported(statement: str, absent: list[str]) -> None:
    check = f"{statement}; import sys; sys.exit(repr([name for name in {absent!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
