"""The archives and exports of chat programs: branches, times, titles, files, calls and reasoning survive."""

from __future__ import annotations

import json
import zipfile
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from recuerda import DataContent, FunctionResultContent, MemoryStorage, TextReasoningContent, UnknownContent
from recuerda.errors import InvalidInput, StateError
from recuerda.formats import MovedThread, import_threads, stored_thread
from tests.formats.native import PNG, kinds, parts, threads, written

DATA = Path(__file__).parent / "data"
PIXEL = b64decode(PNG)
_CROOKED = b'[{"title": "x", "mapping": {"a": {"children": 1}}}]'
ARCHIVED = ["chatgpt", "claude", "librechat", "librechat_tree", "open_webui"]


DRAWN = ["assistant", "tool", "assistant", "assistant"]


def sample(name: str) -> bytes:
    return (DATA / f"{name}.json").read_bytes()


def zipped(files: dict[str, bytes]) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def chatgpt_archive() -> bytes:
    return zipped(
        {
            "user.json": b"{}",
            "conversations.json": sample("chatgpt"),
            "file_00000000aa11-sanitized.png": PIXEL,
            "file-Bb22-notes.pdf": b"%PDF-1.7",
            "dalle-generations/file_00000000cc44.dat": PIXEL,
        }
    )


def shape(thread: MovedThread) -> tuple[str, str | None, list[list[str]]]:
    """Return a thread's id, the turn that it shares last with its parent, and the roles of each turn."""
    parent = thread.parent and thread.parent.turn_id
    return thread.id, parent, [[message.role for message in turn.turn.messages] for turn in thread.turns]


def said(thread: MovedThread) -> list[str]:
    return [message.text for message in thread.messages if message.text]


def calls(thread: MovedThread) -> list[tuple[str, str, str]]:
    """Return the calls with their results; fails if a call or a result is alone."""
    made = {call.call_id: call for message in thread.messages for call in message.function_calls}
    results = {part.call_id: part for part in parts(thread) if isinstance(part, FunctionResultContent)}
    assert made.keys() == results.keys()
    return [(call.name, json.dumps(call.arguments), str(results[key].result)) for key, call in made.items()]


def test_chatgpt_gives_a_thread_for_each_branch_with_its_files() -> None:
    main, branch, drawn, empty = threads(chatgpt_archive())
    rounds = ["user", "assistant", "assistant", "tool", "assistant", "tool", "assistant", "assistant"]
    assert [shape(one) for one in (main, branch, drawn, empty)] == [
        ("conv-1", None, [["system", "user", "assistant"], rounds]),
        ("conv-1~a1b", None, [["system", "user", "assistant"], ["user", "assistant"]]),
        ("conv-1~u2b-b", "a1b", [["system", "user", "assistant"], ["user", *DRAWN]]),
        ("conv-2", None, []),
    ]  # fmt: skip
    assert [turn.id for turn in drawn.turns] == ["a1b", "u2b-b"]
    assert drawn.parent is not None
    assert (drawn.parent.thread_id, drawn.parent.turns) == ("conv-1~a1b", 1)
    assert [one.metadata.get("shown") for one in (main, branch, drawn)] == [None, None, True]
    assert (main.title, main.archived, main.metadata["model"]) == ("A grey pixel", True, "gpt-5")
    assert [turn.created_us for turn in main.turns] == [1756000001000000, 1756000004000000]
    assert said(branch)[2] == "A pixel. ([Pixels](https://example.org))"
    assert calls(main) == [("python", '{"input": "print(1, 2, 3)"}', "1 2 3\n"), ("python", "{}", "done")]
    assert calls(drawn) == [("t2uay3k.sj1i4kz", '{"prompt": "a grey pixel"}', "")]
    files = [part for part in parts(drawn) if isinstance(part, DataContent)]
    assert [(one.name, one.media_type, one.data) for one in files] == [
        ("pixel.png", "image/png", PIXEL),
        ("notes.pdf", "application/pdf", b"%PDF-1.7"),
        (None, "image/png", PIXEL),
    ]
    assert kinds(main).count("TextReasoning") == 2
    assert [dict(one.losses) for one in (main, branch, empty)] == [{"file": 1}, {"file": 1}, {"list of messages": 1}]


