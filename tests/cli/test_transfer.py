"""Exports and imports: whole, repeatable, and between storages."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from recuerda import MemoryStorage, NewTurn, Storage
from recuerda.cli.export_threads import export
from recuerda.errors import StorageUnavailable
from recuerda.storage.operations import ThreadSlice
from tests.cli.processes import CommandLine

HISTORY = "My name is José \u2028 \x85 and I live in Lima.\nI like tea.\n"


@pytest.fixture
def filled(recuerda: CommandLine) -> CommandLine:
    recuerda.ok("chat", "--thread", "one", input=HISTORY)
    recuerda.ok("chat", "--thread", "two", "--user", "ana", input="Me llamo Ana.\n")
    return recuerda


def shown(recuerda: CommandLine, thread_id: str, *storage: str) -> object:
    return json.loads(recuerda.ok("show", thread_id, "--json", *storage))["turns"]


@pytest.mark.parametrize("target", ["file:///{}/files", "sqlite:///{}/other.db"])
def test_an_export_comes_back_whole_on_another_storage(filled: CommandLine, target: str) -> None:
    url = target.format(filled.folder)
    exported = filled.ok("export", "--all")
    assert filled.ok("import", "-", "--storage", url, input=exported).endswith("2 threads, 3 turns added\n")
    assert shown(filled, "one", "--storage", url) == shown(filled, "one")
    assert shown(filled, "two", "--storage", url) == shown(filled, "two")
    assert sorted(filled.ok("export", "--all", "--storage", url).splitlines()) == sorted(exported.splitlines())


def test_importing_twice_adds_nothing(filled: CommandLine) -> None:
    exported = filled.ok("export", "one")
    assert "one: 0 of 2 turns added\n" in filled.ok("import", "-", input=exported)
    told = json.loads(filled.ok("import", "-", "--json", input=exported))
    report: dict[str, object] = {"id": "one", "turns": 2, "added": 0, "differing": 0, "parent": None, "losses": {}}
    assert told == {"threads": [report]}


def test_one_thread_can_be_imported_under_another_id(filled: CommandLine) -> None:
    exported = filled.ok("export", "one")
    assert "copy: 2 of 2 turns added\n" in filled.ok("import", "-", "--thread", "copy", input=exported)
    assert shown(filled, "copy") == shown(filled, "one")
    assert "single thread" in filled.refused("import", "-", "--thread", "copy", input=filled.ok("export", "--all"))


def test_an_export_to_a_file_replaces_it_when_it_is_whole(filled: CommandLine) -> None:
    target = filled.folder / "backup.jsonl"
    target.write_text("before")
    filled.refused("export", "one", "nobody", "--output", "backup.jsonl")
    assert target.read_text() == "before"
    assert filled.ok("export", "one", "two", "-o", "backup.jsonl") == ""
    assert target.read_text(encoding="utf-8") == filled.ok("export", "one", "two")
    assert [path.name for path in filled.folder.iterdir() if path.name.startswith("backup")] == ["backup.jsonl"]
    assert "2 threads, 0 turns added" in filled.ok("import", "backup.jsonl")


def test_a_line_that_is_no_turn_is_named_and_nothing_is_written(filled: CommandLine) -> None:
    exported = filled.ok("export", "one")
    told = filled.refused("import", "-", "--storage", "sqlite:///new.db", input=f"{exported}{{}}\n")
    assert told.startswith("error: line 4 is not a turn")
    assert "no storage" in filled.refused("threads", "--storage", "sqlite:///new.db")


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "No such file"), (b"\xff\xfe\x00", "not UTF-8"), (b"hello\n", "line 1"), (b"\x00\x01", "line 1")],
)
def test_what_is_no_export_is_one_clear_line(recuerda: CommandLine, content: bytes | None, told: str) -> None:
    if content is not None:
        Path(recuerda.folder / "export.jsonl").write_bytes(content)
    assert told in recuerda.refused("import", "export.jsonl")


def test_a_folder_is_no_export(recuerda: CommandLine) -> None:
    assert recuerda.refused("import", ".").startswith("error: . cannot be read: it is a folder")


def test_an_output_that_cannot_be_written_is_one_clear_line(filled: CommandLine) -> None:
    assert "No such file or directory" in filled.refused("export", "--all", "--output", "no/such/folder.jsonl")


def test_an_export_goes_through_a_pipe_and_past_a_link_and_into_no_folder(filled: CommandLine) -> None:
    exported = filled.ok("export", "one")
    pipe = filled.folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    filled.ok("export", "one", "--output", "pipe")
    assert (os.read(reader, 65536).decode(), pipe.is_fifo()) == (exported, True)
    os.close(reader)
    (filled.folder / "newest.jsonl").symlink_to("monday.jsonl")
    filled.ok("export", "one", "--output", "newest.jsonl")
    assert (filled.folder / "newest.jsonl").is_symlink()
    assert (filled.folder / "monday.jsonl").read_text(encoding="utf-8") == exported
    assert "is a folder" in filled.refused("export", "one", "--output", ".")


@pytest.mark.parametrize("arguments", [(), ("one", "--all")])
def test_an_export_wants_ids_or_all(recuerda: CommandLine, arguments: tuple[str, ...]) -> None:
    assert "--all" in recuerda.refused("export", *arguments, code=2)


def test_an_empty_storage_exports_nothing(recuerda: CommandLine) -> None:
    assert recuerda.ok("import", "-", input="") == "0 threads, 0 turns added\n"
    (recuerda.folder / "empty").mkdir()
    assert recuerda.ok("export", "--all", "--storage", "file:empty") == ""


def test_a_copy_has_everything_and_says_so(filled: CommandLine) -> None:
    source, target = f"sqlite:///{filled.folder}/data/recuerda/memory.db", f"file://{filled.folder}/files"
    told = filled.ok("copy", source, target, "--all")
    assert told.endswith(f"2 threads, 3 turns added, to {target}\n")
    assert shown(filled, "one", "--storage", target) == shown(filled, "one")
    again = json.loads(filled.ok("copy", source, target, "--thread", "one", "--json"))["threads"]
    assert [(one["id"], one["turns"], one["added"], one["problem"]) for one in again] == [("one", 2, 0, None)]


def test_a_copy_of_one_user_leaves_the_others(filled: CommandLine) -> None:
    source, target = f"sqlite:///{filled.folder}/data/recuerda/memory.db", f"file://{filled.folder}/files"
    filled.ok("copy", source, target, "--user", "ana")
    assert [one["id"] for one in json.loads(filled.ok("threads", "--json", "--storage", target))["threads"]] == ["two"]


def test_a_copy_never_mixes_two_histories(filled: CommandLine) -> None:
    source, target = f"sqlite:///{filled.folder}/data/recuerda/memory.db", f"file://{filled.folder}/files"
    filled.ok("chat", "--thread", "one", "--storage", target, input="I am somebody else.\n")
    before = shown(filled, "one", "--storage", target)
    assert "1 thread could not be copied" in filled.refused("copy", source, target, "--all")
    assert shown(filled, "one", "--storage", target) == before


def test_a_copy_needs_to_know_what_and_where(filled: CommandLine) -> None:
    assert "--all" in filled.refused("copy", "memory:", "file:x", code=2)
    assert "same storage" in filled.refused("copy", "file:x", "file:x", "--all")
    assert "no storage" in filled.refused("copy", "file:x", "file:y", "--thread", "nobody")
    (filled.folder / "x").mkdir()
    assert "no thread 'nobody'" in filled.refused("copy", "file:x", "file:y", "--thread", "nobody")


def three_threads(patch: pytest.MonkeyPatch, *, broken: str, failure: BaseException | None) -> None:
    """Let the export open a storage of three threads, of which one cannot be read, or is gone."""
    storage = MemoryStorage()

    async def fill() -> None:
        for name in ("a", "b", "c"):
            body = f'{{"messages":[{{"role":"user","content":"of {name}"}}]}}'.encode()
            await storage.append(name, NewTurn(body=body, message_count=1))

    asyncio.run(fill())
    real = storage.read

    async def read(name: str, **options: Any) -> ThreadSlice:
        if name == broken and failure is None:
            return ThreadSlice(info=None)
        if name == broken and failure is not None:
            raise failure
        return await real(name, **options)

    def opened(_: str | None) -> MemoryStorage:
        return storage

    patch.setattr(storage, "read", read)
    patch.setattr("recuerda.cli.export_threads.opened_to_read", opened)


@pytest.mark.parametrize(
    "failure", [StorageUnavailable("the server is gone"), KeyboardInterrupt()], ids=["gone", "ctrl-c"]
)
def test_an_export_that_breaks_off_leaves_whole_threads_and_says_where(
    recuerda: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
) -> None:
    three_threads(monkeypatch, broken="c", failure=failure)
    output = recuerda.folder / "backup.jsonl"
    with pytest.raises(type(failure)):
        export(is_all=True, output=output)
    assert f"{output} holds the 2 threads before that" in capsys.readouterr().err
    assert "2 threads, 2 turns added" in recuerda.ok("import", "backup.jsonl")


def test_an_export_that_breaks_off_leaves_an_older_file_alone(
    recuerda: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = recuerda.folder / "backup.jsonl"
    output.write_text("before")
    for thread_id, is_kept in (("a", False), ("c", True)):
        three_threads(monkeypatch, broken=thread_id, failure=StorageUnavailable("the server is gone"))
        with pytest.raises(StorageUnavailable):
            export(is_all=True, output=output)
        assert output.read_text() == "before"
        parts = list(recuerda.folder.glob("*.part"))
        assert len(parts) == is_kept
    assert str(parts[0]) in capsys.readouterr().err
    assert "2 threads, 2 turns added" in recuerda.ok("import", str(parts[0]))


def test_an_export_on_a_full_disk_keeps_whole_threads(
    recuerda: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    three_threads(monkeypatch, broken="nobody", failure=KeyError())
    output = recuerda.folder / "backup.jsonl"

    def opened(path: Path, _: Path) -> BinaryIO:
        return cast("BinaryIO", SmallDisk(path.open("x+b"), size=420))

    monkeypatch.setattr("recuerda.cli.export_output._opened", opened)
    with pytest.raises(OSError, match="No space"):
        export(is_all=True, output=output)
    assert "the 2 threads before that" in capsys.readouterr().err
    assert "2 threads, 2 turns added" in recuerda.ok("import", "backup.jsonl")


class SmallDisk:
    """A file on a disk that takes only some bytes."""

    def __init__(self, file: BinaryIO, *, size: int) -> None:
        self._file = file
        self._left = size

    def write(self, data: bytes) -> int:
        taken = self._file.write(data[: self._left])
        self._left -= taken
        self._file.flush()
        if taken < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_threads_that_are_deleted_during_an_export_are_left_out(
    recuerda: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    three_threads(monkeypatch, broken="b", failure=None)
    output = recuerda.folder / "backup.jsonl"
    export(is_all=True, output=output)
    assert "1 thread left out" in capsys.readouterr().err
    assert "2 threads, 2 turns added" in recuerda.ok("import", "backup.jsonl")


def turn(text: str) -> NewTurn:
    return NewTurn(body=f'{{"messages":[{{"role":"user","content":"{text}"}}]}}'.encode(), message_count=1)


CHANGES: dict[str, Callable[[Storage, str], Awaitable[object]]] = {
    "delete": lambda storage, thread_id: storage.delete(thread_id),
    "undo": lambda storage, thread_id: storage.undo(thread_id),
    "trim": lambda storage, thread_id: storage.trim(thread_id, keep_turns=1),
    "rewrite": lambda storage, thread_id: storage.rewrite(thread_id, {1: turn("mended").body}),
    "append": lambda storage, thread_id: storage.append(thread_id, turn("later")),
}


@pytest.mark.parametrize("method", CHANGES)
def test_an_export_holds_nothing_that_is_deleted_before_it_ends(
    recuerda: CommandLine, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    storage = MemoryStorage()

    async def fill() -> None:
        for name in ("a", "b", "c"):
            await storage.append_all(name, [turn(f"old {name}"), turn(f"new {name}")], title=f"old {name}")

    read, calls = storage.read, list[str]()

    async def changed_meanwhile(thread_id: str, **options: Any) -> ThreadSlice:
        calls.append(thread_id)
        if calls == ["a", "b", "c"]:
            await CHANGES[method](storage, "b")
        return await read(thread_id, **options)

    def opened(_: str | None) -> MemoryStorage:
        return storage

    asyncio.run(fill())
    monkeypatch.setattr(storage, "read", changed_meanwhile)
    monkeypatch.setattr("recuerda.cli.export_threads.opened_to_read", opened)
    output = recuerda.folder / "backup.jsonl"
    export(is_all=True, output=output)
    text = output.read_text(encoding="utf-8")
    gone = {"delete": {"old b", "new b"}, "undo": {"new b"}, "append": set[str]()}.get(method, {"old b"})
    texts = {f"{age} {name}" for name in ("a", "b", "c") for age in ("old", "new")}
    assert {one for one in texts if f'"content":"{one}"' in text} == texts - gone
    assert f"{2 if method == 'delete' else 3} threads" in recuerda.ok("import", "backup.jsonl")


def test_an_import_into_another_users_thread_writes_nothing(filled: CommandLine) -> None:
    exported = filled.ok("export", "--all").replace('"user_id":"ana"', '"user_id":"bo"').replace("one", "three")
    assert "'two' belongs to another user" in filled.refused("import", "-", input=exported)
    assert len(json.loads(filled.ok("threads", "--json"))["threads"]) == 2
