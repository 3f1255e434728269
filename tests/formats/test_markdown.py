"""Markdown: every part is shown, and no text of a message can pass for the page's own structure."""

from __future__ import annotations

from recuerda import ChatMessage, DataContent, FunctionCallContent, FunctionResultContent, TextReasoningContent
from recuerda.formats import MovedThread, MovedTurn
from recuerda.messages import Turn
from recuerda.storage.thread_info import ThreadParent
from tests.formats.native import written


def test_a_thread_is_a_page_with_all_that_was_said() -> None:
    messages = (
        ChatMessage("user", ["Look:", DataContent(b"1234", "image/png", "a_b.png")], author_name="Ana"),
        ChatMessage("assistant", [TextReasoningContent("Hm.\nHm."), FunctionCallContent("c", "look", {"at": 1})]),
        ChatMessage("tool", FunctionResultContent("c", "```\nnothing\n```", is_error=True)),
        ChatMessage("assistant", "Nothing."),
    )
    turn = MovedTurn(id="t", turn=Turn(messages=messages), created_us=1_700_000_000_000_000)
    thread = MovedThread(id="x`y", title="A *bold*\ntitle", turns=(turn,), parent=ThreadParent(thread_id="z"))
    text, losses = written([thread], "markdown")
    assert losses == {"image": 1}
    assert text == (
        "# A \\*bold\\* title\n\nThread `x'y`, a branch of `z`\n\n"
        "## Ana (user) · 2023-11-14 22:13 UTC\n\nLook:\n\n\\[image a\\_b.png, image/png, 4 bytes\\]\n\n"
        "## Assistant\n\n> *Reasoning*\n> \n> Hm.\n> Hm.\n\n**Call of `look`**\n\n"
        '```json\n{\n  "at": 1\n}\n```\n\n'
        "**Error**\n\n````\n```\nnothing\n```\n````\n\n"
        "## Assistant\n\nNothing.\n\n"
    )
