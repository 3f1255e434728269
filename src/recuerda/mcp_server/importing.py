"""Memories from other programs: the reference server's `memory.json`, and exports of Mem0 and OpenMemory.

The reference server writes a line for each entity, with its observations, and for each relation. Mem0's API gives a
list of memories, or an object with `results`. OpenMemory exports a zip archive with `memories.json`. The form is
recognized by the content.

The whole file is checked before the first memory is stored, so a damaged file changes nothing. A memory gets an id that
is made of its own data, so importing a file again adds nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec

from recuerda.errors import StateError
from recuerda.formats.source import Source, source_of
from recuerda.formats.times import to_us
from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage, Turn
from recuerda.recall.text import MAX_TEXT, clean_text

ARCHIVED = "memories.json"
"""The name of the file with the memories in OpenMemory's archive."""

_Object = Mapping[str, object]


class ImportedMemory(msgspec.Struct, frozen=True, kw_only=True):
    """A memory of another program.

    Attributes:
        turn_id: the id of its turn here.
        text: its words.
        about: its subject.
        created_us: its time, in microseconds since 1970 (UTC); None if the program has none.
    """

    turn_id: str
    text: str
    about: str | None = None
    created_us: int | None = None

    @property
    def turn(self) -> Turn:
        """The memory as a turn."""
        metadata: JsonObject | None = {"about": self.about} if self.about else None
        return Turn(messages=(ChatMessage("assistant", self.text),), input_count=0, metadata=metadata)


class ImportedFile(msgspec.Struct, frozen=True, kw_only=True):
    """The memories of a file.

    Attributes:
        memories: the memories, in the order of the file.
        deleted: the number of memories that are left out because the other program has deleted them.
    """

    memories: Sequence[ImportedMemory]
    deleted: int = 0


def read_memories(path: Path) -> ImportedFile:
    """Return the memories of a file or an archive.

    Raises:
        InvalidInput: there is no such file.
        StateError: the file has another form. The error names the line or the entry.
    """
    source = source_of(path)
    if source.is_archive:
        return _of_document(_json(_archived(source), f"{ARCHIVED} in {path}"), f"{ARCHIVED} in {path}")
    data = source.text()
    try:
        document = _json(data, str(path))
    except StateError:
        return ImportedFile(memories=[memory for line in _lines(data, path) for memory in line])
    if _is_line(document):
        return ImportedFile(memories=list(_of_line(cast("_Object", document), f"line 1 of {path}")))
    return _of_document(document, str(path))


def _archived(source: Source) -> bytes:
    with source.archive() as archive:
        names = [name for name in archive.names() if name.rpartition("/")[2] == ARCHIVED]
        if not names:
            raise StateError(f"the archive has no file {ARCHIVED}: give an export of OpenMemory")
        return archive.read(names[0])


def _lines(data: bytes, path: Path) -> Iterator[list[ImportedMemory]]:
    """Yield the memories of each line."""
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            where = f"line {number} of {path}"
            yield list(_of_line(_object(_json(line, where), where), where))


def _is_line(document: object) -> bool:
    return isinstance(document, dict) and cast("_Object", document).get("type") in ("entity", "relation")


def _of_line(line: _Object, where: str) -> Iterator[ImportedMemory]:
    """Yield the memories of a line of the reference server, or of a list of memories with one memory in each line."""
    match line.get("type"):
        case "entity":
            name, kind = _text(line, "name", where), line.get("entityType")
            about = f"{name} ({kind})" if isinstance(kind, str) and kind.strip() else name
            observations = line.get("observations", [])
            if not isinstance(observations, list):
                raise StateError(f"{where}: observations is no list; nothing was imported")
            for said in cast("list[object]", observations) or [""]:
                if not isinstance(said, str):
                    raise StateError(f"{where}: an observation is no text; nothing was imported")
                text = f"{about}: {said}" if said.strip() else about
                yield _memory(text, where, ["entity", name, said], about=name)
        case "relation":
            ends = [_text(line, key, where) for key in ("from", "relationType", "to")]
            yield _memory(f"{ends[0]} {ends[1].replace('_', ' ')} {ends[2]}", where, ["relation", *ends], about=ends[0])
        case _:
            yield _of_entry(line, where)


def _of_document(document: object, where: str) -> ImportedFile:
    """Return the memories of a list, or of an object with a list of memories."""
    found: list[object] = [document]
    if isinstance(document, dict):
        found = [cast("_Object", document).get(key) for key in ("memories", "results", "items")]
    listed = next((cast("list[object]", one) for one in found if isinstance(one, list)), None)
    if listed is None:
        raise StateError(
            f"{where} is none of these: a memory.json of the reference server, a list of memories from Mem0, an export "
            "of OpenMemory; nothing was imported"
        )
    entries = [
        (f"entry {number} of {where}", _object(entry, f"entry {number} of {where}"))
        for number, entry in enumerate(listed, 1)
    ]
    kept = [(name, entry) for name, entry in entries if entry.get("state") != "deleted"]
    memories = [_of_entry(entry, name) for name, entry in kept]
    return ImportedFile(memories=memories, deleted=len(entries) - len(kept))


def _of_entry(entry: _Object, where: str) -> ImportedMemory:
    """Return a memory of Mem0, whose text is `memory`, or of OpenMemory, whose text is `content`."""
    key = next((key for key in ("memory", "content", "data") if key in entry), None)
    if key is None:
        raise StateError(f"{where} has no memory, content or data; nothing was imported")
    text = _text(entry, key, where)
    given = entry.get("id")
    identity = ["id", given] if isinstance(given, str) else ["text", text]
    return _memory(text, where, identity, created_us=to_us(entry.get("created_at")))


def _memory(
    text: str, where: str, identity: list[str], *, about: str | None = None, created_us: int | None = None
) -> ImportedMemory:
    if len(text) > MAX_TEXT:
        raise StateError(f"{where}: the text has more than {MAX_TEXT:,} characters; nothing was imported")
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    subject = clean_text(about or "") or None
    return ImportedMemory(turn_id=f"import-{digest[:32]}", text=clean_text(text), about=subject, created_us=created_us)


def _json(data: bytes, where: str) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise StateError(f"{where} is not JSON; nothing was imported") from None


def _object(value: object, where: str) -> _Object:
    if not isinstance(value, dict):
        raise StateError(f"{where} is no object; nothing was imported")
    return cast("_Object", value)


def _text(entry: _Object, key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not clean_text(value):
        raise StateError(f"{where}: {key} is no text, or is empty; nothing was imported")
    return value
