"""What is particular to the file storage: its URL, its files, and what an operation reads and writes of them."""

import asyncio
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recuerda import ChatMessage, ChatMessageStore, open_storage
from recuerda.errors import ConfigurationError, StorageBusy
from recuerda.file import FileStorage, disk
from recuerda.file.disk import Disk
from recuerda.file.lines import parse_record
from recuerda.file.locks import StripedLocks
from recuerda.file.names import file_stem, files_of
from recuerda.file.place import Place
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import REMEMBERED, NewTurn
from recuerda.testing.storage_contract.base import a_turn, bodies, fill, numbers
from tests.storage.file_fixtures import folder, reads, storage

__all__ = ["folder", "reads", "storage"]

HOSTILE = (
    "",
    ".",
    "..",
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "CON",
    "con",
    "nul.txt",
    "a" * 512,
    "é" * 256,
    "🐧",
    "A",
    "a",
    "a ",
)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=30)


def lines_of(folder: Path, thread_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files_of(folder, thread_id).log.read_text().splitlines()]


# -- the URL -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///var/lib/threads", "/var/lib/threads"),
        ("file://localhost/var/lib", "/var/lib"),
        ("file:///with%20space/%C3%A9", "/with space/é"),
        ("file:relative/dir", "{cwd}/relative/dir"),
        ("file:./here", "{cwd}/here"),
        ("file:~/threads", "{home}/threads"),
    ],
)
async def test_a_url_names_an_absolute_a_relative_or_a_home_folder(url: str, path: str) -> None:
    storage = open_storage(url)
    assert isinstance(storage, FileStorage)
    assert storage.path == Path(path.format(cwd=Path.cwd(), home=Path.home()))
    await storage.close()


@pytest.mark.parametrize("url", ["file:", "file://", "file://host/dir", "file:///dir?x=1", "file:///dir#x", "file:%00"])
def test_a_url_that_names_no_folder_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        open_storage(url)


async def test_the_first_write_makes_the_folder_and_a_read_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    async with FileStorage(folder) as storage:
        assert await storage.head("a") is None
        assert (await storage.list_threads()).threads == ()
        assert not folder.parent.exists()
        await storage.append("a", a_turn())
        assert folder.is_dir()


async def test_a_later_change_of_the_working_directory_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with FileStorage("threads") as storage:
        await storage.append("a", a_turn())
        monkeypatch.chdir("/")
        assert await bodies(storage, "a") == [b"hi"]


# -- the files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thread_id", HOSTILE)
def test_a_file_name_is_safe_on_every_system(thread_id: str) -> None:
    for path in files_of(Path("folder"), thread_id).paths:
        assert path.parent == Path("folder")
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*-[0-9a-f]{32}\.(jsonl|draft|lease)(\.new)?", path.name)
        # Windows reserves device names up to the first dot, and many systems end a name at 255 bytes.
        assert not re.fullmatch(r"con|prn|aux|nul|com\d|lpt\d", path.name.partition(".")[0])
        assert len(path.name) <= 100


def test_different_ids_have_names_that_differ_without_regard_to_case() -> None:
    assert len({file_stem(thread_id).lower() for thread_id in HOSTILE}) == len(HOSTILE)


def test_a_name_shows_people_the_id() -> None:
    assert file_stem("Customer 42/año").startswith("customer-42-a-o-")


async def test_a_thread_is_one_file_of_plain_json_lines(storage: FileStorage, folder: Path) -> None:
    store = ChatMessageStore(storage=storage, thread_id="riker")
    await store.add_messages([ChatMessage(role="user", content="My name is Riker.\nHello")])
    await store.add_messages([ChatMessage(role="assistant", content="¡Hola!")])
    settings, *turns = lines_of(folder, "riker")
    assert settings["thread"] == "riker"
    said = [(message["role"], message["content"]) for turn in turns for message in turn["body"]["messages"]]
    assert said == [("user", "My name is Riker.\nHello"), ("assistant", "¡Hola!")]
    assert list(content_of(folder)) == [files_of(folder, "riker").log.name]


