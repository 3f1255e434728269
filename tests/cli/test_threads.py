"""Listing, showing and deleting threads."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Sequence

import pytest

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    NewTurn,
    TextContent,
    TextReasoningContent,
    UriContent,
    open_storage,
)
from recuerda.storage.drafts import DraftStep
from tests.cli.processes import COMMAND, CommandLine, Terminal

STORAGE = "sqlite:///memory.db"
ATTACK = "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202egnp.exe [bold]loud[/] [/nothing] :smile:"


async def write(
    url: str,
    turns: dict[str, Sequence[Sequence[ChatMessage]]],
    *,
    user_id: str | None = None,
    broken: str | None = None,
) -> None:
    async with open_storage(url) as storage:
        for thread_id, messages in turns.items():
            store = ChatMessageStore(storage=storage, thread_id=thread_id, user_id=user_id)
            for group in messages:
                await store.add_messages(group)
        if broken is not None:
            await storage.append(broken, NewTurn(body=b"no JSON", message_count=1))


@pytest.fixture
def fill(recuerda: CommandLine) -> Callable[..., str]:
    """Write threads to the command line's storage, and return its URL."""

    def fill(*, user_id: str | None = None, broken: str | None = None, **turns: Sequence[Sequence[ChatMessage]]) -> str:
        url = f"sqlite:///{recuerda.folder}/memory.db"
        asyncio.run(write(url, turns, user_id=user_id, broken=broken))
        return url

    return fill


def said(text: str) -> list[ChatMessage]:
    return [ChatMessage("user", text), ChatMessage("assistant", f"You said {text}")]


