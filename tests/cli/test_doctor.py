"""`recuerda doctor`: what it finds, what it says of it, and that it repairs nothing without a copy."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    FunctionCallContent,
    FunctionResultContent,
    FunctionTool,
    Storage,
    Turn,
    open_storage,
)
from recuerda.examination import Finding
from recuerda.file import FileStorage
from recuerda.messages.codec import encode_turn
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import Blob, NewTurn
from recuerda.storage.thread_info import ThreadParent
from recuerda.studio.health.checking import words_of
from recuerda.studio.words import LANGUAGES, translate
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.cli.processes import CommandLine
from tests.conversation import exchange, texts
from tests.resume.conversations import check_sendable

T = TypeVar("T")
URLS = {"sqlite": "sqlite:///threads.db", "file": "file:threads"}
BROKEN = b'{"messages":[{"role":"user","con\xff'


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest) -> str:
    return URLS[request.param]


@pytest.fixture
def within(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Storage], Awaitable[T]]], T]:
    """Do something with the storage, as a program in the command's folder."""
    monkeypatch.chdir(tmp_path)

    def run(work: Callable[[Storage], Awaitable[T]]) -> T:
        async def inside() -> T:
            async with open_storage(url) as storage:
                return await work(storage)

        return asyncio.run(inside())

    return run


async def damage(storage: Storage) -> None:
    """Make threads of which each has one thing."""
    for thread in ("fine", "broken", "orphaned"):
        store = ChatMessageStore(storage=storage, thread_id=thread)
        await store.add_messages(exchange("hello"))
        await store.add_messages(exchange("more"))
    await storage.rewrite("broken", {1: BROKEN})
    await ChatMessageStore(storage=storage, thread_id="orphaned").add_messages(
        [
            ChatMessage("user", "look it up"),
            ChatMessage("assistant", [FunctionCallContent("c1", "look", {"at": "ü"})]),
            ChatMessage("assistant", "I looked"),
            ChatMessage("tool", [FunctionResultContent("c9", "what?")]),
        ]
    )


async def interrupt(storage: Storage) -> None:
    """Leave a turn that waits for an approval, on a thread that has a turn."""

    def drop(table: str) -> str:
        return table

    client = ScriptedChatClient(["hi", call("drop", {"table": "x"})])
    agent = client.create_agent(storage=storage, tools=FunctionTool.of(drop, needs_approval=True))
    await agent.run("hello", thread="waiting")
    await agent.run("drop it", thread="waiting")


def report_of(recuerda: CommandLine, url: str, *arguments: str, code: int = 1) -> Any:
    done = recuerda("doctor", url, "--json", *arguments)
    assert done.returncode == code
    assert all("made again" in line for line in done.stderr.splitlines())
    report = json.loads(done.stdout)
    for finding in report["findings"]:
        check_words(finding)
    return report


def check_words(finding: Any) -> None:
    """Check that the studio has words for a finding, in each language, and that its facts fill them."""
    found = msgspec.convert({name: finding[name] for name in Finding.__struct_fields__ if name in finding}, Finding)
    for language in LANGUAGES:
        assert translate(language, f"health.found.{words_of(found)}", **found.facts)
        assert translate(language, f"health.do.{words_of(found)}")


def kinds_of(report: Any) -> set[tuple[str, str, bool]]:
    return {(one["thread_id"], one["kind"], one["is_repaired"]) for one in report["findings"]}


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal", ".lock"))
    }


def test_a_sound_storage_has_nothing_to_repair(recuerda: CommandLine, url: str, within: Any) -> None:
    async def talk(storage: Storage) -> None:
        await ChatMessageStore(storage=storage, thread_id="t").add_messages(exchange("hello"))

    within(talk)
    assert report_of(recuerda, url, code=0) == {
        "threads": 1,
        "turns": 1,
        "sealed": 0,
        "findings": [],
        "leases": [],
        "backup": None,
    }
    assert recuerda.ok("doctor", url).endswith(": nothing to repair\n")


def test_what_is_damaged_or_left_over_is_found_and_nothing_is_changed(
    recuerda: CommandLine, url: str, within: Any, tmp_path: Path
) -> None:
    within(damage)
    within(interrupt)
    before = bytes_of(tmp_path)
    report = report_of(recuerda, url)
    assert kinds_of(report) == {
        ("broken", "corrupt_turn", False),
        ("orphaned", "orphans", False),
        ("waiting", "waiting_draft", False),
    }
    assert all(one["explanation"].endswith(".") and one["next_step"].endswith(".") for one in report["findings"])
    assert bytes_of(tmp_path) == before
    page = recuerda("doctor", url)
    assert page.returncode == 1
    assert "2 findings, 1 turn waiting for approval" in page.stdout
    assert "waiting for approval of drop" in page.stdout
    assert "agent.resume(thread, approvals=…)" in page.stdout


