"""A folder of history files for Agent Framework's `FileHistoryProvider`, written. A thread is a file of JSON Lines.

The file's name is the thread's id, in the form that the provider looks for. The framework itself is not needed.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

import msgspec

from recuerda._drivers.private_files import make_private_file
from recuerda.formats.agent_framework import ENCODED, FACTS, LIST
from recuerda.formats.facts import facts_of, turn_losses, without
from recuerda.formats.format import Departure, Family, FileWriter, Format
from recuerda.formats.moved import added_up
from recuerda.formats.supplement import Supplement, supplement_of

_SAFE = re.compile(r"[a-z0-9_-](?:[a-z0-9._-]*[a-z0-9_-])?")
_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|(?:COM|LPT)[1-9])(?:\..*)?", re.IGNORECASE)
_LONGEST = 180


async def _save(families: AsyncIterable[Family], folder: Path) -> AsyncIterator[Departure]:
    facts: dict[str, Supplement] = {}
    async for family in families:
        for thread in family:
            turns = LIST.entries(thread)
            lines = [msgspec.json.encode(item) + b"\n" for items in turns for item in items]
            path = folder / f"{stem_of(thread.id)}.jsonl"
            make_private_file(path)
            path.write_bytes(b"".join(lines))
            facts[path.stem] = supplement_of(thread, [len(items) for items in turns])
            losses = added_up([LIST.lost(thread), turn_losses(thread), without({"turn": turns.count([])})])
            yield Departure(thread_id=thread.id, losses=losses, supplement=facts_of(thread))
    make_private_file(folder / FACTS)
    (folder / FACTS).write_bytes(msgspec.json.encode(facts))


def stem_of(session_id: str) -> str:
    """Return the name of a session's file without its ending: the id if it is a safe name, or else base32."""
    if _SAFE.fullmatch(session_id) and not _RESERVED.fullmatch(session_id):
        return session_id
    stem = ENCODED + b32encode(session_id.encode()).decode().rstrip("=").lower()
    return stem if len(stem) <= _LONGEST else f"{ENCODED}sha256-{hashlib.sha256(session_id.encode()).hexdigest()}"


FORMAT = Format(name="agent-framework-files", writer=FileWriter(save=_save, is_folder=True))
