"""The cost of `import recuerda` in a new interpreter, compared with the imports of any asyncio program with msgspec.

The figure is the processor time of the import statement, without the start of Python. The least of many runs is
compared, because other work on the machine can only add time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.results import ImportCost

FLOOR = "asyncio, msgspec"
HEAVY = frozenset(
    """
    azure cosmos cryptography httpx hypothesis numpy openai opentelemetry psycopg pydantic pytest redis rich sqlite3
    starlette typer uvicorn
    """.split()  # noqa: SIM905 - a text is easier to read than a list
)
"""The top-level modules that a program must not load unless it uses a technology that needs them."""

_PROGRAM = """
import sys, time
started = time.process_time()
import {modules}
used = time.process_time() - started
print('{{"used_s": %r, "modules": [%s]}}' % (used, ", ".join('"%s"' % name for name in sys.modules)))
"""


class _Run(msgspec.Struct):
    used_s: float
    modules: list[str]


def measure_imports(*, rounds: int, folder: Path) -> ImportCost:
    """Import both in turn, `rounds` times each. A first import before them writes the bytecode into the folder."""
    _import("recuerda", folder)
    runs = [(_import(FLOOR, folder), _import("recuerda", folder)) for _ in range(rounds)]
    floor_s = min(floor.used_s for floor, _ in runs)
    recuerda_s = min(library.used_s for _, library in runs)
    modules = runs[0][1].modules
    return ImportCost(
        rounds=rounds,
        floor_ms=floor_s * 1e3,
        recuerda_ms=recuerda_s * 1e3,
        ratio=recuerda_s / floor_s,
        modules=len(modules),
        heavy=sorted(HEAVY & {name.partition(".")[0] for name in modules}),
    )


def _import(modules: str, bytecode: Path) -> _Run:
    # An installed library has bytecode. A checkout may have none, and may not be allowed to write it.
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", _PROGRAM.format(modules=modules)]
    found = subprocess.run(command, check=True, capture_output=True, env=environment)
    return msgspec.json.decode(found.stdout, type=_Run)
