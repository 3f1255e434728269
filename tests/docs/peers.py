"""The other libraries' examples in `docs/coming-from/` run against these libraries themselves.

`make peers` runs this file in environments of its own, which have the libraries from PyPI at locked versions; its name
keeps it out of `make test`. A Python block with a title, such as ```python title="LangGraph", is another library's; the
blocks of a page run in order, in one namespace and an empty folder. A `text` block right behind one is what it prints.
The libraries reach a model on this machine: recuerda's offline stand-in behind OpenAI's interfaces.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from recuerda import ChatMessage
from recuerda.offline import OfflineChatClient
from recuerda.testing.openai_server import RecordedRequest, Reply, ScriptedOpenAIServer
from tests.docs.pages import ROOT, Block, blocks, page_id, run_python

PAGES = sorted((ROOT / "docs" / "coming-from").glob("*.md"))
IS_BETA = "b" in version("agent-framework-core")
"""A beta of Agent Framework cannot be installed beside today's: it has an environment with nothing else."""

SAID = re.compile(r"^user: (.+)$", re.MULTILINE)

_model = OfflineChatClient().create_agent()


def answer(request: RecordedRequest) -> Reply:
    """Answer as a model that believes what users say; where JSON is asked for, note what they said as memories."""
    messages = [
        ChatMessage(str(given.get("role", "tool")), text_of(given.get("content"))) for given in request.messages
    ]
    if "response_format" in request.body:
        said = SAID.findall(messages[-1].text)
        notes = [{"id": f"{i}", "text": text, "attributed_to": "user"} for i, text in enumerate(said)]
        return Reply(json.dumps({"memory": notes}))
    return Reply(_model.run_sync(messages).text)


def text_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or ())


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with ScriptedOpenAIServer(default=answer) as server:
        for name, value in {
            "OPENAI_API_KEY": "any",
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            "MEM0_DIR": str(tmp_path / "mem0"),
            "MEM0_TELEMETRY": "False",
            "LANGSMITH_TRACING": "false",
        }.items():
            monkeypatch.setenv(name, value)
        yield


def is_theirs(block: Block) -> bool:
    return block.kind == "theirs" and block.title.endswith("(beta)") == IS_BETA


@pytest.mark.parametrize("page", [page for page in PAGES if any(map(is_theirs, blocks(page)))], ids=page_id)
def test_their_side_of_a_page_runs_and_prints_what_it_says(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = None
    with asyncio.Runner() as runner:
        for block in blocks(page):
            if is_theirs(block):
                printed = run_python(block, page, namespace, runner)
            elif block.kind == "text" and block.follows and printed is not None:
                assert printed.strip() == block.code.strip(), f"{page.name}:{block.line}"
                printed = None
            else:
                printed = None