def test_a_repair_keeps_a_copy_of_what_it_touches_and_leaves_sound_threads(
    recuerda: CommandLine, url: str, within: Any, tmp_path: Path
) -> None:
    within(damage)
    within(interrupt)
    report = report_of(recuerda, url, "--repair", "--backup", "copies", code=0)
    assert kinds_of(report) == {
        ("broken", "corrupt_turn", True),
        ("orphaned", "orphans", True),
        ("waiting", "waiting_draft", False),
    }
    copies = bytes_of(tmp_path / "copies")
    assert {name.rsplit("-", 1)[0].split("-")[0] for name in copies} == {"broken", "orphaned"}
    (raw,) = [data for name, data in copies.items() if name.endswith(".turn-1.bin")]
    assert raw == BROKEN
    assert kinds_of(report_of(recuerda, url, code=0)) == {("waiting", "waiting_draft", False)}

    async def look(storage: Storage) -> None:
        for thread in ("fine", "broken", "orphaned"):
            check_sendable(await ChatMessageStore(storage=storage, thread_id=thread).list_messages())
        said = texts(await ChatMessageStore(storage=storage, thread_id="broken").list_messages())
        assert said[2:] == ["more", "more!"]
        assert "could not be read" in said[0]
        told = texts(await ChatMessageStore(storage=storage, thread_id="orphaned").list_messages())
        assert told[5:] == [
            '(called look({"at": "ü"}); no result was recorded)',
            "I looked",
            '(a result without its call: "what?")',
        ]
        agent = ScriptedChatClient(["fine"]).create_agent(storage=storage)
        assert (await agent.run("and now?", thread="broken")).text == "fine"

    within(look)


def test_the_copy_of_a_thread_can_be_imported(recuerda: CommandLine, url: str, within: Any, tmp_path: Path) -> None:
    within(damage)
    exported = recuerda.ok("export", "orphaned", "--storage", url)
    report_of(recuerda, url, "--repair", "--backup", "copies", code=0)
    (copy,) = (tmp_path / "copies").glob("orphaned-*.jsonl")
    assert copy.read_text(encoding="utf-8") == exported
    recuerda.ok("import", str(copy), "--storage", "sqlite:///again.db")
    assert recuerda.ok("export", "orphaned", "--storage", "sqlite:///again.db") == exported


def test_by_default_copies_go_beside_the_storage(recuerda: CommandLine, url: str, within: Any, tmp_path: Path) -> None:
    within(damage)
    backup = Path(report_of(recuerda, url, "--repair", code=0)["backup"])
    assert backup.name.startswith("recuerda-copies-")
    assert list((tmp_path / backup).glob("broken-*.jsonl"))


def test_interrupted_turns_are_dropped_only_when_that_is_said_and_after_a_copy(
    recuerda: CommandLine, url: str, within: Any, tmp_path: Path
) -> None:
    within(interrupt)
    drop = ("--repair", "--drop-drafts", "--thread", "waiting", "--backup", "copies")
    report_of(recuerda, url, *drop, "--older-than", "1", code=0)
    # A turn that waits for a person is no damage, so it has to be named.
    report_of(recuerda, url, "--repair", "--drop-drafts", "--backup", "copies", code=0)
    assert not (tmp_path / "copies").exists()
    report = report_of(recuerda, url, *drop, code=0)
    assert kinds_of(report) == {("waiting", "waiting_draft", True)}
    (draft,) = (tmp_path / "copies").glob("waiting-*.draft.jsonl")
    assert [json.loads(line)["number"] for line in draft.read_text().splitlines()] == [1]

    async def look(storage: Storage) -> None:
        assert await storage.load_draft("waiting") is None
        assert len((await storage.read("waiting")).records) == 1

    within(look)
    assert "need --repair" in recuerda.refused("doctor", url, "--drop-drafts", code=2)


