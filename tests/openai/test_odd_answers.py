"""Answers that do not say what they should: the agent's own client reads them rightly, or reports a failure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from recuerda.errors import ChatClientError
from recuerda.openai import OpenAIChatClient
from tests.openai.canned import CannedServer, chunk, completion

CALL = {"index": 0, "id": "c", "type": "function", "function": {"arguments": "{}"}}


@pytest.fixture
async def canned() -> AsyncIterator[CannedServer]:
    async with CannedServer().running() as canned:
        yield canned


async def test_an_answer_that_failed_is_an_error_and_a_list_of_parts_is_a_text(canned: CannedServer) -> None:
    parts: Any = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Yes."}]
    async with OpenAIChatClient(base_url=canned.base_url, api_key="none", model_id="m", max_retries=0) as client:
        agent = client.create_agent()
        for reason, delta in (
            ("error", {"content": "Ye"}),
            ("tool_calls", {"content": "Ye"}),
            ("stop", {"tool_calls": [CALL]}),
        ):
            canned.whole(completion(delta, finish_reason=reason))
            with pytest.raises(ChatClientError, match="cut off"):
                await agent.run("x")
            canned.content_type = "text/event-stream"
            canned.chunks(chunk(delta), chunk({}, finish_reason=reason))
            with pytest.raises(ChatClientError, match="cut off"):
                [update async for update in agent.run_stream("x")]
        canned.whole(completion({"role": "assistant", "content": parts}))
        assert (await agent.run("x")).text == "Yes."
        canned.content_type = "text/event-stream"
        canned.chunks(chunk({"content": parts}), chunk({}, finish_reason="stop"))
        assert "".join([update.text async for update in agent.run_stream("x")]) == "Yes."
