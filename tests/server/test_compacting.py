"""Compaction: notes that take the place of a conversation, and notes that the service cannot read."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, InternalServerError

from recuerda.testing import ScriptedOpenAIServer
from tests.server.test_responses import sent


async def test_notes_take_the_place_of_a_conversation(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.script.extend(["Hello, Ann.", "Ann said her name.", "Ann."])
    first = await client.responses.create(input="I am Ann.")
    compacted = await client.responses.compact(model="m", previous_response_id=first.id)
    assert compacted.usage.total_tokens == 30
    written = str(model.requests[-1].messages)
    assert "I am Ann." in written
    assert "Hello, Ann." in written
    output = [item.model_dump(mode="json", exclude_unset=True, warnings=False) for item in compacted.output]
    assert [item["type"] for item in output] == ["message", "compaction"]
    history: list[Any] = [*output, {"role": "user", "content": "Who am I?"}]
    last = await client.responses.create(input=history)
    assert last.output_text == "Ann."
    texts = [text for _, text in sent(model)]
    assert (texts[0], texts[-1]) == ("I am Ann.", "Who am I?")
    assert "Ann said her name." in texts[1]
    kept = (await client.responses.input_items.list(last.id, order="asc")).data
    assert kept[1].to_dict() == output[1]


async def test_notes_that_are_empty_or_sealed_elsewhere_are_refused(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = " "
    with pytest.raises(InternalServerError, match="no notes"):
        await client.responses.compact(model="m", input="x")
    asked = len(model.requests)
    for sealed in ("gAAAA", "recuerda.%", "recuerda._w==", 7):
        items: Any = [{"type": "compaction", "encrypted_content": sealed}]
        with pytest.raises(BadRequestError, match="compaction") as refusal:
            await client.responses.create(input=items)
        assert refusal.value.param == "input[0].type"
    assert len(model.requests) == asked
