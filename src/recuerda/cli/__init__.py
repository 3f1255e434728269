"""The command line: `recuerda`, or `python -m recuerda`.

`main` is the entry point, and all that this module imports by itself, so that a missing extra is one clear line and not
a traceback. `app.py` puts the commands together; each command has a module of its own.
"""

from __future__ import annotations

import sys

from recuerda.errors import MissingExtraError


def main() -> None:
    """Run the command line on the process's arguments; ends the process.

    The exit code is 0 for success, 1 for a failure, 2 for a call that cannot be understood, 130 after Ctrl-C.
    """
    try:
        from recuerda.cli.app import run
    except MissingExtraError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(1) from None
    run()


__all__ = ["main"]
