"""Memories from the reference server, from Mem0 and from OpenMemory, in the forms that these programs write."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from recuerda import StateError
from recuerda.mcp_server.importing import read_memories
from recuerda.storage.ram import MemoryStorage
from tests.cli.processes import CommandLine
from tests.mcp_server.conftest import ANA, Served

REFERENCE: list[dict[str, Any]] = [
    {"type": "entity", "name": "Ana", "entityType": "person", "observations": ["keeps bees", "lives in Cádiz"]},
    {"type": "entity", "name": "Sirena", "entityType": "boat", "observations": []},
    {"type": "relation", "from": "Ana", "to": "Sirena", "relationType": "sails_on"},
]
MEM0: dict[str, Any] = {
    "results": [
        {
            "id": "a1",
            "memory": "Likes rye bread",
            "user_id": "ana",
            "created_at": "2025-03-04T05:06:07.000000-08:00",
            "updated_at": None,
            "metadata": None,
        },
        {"id": "a2", "memory": "Is allergic to nuts", "created_at": "2025-03-05T00:00:00Z"},
    ]
}
OPEN_MEMORY: dict[str, Any] = {
    "user": {"user_id": "ana"},
    "apps": [],
    "categories": [],
    "memories": [
        {"id": "b1", "content": "Plays chess", "state": "active", "created_at": "2025-01-01T00:00:00+00:00"},
        {"id": "b2", "content": "Old address", "state": "deleted", "created_at": "2025-01-01T00:00:00+00:00"},
    ],
    "export_meta": {"version": "1"},
}


def lines(entries: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(entry) for entry in entries)


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "given"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(name: str, document: object) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, json.dumps(document))
        archive.writestr("memories.jsonl.gz", b"")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "texts", "deleted"),
    [
        (
            lines(REFERENCE),
            ["Ana (person): keeps bees", "Ana (person): lives in Cádiz", "Sirena (boat)", "Ana sails on Sirena"],
            0,
        ),
        (lines(REFERENCE[:1]), ["Ana (person): keeps bees", "Ana (person): lives in Cádiz"], 0),
        (json.dumps(MEM0, indent=2), ["Likes rye bread", "Is allergic to nuts"], 0),
        (json.dumps(MEM0["results"]), ["Likes rye bread", "Is allergic to nuts"], 0),
        (lines(MEM0["results"]), ["Likes rye bread", "Is allergic to nuts"], 0),
        (json.dumps(OPEN_MEMORY), ["Plays chess"], 1),
        (zipped("memories.json", OPEN_MEMORY), ["Plays chess"], 1),
        (zipped("backup/memories.json", OPEN_MEMORY), ["Plays chess"], 1),
        ("", [], 0),
    ],
)
def test_each_form_is_recognized(content: str | bytes, texts: list[str], deleted: int, tmp_path: Path) -> None:
    found = read_memories(written(tmp_path, content))
    assert ([memory.text for memory in found.memories], found.deleted) == (texts, deleted)


def test_a_damaged_file_is_refused_by_line_or_entry(tmp_path: Path) -> None:
    entity = json.dumps(REFERENCE[0])
    for content, words in (
        (f"{entity}\n{{", "line 2 of .* is not JSON"),
        (f"{entity}\n\n[]", "line 3 of .* is no object"),
        (f"{entity}\n{{}}", "line 2 of .* has no memory"),
        ('{"type": "entity"}\n{}', "line 1 of .*: name is no text"),
        ('{"type": "entity", "name": "A", "observations": 3}', "observations is no list"),
        ('{"type": "entity", "name": "A", "observations": [3]}', "an observation is no text"),
        ('{"type": "relation", "from": "A", "to": "B"}', "relationType is no text"),
        ('{"results": [{"id": "x", "memory": " "}]}', "entry 1 of .*: memory is no text, or is empty"),
        ('{"results": [7]}', "entry 1 of .* is no object"),
        ('[{"memory": "' + "x" * 20_001 + '"}]', "entry 1 of .* more than 20,000 characters"),
        ("7", "is none of these"),
        ('{"a": 1}', "is none of these"),
        ("[" * 100_000, "line 1 of .* is not JSON"),
        (b"\xff\xfe{}", "line 1 of .* is not JSON"),
        (zipped("other.json", {}), "no file memories.json"),
    ):
        with pytest.raises(StateError, match=words):
            read_memories(written(tmp_path, content))


async def test_imported_memories_are_recalled_and_keep_their_times(tmp_path: Path) -> None:
    async with MemoryStorage() as storage:
        served = Served(storage)
        for _ in range(2):
            found = read_memories(written(tmp_path, json.dumps(MEM0)))
            await served.memories.remember_all(ANA, found.memories)
        (rye, *_) = (await served.call("recall", query="Which bread?"))["memories"]
        assert (rye["text"], rye["said_at"]) == ("Likes rye bread", "2025-03-04T13:06:07+00:00")
        assert (await served.call("list_threads"))["threads"][0]["messages"] == 2
        await served.server.close()


def test_the_command_says_what_it_has_imported(tmp_path: Path) -> None:
    recuerda = CommandLine(tmp_path)
    path = written(tmp_path, json.dumps(OPEN_MEMORY))
    first, again = (recuerda.ok("mcp", "--user", "ana", "--import", str(path)) for _ in range(2))
    assert first == "new memories: 1, already there: 0, 1 left out because they were deleted\n"
    assert again.startswith("new memories: 0, already there: 1")
    path.write_text('{"results": [{}]}', encoding="utf-8")
    assert "entry 1 of" in recuerda.refused("mcp", "--user", "ana", "--import", str(path))
    assert "chess" in recuerda.ok("recall", "chess", "--user", "ana")
