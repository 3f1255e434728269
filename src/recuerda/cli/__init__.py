"""The command line: `recuerda`, or `python -m recuerda`.

`main` is the entry point. It imports the commands only when it runs, so that a missing extra gives one clear line and
no traceback. `app.py` puts the commands together. Each command has its own module.
"""

from __future__ import annotations

import sys

from recuerda.errors import MissingExtraError


def main() -> None:
    """Run the command line with the process's arguments, and end the process.

    The exit code is 0 for success, 1 for a failure, 2 for wrong arguments, and 130 after Ctrl-C.
    """
    try:
        from recuerda.cli.app import run
    except MissingExtraError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # Ctrl-C while the modules were imported
    run()


__all__ = ["main"]
