"""A model on this machine for other libraries' examples: recuerda's offline stand-in behind OpenAI's interfaces."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from recuerda import ChatMessage
from recuerda.offline import OfflineChatClient
from recuerda.testing.openai_server import RecordedRequest, Reply, ScriptedOpenAIServer

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


@contextmanager
def offline_model(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Generator[None]:
    """Start the model, and let other libraries find it."""
    with ScriptedOpenAIServer(default=answer) as server:
        for name, value in {
            "OPENAI_API_KEY": "any",
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            "MEM0_DIR": str(folder / "mem0"),
            "MEM0_TELEMETRY": "False",
            "LANGSMITH_TRACING": "false",
        }.items():
            monkeypatch.setenv(name, value)
        # The Agents SDK keeps its client, whose connections belong to the event loop of an earlier page.
        if (provider := sys.modules.get("agents.models.openai_provider")) is not None:
            monkeypatch.setattr(provider, "_http_client", None)
        yield