@pytest.mark.parametrize("named", [(), ("--thread", "new")], ids=["in_the_list", "by_name"])
def test_the_draft_of_a_threads_first_turn_is_found(
    recuerda: CommandLine, url: str, within: Any, named: tuple[str, ...]
) -> None:
    async def begin(storage: Storage) -> None:
        await storage.save_draft("new", DraftStep(turn_id="one", revision=0, number=1, body=b"no step"))

    within(begin)
    within(interrupt)
    found = kinds_of(report_of(recuerda, url, *named))
    waiting = {("waiting", "waiting_draft", False)} if not named else set[tuple[str, str, bool]]()
    assert found == {("new", "unreadable_draft", False)} | waiting
    report = report_of(recuerda, url, *named, "--repair", "--drop-drafts", "--backup", "copies", code=0)
    assert kinds_of(report) == {("new", "unreadable_draft", True)} | waiting
    assert report["threads"] == len(found)

    async def look(storage: Storage) -> list[str]:
        return (await storage.list_drafts()).thread_ids

    assert within(look) == ["waiting"]


def test_a_summary_that_cannot_be_read_is_left_to_the_next_one(recuerda: CommandLine, url: str, within: Any) -> None:
    async def summarize(storage: Storage) -> None:
        await ChatMessageStore(storage=storage, thread_id="t").add_messages(exchange("hello"))
        await storage.summarize("t", b"no summary", through=1)

    within(summarize)
    report = report_of(recuerda, url, "--repair")
    assert kinds_of(report) == {("t", "unreadable_summary", False)}
    assert (report["findings"][0]["number"], report["backup"]) == (2, None)


def test_encrypted_turns_are_no_damage_and_are_left_alone(recuerda: CommandLine, url: str, within: Any) -> None:
    async def seal(storage: Storage) -> None:
        await storage.append("t", NewTurn(body=b"rc1 sealed", message_count=2))

    within(seal)
    report = report_of(recuerda, url, "--repair", code=0)
    assert (report["sealed"], report["findings"], report["backup"]) == (1, [], None)
    assert "1 encrypted values" in recuerda.ok("doctor", url)


def test_a_turn_of_a_newer_version_is_left_alone(recuerda: CommandLine, url: str, within: Any) -> None:
    body = b'{"v":99,"messages":[{"role":"user","content":"from the future"}]}'

    async def write(storage: Storage) -> None:
        await storage.append("t", NewTurn(body=body, message_count=1))

    within(write)
    report = report_of(recuerda, url, "--repair")
    assert kinds_of(report) == {("t", "newer_turn", False)}
    assert report["backup"] is None

    async def look(storage: Storage) -> bytes:
        return (await storage.read("t")).records[0].body

    assert within(look) == body


def test_counters_that_disagree_are_repaired_by_making_the_thread_anew(recuerda: CommandLine, tmp_path: Path) -> None:
    recuerda.ok("chat", "--thread", "t", "--model", "offline", "--storage", URLS["sqlite"], input="hi\n")
    parent = ThreadParent(thread_id="elsewhere")

    async def fork() -> None:
        async with open_storage(f"sqlite:///{tmp_path}/threads.db") as storage:
            await storage.update_thread("t", parent=parent)
            await ChatMessageStore(storage=storage, thread_id="t").fork(thread_id="fork", before=1)

    async def branches() -> tuple[ThreadParent | None, list[str]]:
        async with open_storage(f"sqlite:///{tmp_path}/threads.db") as storage:
            info = await storage.head("t")
            forks = await ChatMessageStore(storage=storage, thread_id="t").list_branches()
            return info and info.parent, [one.id for one in forks]

    asyncio.run(fork())
    before = recuerda.ok("export", "t", "--storage", URLS["sqlite"])
    with closing(sqlite3.connect(tmp_path / "threads.db")) as database, database:
        database.execute("UPDATE threads SET messages = messages + 3 WHERE id = 't'")
    database.close()
    report = report_of(recuerda, URLS["sqlite"], "--repair", code=0)
    assert kinds_of(report) == {("t", "counters", True)}
    assert "1 turns and 5 messages" in report["findings"][0]["explanation"]
    report_of(recuerda, URLS["sqlite"], code=0)
    after = recuerda.ok("export", "t", "--storage", URLS["sqlite"])
    assert after.splitlines()[1:] == before.splitlines()[1:]
    assert asyncio.run(branches()) == (parent, ["fork"])