def test_chatgpt_without_its_files_counts_them(tmp_path: Path) -> None:
    (tmp_path / "conversations-000.json").write_bytes(sample("chatgpt"))
    alone, folder = threads(sample("chatgpt")), threads(tmp_path)
    assert alone == folder
    assert [dict(one.losses) for one in alone][:3:2] == [{"image": 1, "file": 2}, {"image": 2, "file": 2}]
    assert sum(isinstance(part, UnknownContent) for part in parts(alone[0])) == 3


def test_claude_gives_branches_attachments_and_calls_without_ids() -> None:
    main, branch, old = threads(zipped({"data/conversations.json": sample("claude"), "photo.jpg": b"\xff\xd8\xffx"}))
    assert shape(main) == ("claude-1", None, [["user", "assistant", "tool", "assistant"]])
    assert shape(branch) == ("claude-1~r1b", None, [["user", "assistant"], ["user"]])
    assert branch.metadata["shown"] is True
    assert shape(old) == ("claude-2", None, [["user", "assistant"]])
    assert said(main) == ["How is the weather?", "One moment.", "It has 18 degrees."]
    assert calls(main) == [("weather", '{"city": "Lima"}', "18 degrees")]
    files = [part for part in parts(main) if isinstance(part, DataContent)]
    assert [(one.name, one.media_type, one.data) for one in files] == [
        ("notes.txt", "text/plain", b"I am in Lima"),
        ("photo.jpg", "image/jpeg", b"\xff\xd8\xffx"),
    ]
    assert (main.title, main.metadata["summary"], main.turns[0].created_us) == (
        "Weather",
        "About Lima.",
        1767323041000000,
    )
    assert (main.losses, old.title) == ({}, None)
    assert threads(sample("claude"))[0].losses == {"file": 1}


@pytest.mark.parametrize("name", ["librechat", "librechat_tree"])
def test_librechat_gives_branches_and_steps(name: str) -> None:
    main, branch = threads(sample(name))
    assert shape(main) == ("libre-1", None, [["user", "assistant", "tool", "assistant"]])
    assert shape(branch) == ("libre-1~m2b", None, [["user", "assistant"], ["user", "assistant"]])
    assert said(main) == ["What is in the file?", "One moment.", "It says abc."]
    assert calls(main) == [("file_search", '"{\\"query\\":\\"a\\"}"', "abc")]
    assert kinds(main)[:3] == ["Text", "Unknown", "TextReasoning"]
    assert (main.title, main.losses, main.turns[0].created_us) == ("A file", {"file": 1}, 1767323041000000)
    assert main.messages[1].additional_properties == {"model": "gpt-4o"}


def test_open_webui_gives_branches_steps_and_settings() -> None:
    main, branch = threads(sample("open_webui"))
    rounds = ["assistant", "tool", "assistant"]
    assert shape(main) == ("webui-1", None, [["system", "user", *rounds], ["user", *rounds]])
    assert shape(branch) == ("webui-1~w2b", None, [["system", "user", "assistant"]])
    assert said(main) == ["Answer briefly.", "What is this?", "A grey pixel.", "yes", "Fine."]
    assert said(branch)[-1] == "The model is not loaded."
    assert calls(main)[0] == ("look", '"{\\"at\\": \\"pixel\\"}"', "grey")
    assert [part.text for part in parts(main) if isinstance(part, TextReasoningContent)] == [
        "I look.\nGrey.",
        "Agreed.",
    ]
    assert [part.data for part in parts(main) if isinstance(part, DataContent)] == [PIXEL, b"abc"]
    assert (main.user_id, main.losses) == ("user-1", {"file": 1})
    assert main.metadata == {"pinned": True, "models": ["llama3.1:latest"], "shown": True}
    assert (main.tags, main.archived) == (("pictures",), False)


def chatgpt_conversation(*nodes: tuple[str, dict[str, Any] | None, dict[str, Any]], **facts: Any) -> bytes:
    """Return an archive with one conversation: the role, the content and the other fields of each message."""
    mapping: dict[str, Any] = {}
    for number, (role, content, more) in enumerate(nodes):
        name = more.pop("name", None)
        message = {"id": f"m{number}", "author": {"role": role, "name": name}, "content": content, **more}
        parent = f"m{number - 1}" if number else None
        mapping[f"m{number}"] = {
            "id": f"m{number}",
            "message": message,
            "parent": parent,
            "children": [f"m{number + 1}"],
        }
    return json.dumps([{"id": "c", "title": "T", "mapping": mapping, **facts}]).encode()


