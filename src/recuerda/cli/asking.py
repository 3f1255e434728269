"""Questions on the terminal. Ctrl-C at a question ends the command with exit code 130, as everywhere else."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import typer


@contextmanager
def _ending_with_130() -> Generator[None]:
    # Typer turns Ctrl-C and the end of the input into the same error.
    try:
        yield
    except typer.Abort as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise SystemExit(130) from None
        raise


def ask(question: str, *, default: str | None = None, is_hidden: bool = False) -> str:
    """Return an answer, without spaces around it. A hidden answer is not shown while it is typed."""
    with _ending_with_130():
        answer = typer.prompt(
            question, default=default, hide_input=is_hidden, show_default=not is_hidden, err=True, type=str
        )
    return str(answer).strip()


def confirmed(question: str) -> bool:
    """Return True if the answer is yes."""
    with _ending_with_130():
        return typer.confirm(question, err=True)
