"""`recuerda studio` in a process of its own: its link, its end, and what it refuses before it starts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from recuerda import ChatMessage, ChatMessageStore
from recuerda.sqlite import SQLiteStorage
from tests.cli.processes import CommandLine
from tests.forking import ForkedProcess


@contextmanager
def running(recuerda: CommandLine, *options: str, **environ: str) -> Generator[tuple[str, ForkedProcess, list[str]]]:
    """Run a studio on a free port; give its link, its process and the lines that it printed."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as output, Path(os.devnull).open("r+") as nothing:
        process = ForkedProcess(
            ["recuerda", "studio", *options, "--port", "0"],
            folder=recuerda.folder,
            environ=recuerda.environment(environ),
            standard=(nothing.fileno(), writer, nothing.fileno()),
        )
        os.close(writer)
        try:
            lines = [output.readline().strip() for _ in range(4)]
            yield lines[0].split()[1], process, lines
        finally:
            process.kill()
            process.wait(20)


def fill(recuerda: CommandLine) -> None:
    """Write a thread into a file in the folder of the commands."""

    async def write() -> None:
        async with SQLiteStorage(recuerda.folder / "memory.db") as storage:
            store = ChatMessageStore(storage=storage, thread_id="default")
            await store.add_messages([ChatMessage("user", "I am Ana.")])

    asyncio.run(write())


def test_the_studio_prints_its_link_and_ends_with_ctrl_c(recuerda: CommandLine) -> None:
    fill(recuerda)
    with running(recuerda, "sqlite:///memory.db") as (link, process, lines):
        assert link.partition("?")[0].startswith("http://127.0.0.1:")
        assert [line.partition(" ")[0] for line in lines] == ["studio", "storage", "changes", "programs"]
        with httpx2.Client(follow_redirects=True) as client:
            page = client.get(link)
            assert (page.status_code, page.url.path, page.url.query) == (200, "/threads", b"")
            assert "I am Ana." in page.text
            assert client.post(page.url.join("/threads/default/undo")).status_code == 403
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_a_token_of_ones_own_opens_the_studio(recuerda: CommandLine) -> None:
    fill(recuerda)
    token = "a-token-of-my-own"
    with running(recuerda, "--storage", "sqlite:///memory.db", RECUERDA_STUDIO_TOKEN=token) as (link, _, _lines):
        address, _, query = link.partition("?")
        assert query == f"token={token}"
        answer = httpx2.get(f"{address}api/threads", headers={"authorization": f"Bearer {token}"})
        assert [thread["id"] for thread in answer.json()["threads"]] == ["default"]


def test_the_studio_refuses_to_start_in_a_way_that_cannot_work(recuerda: CommandLine) -> None:
    for options, said in (
        (["sqlite:///mistyped.db"], "there is no storage sqlite:///mistyped.db"),
        (["memory.db"], "neither the URL of a storage"),
        (["memory:", "--host", "0.0.0.0"], "other machines can reach 0.0.0.0"),
        (["memory:", "--token", "short"], "at least 16"),
        (["memory:", "--redact", "("], "not a regular expression"),
        # A wrong option is told before a storage that is missing.
        (["sqlite:///mistyped.db", "--host", "0.0.0.0"], "other machines can reach 0.0.0.0"),
        (["sqlite:///mistyped.db", "--token", "short"], "at least 16"),
        (["sqlite:///mistyped.db", "--redact", "("], "not a regular expression"),
    ):
        assert said in recuerda.refused("studio", *options), options
    assert not (recuerda.folder / "mistyped.db").exists()


def test_an_agent_is_run_by_its_import_path(recuerda: CommandLine) -> None:
    (recuerda.folder / "desk.py").write_text(
        "from recuerda.testing import ScriptedChatClient\n"
        "def clerk():\n"
        "    return ScriptedChatClient(['Hello!']).create_agent('Clerk', storage='sqlite:///desk.db')\n"
    )
    with running(recuerda, "desk:clerk", RECUERDA_STORAGE="sqlite:///other.db") as (link, _, lines):
        assert lines[1].split() == ["storage", "desk:clerk"]
        address, _, query = link.partition("?token=")
        with httpx2.Client(headers={"authorization": f"Bearer {query}"}) as client:
            told = client.post(f"{address}api/chat/studio-1/stream", json={"message": "Hi"}).text
            assert [json.loads(line)["kind"] for line in told.splitlines()] == ["text", "committed"]
    for options, said in (
        (["desk:nobody"], "has no 'nobody'"),
        (["nowhere:clerk"], "there is no module 'nowhere'"),
        (["desk:clerk", "--storage", "sqlite:///desk.db"], "leave out --storage"),
        (["memory:", "--audit-file", "/nowhere/audit.jsonl"], "the audit file /nowhere/audit.jsonl cannot be written"),
    ):
        assert said in recuerda.refused("studio", *options), options