def texts(*parts: Any, kind: str = "text") -> dict[str, Any]:
    return {"content_type": kind, "parts": [*parts]}


def test_chatgpt_gives_what_stands_beside_the_texts() -> None:
    told = {"about_user_message": "I sail.", "about_model_message": "Be brief."}
    mark = "\ue200cite\ue202turn0search0\ue201"
    cited = {"matched_text": mark, "alt": None, "items": [{"title": "Ships", "url": "https://e.com/s"}]}
    footnote = {"matched_text": " ", "alt": "", "sources": [{"title": "Sea", "url": "https://e.com/t"}]}
    widget = {"matched_text": "\ue200image_group\ue201", "alt": None, "type": "hidden"}
    pages = [{"entries": [{"title": "Ships", "url": "https://e.com/s", "snippet": "They float."}]}]
    old = {"metadata": {"title": "Old", "url": "https://e.com/o", "type": "webpage"}, "start_ix": 0, "end_ix": 3}
    (thread,) = threads(
        chatgpt_conversation(
            ("system", None, {}),
            (
                "system",
                texts(""),
                {"metadata": {"is_visually_hidden_from_conversation": True, "user_context_message_data": told}},
            ),
            ("user", texts({"text": "Which ships?"}, kind="multimodal_text"), {}),
            ("assistant", {"content_type": "code", "text": '{"q": 1}'}, {"recipient": "web.run"}),
            (
                "tool",
                texts(""),
                {
                    "name": "web.run",
                    "metadata": {"search_model_queries": {"queries": ["ships"]}, "search_result_groups": pages},
                },
            ),
            (
                "tool",
                {"content_type": "sonic_webpage", "url": "https://e.com/s", "title": "Ships", "text": "All."},
                {"name": "web.run"},
            ),
            ("tool", {"content_type": "citable_code_output", "output_str": "[1]"}, {"name": "web.run"}),
            (
                "tool",
                {"content_type": "tether_browsing_display", "result": "", "summary": "Two pages."},
                {"name": "browser"},
            ),
            (
                "assistant",
                texts(f"Big ones {mark}\ue200image_group\ue201."),
                {"metadata": {"content_references": [cited, footnote, widget], "citations": [old]}},
            ),
            is_starred=True,
        )
    )
    assert [message.role for message in thread.messages][:3] == ["system", "user", "assistant"]
    assert said(thread) == ["I sail.\n\nBe brief.", "Which ships?", "Big ones ([Ships](https://e.com/s))."]
    assert [result for _, _, result in calls(thread)] == [
        "ships\n\nShips\nhttps://e.com/s\nThey float.",
        "Ships\n\nhttps://e.com/s\n\nAll.",
        "[1]",
        "Two pages.",
    ]
    assert thread.messages[0].additional_properties == {"hidden": True}
    assert thread.messages[-1].additional_properties == {
        "sources": [
            {"title": "Old", "url": "https://e.com/o"},
            {"title": "Ships", "url": "https://e.com/s"},
            {"title": "Sea", "url": "https://e.com/t"},
        ]
    }
    assert (thread.metadata, thread.losses) == ({"pinned": True}, {})


def test_chatgpt_gives_the_pictures_of_screens_and_code_and_the_parts_of_calls_with_video() -> None:
    pointers = {
        name: f"sediment://file_0000{number}" for number, name in enumerate(("plot", "screen", "voice", "film"))
    }
    drawn = {"messages": [{"message_type": "image", "image_url": pointers["plot"]}, {"message_type": "stream"}]}
    screen = {"content_type": "image_asset_pointer", "asset_pointer": pointers["screen"]}
    call = {
        "content_type": "real_time_user_audio_video_asset_pointer",
        "frames_asset_pointers": [screen],
        "audio_asset_pointer": {"content_type": "audio_asset_pointer", "asset_pointer": pointers["voice"]},
        "video_container_asset_pointer": {
            "content_type": "video_container_asset_pointer",
            "asset_pointer": pointers["film"],
        },
    }
    conversation = chatgpt_conversation(
        ("user", texts(call, {"content_type": "audio_transcription", "text": "Plot it."}, kind="multimodal_text"), {}),
        ("assistant", {"content_type": "code", "text": "plot()"}, {"recipient": "python"}),
        (
            "tool",
            {"content_type": "execution_output", "text": "ok"},
            {"name": "python", "metadata": {"aggregate_result": drawn}},
        ),
        (
            "tool",
            {
                "content_type": "computer_output",
                "screenshot": screen,
                "state": {"title": "Page", "url": "https://e.com"},
            },
            {"name": "computer.do"},
        ),
    )
    files = {f"file_0000{number}-x.dat": PIXEL if number < 2 else b"x" * 9 for number in range(4)}
    (thread,) = threads(zipped({"conversations.json": conversation, **files}))
    found = [part for part in parts(thread) if isinstance(part, DataContent)]
    assert [(one.media_type, one.data == PIXEL) for one in found].count(("image/png", True)) == 3
    assert len(found) == 5
    assert [result for _, _, result in calls(thread)] == ["ok", "Page\n\nhttps://e.com"]
    assert thread.losses == {}
    (thread,) = threads(conversation)
    assert thread.losses == {"audio file": 1, "video": 1, "image": 3}


