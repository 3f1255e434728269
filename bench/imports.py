"""The cost of importing recuerda in a new interpreter, compared with the imports of any asyncio program with msgspec.

`import recuerda` alone imports nothing else, so the imports of a first program are measured as well. The figure is the
processor time of the import statement, without the start of Python. The least of many runs is compared, because other
work on the machine can only add time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.results import ImportCost

FLOOR = "import asyncio, msgspec"
ALONE = "import recuerda"
FIRST_PROGRAM = "from recuerda import Agent, ChatMessageStore, open_storage"
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
{statement}
used = time.process_time() - started
print('{{"used_s": %r, "modules": [%s]}}' % (used, ", ".join('"%s"' % name for name in sys.modules)))
"""


class _Run(msgspec.Struct):
    used_s: float
    modules: list[str]


def measure_imports(*, rounds: int, folder: Path) -> list[ImportCost]:
    """Run each statement in turn, `rounds` times each. A first import writes the bytecode into the folder."""
    _import(FIRST_PROGRAM, folder)
    runs = [[_import(statement, folder) for statement in (FLOOR, ALONE, FIRST_PROGRAM)] for _ in range(rounds)]
    floor, alone, first_program = zip(*runs, strict=True)
    return [_cost(ALONE, alone, floor), _cost(FIRST_PROGRAM, first_program, floor)]


def _cost(statement: str, runs: Sequence[_Run], floor: Sequence[_Run]) -> ImportCost:
    floor_s, recuerda_s = (min(run.used_s for run in each) for each in (floor, runs))
    modules = runs[0].modules
    return ImportCost(
        statement=statement,
        rounds=len(runs),
        floor_ms=floor_s * 1e3,
        recuerda_ms=recuerda_s * 1e3,
        ratio=recuerda_s / floor_s,
        modules=len(modules),
        heavy=sorted(HEAVY & {name.partition(".")[0] for name in modules}),
    )


def _import(statement: str, bytecode: Path) -> _Run:
    # An installed library has bytecode. A checkout may have none, and may not be allowed to write it.
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", _PROGRAM.format(statement=statement)]
    found = subprocess.run(command, check=True, capture_output=True, env=environment)
    return msgspec.json.decode(found.stdout, type=_Run)
