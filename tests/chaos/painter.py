"""A process that works as a `Painter` until it is killed.

Run as `python -m tests.chaos.painter SCHEME ADDRESS SEED KEY`. KEY is the name of its current key, or "" if nothing is
encrypted. It ends only when it sees a fault, which it prints.
"""

from __future__ import annotations

import asyncio
import sys

from recuerda.encryption import EncryptedStorage
from tests.chaos.keys import TwoKeys
from tests.chaos.painting import Painter
from tests.chaos.places import open_address
from tests.chaos.tally import Round, Tally

LONGEST_S = 60.0


async def _main(scheme: str, address: str, seed: str, key: str) -> str:
    current = Round(Tally(scheme, "files"), seed=seed, seconds=LONGEST_S, has_outages=True)
    keys = TwoKeys(current=key)
    storage = open_address(scheme, address)
    async with EncryptedStorage(storage, keys) if key else storage as opened:
        await current.repeat(Painter(opened, current, keys).act)
    return "\n".join(map(str, current.tally.faults))


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(*sys.argv[1:])))