def test_threads_are_listed_the_latest_first(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(first=[said("one"), said("two")], second=[said("three")])
    second, first = recuerda.ok("threads", "--storage", STORAGE).splitlines()
    assert second.split("\t")[:4] == ["second", "three", "1", "2"]
    assert first.split("\t")[:4] == ["first", "one", "2", "4"]


def test_a_thread_is_a_row_on_a_terminal_and_one_line_with_its_whole_id_in_a_pipe(
    recuerda: CommandLine, terminal: Callable[..., Terminal], fill: Callable[..., str]
) -> None:
    long = "a-thread-" * 20
    fill(**{long: [said("word " * 60)]})
    (line,) = recuerda.ok("threads", "--storage", STORAGE).splitlines()
    assert line.split("\t")[0] == long
    page = terminal("threads", "--storage", STORAGE, NO_COLOR="1", COLUMNS="60")
    page.expect("id")
    page.expect("turns")
    assert page.wait() == 0
    assert all(len(one) <= 60 for one in page.seen.splitlines())


def test_a_note_breaks_between_words_on_a_terminal(terminal: Callable[..., Terminal]) -> None:
    page = terminal("threads", "--storage", "memory:", NO_COLOR="1", COLUMNS="30")
    assert page.wait() == 0
    assert [line.rstrip() for line in page.seen.splitlines()] == [
        "note: there are no threads in",
        "memory: yet: `recuerda chat`",
        "begins one",
    ]


def test_the_environment_names_the_storage(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    url = fill(first=[said("one")])
    assert "first" in recuerda.ok("threads", RECUERDA_STORAGE=url)
    assert "first" not in recuerda.ok("threads", "--storage", "memory:", RECUERDA_STORAGE=url)


def test_a_dotenv_file_names_the_storage(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(first=[said("one")])
    (recuerda.folder / ".env").write_text(f"RECUERDA_STORAGE={STORAGE}\n")
    assert "first" in recuerda.ok("threads")


def test_by_default_threads_live_in_the_data_folder(recuerda: CommandLine) -> None:
    done = recuerda("threads")
    assert (done.returncode, done.stdout) == (0, "")
    assert f"{recuerda.folder}/data/recuerda/memory.db" in done.stderr


def test_listing_goes_by_user_and_by_page(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(user_id="ana", a1=[said("1")], a2=[said("2")], a3=[said("3")])
    fill(user_id="bob", b1=[said("4")])
    page = json.loads(recuerda.ok("threads", "--storage", STORAGE, "--user", "ana", "--limit", "2", "--json"))
    assert [thread["id"] for thread in page["threads"]] == ["a3", "a2"]
    rest = json.loads(
        recuerda.ok("threads", "--storage", STORAGE, "--user", "ana", "--cursor", page["cursor"], "--json")
    )
    assert [thread["id"] for thread in rest["threads"]] == ["a1"]
    assert rest["cursor"] is None
    everything = json.loads(recuerda.ok("threads", "--storage", STORAGE, "--limit", "1", "--all", "--json"))
    assert len(everything["threads"]) == 4
    assert "--cursor" in recuerda("threads", "--storage", STORAGE, "--limit", "1").stderr


def test_a_cursor_that_is_none_is_refused(recuerda: CommandLine) -> None:
    assert "cursor" in recuerda.refused("threads", "--cursor", "nonsense")


def test_show_prints_roles_and_texts(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(first=[said("one"), said("two\nlines")])
    page = recuerda.ok("show", "first", "--storage", STORAGE)
    assert page.startswith("one\nfirst · 2 turns · 4 messages\n\nturn 1 · 2")
    assert "user: one\nassistant: You said one\n" in page
    assert "user: two\n  lines\n" in page


def test_a_branch_names_its_parent(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    url = fill(first=[said("one"), said("two")])

    async def fork() -> None:
        async with open_storage(url) as storage:
            store = ChatMessageStore(storage=storage, thread_id="first")
            await store.fork(through=1, thread_id="late")
            await store.fork(before=1, thread_id="early")

    asyncio.run(fork())
    lines = recuerda.ok("threads", "--storage", STORAGE).splitlines()
    assert [line.split("\t")[6] for line in lines] == ["first", "first", ""]
    assert "a branch of first, after turn 1\n" in recuerda.ok("show", "late", "--storage", STORAGE)
    assert "a branch of first, before the first turn\n" in recuerda.ok("show", "early", "--storage", STORAGE)
    parent = json.loads(recuerda.ok("show", "late", "--storage", STORAGE, "--json"))["thread"]["parent"]
    assert (parent["id"], parent["turn"], parent["turns"]) == ("first", 1, 1)


def test_show_last_cuts_between_turns(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(first=[said("one"), said("two"), said("three")])
    earlier = recuerda.ok("show", "first", "--last", "5", "--before", "2", "--storage", STORAGE)
    assert ("turn 1 " in earlier, "turn 2 " in earlier) == (True, False)
    page = recuerda.ok("show", "first", "--last", "5", "--storage", STORAGE)
    assert "user: one" not in page
    assert "user: two" in page


def test_show_is_compact_about_calls_and_files(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(
        first=[
            [
                ChatMessage("user", [TextContent("look"), DataContent(data=b"12345", media_type="image/png")]),
                ChatMessage("user", [UriContent(uri="https://example.org/a.png", media_type="image/png")]),
                ChatMessage(
                    "assistant", [TextReasoningContent("hm"), FunctionCallContent("c", "weather", {"city": "Lima"})]
                ),
                ChatMessage("tool", [FunctionResultContent("c", {"celsius": 21, "text": "x" * 500})]),
                ChatMessage("tool", [FunctionResultContent("d", "no such city", is_error=True)]),
                ChatMessage("assistant", "21 degrees"),
            ]
        ]
    )
    page = recuerda.ok("show", "first", "--storage", STORAGE)
    assert "user: look\n  [image/png, 5 bytes]\n" in page
    assert "[image/png: https://example.org/a.png]" in page
    assert 'assistant: (reasoning) hm\n  → weather({"city": "Lima"})\n' in page
    assert 'tool: ← {"celsius": 21, "text": "xxx' in page
    assert "tool: ← (failed) no such city\n" in page
    assert "x" * 200 not in page.replace("\n", "")


def test_show_json_has_everything(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(first=[said("one")])
    told = json.loads(recuerda.ok("show", "first", "--storage", STORAGE, "--json"))
    assert told["thread"]["id"] == "first"
    assert told["turns"][0]["messages"] == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "You said one"},
    ]
    assert told["corrupt"] == []


def test_a_corrupt_turn_is_marked_and_the_others_are_shown(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(first=[said("one")], broken="first")
    fill(first=[said("three")])
    done = recuerda("show", "first", "--storage", STORAGE)
    assert done.returncode == 1
    assert "turn 2 cannot be read" in done.stdout
    assert "user: one" in done.stdout
    assert "user: three" in done.stdout
    assert done.stderr == "error: 1 of 3 turns cannot be read; the other turns are shown\n"
    told = recuerda("show", "first", "--storage", STORAGE, "--json")
    assert told.returncode == 1
    assert [turn["number"] for turn in json.loads(told.stdout)["corrupt"]] == [2]


@pytest.mark.parametrize("command", [("show",), ("delete", "--yes"), ("export",)])
def test_an_unknown_thread_is_one_clear_line(
    recuerda: CommandLine, fill: Callable[..., str], command: tuple[str, ...]
) -> None:
    fill(first=[said("one")])
    told = recuerda.refused(*command, "nobody", "--storage", STORAGE)
    assert told == "error: there is no thread 'nobody' in this storage; `recuerda threads` lists the threads\n"


@pytest.mark.parametrize("is_on_a_terminal", [False, True])
def test_stored_control_characters_and_markup_do_not_act_on_the_terminal(
    recuerda: CommandLine, terminal: Callable[..., Terminal], fill: Callable[..., str], is_on_a_terminal: bool
) -> None:
    thread_id = f"id{ATTACK}"
    fill(**{thread_id: [said(ATTACK)]})
    for command in (("threads",), ("show", thread_id), ("show", thread_id, "--json"), ("export", thread_id)):
        arguments = (*command, "--storage", STORAGE)
        if is_on_a_terminal:
            on = terminal(*arguments, COLUMNS="300", NO_COLOR="1")
            assert on.wait() == 0
            page = on.seen.replace("\r\n", "\n")
        else:
            page = recuerda.ok(*arguments, COLUMNS="300")
        is_data_for_a_program = command[0] == "export" and not is_on_a_terminal
        forbidden = {"\x1b", "\x07"} if is_data_for_a_program else {"\x1b", "\x07", "\x9b", "\u202e"}
        assert not forbidden & set(page)
        assert "[bold]loud[/] [/nothing] :smile:" in page
        assert "\\x1b[31mred" in page or "\\u001b[31mred" in page


def test_delete_without_a_terminal_refuses(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(first=[said("one")])
    assert "add --yes" in recuerda.refused("delete", "first", "--storage", STORAGE, input="y\n")
    assert "first" in recuerda.ok("threads", "--storage", STORAGE)


def test_delete_with_yes_deletes(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(first=[said("one")], second=[said("two")])
    assert recuerda.ok("delete", "first", "--yes", "--storage", STORAGE) == "deleted first\n"
    told = recuerda.ok("delete", "second", "--yes", "--json", "--storage", STORAGE)
    assert json.loads(told) == {"deleted": ["second"]}
    assert recuerda.ok("threads", "--storage", STORAGE) == ""


def test_delete_of_several_deletes_none_when_one_is_unknown(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(first=[said("one")])
    recuerda.refused("delete", "first", "nobody", "--yes", "--storage", STORAGE)
    assert "first" in recuerda.ok("threads", "--storage", STORAGE)


def memories(recuerda: CommandLine, question: str, *user: str) -> list[object]:
    return json.loads(recuerda.ok("recall", question, *user, "--json", "--storage", STORAGE))["memories"]


def test_a_deleted_thread_is_deleted_from_the_index_beside_the_storage(
    recuerda: CommandLine, fill: Callable[..., str]
) -> None:
    fill(first=[said("swordfish")], second=[said("marmalade")])
    assert memories(recuerda, "swordfish")
    recuerda.ok("delete", "first", "--yes", "--storage", STORAGE)
    assert all(b"swordfish" not in path.read_bytes() for path in recuerda.folder.glob("memory*"))
    assert memories(recuerda, "marmalade")


def test_a_user_is_deleted_with_a_receipt(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(user_id="ana", first=[said("swordfish")], second=[said("one"), said("two")])
    fill(user_id="bo", third=[said("marmalade")])
    assert memories(recuerda, "swordfish", "--user", "ana")
    counted = "2 threads, 3 turns, 6 messages of user ana\n"
    assert recuerda.ok("delete", "--user", "ana", "--dry-run", "--storage", STORAGE) == f"would delete {counted}"
    done = recuerda.ok("delete", "--user", "ana", "--yes", "--storage", STORAGE)
    assert done.splitlines() == [f"deleted {counted.rstrip()}", "RecallProvider: removed 6 items"]
    assert all(b"swordfish" not in path.read_bytes() for path in recuerda.folder.glob("memory*"))
    again = json.loads(recuerda.ok("delete", "--user", "ana", "--yes", "--json", "--storage", STORAGE))
    assert again == {
        "user_id": "ana",
        "threads": 0,
        "turns": 0,
        "messages": 0,
        "is_dry_run": False,
        "followers": [{"name": "RecallProvider", "outcome": "nothing", "items": 0, "problem": None}],
    }
    assert "third" in recuerda.ok("threads", "--storage", STORAGE)


def test_the_receipt_names_an_index_that_could_not_forget(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(user_id="ana", first=[said("one")])
    (recuerda.folder / "broken.db").mkdir()
    done = recuerda("delete", "--user", "ana", "--yes", "--index", "broken.db", "--storage", STORAGE)
    assert done.returncode == 1
    assert done.stdout.startswith("deleted 1 thread, 1 turn, 2 messages of user ana\nRecallProvider: ")
    assert "run the command again" in done.stderr
    assert "no index nowhere.db" in recuerda.refused(
        "delete", "--user", "ana", "--yes", "--index", "nowhere.db", "--storage", STORAGE
    )


def test_no_index_is_made_for_a_deletion(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(user_id="ana", first=[said("one")])
    assert "recall" not in recuerda.ok("delete", "--user", "ana", "--yes", "--storage", STORAGE)
    assert not list(recuerda.folder.glob("*.recall.db"))


@pytest.mark.parametrize("arguments", [(), ("first", "--user", "ana"), ("first", "--dry-run")])
def test_delete_wants_ids_or_a_user(recuerda: CommandLine, arguments: tuple[str, ...]) -> None:
    assert "--user" in recuerda.refused("delete", *arguments, "--yes", "--storage", STORAGE, code=2)


def test_a_thread_with_only_an_interrupted_first_turn_is_listed_and_deleted_with_its_user(
    recuerda: CommandLine,
) -> None:
    async def begin() -> None:
        async with open_storage(f"sqlite:///{recuerda.folder}/memory.db") as storage:
            step = DraftStep(turn_id="one", revision=0, number=1, body=b'{"messages":[]}')
            await storage.save_draft("begun", step, user_id="ana")

    asyncio.run(begin())
    for more in ((), ("--all",), ("--user", "ana")):
        (line,) = recuerda.ok("threads", *more, "--storage", STORAGE).splitlines()
        cells = line.split("\t")
        assert (cells[:4], cells[5]) == (["begun", "", "0", "0"], "unfinished turn")
    assert "no turn yet" in recuerda.ok("show", "begun", "--storage", STORAGE)
    done = recuerda.ok("delete", "--user", "ana", "--yes", "--storage", STORAGE)
    assert done == "deleted 1 thread, 0 turns, 0 messages of user ana\n"
    assert recuerda.ok("threads", "--storage", STORAGE) == ""


def test_a_chat_shows_no_unfinished_turn_of_another_user(recuerda: CommandLine) -> None:
    async def begin() -> None:
        async with open_storage(f"sqlite:///{recuerda.folder}/memory.db") as storage:
            step = DraftStep(turn_id="one", revision=0, number=1, body=b'{"messages":[]}')
            await storage.save_draft("begun", step, user_id="ana")

    asyncio.run(begin())
    arguments = ("chat", "--thread", "begun", "--user", "bo", "--model", "offline", "--storage", STORAGE)
    assert "belongs to another user" in recuerda.refused(*arguments, input="/drop\n")


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_delete_on_a_terminal_asks(
    recuerda: CommandLine, terminal: Callable[..., Terminal], fill: Callable[..., str], answer: str, code: int
) -> None:
    fill(first=[said("one")])
    on = terminal("delete", "first", "--storage", STORAGE)
    on.expect("Delete first for good?")
    on.send(f"{answer}\n")
    assert on.wait() == code
    assert ("first" in recuerda.ok("threads", "--storage", STORAGE)) is (code == 1)


def test_a_long_export_shows_its_progress_on_a_terminal(
    terminal: Callable[..., Terminal], recuerda: CommandLine, fill: Callable[..., str]
) -> None:
    fill(**{f"thread-{number}": [said("one")] for number in range(25)})
    on = terminal("export", "--all", "--output", "all.jsonl", "--storage", STORAGE)
    assert on.wait() == 0
    assert "exporting" in on.seen
    assert len((recuerda.folder / "all.jsonl").read_text().splitlines()) == 50


def test_a_corrupt_thread_is_left_out_of_an_export_and_named(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(first=[said("one")], second=[said("two")], broken="first")
    done = recuerda("export", "--all", "--storage", STORAGE)
    assert done.returncode == 1
    assert '"second"' in done.stdout
    assert '"first"' not in done.stdout
    assert "thread 'first' was left out: its turn 2 cannot be read" in done.stderr


@pytest.mark.parametrize("command", ["threads --all --json", "export --all", "show first"])
def test_a_reader_that_goes_away_is_no_error(recuerda: CommandLine, fill: Callable[..., str], command: str) -> None:
    fill(first=[said("x" * 50_000)] * 10)
    with subprocess.Popen(
        [*COMMAND, *command.split(), "--storage", STORAGE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=recuerda.folder,
        env=recuerda.environment({}),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_threads_are_listed_by_their_marks(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    url = fill(first=[said("one")], second=[said("two")], third=[said("three")])

    async def mark() -> None:
        async with open_storage(url) as storage:
            await storage.update_thread("first", tags=["work"], metadata={"channel": "web", "n": 1})
            await storage.update_thread("second", archived=True, metadata={"n": 1})

    def ids(*options: str) -> list[str]:
        shown = json.loads(recuerda.ok("threads", "--json", *options, "--storage", STORAGE))
        return [one["id"] for one in shown["threads"]]

    asyncio.run(mark())
    assert ids() == ["first", "third"]
    assert ids("--all") == ["second", "first", "third"]
    assert ids("--archived") == ["second"]
    assert ids("--all", "--metadata", "n=1") == ["second", "first"]
    assert ids("--metadata", "channel=web", "--tag", "work", "--since", "2020-01-01") == ["first"]
    assert ids("--title", "THR") == ["third"]
    assert "no such threads" in recuerda("threads", "--title", "zebra", "--storage", STORAGE).stderr


def test_threads_are_searched_for_words(recuerda: CommandLine, fill: Callable[..., str]) -> None:
    fill(first=[said("the ferry leaves at nine \x1b[31m")], second=[said("a boat")])
    shown = recuerda.ok("threads", "--search", "ferries", "--storage", STORAGE)
    header, *passages = shown.splitlines()
    assert header.startswith("first  the ferry leaves at nine")
    assert [passage.partition(":")[0] for passage in passages] == ["  assistant, turn 1", "  user, turn 1"]
    assert "\x1b" not in shown.replace("\\x1b", "")
    found = json.loads(recuerda.ok("threads", "--search", "ferry", "--json", "--storage", STORAGE))["threads"]
    passage = found[0]["passages"][0]
    assert [passage["text"][start:end] for start, end in passage["matches"]] == ["ferry"]
    refused = recuerda("threads", "--search", "ferry", "--archived", "--storage", STORAGE)
    assert refused.returncode == 2
    assert "--search goes with" in refused.stderr