async def test_a_line_tells_of_its_turn_and_of_the_thread_so_far(storage: FileStorage, folder: Path) -> None:
    await fill(storage, "a", 2, 3)
    settings, first, second = lines_of(folder, "a")
    assert (settings["recuerda"], settings["thread"]) == (1, "a")
    assert (first["number"], first["id"], first["count"], first["turns"], first["messages"]) == (1, "t1", 2, 1, 2)
    assert (second["number"], second["id"], second["count"], second["turns"], second["messages"]) == (2, "t2", 3, 2, 5)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}{}",
        b'{"a":1} ',
        b'{"a":1},"id":"evil"',
        b'{"a":1},"body":{"b":2}',
        b'{"a":\n1}',
        b'{"a":"\xff"}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"body_base64":"aGk="}',
        b"[1]",
        b"\x00",
    ],
    ids=range(12),
)
async def test_a_body_that_is_no_plain_json_object_is_kept_to_the_byte(storage: FileStorage, body: bytes) -> None:
    record = (await storage.append("a", NewTurn(body=body, message_count=1))).record
    await storage.append("a", a_turn())
    assert (await storage.read("a")).records[0] == record
    assert record.body == body


async def test_a_json_body_is_embedded_to_the_byte(storage: FileStorage, folder: Path) -> None:
    body = '{"v":1,  "big":123456789012345678901234567890,"f":1.10,"e":"\\u00e9é"}'.encode()
    await storage.append("a", NewTurn(body=body, message_count=1))
    assert body in files_of(folder, "a").log.read_bytes()
    assert await bodies(storage, "a") == [body]


async def test_a_copy_under_another_name_is_not_listed_as_a_second_thread(storage: FileStorage, folder: Path) -> None:
    await fill(storage, "a", 1)
    log = files_of(folder, "a").log
    (folder / f"backup-{'0' * 32}.jsonl").write_bytes(log.read_bytes())
    (folder / "notes.jsonl").write_text("mine")
    assert [info.id for info in (await storage.list_threads()).threads] == ["a"]


async def test_a_rewrite_keeps_the_permissions_of_the_file(storage: FileStorage, folder: Path) -> None:
    await fill(storage, "a", 1, 1)
    files_of(folder, "a").log.chmod(0o600)
    await storage.undo("a")
    assert files_of(folder, "a").log.stat().st_mode & 0o777 == 0o600


# -- costs -------------------------------------------------------------------------------------------------------------


async def test_an_append_and_a_window_read_as_much_of_a_long_thread_as_of_a_short_one(
    storage: FileStorage, reads: list[int]
) -> None:
    costs: list[tuple[int, int, int, int]] = []
    turns = [NewTurn(body=b'{"text":"%s"}' % (b"x" * 300), message_count=2) for _ in range(10_000)]
    for thread_id, count in (("short", 50), ("long", 10_000)):
        await storage.append_all(thread_id, turns[:count])
        await storage.append(thread_id, a_turn(id="warm"))  # reads the file once: it has to know all ids
        cost: list[int] = []
        for step in (
            storage.append(thread_id, a_turn()),
            storage.append(thread_id, a_turn(id="mine")),
            storage.read(thread_id, last_messages=20),
            storage.read(thread_id, after=count),
        ):
            reads.clear()
            await step
            cost.append(sum(reads))
        costs.append((cost[0], cost[1], cost[2], cost[3]))
    # Numbers of more digits make lines a few bytes longer.
    assert costs[1] == pytest.approx(costs[0], abs=100)
    assert max(costs[1]) < 20_000
    reads.clear()
    found = await storage.read("long", before=5_001, last_turns=10)
    assert numbers(found) == list(range(4_991, 5_001))
    assert sum(reads) < 60_000  # the whole file has millions


async def test_a_page_before_a_number_is_found_among_lines_of_any_size(storage: FileStorage) -> None:
    sizes = [0, 3, 2_000_000, 10, 700_000, 0, 9_000, 8_180, 8_192, 1, 100_000, *[40] * 30]
    for size in sizes:
        await storage.append("a", NewTurn(body=b"x" * size, message_count=1))
        await storage.update_thread("a", metadata={"size": size})
    await storage.undo("a", number=6)
    kept = [number for number in range(1, len(sizes) + 1) if number != 6]
    for before in range(1, len(sizes) + 3):
        found = await storage.read("a", before=before, last_turns=2)
        assert numbers(found) == [number for number in kept if number < before][-2:], before
        assert [len(record.body) for record in found.records] == [sizes[number - 1] for number in numbers(found)]


