"""Hostile text, figures, times and choices, as a page shows them."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta

import pytest
from jinja2 import Environment, UndefinedError
from starlette.requests import Request
from starlette.responses import Response

from recuerda.studio import figures
from recuerda.studio.preferences import Preferences, accepted_language, preferences_of
from recuerda.studio.rendering import ROOT, STATIC, Frame, Renderer, compact, indented, static, with_query
from recuerda.studio.visible import CUT_CHARACTERS, plain, told, visible

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
ERROR = {"status": 404, "message": "no thread <b>x</b>", "next_step": None}


def frame(storage: str = "") -> Frame:
    return Frame(preferences=Preferences(language="en", theme="auto"), url="/threads?q=a", storage=storage)


def asked(query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "query_string": query.encode(), "headers": raw, "path": "/", "method": "GET"})


def test_hidden_characters_are_visible() -> None:
    cases = {
        "\x1b[31mred": "␛</span>[31mred",
        "a\x00b": "␀</span>b",
        "\u202egnp.exe": "[U+202E]</span>gnp.exe",
        "\u200bzero": "[U+200B]</span>zero",
        "\U000e0041hidden": "[U+E0041]</span>hidden",
        "half \ud800": "[U+D800]</span>",
        "\x7f": "␡</span>",
        "\x9b31m": "[U+009B]</span>31m",
    }
    for text, shown in cases.items():
        assert shown in visible(text), ascii(text)
        visible(text).encode()


def test_plain_writing_stays_as_it_is() -> None:
    for text in ("two\nlines\tand a tab", "می‌خواهم", "👩‍💻 👍🏽", "niño, ça va"):
        assert visible(text) == text


def test_a_message_cannot_become_markup() -> None:
    for text in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</bdi><svg onload=alert(1)>"):
        shown = visible(text)
        assert "<" not in shown.replace("&lt;", "")
        assert ">" not in shown.replace("&gt;", "")


def test_only_addresses_of_the_web_become_links_and_the_link_tells_nothing() -> None:
    shown = visible('see https://example.com/a?b=1&c="x". and javascript:alert(1) data:text/html,x')
    assert shown.count("<a ") == 1
    assert 'href="https://example.com/a?b=1&amp;c=" rel="noopener noreferrer nofollow"' in shown
    assert "<a" not in visible("https://" + "a" * 3000)
    assert "<a" not in visible("https://example.com", has_links=False)
    assert 'href="https://example.com"' in visible("https://example.com\u202e/evil")


def test_a_long_text_is_cut() -> None:
    text = "x" * (CUT_CHARACTERS + 5)
    assert len(visible(text)) == CUT_CHARACTERS
    assert len(visible(text, cut=None)) == len(text)


def test_a_title_is_one_line() -> None:
    assert plain("a\n b\u202e c\x1b") == "a b[U+202E] c␛"


def test_figures_follow_the_language() -> None:
    assert figures.number(12345, "en") == "12,345"
    assert figures.number(12345.6, "es", digits=1) == "12.345,6"
    assert [figures.size(n, "en") for n in (1, 999, 1200, 5_000_000, 10**9)] == [
        "1 byte", "999 bytes", "1.2 kB", "5.0 MB", "1.0 GB",
    ]  # fmt: skip
    assert [figures.duration(n, "es") for n in (850_000, 12_400_000, 185_000_000)] == ["850 ms", "12,4 s", "3 min 5 s"]
    assert figures.duration(7_800_000_000, "en") == "2 h 10 min"


def test_a_time_is_relative_for_a_week_and_its_title_is_exact() -> None:
    cases = {
        timedelta(seconds=5): "just now",
        timedelta(minutes=1): "1 minute ago",
        timedelta(hours=3): "3 hours ago",
        timedelta(days=1): "yesterday",
        timedelta(days=-1): "in 1 day",
        timedelta(days=30): "28 October 2026",
    }
    for before, said in cases.items():
        assert f">{said}</time>" in figures.time(NOW - before, "en", now_us=NOW_US)
    shown = figures.time(NOW_US - 60_000_000, "es", now_us=NOW_US)
    assert shown == (
        '<time datetime="2026-11-27T11:59:00Z" title="27 de noviembre de 2026, 11:59:00 UTC">hace 1 minuto</time>'
    )


def test_the_language_is_the_choice_then_the_cookie_then_the_header() -> None:
    header = {"accept_language": "fr, es-MX;q=0.9, en;q=0.5"}
    assert preferences_of(asked(**header)).language == "es"
    assert preferences_of(asked(cookie="recuerda_language=en", **header)).language == "en"
    assert preferences_of(asked("lang=es", cookie="recuerda_language=en")).language == "es"
    assert preferences_of(asked("lang=xx&theme=pink")) == Preferences(language="en", theme="auto")
    for odd in ("", "*", "es;q=", "es;q=x", "en;q=0", ";;;", "es;q=nan"):
        accepted_language(odd)


def test_a_choice_is_kept_in_a_cookie() -> None:
    response = Response()
    preferences_of(asked("lang=es&theme=dark")).keep(response)
    kept = [value.decode() for name, value in response.raw_headers if name == b"set-cookie"]
    assert [cookie.partition(";")[0] for cookie in kept] == ["recuerda_language=es", "recuerda_theme=dark"]
    assert all("HttpOnly" in cookie and "samesite=strict" in cookie.lower() for cookie in kept)


def test_an_address_keeps_its_other_parameters() -> None:
    assert with_query("/threads?q=a+b&cursor=x", {"lang": "es", "cursor": None}) == "/threads?q=a+b&lang=es"
    assert with_query("/threads?q=a", {"q": None}) == "/threads"


def test_json_is_shown_on_one_line_or_on_lines() -> None:
    assert compact({"a": [1]}) == '{"a":[1]}'
    assert indented('{"a": 1}') == '{\n  "a": 1\n}'
    assert indented("{not json") == "{not json"


def test_the_address_of_a_file_changes_with_the_file() -> None:
    for file in STATIC.iterdir():
        assert static(file.name).startswith(f"/static/{file.name}?v=")


def test_the_studio_adds_at_most_400_kb_to_the_wheel() -> None:
    files = [path for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {".css", ".html", ".js", ".py", ".svg"} == {path.suffix for path in files}
    assert sum(len(zlib.compress(path.read_bytes())) for path in files) < 400_000


def test_an_error_page_renders_in_each_language_and_escapes_its_message() -> None:
    renderer = Renderer(clock=lambda: NOW_US)
    html = renderer.html("error.html", ERROR, frame(storage="sqlite:///memory.db"))
    assert "no thread &lt;b&gt;x&lt;/b&gt;" in html
    assert 'href="/threads?q=a&amp;lang=es"' in html
    assert "style=" not in html
    spanish = Frame(preferences=Preferences(language="es", theme="dark"), url="/x")
    assert 'lang="es" data-theme="dark"' in renderer.html("error.html", ERROR, spanish)


def test_a_variable_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        Renderer(clock=lambda: NOW_US).html("error.html", {"status": 404}, frame())


def test_a_template_is_compiled_once_for_all_languages_and_studios(monkeypatch: pytest.MonkeyPatch) -> None:
    Renderer(clock=lambda: NOW_US).html("error.html", ERROR, frame())
    monkeypatch.setattr(Environment, "compile", None)
    spanish = Frame(preferences=Preferences(language="es", theme="dark"), url="/x")
    assert "Aquí no hay nada" in Renderer(clock=lambda: NOW_US).html("error.html", ERROR, spanish)


def test_a_command_in_a_text_of_the_studio_stands_out_and_nothing_else_becomes_markup() -> None:
    assert told("Try `recuerda doctor` <b>now</b>.") == "Try <code>recuerda doctor</code> &lt;b&gt;now&lt;/b&gt;."
    assert told("`<i>`, and one ` alone") == "<code>&lt;i&gt;</code>, and one ` alone"