def test_claude_gives_what_stands_beside_the_texts() -> None:
    page = {"type": "knowledge", "title": "Ships", "url": "https://e.com/s", "text": "They float."}
    cited = {
        "uuid": "x",
        "start_index": 0,
        "end_index": 3,
        "details": {"type": "web_search_citation", "url": "https://e.com/s"},
    }
    content: list[Any] = [
        {"type": "thinking", "thinking": "", "summaries": [{"summary": "Looking"}], "cut_off": True},
        {"type": "tool_use", "id": "t1", "name": "web_search", "input": {"query": "ships"}},
        {"type": "tool_result", "tool_use_id": "t1", "name": "web_search", "content": [page]},
        {"type": "tool_use", "id": "t2", "name": "view", "input": {}},
        {
            "type": "tool_result",
            "tool_use_id": "t2",
            "content": [],
            "display_content": [{"type": "text", "text": "abc"}],
        },
        {"type": "text", "text": "They float.", "citations": [cited]},
    ]
    messages: list[Any] = [
        {
            "uuid": "h",
            "sender": "human",
            "text": "Do ships float?",
            "files_v2": [{"file_uuid": "f", "file_name": "a.png"}],
        },
        {"uuid": "a", "sender": "assistant", "content": content, "parent_message_uuid": "h"},
        {"uuid": "b", "sender": "assistant", "text": "Yes.", "parent_message_uuid": "h"},
    ]
    facts = {"model": "claude-sonnet-4-5", "is_starred": True, "current_leaf_message_uuid": "a"}
    main, branch = threads(json.dumps([{"uuid": "c", "name": "T", "chat_messages": messages, **facts}]).encode())
    assert calls(main) == [
        ("web_search", '{"query": "ships"}', "Ships\nhttps://e.com/s\nThey float."),
        ("view", "{}", "abc"),
    ]
    assert [part.text for part in parts(main) if isinstance(part, TextReasoningContent)] == ["Looking"]
    assert main.messages[1].additional_properties == {"sources": [{"url": "https://e.com/s"}]}
    assert main.metadata == {"model": "claude-sonnet-4-5", "pinned": True, "shown": True}
    assert (main.losses, branch.metadata.get("shown")) == ({"file": 1}, None)


def test_librechat_gives_instructions_media_and_marks() -> None:
    content: list[Any] = [
        {"type": "input_audio", "input_audio": {"data": b64encode(b"RIFF").decode(), "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://e.com/a.mp4"}},
        {"type": "summary", "text": "s"},
    ]
    messages = [
        {"messageId": "a", "isCreatedByUser": True, "text": "Hi", "parentMessageId": "0"},
        {
            "messageId": "b",
            "parentMessageId": "a",
            "content": content,
            "unfinished": True,
            "plugins": [{"latest": "x"}],
        },
        {"messageId": "c", "parentMessageId": "a", "text": "It failed.", "error": True},
    ]
    options = {"promptPrefix": "Be brief.", "model": "gpt-4o", "temperature": 1}
    main, branch = threads(json.dumps({"conversationId": "c", "options": options, "messages": messages}).encode())
    assert said(main) == ["Be brief.", "Hi"]
    assert kinds(main) == ["Text", "Text", "Data", "Uri", "Unknown", "Unknown"]
    assert [message.role for message in branch.messages] == ["system", "user", "assistant"]
    assert main.messages[-1].additional_properties == {"unfinished": True}
    assert branch.messages[-1].additional_properties == {"error": True}
    assert (main.metadata["model"], main.losses) == ("gpt-4o", {"unknown part": 2})


