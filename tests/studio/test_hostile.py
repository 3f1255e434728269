"""Conversations that attack the person who looks at them: no text of anybody becomes a part of a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import quote

import httpx2

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
    MemoryStorage,
    RefusalContent,
    Storage,
    TextReasoningContent,
    Turn,
    UnknownContent,
    UriContent,
)
from recuerda.agent.steps import Step, encode_step
from recuerda.storage import DraftStep
from recuerda.studio.rendering import TEMPLATES
from recuerda.testing.scripted import ScriptedChatClient
from recuerda.window.summary import Summary, encode_summary
from tests.studio.client import every_page, settings_of, studio_client
from tests.studio.seeded import PNG

MARK = "xss9"
"""A word that stands in every payload, and that no page of the studio has in a name."""

PAYLOADS = (
    "<script>xss9()</script>",
    "<xss9 onxss9=1>",
    "\"><img src=x onerror=xss9()><a href='javascript:xss9()'>",
    "' onmouseover='xss9()' xss9='",
    "<svg/onload=xss9()><style>@import 'https://xss9.example'</style>",
    "</textarea></title></script><iframe srcdoc='<script>xss9()</script>'>",
    "{{ 7919 * 7919 }}{% for xss9 in xss9 %}{{ xss9.__class__ }}",
    "javascript:xss9()",
    "http://xss9.example/\"onclick=xss9() https://xss9.example/<b>'x",
    "data:text/html,<script>xss9()</script>",
    "\x1b]8;;https://xss9.example\x1b\\xss9\x1b[31m\x9b\r\n\t\x00",
    "\u202exss9\u2066\u200b\u2028\U000e0041\ufeff",
    "event: xss9\ndata: <script>xss9()</script>\n\n",
    "-->]]>&lt;xss9&gt;&#60;xss9&#62;",
)

SHORT = PAYLOADS[2:3] + PAYLOADS[6:7] + PAYLOADS[10:11]
"""The payloads that are tried on every page; the others are tried on the pages with the most fields."""

TAGS = {tag for path in TEMPLATES.glob("*.html") for tag in re.findall(r"<([a-z]\w*)", path.read_text("utf-8"))} | {
    "time"
}
"""The elements of the studio's own pages."""

ADDRESSES = ("href", "src", "action", "formaction", "data-live")


class Page(HTMLParser):
    """The elements of a page, checked one by one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.text: list[str] = []
        self._is_edited = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self._is_edited = tag == "textarea"
        if tag not in TAGS or any(name.startswith("on") or name == "style" or MARK in name for name in names):
            self.wrong.append(f"<{tag} {attrs}>")
        for name, value in attrs:
            if name in ADDRESSES and not self.is_harmless(tag, name, value or "", dict(attrs)):
                self.wrong.append(f"<{tag} {name}={value!r}>")

    @staticmethod
    def is_harmless(tag: str, name: str, value: str, attrs: dict[str, str | None]) -> bool:
        if tag in {"script", "link"}:
            return value.startswith("/static/")
        if (value.startswith(("/", "#")) and not value.startswith("//")) or value == "":
            return True
        is_outside = tag == "a" and name == "href" and value.startswith(("https://", "http://"))
        return is_outside and "noopener noreferrer" in (attrs.get("rel") or "")

    def handle_endtag(self, tag: str) -> None:
        self._is_edited = False

    def handle_data(self, data: str) -> None:
        if (
            not self._is_edited
        ):  # a text that a person edits stays as it is; beside it, the same text is shown with marks
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"<!--{data}-->")


def checked(answer: httpx2.Response) -> str:
    """Check a page, and return its text."""
    page = Page(answer.text)
    assert page.wrong == [], page.wrong[:5]
    shown = "".join(page.text)
    hidden = [f"U+{ord(one):04X}" for one in shown if one in "\x00\x1b\x9b\u202e\u2066\u200b\u2028\ufeff\U000e0041"]
    assert hidden == [], hidden[:5]
    return shown


async def attack(storage: Storage, payload: str) -> str:
    """Put a payload into every field of a thread, and return the thread's id."""
    name = payload.replace("\x00", "")
    thread_id = f"t/{name}"[:200]
    store = ChatMessageStore(storage=storage, thread_id=thread_id, user_id=name)
    messages = (
        ChatMessage("user", payload, author_name=payload),
        ChatMessage(
            payload,
            [
                TextReasoningContent(payload),
                RefusalContent(payload),
                FunctionCallContent(payload, payload, {payload: payload}),
                FunctionCallContent("other", payload, payload),
                DataContent(PNG, payload, payload),
                UriContent(payload, payload, payload),
                UriContent(f"https://xss9.example/{payload}", "image/png", payload),
                HostedFileContent(payload, payload, payload),
                UnknownContent({"type": payload, "value": {payload: [payload]}}),
            ],
        ),
        ChatMessage(
            "tool", [FunctionResultContent(payload, {payload: payload}), FunctionResultContent("lost", payload)]
        ),
        ChatMessage("assistant", payload),
    )
    turn = Turn(messages=messages, error=payload, metadata={payload: payload}, service_thread_id=payload)
    await store.append(turn, turn_id=name)
    await store.fork(thread_id=f"{thread_id}-fork")
    await store.summarize(encode_summary(Summary(text=payload, model=payload)), through=1)
    await storage.update_thread(thread_id, title=payload, metadata={payload: {payload: payload}}, tags=[name])
    step = Step(input=(ChatMessage("user", payload),), messages=(ChatMessage("assistant", messages[1].contents),))
    draft = DraftStep(turn_id=name, revision=2, number=1, body=encode_step(step), id="1")
    await storage.save_draft(thread_id, draft)
    return thread_id


