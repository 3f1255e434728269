"""The second table of docs/interop/one-conversation.md says what the frameworks with stores of their own are told."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from recuerda import ChatMessage, ChatMessageStore, MemoryStorage, Storage
from recuerda.interop.chatkit import RecuerdaStore
from recuerda.interop.google_adk import RecuerdaSessionService
from recuerda.interop.google_adk.places import session_thread
from recuerda.interop.llama_index import RecuerdaChatStore
from recuerda.interop.strands import RecuerdaSessionRepository
from recuerda.messages.message import FunctionCallContent, FunctionResultContent
from recuerda.window.window import turn_of
from tests.interop.test_one_conversation_page import BYTES, DOCS, ENCODED, SAYABLE, said

Read = Callable[[Storage, str], Awaitable[str]]

_CODED = (BYTES, b64encode(BYTES))
"""What stands for the bytes of a file. LlamaIndex keeps them as base64, and codes that once more."""

_VARIES = re.compile(r'"(?:created_at|updated_at|id|item_id|invocation_id|timestamp)": ?(?:"[^"]*"|[\d.]+)')
"""Random ids and times."""


async def google_adk(storage: Storage, thread_id: str) -> str:
    session = await RecuerdaSessionService(storage).get_session(app_name="a", user_id="u", session_id=thread_id)
    return "".join([event.model_dump_json(exclude_none=True) for event in session.events]) if session else ""


async def llama_index(storage: Storage, thread_id: str) -> str:
    return "".join([one.model_dump_json() for one in await RecuerdaChatStore(storage).get_messages(thread_id)])


async def strands(storage: Storage, thread_id: str) -> str:
    messages = RecuerdaSessionRepository(storage).list_messages(thread_id, "default")
    return "".join([json.dumps(message.to_dict()) for message in messages])


async def chatkit(storage: Storage, thread_id: str) -> str:
    store = cast("Any", RecuerdaStore(storage, user_of=None))
    page = await store.load_thread_items(thread_id, None, 100, "asc", None)
    return "".join([item.model_dump_json() for item in page.data])


STORES: dict[str, Read] = {"Google ADK": google_adk, "LlamaIndex": llama_index, "Strands": strands, "ChatKit": chatkit}


async def shown(read: Read, message: ChatMessage) -> str:
    """Return what a framework gets of a turn that another program has added, without ids and times."""
    is_adk = read is google_adk  # its thread belongs to an application and a user
    asked = [said("user", "q")]
    if any(isinstance(content, FunctionResultContent) for content in message.contents):
        asked.append(said("assistant", FunctionCallContent("c", "scan", "{}")))
    async with MemoryStorage() as storage:
        thread_id = session_thread("a", "u", "t") if is_adk else "t"
        store = ChatMessageStore(storage=storage, thread_id=thread_id, user_id="u" if is_adk else None)
        await store.append(turn_of([*asked, message]))
        return _VARIES.sub("", await read(storage, "t"))


def is_told(mark: str, text: str) -> bool:
    marks = {mark}
    if mark == ENCODED:
        marks |= {code(data).decode().rstrip("=") for data in _CODED for code in (b64encode, urlsafe_b64encode)}
    return any(one in text for one in marks)


async def column(read: Read) -> list[str]:
    told = [is_told(mark, await shown(read, message)) for message, mark in SAYABLE.values()]
    failed, ended = [
        await shown(read, said("tool", FunctionResultContent("c", "x", is_error=is_error)))
        for is_error in (True, False)
    ]
    return ["yes" if one else "no" for one in (*told, failed != ended)]


async def test_the_table_says_what_each_store_is_told() -> None:
    columns = [await column(read) for read in STORES.values()]
    rows = [["what was said elsewhere", *STORES], ["---"] * (1 + len(STORES))]
    rows += [list(row) for row in zip((*SAYABLE, "that a tool failed"), *columns, strict=True)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    assert table in (DOCS / "one-conversation.md").read_text(encoding="utf-8"), table


@pytest.mark.parametrize("name", STORES)
async def test_a_text_of_another_program_is_told_by_each_store(name: str) -> None:
    assert "engage" in await shown(STORES[name], said("user", "engage"))
