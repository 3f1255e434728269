"""Storms on storages: what must hold is checked while threads are rolled back, remade, handed over, walked and erased.

The time is shared out among the storages and storms, in rounds of a few seconds. Each round has a new, empty place and
a seed of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Collection, Sequence
from itertools import count
from pathlib import Path

from tests.chaos.places import PLACES
from tests.chaos.storms import STORMS, storms_of
from tests.chaos.tally import Round, Tally, format_table

STORAGES = ("sqlite", "file", "redis", "postgresql")
EPILOG = """
Examples:
  python -m tests.chaos --minutes 1 --storage sqlite          one minute on SQLite
  python -m tests.chaos --storm rollback,owners --seed 7      two storms, with the choices of an earlier run
The exit code is 1 if a fault was seen.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the storms, print the table, and return the exit status."""
    options = _parser().parse_args(arguments)
    tallies = [Tally(scheme, storm) for scheme in options.storage for storm in storms_of(scheme, options.storm)]
    with contextlib.suppress(KeyboardInterrupt):
        run(tallies, seed=options.seed, minutes=options.minutes, seconds=options.seconds)
    print(format_table(tallies))
    faults = [fault for tally in tallies for fault in tally.faults]
    for fault in faults:
        print(f"\n{fault}")
    print(f"\n{_coloured(f'{len(faults)} faults', is_good=not faults)}, seed {options.seed}")
    return int(bool(faults))


def run(tallies: Sequence[Tally], *, seed: str, minutes: float, seconds: float) -> None:
    """Give each storm on each storage its turn, once and then until the time is up. A fault ends a storm."""
    end = time.monotonic() + 60 * minutes
    for number in count():
        for tally in tallies:
            if number and time.monotonic() > end:
                return
            if not tally.faults:
                _say(f"{tally.storage}, {tally.storm}, round {number + 1}")
                run_round(tally, seed=f"{seed}/{number}" if number else seed, seconds=seconds)
        if time.monotonic() > end or all(tally.faults for tally in tallies):
            return


def run_round(tally: Tally, *, seed: str, seconds: float) -> None:
    """Run one round of a storm in a new place. An error that nobody expected is a fault."""
    place_type = PLACES[tally.storage]
    current = Round(tally, seed=seed, seconds=seconds, has_outages=place_type.has_outages)
    with tempfile.TemporaryDirectory(prefix="recuerda-chaos-") as folder:
        place = place_type(Path(folder))
        current.start()
        try:
            asyncio.run(STORMS[tally.storm](place, current))
        except Exception:  # noqa: BLE001 - whatever it is, the other storms go on
            current.fault("", expected="no other error", found=traceback.format_exc())
        finally:
            place.close()
    tally.rounds += 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0, metavar="N", help="the time for all storms (default 10)")
    parser.add_argument(
        "--storage",
        type=_list_of(PLACES),
        default=list(STORAGES),
        metavar="NAME,NAME",
        help=f"some of {', '.join(PLACES)} (default {', '.join(STORAGES)})",
    )
    parser.add_argument(
        "--storm", type=_list_of(STORMS), default=list(STORMS), metavar="NAME,NAME", help=f"some of {', '.join(STORMS)}"
    )
    parser.add_argument("--seconds", type=float, default=3.0, metavar="N", help="the time of one round (default 3)")
    parser.add_argument(
        "--seed",
        default=f"{int(time.time())}",
        help="the seed of a fault makes the choices of its round again (default: new)",
    )
    return parser


def _list_of(names: Collection[str]) -> Callable[[str], list[str]]:
    def items(text: str) -> list[str]:
        chosen = [item.strip() for item in text.split(",")]
        for item in chosen:
            if item not in names:
                raise argparse.ArgumentTypeError(f"{item!r} is none of {', '.join(names)}")
        return chosen

    return items


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _coloured(text: str, *, is_good: bool) -> str:
    return f"\033[{32 if is_good else 31}m{text}\033[0m" if sys.stdout.isatty() else text
