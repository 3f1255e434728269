"""Commands that do not begin a storage say that a mistyped one is not there, and make no file."""

from tests.cli.processes import CommandLine


def test_a_mistyped_storage_is_refused_and_nothing_is_made(recuerda: CommandLine) -> None:
    url = "sqlite:///sub/typo.db"
    for command in (
        ("doctor", url),
        ("doctor", "file:typo", "--repair"),
        ("export", "--all", "--storage", url, "--output", "backup.jsonl"),
        ("copy", url, "file:backup", "--all"),
        ("threads", "--storage", url),
        ("show", "one", "--storage", "file:typo"),
        ("recall", "oslo", "--storage", url),
        ("delete", "one", "--yes", "--storage", url),
        ("delete", "--user", "ana", "--yes", "--storage", url),
    ):
        assert "there is no storage" in recuerda.refused(*command), command
        assert list(recuerda.folder.iterdir()) == [], command


def test_before_the_first_thread_the_lists_are_empty_and_nothing_is_made(recuerda: CommandLine) -> None:
    assert recuerda.ok("threads") == ""
    assert '"memories": []' in recuerda.ok("recall", "oslo", "--json")
    assert "no thread 'one'" in recuerda.refused("show", "one")
    for command in (("export", "--all"), ("doctor",), ("delete", "--user", "ana", "--yes")):
        assert "`recuerda chat` begins one" in recuerda.refused(*command)
    assert list(recuerda.folder.iterdir()) == []


def test_urls_without_slashes_do_not_lose_a_letter(recuerda: CommandLine) -> None:
    for command in (("chat", "--storage"), ("doctor",)):
        assert "sqlite:///relative.db" in recuerda.refused(*command, "sqlite:memory.db", input="hi\n")
    assert "sqlite:///relative.db" in recuerda.refused("recall", "oslo", "--index", "sqlite:memory.recall.db")
    assert list(recuerda.folder.iterdir()) == []