def test_open_webui_gives_sources_ratings_and_late_errors() -> None:
    web = {
        "source": {"type": "web_search", "name": "search"},
        "document": ["They float.", "They sail."],
        "metadata": [{"source": "https://e.com/s", "title": "Ships"}, {"source": "https://e.com/t", "name": "Sea"}],
    }
    file = {
        "source": {"type": "file", "name": "a.pdf", "id": "f"},
        "document": ["x"],
        "metadata": [{"source": "a.pdf"}],
    }
    answer = {
        "id": "b",
        "role": "assistant",
        "parentId": "a",
        "content": "They flo",
        "model": "m",
        "sources": [web, file],
        "annotation": {"rating": 1},
        "error": {"content": "The connection broke."},
        "code_executions": [{"id": "e", "code": "1"}],
        "merged": {"status": True, "content": "Both."},
    }
    question = {"id": "a", "role": "user", "content": "Do ships float?", "childrenIds": ["b"]}
    history = {"currentId": "b", "messages": {"a": question, "b": answer}}
    (thread,) = threads(json.dumps([{"id": "c", "chat": {"history": history}}]).encode())
    assert thread.messages[-1].additional_properties == {
        "model": "m",
        "rating": 1,
        "error": "The connection broke.",
        "sources": [
            {"title": "Ships", "url": "https://e.com/s"},
            {"title": "Sea", "url": "https://e.com/t"},
            {"title": "a.pdf"},
        ],
    }
    assert thread.losses == {"unknown part": 2, "found text": 3}


@pytest.mark.parametrize("name", ARCHIVED)
async def test_an_archive_is_imported_once_and_keeps_its_branches(name: str) -> None:
    storage = MemoryStorage()
    first = await import_threads(storage, sample(name), user_id="ana")
    again = await import_threads(storage, sample(name), user_id="ana")
    assert sum(one.added for one in first) == sum(one.turns for one in first) > 0
    assert [(one.added, one.differing) for one in again] == [(0, 0)] * len(first)
    branches = {one.id: one.parent async for one in storage.threads() if one.parent is not None}
    assert {key: parent.thread_id for key, parent in branches.items()} == {
        one.thread_id: one.parent for one in first if one.parent is not None
    }
    for one in first:
        thread = await stored_thread(storage, one.thread_id, user_id="ana")
        assert len(thread.turns) == one.turns


async def test_a_picture_is_kept_beside_its_turn_and_goes_out_again() -> None:
    storage = MemoryStorage()
    picture = PIXEL + bytes(5000)
    content = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(picture).decode()}"}}]
    items = [{"role": "user", "content": content}, {"role": "assistant", "content": "Grey."}]
    for added in (1, 0):
        (arrival,) = await import_threads(storage, json.dumps(items).encode(), thread_id="riker")
        assert (arrival.added, arrival.differing) == (added, 0)
    found = await storage.read("riker")
    assert [(len(record.body) < 1000, len(record.blobs)) for record in found.records] == [(True, 1)]
    text, losses = written([await stored_thread(storage, "riker")], "openai-chat")
    assert (json.loads(text)["messages"], losses) == (items, {})


async def test_a_conversation_with_branches_gets_another_id_with_its_branches() -> None:
    storage = MemoryStorage()
    await import_threads(storage, sample("librechat"), thread_id="file")
    info = await storage.head("file~m2b")
    assert info is not None
    assert info.parent is not None
    assert info.parent.thread_id == "file"


def test_a_damaged_archive_names_the_place() -> None:
    circle = json.loads(sample("chatgpt"))
    circle[0]["mapping"]["root"]["parent"] = "a2"
    damaged: list[tuple[bytes, type[Exception], str]] = [
        (chatgpt_archive()[:-30], StateError, "zip file cannot be read"),
        (zipped({"conversations.json": _CROOKED}), StateError, "conversation 1"),
        (zipped({"conversations.json": sample("claude")[:-9]}), StateError, "not JSON"),
        (zipped({"other.json": b"[]"}), InvalidInput, "not known"),
        (json.dumps(circle).encode(), StateError, "circle"),
    ]  # fmt: skip
    for data, error, told in damaged:
        with pytest.raises(error, match=told):
            threads(data)
