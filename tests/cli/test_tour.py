"""The tour tells the truth: what it prints comes from what happened."""

from __future__ import annotations

import json
import os
import re
import resource
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from recuerda import ChatMessage, ChatRequest, ChatResponse
from recuerda.cli import tour_scenes
from recuerda.cli.app import app
from recuerda.cli.tour_service import SERVICE_SCENES
from recuerda.cli.tour_texts import ENGLISH, SPANISH
from tests.cli.processes import CommandLine, Terminal

SCENES = ["same_thread", "other_thread", "no_thread", "json", "process", "retry", "conflict", "summary", "killed"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one tour has printed."""
    return CommandLine(tmp_path_factory.mktemp("tour")).ok("tour")


@pytest.mark.parametrize(
    ("arguments", "named", "unknown", "summary"),
    [
        ((), "Your name is Riker.", "I do not know your name", "9 of 9 scenes went as they should."),
        (("--lang", "es"), "Te llamas Riker.", "No sé cómo te llamas", "9 de 9 escenas salieron como debían."),
    ],
)
def test_every_scene_goes_as_it_should(
    recuerda: CommandLine, arguments: tuple[str, ...], named: str, unknown: str, summary: str
) -> None:
    before = processor_s()
    page = recuerda.cold("tour", *arguments).stdout
    assert processor_s() - before < 10  # about one second on a machine of today
    assert page.count(f"        {named}\n") == 3
    assert page.count(unknown) == 3
    assert "ThreadConflict: thread 'riker' is at revision 5, not 4" in page
    assert "OpenAIChatClient.from_env()" in page
    assert summary in page
    assert "✗" not in page
    assert len(page.splitlines()) < 85
    assert max(map(len, page.splitlines())) <= 100


def processor_s() -> float:
    """Return how much time of a processor this process's children have taken: a busy machine changes nothing in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_piped_output_has_no_escape_codes_and_no_trailing_spaces(page: str) -> None:
    assert "\x1b" not in page
    assert page == "".join(f"{line.rstrip()}\n" for line in page.splitlines())


def test_a_terminal_gets_colours_unless_it_does_not_want_them(terminal: Callable[..., Terminal]) -> None:
    coloured, plain = terminal("tour"), terminal("tour", NO_COLOR="1")
    assert (coloured.wait(), plain.wait()) == (0, 0)
    assert "\x1b[1;32m✓" in coloured.seen
    assert "\x1b" not in plain.seen


def test_a_second_process_really_reads_what_the_first_wrote(page: str) -> None:
    found = re.search(r"process (\d+) wrote it, process (\d+) read it", page)
    assert found is not None
    assert found[1] != found[2]


def test_the_process_that_books_is_really_killed(page: str) -> None:
    found = re.search(r"process (\d+) was killed while it booked", page)
    assert found is not None
    with pytest.raises(ProcessLookupError):
        os.kill(int(found[1]), 0)
    assert 'ToolOutcomeUnknown: book({"room": 12})' in page


@pytest.mark.parametrize("language", ["en", "es"])
def test_json_is_one_document_with_every_scene(recuerda: CommandLine, language: str) -> None:
    told = json.loads(recuerda.ok("tour", "--json", "--lang", language))
    assert told["ok"] is True
    assert [scene["id"] for scene in told["scenes"]] == SCENES
    assert all(scene["ok"] and scene["expected"] == scene["got"] for scene in told["scenes"])


def test_the_tour_leaves_nothing_behind(recuerda: CommandLine) -> None:
    page = recuerda.ok("tour", TMPDIR=str(recuerda.folder))
    assert f"{recuerda.folder}/recuerda-tour-" in page
    assert list(recuerda.folder.iterdir()) == []


def test_a_language_that_there_is_not_is_a_usage_error(recuerda: CommandLine) -> None:
    assert "--lang" in recuerda.refused("tour", "--lang", "tlh", code=2)


def test_both_languages_have_every_text() -> None:
    for texts in (ENGLISH, SPANISH):
        assert set(texts.titles) == {*tour_scenes.SCENES, *SERVICE_SCENES}
    same = {name for name in ENGLISH.__dataclass_fields__ if getattr(ENGLISH, name) == getattr(SPANISH, name)}
    assert same == {"name"}


async def forgetful(_client: object, _request: ChatRequest) -> ChatResponse:
    return ChatResponse(message=ChatMessage("assistant", "Who?"))


def test_a_model_that_remembers_nothing_makes_the_tour_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour_scenes.CountingClient, "respond", forgetful)
    done = CliRunner().invoke(app, ["tour", "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["ok"] is False
    failed = {scene["id"]: scene["got"] for scene in told["scenes"] if not scene["ok"]}
    assert failed["same_thread"] == failed["json"] == "not remembered"
    assert "other_thread" not in failed


def test_a_scene_that_breaks_off_is_shown_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour_scenes.sys, "executable", "/no/such/python")
    done = CliRunner().invoke(app, ["tour"])
    assert done.exit_code == 1
    assert "✗ 5." in done.stdout
    assert "FileNotFoundError" in done.stdout
    assert "Only 7 of 9 scenes went as they should." in done.stdout


@pytest.mark.parametrize(("arguments", "summary"), [((), "7 of 7 scenes"), (("--lang", "es"), "7 de 7 escenas")])
def test_the_story_is_the_same_with_the_history_on_a_service(
    recuerda: CommandLine, arguments: tuple[str, ...], summary: str
) -> None:
    page = recuerda.ok("tour", "--service", *arguments)
    assert summary in page
    assert "✗" not in page
    assert "ServiceThreadNotFound" in page
    assert re.search(r"conv_\w{24}", page)
    pids = re.findall(r"(?:process|proceso) (\d+)", page)
    assert len(set(pids)) == 2
    for pid in set(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_the_tour_on_a_service_that_does_not_start_says_so(recuerda: CommandLine) -> None:
    done = recuerda("tour", "--service", "--json", RECUERDA_SERVER_KEYS="nonsense")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "the tour's service did not start: RECUERDA_SERVER_KEYS must hold" in done.stderr
