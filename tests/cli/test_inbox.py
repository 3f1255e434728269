"""`recuerda pending`: calls that wait for a person, and decisions without the program that has the tools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from recuerda import ChatMessage, FunctionResultContent, FunctionTool, open_storage
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.sqlite import SQLiteStorage
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.cli.processes import CommandLine, Terminal

STORAGE = ("--storage", "sqlite:///threads.db")
OFFLINE = ("--model", "offline", *STORAGE)


def pay(euros: int) -> str:
    """Pay."""
    return f"{euros} paid"


PAY = FunctionTool.of(pay, needs_approval=True)


def ask(folder: Path, thread: str, *calls: str, user: str | None = None) -> None:
    """Let a run on a thread end with calls that wait."""

    async def run() -> None:
        async with open_storage(f"sqlite:///{folder}/threads.db") as storage:
            parts = [part for name in calls for part in call("pay", {"euros": 9}, call_id=name).contents]
            agent = ScriptedChatClient([ChatMessage("assistant", parts)]).create_agent(storage=storage, tools=PAY)
            await agent.run("Pay.", thread=agent.get_thread(thread, user_id=user))

    asyncio.run(run())


def resume(folder: Path, thread: str) -> list[str]:
    """Let the program with the tool resume a thread, and return the results of its calls."""

    async def run() -> list[str]:
        async with open_storage(f"sqlite:///{folder}/threads.db") as storage:
            agent = ScriptedChatClient(["done"]).create_agent(storage=storage, tools=PAY)
            reply = await agent.resume(thread)
            return [part.result for part in reply.messages[1].contents if isinstance(part, FunctionResultContent)]

    return asyncio.run(run())


def test_calls_are_listed_and_decided_and_the_next_resume_uses_the_decisions(recuerda: CommandLine) -> None:
    ask(recuerda.folder, "trip", "c1", "c2", "c3")
    ask(recuerda.folder, "car", "c4", user="bo")
    done = recuerda("pending", *STORAGE)
    assert [line.split("  ")[:3] for line in done.stdout.splitlines()] == [
        ["trip", "c1", 'pay({"euros":9})'],
        ["trip", "c2", 'pay({"euros":9})'],
        ["trip", "c3", 'pay({"euros":9})'],
        ["car", "c4", 'pay({"euros":9})'],
    ]
    assert "waits for approval, for " in done.stdout
    assert "recuerda pending approve THREAD CALL" in done.stderr
    assert recuerda.ok("pending", "--user", "bo", *STORAGE).startswith("car  c4")
    assert "belongs to another user" in recuerda.refused("pending", "approve", "car", "c4", "--user", "ana", *STORAGE)

    assert "c1  pay" in recuerda.ok("pending", "approve", "trip", "c1", "--by", "eva", *STORAGE)
    recuerda.ok("pending", "approve", "trip", "c2", "--arguments", '{"euros": 5}', "--by", "eva", *STORAGE)
    told = recuerda.refused("pending", "refuse", "trip", "c1", "--by", "bo", *STORAGE)
    assert "was already approved by eva at" in told
    turn = json.loads(recuerda.ok("pending", "refuse", "trip", "--all", "--by", "bo", "--json", *STORAGE))
    assert [
        (one["call_id"], one["waits_for"], one["decision"]["kind"], one["decision"]["by"]) for one in turn["calls"]
    ] == [
        ("c1", "resume", "approved", "eva"),
        ("c2", "resume", "edited", "eva"),
        ("c3", "resume", "refused", "bo"),
    ]
    assert "decided, waits for a run" in recuerda.ok("threads", *STORAGE)
    assert 'edited to {"euros":5} by eva' in recuerda.ok("show", "trip", *STORAGE)
    assert resume(recuerda.folder, "trip") == ["9 paid", "5 paid", "Error: the user did not allow this call"]
    assert "was already approved by eva" in recuerda.refused("pending", "refuse", "trip", "c1", *STORAGE)
    page = json.loads(recuerda.ok("pending", "--json", *STORAGE))
    assert ([one["thread_id"] for one in page["turns"]], page["turns"][0]["user_id"], page["cursor"]) == (
        ["car"],
        "bo",
        None,
    )


def test_wrong_decisions_are_refused_with_the_way_out(recuerda: CommandLine) -> None:
    ask(recuerda.folder, "trip", "c1")
    for arguments, code, told in (
        (("approve", "trip"), 2, "give the ids of the calls, or --all"),
        (("approve", "trip", "c1", "--arguments", "5"), 2, "takes a JSON object"),
        (("approve", "trip", "c1", "--arguments", "{"), 2, "--arguments is not JSON"),
        (("approve", "trip", "--all", "--arguments", "{}"), 2, "--arguments goes with one call"),
        (("approve", "trip", "c9"), 1, "Waiting: 'c1'"),
        (("approve", "nowhere", "c1"), 1, "`recuerda threads` lists the threads"),
    ):
        said = " ".join(recuerda.refused("pending", *arguments, *STORAGE, code=code, COLUMNS="400").split())
        assert told in said, arguments
    said = recuerda.refused("pending", *STORAGE, "approve", "trip", "c1", code=2, COLUMNS="400")
    assert "give the options behind `approve`" in said
    assert "no call waits for approval in memory:" in recuerda("pending", "--storage", "memory:").stderr
    assert "there is no storage" in recuerda.refused("pending", "--storage", "sqlite:///nowhere.db")


def test_calls_in_an_encrypted_storage_are_counted_and_left_to_the_program_with_the_key(recuerda: CommandLine) -> None:
    async def run() -> None:
        inner = SQLiteStorage(recuerda.folder / "threads.db")
        async with EncryptedStorage(inner, KeyRing({"k": bytes(32)}, current="k")) as storage:
            client = ScriptedChatClient([call("pay", {"euros": 9}, call_id="c1")])
            await client.create_agent(storage=storage, tools=PAY).run("Pay.", thread="t")

    asyncio.run(run())
    done = recuerda("pending", *STORAGE)
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 unfinished turn cannot be read, because the storage is encrypted" in done.stderr
    assert "in the program with the key" in recuerda.refused("pending", "approve", "t", "c1", *STORAGE)


def test_every_command_says_that_a_call_waits(recuerda: CommandLine) -> None:
    ask(recuerda.folder, "trip", "c1")
    assert recuerda.ok("threads", *STORAGE).split("\t")[5] == "waits for approval"
    assert json.loads(recuerda.ok("threads", "--json", *STORAGE))["threads"][0]["unfinished"] == "waits for approval"
    assert "waiting for approval of pay" in recuerda.ok("show", "trip", *STORAGE)
    page = recuerda.ok("doctor", *STORAGE)
    assert "`recuerda pending` lists the calls" in page
    for text in ("hello\n", "/resume\n"):
        done = recuerda("chat", "--thread", "trip", *OFFLINE, input=text)
        assert "waiting for approval of pay" in done.stderr
        assert "/allow runs what waits, /refuse tells the model" in done.stderr or "/allow saves" in done.stderr
    assert recuerda("doctor", "--repair", "--drop-drafts", *STORAGE).returncode == 0
    assert recuerda.ok("pending", *STORAGE).startswith("trip  c1")


def test_a_chat_without_the_tools_saves_an_approval_and_carries_out_a_refusal(
    recuerda: CommandLine, terminal: Callable[..., Terminal]
) -> None:
    ask(recuerda.folder, "one", "c1")
    ask(recuerda.folder, "two", "c2")
    page = terminal("chat", "--thread", "one", *OFFLINE, NO_COLOR="1")
    page.expect("waiting for approval of pay")
    page.expect("(/allow runs what waits")
    page.expect("you: ")
    page.send("/allow\n")
    page.expect("(saved: the program that has these tools")
    page.expect("you: ")
    page.send("/quit\n")
    assert page.wait() == 0
    assert resume(recuerda.folder, "one") == ["9 paid"]
    recuerda.ok("chat", "--thread", "two", *OFFLINE, input="/refuse\n")
    assert recuerda.ok("pending", *STORAGE) == ""


def test_a_refusal_may_have_a_reason(recuerda: CommandLine) -> None:
    ask(recuerda.folder, "trip", "c1")
    done = recuerda("pending", "refuse", "trip", "c1", "--by", "eva", "--reason", "too expensive", *STORAGE)
    assert "refused by eva: too expensive" in done.stdout
    assert resume(recuerda.folder, "trip") == ["Error: the user did not allow this call: too expensive"]
