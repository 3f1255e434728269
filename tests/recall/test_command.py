"""`recuerda recall`: found, printed, piped, refused."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from recuerda import ChatMessage, open_storage
from recuerda.recall import RecallProvider
from recuerda.recall.scopes import NAMESPACE_KEY
from recuerda.sqlite import SQLiteStorage
from tests.cli.processes import CommandLine, Terminal
from tests.recall.talking import NOW, clock, pair, person, say


@pytest.fixture
def recuerda(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture
def url(tmp_path: Path) -> str:
    async def fill() -> None:
        async with SQLiteStorage(tmp_path / "memory.db") as storage:
            await say(storage, "garage", *pair("I parked on level 3.", "Level 3, noted."), user=None, at=NOW)
            await say(storage, "lunch", *pair("The soup was cold."), user=None, at=NOW)
            await say(storage, "ana's", person("Ana", "I parked \x1b[31min [bold]Oslo[/]."), user="ana", at=NOW)
            await say(storage, "long", ChatMessage("user", f"{'so ' * 400}zebra {'on ' * 400}"), user="ben", at=NOW)

    asyncio.run(fill())
    return f"sqlite:///{tmp_path}/memory.db"


def test_what_was_said_is_shown_with_who_when_and_where(recuerda: CommandLine, url: str) -> None:
    printed = recuerda.ok("recall", "Where did I park?", "--storage", url)
    assert printed.splitlines()[:2] == ["user · 2026-05-20 12:00 · garage · turn 1", "  I parked on level 3."]
    assert "soup" not in printed


def test_a_user_s_memories_are_found_in_their_threads_alone(recuerda: CommandLine, url: str) -> None:
    printed = recuerda.ok("recall", "park", "--storage", url, "--user", "ana")
    assert printed == "Ana · 2026-05-20 12:00 · ana's · turn 1\n  I parked \\x1b[31min [bold]Oslo[/].\n"
    in_thread = recuerda.ok("recall", "park", "--storage", url, "--thread", "ana's")
    assert in_thread == printed


def test_memories_of_a_namespace_are_found_if_it_is_named(recuerda: CommandLine, url: str) -> None:
    asyncio.run(move(url, "ana's", "shop"))
    command = ("recall", "park", "--storage", url, "--user", "ana", "--json")
    found = {
        names: len(json.loads(recuerda.ok(*command, *(f"--namespace={name}" for name in names)))["memories"])
        for names in ((), ("shop",), ("therapist",), ("default", "shop"))
    }
    assert found == {(): 0, ("shop",): 1, ("therapist",): 0, ("default", "shop"): 1}


async def move(url: str, thread_id: str, namespace: str) -> None:
    async with open_storage(url) as storage:
        await storage.update_thread(thread_id, metadata={NAMESPACE_KEY: namespace})


def test_a_correction_is_shown_with_its_time(recuerda: CommandLine, url: str) -> None:
    async def correct() -> None:
        async with RecallProvider(storage=url, user_id="ben", clock=clock) as recall:
            await recall.correct((await recall.search("zebra"))[0], "I saw a horse.")

    asyncio.run(correct())
    command = ("recall", "zebra", "--storage", url, "--user", "ben")
    shown = "user · 2026-05-20 12:00 · long · turn 1 · corrected 2026-05-20 12:00\n  I saw a horse.\n"
    assert recuerda.ok(*command) == shown
    (memory,) = json.loads(recuerda.ok(*command, "--json"))["memories"]
    assert memory["corrected_at"] == "2026-05-20T12:00:00+00:00"


def test_json_has_everything(recuerda: CommandLine, url: str) -> None:
    found = json.loads(recuerda.ok("recall", "park", "--storage", url, "--limit", "1", "--json"))
    (memory,) = found["memories"]
    assert memory["score"] > 0
    assert memory["turn_id"]
    del memory["score"], memory["turn_id"]
    assert memory == {
        "text": "I parked on level 3.",
        "role": "user",
        "speaker": None,
        "thread_id": "garage",
        "turn": 1,
        "created_at": "2026-05-20T12:00:00+00:00",
        "corrected_at": None,
    }


def test_a_long_message_is_cut_around_what_was_asked_for(recuerda: CommandLine, url: str) -> None:
    printed = recuerda.ok("recall", "zebra", "--storage", url, "--user", "ben")
    assert "zebra" in printed
    assert len(printed) < 600


def test_nothing_found_is_said_and_no_error(recuerda: CommandLine, url: str) -> None:
    done = recuerda("recall", "submarine", "--storage", url)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no message about this was found" in done.stderr
    assert "--user" in done.stderr
    assert json.loads(recuerda.ok("recall", "submarine", "--storage", url, "--json")) == {"memories": []}


def test_a_storage_without_a_place_for_the_index_asks_for_one(recuerda: CommandLine) -> None:
    error = recuerda.refused("recall", "amber", "--storage", "postgresql://localhost/nowhere")
    assert "an index cannot be kept beside postgresql://localhost/nowhere" in error
    assert "--index FILE" in error


def test_the_index_may_be_somewhere_else(recuerda: CommandLine, url: str, tmp_path: Path) -> None:
    recuerda.ok("recall", "park", "--storage", url, "--index", "elsewhere.db")
    assert (tmp_path / "elsewhere.db").exists()
    assert not (tmp_path / "memory.recall.db").exists()


def test_progress_is_shown_on_a_terminal_only(recuerda: CommandLine, url: str) -> None:
    assert "indexing" not in recuerda("recall", "park", "--storage", url, "--index", "a.db").stderr
    command = ["recall", "park", "--storage", url, "--index", "b.db"]
    terminal = Terminal(command, folder=recuerda.folder, environ=recuerda.environment({}))
    terminal.expect("indexing: 1 thread, ")
    terminal.expect("I parked on level 3.")
    assert terminal.wait() == 0
    terminal.close()


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.glob("*-wal"))
