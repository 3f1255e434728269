"""Output to the terminal.

Stored text is shown as inert text. Control characters are spelled out, because a message must not move the cursor,
change colours or reorder text. Nothing in a message is read as markup. Colours are off when the output is piped, when
NO_COLOR is set, and on a terminal without colours.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

# The control characters C0 (without tab and newline), DEL and C1; marks of the writing direction; lone surrogates.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
PIPED_WIDTH = 100


def clean(text: str) -> str:
    """Return `text` with every character that could act on a terminal spelled out."""
    return _UNSAFE.sub(lambda match: _spelled(match[0]), text)


def clean_line(text: str) -> str:
    """Return `text` on one line, cleaned as in `clean`."""
    return clean(text).replace("\n", "\\n").replace("\t", " ")


def console(file: TextIO | None = None) -> Console:
    """Return a console on standard output, or on `file`."""
    out = sys.stdout if file is None else file
    width = None if out.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    is_plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        file=out,
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
        color_system=None if is_plain else "auto",
    )


def counted(number: int, word: str) -> str:
    """Return a number with its noun, such as "1 turn" or "2 turns"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def print_table(page: Console, table: Table) -> None:
    """Print a table without trailing spaces."""
    with page.capture() as capture:
        page.print(table)
    page.file.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Write one JSON document to standard output, with its control characters escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    sys.stdout.write(inert_json(text) + "\n")
    sys.stdout.flush()


def inert_json(text: str) -> str:
    """Return JSON text of the same meaning, with every character that could act on a terminal escaped."""
    # In JSON, such a character can only be inside a string, and there its escape means the same.
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def print_line(page: Console, line: Text | str, *, style: str = "") -> None:
    """Print a line. A terminal breaks it at words; in a pipe or a file it stays whole."""
    page.print(line, style=style, soft_wrap=not page.is_terminal)


def fail(message: str) -> None:
    """Write an error to standard error."""
    _say("error: ", message, style="bold red")


def warn(message: str) -> None:
    """Write a note to standard error."""
    _say("note: ", message, style="bold yellow")


def _say(label: str, message: str, *, style: str) -> None:
    print_line(console(sys.stderr), Text.assemble((label, style), clean_line(message)))


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
