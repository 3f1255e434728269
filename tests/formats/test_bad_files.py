"""Bad files: one line that names the file, the place and the reason, and nothing half."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from recuerda import MemoryStorage
from recuerda.errors import InvalidInput, StateError
from recuerda.formats import READABLE, import_threads, write
from tests.formats.native import NATIVE, as_bytes
from tests.formats.test_archives import chatgpt_archive, sample, zipped
from tests.formats.test_trees import FAMILY

DATABASES = ("google-adk", "langgraph", "openai-agents")


def bomb() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", b"[" + b" " * 20_000_000 + b"]")
    return file.getvalue()


BAD = {
    "an empty file": b" \n",
    "another encoding": "[{}]".encode("utf-16"),
    "a latin letter": b'[{"role": "user", "content": "caf\xe9"}]',
    "a number": b"3",
    "a list of numbers": b"[1]",
    "objects of nothing": b"[{}]",
    "deep lists": b"[" * 50_000,
    "zeros": bytes(3000),
    "a long line without an end": b'{"role": "user", "content": "' + b"x" * 2_000_000,
    "an archive of nothing": zipped({}),
    "half an archive": chatgpt_archive()[:200],
    "a bomb": bomb(),
    "a database of nothing": b"SQLite format 3\x00" + b"\x01" * 2000,
}


async def good(name: str, folder: Path) -> bytes:
    """Return a file of a format."""
    if name in NATIVE:
        return as_bytes(NATIVE[name])
    if name in DATABASES:
        await write(FAMILY, name, folder / "good.db")
        return (folder / "good.db").read_bytes()
    cut_off = {"recuerda": b'{"format":"recuerda-thread",', "agent-framework": b'[{"role":"user","contents":[' * 2}
    return cut_off.get(name) or sample(name.replace("-", "_"))


@pytest.mark.parametrize("name", READABLE)
async def test_a_bad_file_is_one_line_that_names_it_and_nothing_is_imported(name: str, tmp_path: Path) -> None:
    path, storage = tmp_path / "bad.file", MemoryStorage()
    whole = await good(name, tmp_path)
    for kind, content in {**BAD, "half a file": whole[: len(whole) // 2]}.items():
        if (name, kind) == ("recuerda", "an empty file"):
            continue  # an export of no threads
        path.write_bytes(content)
        with pytest.raises((StateError, InvalidInput)) as raised:
            await import_threads(storage, path, name)
        told = str(raised.value)
        assert ("bad.file" in told or "the file is not an export" in told, "\n" in told, len(told) < 400) == (
            True,
            False,
            True,
        ), (kind, told)
    assert [thread async for thread in storage.threads()] == []


async def test_the_entry_of_an_archive_is_named_and_no_name_leads_out_of_it(tmp_path: Path) -> None:
    path, storage = tmp_path / "archive.zip", MemoryStorage()
    for entry in ("../../conversations.json", "/etc/conversations.json", "a/conversations-001.json"):
        path.write_bytes(zipped({entry: b'[{"mapping": 1}]'}))
        with pytest.raises(StateError, match="conversation 1") as raised:
            await import_threads(storage, path, "chatgpt")
        assert str(raised.value).startswith(f"{path}: {entry}")
        path.write_bytes(zipped({entry: b"[{"}))
        with pytest.raises(StateError, match="not JSON") as raised:
            await import_threads(storage, path, "chatgpt")
        assert entry in str(raised.value)
    assert list_of(tmp_path) == ["archive.zip"]


def list_of(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]
