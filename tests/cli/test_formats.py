"""`recuerda import --from` and `recuerda export --as`."""

from __future__ import annotations

import json

from tests.cli.processes import CommandLine
from tests.formats.native import NATIVE, as_bytes
from tests.formats.test_archives import sample


def test_a_list_of_messages_comes_in_and_goes_out(recuerda: CommandLine) -> None:
    given = as_bytes(NATIVE["openai-chat"]).decode()
    (recuerda.folder / "riker.json").write_text(given)
    assert recuerda.ok("import", "riker.json", "--dry-run") == "riker: 3 turns\n1 thread, 3 turns to import\n"
    told = recuerda.ok("import", "riker.json", "--from", "openai-chat", "--user", "ana")
    assert told == "riker: 3 of 3 turns added\n1 thread, 3 turns added\n"
    assert json.loads(recuerda.ok("threads", "--user", "ana", "--json"))["threads"][0]["id"] == "riker"
    assert json.loads(recuerda.ok("export", "riker", "--as", "openai-chat"))["messages"] == NATIVE["openai-chat"]
    report = json.loads(recuerda.ok("import", "-", "--json", "--thread", "riker", input=given))
    assert report["threads"][0] == {
        "id": "riker", "turns": 3, "added": 0, "differing": 0, "parent": None, "losses": {},
    }  # fmt: skip


def test_an_export_says_what_it_leaves_out(recuerda: CommandLine) -> None:
    recuerda.ok("import", "-", "--thread", "riker", input=as_bytes(NATIVE["openai-chat"]).decode())
    done = recuerda("export", "riker", "--as", "markdown", "--output", "riker.md", "--json")
    losses = {"image": 1, "turn id": 3}
    assert json.loads(done.stdout) == {"threads": [{"id": "riker", "losses": losses, "supplement": {}}]}
    assert "note: thread 'riker' was written without 1 image, 3 turn ids\n" in done.stderr
    other = recuerda("export", "riker", "--as", "anthropic", "--output", "riker.json", "--json")
    assert json.loads(other.stdout)["threads"][0]["supplement"] == {"turn id": 3, "time": 3}
    assert (
        "note: 3 turn ids, 3 times stand beside the format's own data, where only recuerda reads them" in other.stderr
    )
    assert (recuerda.folder / "riker.md").read_text().startswith("# What is this?\n")
    assert "--output" in recuerda.refused("export", "riker", "--json", code=2)
    assert "'nonsense'" in recuerda.refused("export", "riker", "--as", "nonsense")
    assert "--from" in recuerda.refused("import", "-", input='{"a": 1}')


def test_an_archive_tells_its_branches_and_its_losses_and_becomes_one_page(recuerda: CommandLine) -> None:
    (recuerda.folder / "archive.json").write_bytes(sample("librechat"))
    done = recuerda("import", "archive.json")
    assert done.stdout == (
        "libre-1: 1 of 1 turn added; without 1 file\n"
        "libre-1~m2b: 2 of 2 turns added, a branch of libre-1; without 1 file\n"
        "2 threads, 3 turns added\n"
    )
    assert done.stderr == "note: recuerda cannot show 2 files of this format\n"
    alone, both = (recuerda.ok("export", "libre-1", *one) for one in (["--no-branches"], []))
    assert [text.count("recuerda-thread") for text in (alone, both)] == [1, 2]
    recuerda.ok("import", "-", "--storage", "sqlite:///new.db", input=both)
    (branch,) = (one for one in both.splitlines() if '"parent":' in one)
    assert branch in recuerda.ok("export", "--all", "--storage", "sqlite:///new.db")
    page = recuerda.ok("export", "--all", "--as", "html")
    assert (page.startswith("<!doctype html>"), page.endswith("</html>\n"), page.count("<article>")) == (True, True, 2)


def test_a_database_and_a_folder_are_written_whole_and_come_back(recuerda: CommandLine) -> None:
    recuerda.ok("import", "-", "--thread", "riker", "--user", "ana", input=as_bytes(NATIVE["openai-chat"]).decode())
    assert "--output" in recuerda.refused("export", "riker", "--as", "openai-agents", code=2)
    for _ in range(2):  # the second file replaces the first one
        done = recuerda("export", "--all", "--as", "openai-agents", "-o", "sessions.db", "--json")
        assert json.loads(done.stdout)["threads"][0]["supplement"] == {"turn id": 3, "title": 1, "user": 1}
    told = recuerda.ok("import", "sessions.db", "--storage", "sqlite:///new.db")
    assert told == "riker: 3 of 3 turns added\n1 thread, 3 turns added\n"
    first = [
        json.loads(recuerda.ok("export", "riker", *one).splitlines()[0])
        for one in ([], ["--storage", "sqlite:///new.db"])
    ]
    assert (first[0]["id"], first[0]["user_id"], first[0]["title"]) == (
        first[1]["id"],
        first[1]["user_id"],
        first[1]["title"],
    )
    recuerda.ok("export", "riker", "--as", "agent-framework-files", "-o", "histories")
    assert sorted(one.name for one in (recuerda.folder / "histories").iterdir()) == [
        "recuerda.facts.json",
        "riker.jsonl",
    ]
    refused = recuerda.refused("export", "riker", "--as", "agent-framework-files", "-o", "histories")
    assert "is not an empty folder" in refused
    assert [one.name for one in recuerda.folder.iterdir() if one.name.endswith(".part")] == []