def test_the_pages_have_no_element_that_could_hold_a_page_or_run_anything() -> None:
    assert not TAGS & {"iframe", "object", "embed", "base", "style", "template", "math", "frame", "applet"}


async def test_no_text_of_a_conversation_becomes_an_element_or_an_attribute() -> None:
    for payload in PAYLOADS:
        storage = MemoryStorage()
        thread_id = await attack(storage, payload)
        at, name, text = quote(thread_id, safe=""), payload.replace("\x00", ""), quote(payload, safe="")
        user = quote(name, safe="")
        settings = settings_of(storage, recall_index=":memory:", allow_changes=True)
        paths = [
            f"/threads?q=xss9&user={user}",
            f"/threads/{at}",
            f"/threads/{at}/turns/1?whole=1",
            f"/{user}?{text}",
        ]
        if payload in SHORT:
            values = {"thread_id": at, "other_id": f"{at}-fork", "user_id": user, "number": "1", "file": "9"}
            paths += [path for path in every_page(settings, values) if not path.startswith("/api")]
            paths += [f"/threads?{field}={text}" for field in ("q", "tag", "metadata", "since", "state")]
            paths += [f"/threads/{at}{rest}" for rest in ("?before=2", "?part=turns", "/compare/none")]
            paths += [f"{page}?user={text}&q={text}" for page in ("/memory", "/inbox", "/health")]
        async with studio_client(settings) as client:
            for path in paths:
                answer = await client.get(path)
                assert answer.status_code in (200, 303, 400, 404, 409), (path, answer.text[-300:])
                if answer.headers.get("content-type", "").startswith("text/html"):
                    shown = checked(answer)
                    assert "62710561" not in shown, path
            assert "xss9" in (await client.get(f"/threads/{at}")).text


async def test_no_text_becomes_an_element_on_the_pages_of_changes_and_decisions() -> None:
    for payload in (PAYLOADS[2], PAYLOADS[5], PAYLOADS[10]):
        storage = MemoryStorage()
        thread_id = await attack(storage, payload)
        at, name = quote(thread_id, safe=""), quote(payload.replace("\x00", ""), safe="")
        agent = ScriptedChatClient([]).create_agent(payload, storage=storage)
        settings = settings_of(
            storage,
            recall_index=":memory:",
            allow_changes=True,
            acting_as=payload,
            agent=agent,
            storage_name=payload,
        )
        changes = ("undo", "fork?through=1", "settings", "drop", "resume", "delete", "forget", "forget?turn=1")
        async with studio_client(settings) as client:
            for path in (
                "/inbox",
                f"/inbox?user={name}",
                *(f"/threads/{at}/{change}" for change in changes),
                f"/threads/{at}/export?format=markdown&branches=1",
                f"/threads/{at}/export?format={name}",
                f"/users/{name}/erase",
                f"/users/{name}/forget",
                f"/users/{name}/forget?query=xss9",
                "/import",
                "/chat",
                f"/chat/{at}?user={name}",
            ):
                answer = await client.get(path)
                assert answer.status_code in (200, 400), (path, answer.text[-300:])
                # A field of a form holds a tag as it is, so that it comes back as it is.
                if path.endswith("settings"):
                    assert Page(answer.text).wrong == []
                else:
                    checked(answer)
            exported = (await client.get(f"/threads/{at}/download?branches=1")).content
            report = await client.post("/import", files={"file": (payload.replace("\r\n", ""), exported)})
            assert report.status_code == 200, report.text
            checked(report)
            refused = await client.post(f"/threads/{at}/decide", data={"action": payload, "call_id": payload})
            assert refused.status_code == 400
            checked(refused)
            page = (await client.get(f"/api/users/{name}/erase")).json()
            held = {one["name"]: one["held_id"] for one in page["hidden"]}
            receipt = await client.post(f"/users/{name}/erase", data=held)
            assert receipt.status_code == 200, receipt.text
            checked(receipt)


async def test_a_picture_that_is_no_picture_is_a_download_whatever_its_type_says() -> None:
    storage = MemoryStorage()
    page = b"<html><script>xss9()</script>"
    store = ChatMessageStore(storage=storage, thread_id="t")
    kinds = ("image/png", "text/html", "image/svg+xml", "image/png\r\nx-xss9: 1", "application/javascript")
    names = ('a"b.png', "../../etc/passwd", "x\r\nset-cookie: xss9=1", "\u202egnp.exe", "")
    parts = [DataContent(page, kind, name) for kind, name in zip(kinds, names, strict=True)]
    await store.append(Turn(messages=(ChatMessage("user", parts),)))
    async with studio_client(settings_of(storage)) as client:
        for at in range(len(parts)):
            answer = await client.get(f"/threads/t/turns/1/files/{at}")
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["content-disposition"].startswith('attachment; filename="')
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert not {"x-xss9", "set-cookie"} & set(answer.headers)
            assert "/" not in answer.headers["content-disposition"].partition(";")[2]