async def test_an_append_is_one_write_one_sync_and_the_newline(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(storage, "a", 1)
    calls: list[str] = []
    write, sync = disk.pwrite, os.fdatasync

    def counted_write(fd: int, data: bytes, offset: int) -> int:
        calls.append("write")
        return write(fd, data, offset)

    def counted_sync(fd: int) -> None:
        calls.append("sync")
        sync(fd)

    monkeypatch.setattr(disk, "pwrite", counted_write)
    monkeypatch.setattr(os, "fdatasync", counted_sync)
    await storage.append("a", a_turn())
    assert calls == ["write", "sync", "write"]
    calls.clear()
    await storage.append_all("a", [a_turn() for _ in range(50)])
    assert calls == ["write", "sync", "write"]


async def test_without_fsync_nothing_is_synced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        pytest.fail("synced")

    monkeypatch.setattr(os, "fdatasync", fail)
    monkeypatch.setattr(os, "fsync", fail)
    async with FileStorage(folder, fsync=False) as storage:
        await fill(storage, "a", 1, 1)
        await storage.undo("a")
        assert await bodies(storage, "a") == [b"1"]


async def test_a_second_listing_reads_only_what_changed(storage: FileStorage, reads: list[int]) -> None:
    for i in range(100):
        await storage.update_thread(f"{i}", title="T")
    assert len((await storage.list_threads(limit=1000)).threads) == 100
    await storage.append("7", a_turn())
    reads.clear()
    assert (await storage.list_threads()).threads[0].id == "7"
    assert 0 < len(reads) < 10


async def test_dropped_turns_leave_the_file_once_they_outweigh_the_rest(storage: FileStorage, folder: Path) -> None:
    log = files_of(folder, "a").log
    sizes: list[int] = []
    for i in range(400):
        await storage.append("a", NewTurn(body=b"%04d" % i * 500, message_count=1), keep_messages=10)
        sizes.append(log.stat().st_size)
        assert len((await storage.read("a")).records) == min(i + 1, 10)
    assert max(sizes) < 200_000
    assert sum(later < earlier for earlier, later in pairwise(sizes)) >= 8
    assert numbers(await storage.read("a")) == list(range(391, 401))


async def test_former_settings_leave_the_file_once_they_outweigh_the_rest(storage: FileStorage, folder: Path) -> None:
    await fill(storage, "a", 1, 2)
    before = await storage.read("a")
    for i in range(300):
        await storage.update_thread("a", metadata={"n": i, "text": "x" * 2000})
    after = await storage.read("a")
    assert files_of(folder, "a").log.stat().st_size < 200_000
    assert after.records == before.records
    assert after.info is not None
    assert (after.info.metadata["n"], after.info.turns, after.info.messages, after.info.revision) == (299, 2, 3, 2)
    assert (await storage.append("a", a_turn(), expected=2)).revision == 3


async def test_an_undo_and_a_trim_leave_no_byte_of_what_they_delete(storage: FileStorage, folder: Path) -> None:
    words = (b"Anchorage", b"Baltimore", b"Cleveland")
    for word in words:
        await storage.append("a", NewTurn(body=b'{"secret":"%s"}' % word, message_count=1))
    await storage.undo("a")
    await storage.trim("a", keep_turns=1)
    (content,) = content_of(folder).values()
    assert [word in content for word in words] == [False, True, False]


async def test_no_byte_of_erased_words_stays_in_the_folder(storage: FileStorage, folder: Path) -> None:
    secret = b'{"said":"Timbuktu"}'
    for thread in ("undone", "trimmed", "erased"):
        await storage.append(thread, a_turn(secret), title="Timbuktu", user_id="ana")
        await storage.summarize(thread, secret, through=1)
    await storage.save_draft("erased", DraftStep(turn_id="d", revision=2, number=1, body=secret), user_id="ana")
    await storage.save_draft("draft", DraftStep(turn_id="d", revision=0, number=1, body=secret), user_id="ana")
    await storage.take_lease("erased", "holder", timedelta(seconds=30))
    await storage.update_thread("undone", metadata={"k": 1})
    await storage.undo("undone")
    await storage.append("trimmed", a_turn())
    await storage.trim("trimmed", keep_turns=1)
    await storage.delete("draft")
    await storage.delete("erased")
    left = content_of(folder)
    assert sorted(left) == sorted(files_of(folder, thread).log.name for thread in ("trimmed", "undone"))
    assert not any(b"Timbuktu" in content for content in left.values())


async def test_the_ids_of_removed_turns_do_not_pile_up(storage: FileStorage, folder: Path) -> None:
    for _ in range(3):
        await storage.append_all("a", [a_turn() for _ in range(REMEMBERED)])
        await storage.trim("a", keep_turns=1)
    gone = [line for line in lines_of(folder, "a") if "gone" in line]
    assert REMEMBERED - 2 <= len(gone) <= REMEMBERED
    assert all(line.keys() <= {"gone", "id", "dropped"} for line in gone)


# -- locks and processes -----------------------------------------------------------------------------------------------


async def test_a_thread_that_another_writer_holds_for_too_long_is_busy_and_stays_readable(folder: Path) -> None:
    async with FileStorage(folder, busy_timeout_s=0.05) as storage:
        await fill(storage, "a", 1)
        files = files_of(folder, "a")
        locks = StripedLocks(folder / ".locks", timeout_s=1, disk=Disk(fsync=False), place=Place(folder))
        with locks.hold(files.stripe):
            with pytest.raises(StorageBusy, match=r"threads.* 0\.05 s"):
                await storage.append("a", a_turn())
            assert await bodies(storage, "a") == [b"1"]
        await storage.append("a", a_turn())


async def test_a_storage_goes_on_in_a_forked_child(folder: Path) -> None:
    script = """
import asyncio, os, sys
from recuerda.file import FileStorage
from recuerda.storage.records import NewTurn

storage = FileStorage(sys.argv[1])

async def append(body):
    await storage.append("a", NewTurn(body=body, message_count=1))

async def main(body):
    await asyncio.gather(*(append(body) for _ in range(10)))

asyncio.run(main(b"parent"))
child = os.fork()
asyncio.run(main(b"child" if child == 0 else b"parent"))
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = await run(sys.executable, "-W", "ignore", "-c", script, folder)
    assert (done.returncode, done.stderr) == (0, "")
    async with FileStorage(folder) as storage:
        found = [record.body for record in (await storage.read("a")).records]
    assert (found.count(b"parent"), found.count(b"child")) == (20, 10)


async def test_an_id_is_found_after_another_handle_rewrote_the_file(storage: FileStorage, folder: Path) -> None:
    appended = await fill(storage, "a", 1, 1, 1, 1)
    async with FileStorage(folder) as another:
        assert (await another.read("a", turn_id="t4")).found == appended[3].record
        await storage.undo("a")
        await storage.trim("a", keep_turns=2)
        assert (await another.read("a", turn_id="t4")).found is None
        assert (await another.read("a", turn_id="t1")).found is None
        assert (await another.read("a", turn_id="t3")).found == appended[2].record
        assert not (await another.append("a", a_turn(id="t4"))).replayed


async def test_a_draft_that_outlived_its_turns_commit_is_stale(storage: FileStorage, folder: Path) -> None:
    await fill(storage, "a", 1)
    draft = files_of(folder, "a").draft
    await storage.save_draft("a", DraftStep(turn_id="t2", revision=1, number=1, body=b'{"v":1}'))
    saved = draft.read_bytes()
    await storage.append("a", a_turn(id="t2"))
    draft.write_bytes(saved)  # as if the process had died between the commit and the deletion
    assert await storage.load_draft("a") is None
    assert await storage.drop_draft("a") is False
    draft.write_bytes(saved)
    await storage.delete("a")
    draft.write_bytes(saved)
    await storage.append("a", a_turn())
    draft.write_bytes(saved)
    assert await storage.load_draft("a") is None  # of another incarnation


def test_a_record_line_is_found_again_as_it_was_written() -> None:
    assert parse_record(b'{"number":1,"id":"t","created_us":1,"turns":1,"messages":1}') is not None
    assert parse_record(msgspec.json.encode({"number": "1"})) is None
