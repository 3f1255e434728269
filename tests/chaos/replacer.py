"""A process that works as a `Replacer` until it is killed.

Run as `python -m tests.chaos.replacer SCHEME ADDRESS SEED THREAD JOURNAL`. It adds its notes to the file JOURNAL, each
before it goes on. It ends only when it sees a fault, which it prints.
"""

from __future__ import annotations

import asyncio
import os
import sys

from tests.chaos.places import open_address
from tests.chaos.replacing import Replacer
from tests.chaos.tally import Round, Tally

LONGEST_S = 60.0


async def _main(scheme: str, address: str, seed: str, thread: str, journal: str) -> str:
    current = Round(Tally(scheme, "replaced"), seed=seed, seconds=LONGEST_S, has_outages=True)
    notes = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(kind: str, turn_id: str) -> None:
        os.write(notes, f"{kind} {turn_id}\n".encode())

    async with open_address(scheme, address) as storage:
        await current.repeat(Replacer(storage, thread, current, note).act)
    return "\n".join(map(str, current.tally.faults))


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(*sys.argv[1:])))
