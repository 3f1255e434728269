"""Draw `tour.svg`: what `recuerda tour` shows on a terminal. Run by `make picture`."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 104


def shown_by(*command: str) -> str:
    """Return what a command writes to a terminal, colours included."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)  # noqa: S603
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux says so when the other side has been closed
            break
        if not piece:
            break
        shown += piece
    process.wait()
    return shown.decode().replace("\r\n", "\n")


def draw(shown: str) -> str:
    """Return the SVG of a terminal's text."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(re.sub(r"/\S*/recuerda-tour-\w+", "/tmp/recuerda-tour", shown)))  # noqa: S108 - a word
    return console.export_svg(title="recuerda tour", unique_id="tour")


if __name__ == "__main__":
    drawn = draw(shown_by(sys.executable, "-m", "recuerda", "tour"))
    # The fonts named in the picture would be fetched from elsewhere; a viewer's own monospace font serves as well.
    drawn = re.sub(r"@font-face \{.*?\}\n", "", drawn, flags=re.DOTALL)
    Path(__file__).with_name("tour.svg").write_text(drawn, encoding="utf-8")