def test_a_thread_with_an_open_turn_is_not_made_anew(recuerda: CommandLine, tmp_path: Path) -> None:
    recuerda.ok("chat", "--thread", "t", "--model", "offline", "--storage", URLS["sqlite"], input="hi\n")
    with closing(sqlite3.connect(tmp_path / "threads.db")) as database, database:
        database.execute("UPDATE threads SET messages = messages + 3")
    database.close()

    async def begin() -> None:
        async with open_storage(f"sqlite:///{tmp_path}/threads.db") as storage:
            body = b'{"messages":[{"role":"assistant","content":"so far"}]}'
            await storage.save_draft("t", DraftStep(turn_id="x", revision=1, number=1, body=body, created_us=1))

    asyncio.run(begin())
    report = report_of(recuerda, URLS["sqlite"], "--repair")
    assert kinds_of(report) == {("t", "counters", False), ("t", "open_draft", False)}
    report = report_of(recuerda, URLS["sqlite"], "--repair", "--drop-drafts", code=0)
    assert kinds_of(report) == {("t", "counters", True), ("t", "open_draft", True)}


def test_a_damaged_line_of_a_file_is_repaired_by_making_the_thread_anew(recuerda: CommandLine, tmp_path: Path) -> None:
    for line in ("hi\n", "and\n", "bye\n"):
        recuerda.ok("chat", "--thread", "t", "--model", "offline", "--storage", URLS["file"], input=line)
    (log,) = (tmp_path / "threads").glob("*.jsonl")
    lines = log.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:20] + b"\xff\xff" + lines[2][22:]
    log.write_bytes(b"".join(lines))
    report = report_of(recuerda, URLS["file"], "--repair", "--backup", "copies", code=0)
    assert ("t", "corrupt_turn", True) in kinds_of(report)
    (raw,) = (tmp_path / "copies").glob("*.bin")
    assert raw.read_bytes() == lines[2].rstrip(b"\n")
    report_of(recuerda, URLS["file"], code=0)
    shown = recuerda.ok("show", "t", "--storage", URLS["file"])
    assert "could not be read and was removed here" in shown


def test_many_threads_are_all_looked_through(recuerda: CommandLine, url: str, within: Any) -> None:
    async def fill(storage: Storage) -> None:
        for number in range(250):
            await ChatMessageStore(storage=storage, thread_id=f"t{number}").add_messages(exchange("hello"))
        for number in (0, 120, 249):
            await storage.rewrite(f"t{number}", {1: b"?"})

    within(fill)
    report = report_of(recuerda, url, "--repair", "--backup", "copies", code=0)
    assert (report["threads"], len(report["findings"])) == (250, 3)


def test_missing_and_damaged_files_are_found_and_unused_ones_are_removed(recuerda: CommandLine, tmp_path: Path) -> None:
    async def show() -> None:
        body = encode_turn(Turn(messages=(ChatMessage("user", "see"),)))
        blobs = (Blob.of(b"a cat"), Blob.of(b"a dog"))
        async with FileStorage(tmp_path / "threads") as storage:
            for thread in ("missing", "damaged", "sound"):
                await storage.append(thread, NewTurn(body=body, message_count=1, blobs=blobs))

    asyncio.run(show())
    cat = Blob.of(b"a cat").digest
    folders = {path.name.partition("-")[0]: path for path in (tmp_path / "threads").glob("*.blobs")}
    (folders["missing"] / cat).unlink()
    (folders["damaged"] / cat).write_bytes(b"a c?t")
    (folders["sound"] / Blob.of(b"a bird").digest).write_bytes(b"a bird")
    report = report_of(recuerda, URLS["file"], "--repair", "--backup", "copies")
    assert kinds_of(report) == {("missing", "lost_file", False), ("damaged", "lost_file", False)}
    assert {finding["explanation"] for finding in report["findings"]} == {
        "A file that turn 1 names is missing.",
        "A file that turn 1 names is damaged.",
    }
    assert len(list(folders["sound"].iterdir())) == 2


def test_leases_that_run_now_are_told_and_are_no_damage(recuerda: CommandLine, url: str, within: Any) -> None:
    async def lease(storage: Storage) -> None:
        for thread_id in ("quiet", "busy"):
            await ChatMessageStore(storage=storage, thread_id=thread_id).add_messages(exchange("hello"))
        assert await storage.take_lease("busy", "its holder", timedelta(hours=5))

    within(lease)
    told = recuerda.ok("doctor", url)
    assert "busy: a process holds the lease. If it does not renew the lease, the lease ends in 4 h." in told
    assert "nothing to repair" in told
    (found,) = report_of(recuerda, url, code=0)["leases"]
    assert found["thread_id"] == "busy"
    assert 0 < found["left_s"] <= 5 * 3600
    assert report_of(recuerda, url, "--thread", "quiet", code=0)["leases"] == []
