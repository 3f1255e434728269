"""The HTML page: everything is shown, nothing that was said becomes markup, and nothing is loaded."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from html.parser import HTMLParser

from recuerda import (
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    TextReasoningContent,
    UriContent,
)
from recuerda.formats import MovedThread, MovedTurn
from recuerda.messages import Turn
from recuerda.storage.thread_info import ThreadParent
from tests.formats.native import PNG, written

EVIL = """</code></p><script>alert(1)</script><img src=x onerror="alert(2)">'\x00& {{7*7}}"""
PDF = DataContent(b"%PDF", "application/pdf")
EMPTY = {"meta", "img"}


class Elements(HTMLParser):
    """Collects the elements and the text of a page, and checks that each element is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(*messages: ChatMessage, thread_id: str = "riker") -> tuple[str, Elements, dict[str, int]]:
    turn = MovedTurn(id="t", turn=Turn(messages=messages), created_us=1_700_000_000_000_000)
    parent = ThreadParent(thread_id=thread_id)
    thread = MovedThread(id=thread_id, title=thread_id, user_id=thread_id, turns=(turn,), parent=parent)
    page, losses = written([thread, thread], "html")
    return page, Elements(page), losses


def test_a_page_shows_everything_that_was_said() -> None:
    pixel = DataContent(b64decode(PNG), "image/png", "pixel.png")
    page, elements, losses = page_of(
        ChatMessage("user", ["Look at `this`:", pixel, UriContent("https://example.org/a.png", "image/png")]),
        ChatMessage("assistant", [TextReasoningContent("Hm."), FunctionCallContent("c", "look", {"at": 1})]),
        ChatMessage("tool", FunctionResultContent("c", "grey", parts=(pixel,))),
        ChatMessage("assistant", ["Grey:\n```python\nprint('grey')\n```\nDone.", PDF]),
    )
    for text in ("Look at `this`:", "Hm.", "look", '"at": 1', "grey", "print('grey')", "Done.", "2023-11-14 22:13 UTC"):
        assert text in elements.text
    assert "```" not in elements.text
    assert [one["src"] for tag, one in elements.found if tag == "img"] == [f"data:image/png;base64,{PNG}"] * 4
    assert [one["href"] for tag, one in elements.found if tag == "a"] == ["https://example.org/a.png"] * 2
    assert losses == {"file": 1}
    assert page.count("<h1>") == 2


def test_nothing_that_was_said_becomes_markup() -> None:
    picture = DataContent(b"<svg onload=alert(1)>", "image/svg+xml", EVIL)
    page, elements, losses = page_of(
        ChatMessage("user", [EVIL, picture, UriContent("javascript:alert(1)", EVIL)], author_name=EVIL),
        ChatMessage(EVIL, EVIL),
        ChatMessage("assistant", [FunctionCallContent("c", EVIL, EVIL), f"```{EVIL}\n{EVIL}\n```"]),
        ChatMessage("tool", FunctionResultContent("c", {EVIL: EVIL}, is_error=True)),
        thread_id=EVIL.replace("\x00", ""),
    )
    kinds = {tag for tag, _ in elements.found}
    assert not kinds & {"script", "img", "iframe", "object", "a", "form", "link", "svg"}
    allowed = {"class", "datetime", "charset", "content", "http-equiv", "name", "lang"}
    assert {name for _, attributes in elements.found for name in attributes} <= allowed
    assert "\x00" not in page
    assert losses == {"image": 1}


def test_the_page_loads_nothing_and_allows_its_own_style_alone() -> None:
    page, elements, _ = page_of(ChatMessage("user", "Hi"))
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    policy = next(one["content"] for _, one in elements.found if one.get("http-equiv") == "Content-Security-Policy")
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"url\(|@import|https?:", page)
