"""The table and the picture of docs/interop/one-conversation.md say what is so."""

import runpy
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from recuerda.interop.agent_framework_items import AgentFrameworkForm
from recuerda.interop.forms import Form
from recuerda.interop.langgraph.others import OtherTurn, spoken
from recuerda.interop.pydantic_items import PydanticForm
from recuerda.interop.responses_items import ResponsesForm
from recuerda.messages.codec import message_to_json
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UriContent,
    Usage,
    UsageContent,
)

DOCS = Path(__file__).parents[2] / "docs" / "interop"
MARK = "engage"
BYTES = b"makeitso"
ENCODED = b64encode(BYTES).decode().rstrip("=")


def said(role: str, content: str | AnyContent, **more: Any) -> ChatMessage:
    return ChatMessage(role, [content], **more)


CALL = FunctionCallContent("c", "scan", f'{{"deck":"{MARK}"}}')
SAYABLE: dict[str, tuple[ChatMessage, str]] = {
    "text": (said("user", MARK), MARK),
    "system message": (said("system", MARK), MARK),
    "name of the speaker": (said("assistant", "x", author_name=MARK), MARK),
    "image by its bytes": (said("user", DataContent(BYTES, "image/png")), ENCODED),
    "image by its address": (said("user", UriContent(f"https://a/{MARK}.png", "image/png")), MARK),
    "PDF file by its bytes": (said("user", DataContent(BYTES, "application/pdf")), ENCODED),
    "name of a file": (said("user", DataContent(BYTES, "application/pdf", MARK)), MARK),
    "call of a tool": (said("assistant", CALL), MARK),
    "result of a tool": (said("tool", FunctionResultContent("c", MARK)), MARK),
    "readable reasoning": (said("assistant", TextReasoningContent(MARK)), MARK),
    "encrypted reasoning": (said("assistant", TextReasoningContent("x", MARK)), MARK),
    "refusal": (said("assistant", RefusalContent(refusal=MARK)), MARK),
    "citations and other extra fields": (
        said("assistant", TextContent(text="x", additional_properties={"citations": MARK})),
        MARK,
    ),
    "token usage inside a message": (said("assistant", UsageContent(usage=Usage(input_tokens=47_110_815))), "47110815"),
}

Reader = Callable[[ChatMessage], Sequence[Any]]


def as_langchain(message: ChatMessage) -> list[Any]:
    return [one.model_dump() for one in spoken([OtherTurn(1, "r", [message_to_json(message, "message")])])]


FORMS: dict[str, Form | Reader] = {
    "OpenAI Agents SDK": ResponsesForm(),
    "Pydantic AI": PydanticForm(),
    "LangGraph": as_langchain,
    "Agent Framework": AgentFrameworkForm(),
}


def shown(reader: Form | Reader, message: ChatMessage) -> str:
    items = reader.to_items(message) if isinstance(reader, Form) else reader(message)
    return msgspec.json.encode(items, enc_hook=str).decode()


def tells_errors(reader: Form | Reader) -> bool:
    results = [said("tool", FunctionResultContent("c", "x", is_error=is_error)) for is_error in (False, True)]
    one, other = (shown(reader, result) for result in results)
    return one != other


def table() -> str:
    rows = [["what was said elsewhere", *FORMS], ["---"] * (1 + len(FORMS))]
    for name, (message, mark) in SAYABLE.items():
        rows.append([name, *("yes" if mark in shown(reader, message) else "no" for reader in FORMS.values())])
    rows.append(["that a tool failed", *("yes" if tells_errors(reader) else "no" for reader in FORMS.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def test_the_table_says_what_each_framework_can_be_told() -> None:
    assert table() in (DOCS / "one-conversation.md").read_text(encoding="utf-8")


def test_the_picture_is_drawn_by_its_program() -> None:
    drawn = runpy.run_path(str(DOCS / "picture.py"))["draw"]()
    assert drawn == (DOCS / "one-conversation.svg").read_text(encoding="utf-8")
