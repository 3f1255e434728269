"""Citations of web pages come from the model's server to the client, and stay in the conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.openai.canned import CannedServer, chunk, completion
from tests.server.serving import streamed

PAGE = {"url": "https://example.org/a", "title": "A page", "start_index": 0, "end_index": 4}
CITED = {"type": "url_citation", **PAGE}
BARE: dict[str, Any] = {**CITED, "url": "https://example.org/b", "title": "https://example.org/b", "end_index": 0}
GIVEN: list[Any] = [
    {"type": "url_citation", "url_citation": {**PAGE, "content": "An excerpt."}},
    {"type": "url_citation", "url": "https://example.org/b"},
    {"type": "file_citation", "file_id": "f"},
    {"type": "url_citation"},
    "nonsense",
]
CHUNKS = [
    chunk({"annotations": GIVEN[:1]}),
    chunk({"content": "Rome"}),
    chunk({"content": " it is.", "annotations": GIVEN}),
    chunk({}, finish_reason="stop"),
]
ADDED = "response.output_text.annotation.added"


@pytest.fixture
def upstream(canned: CannedServer) -> str:
    return canned.base_url


async def test_citations_are_streamed_kept_and_given_back(canned: CannedServer, client: AsyncOpenAI) -> None:
    canned.chunks(*CHUNKS)
    conversation = await client.conversations.create()
    events, response = await streamed(client, input="Which city?", conversation=conversation.id)
    types = [event.type.removeprefix("response.") for event in events]
    added = "output_text.annotation.added"
    assert types[4:10] == [
        "output_text.delta",
        added,
        "output_text.delta",
        added,
        "output_text.done",
        "content_part.done",
    ]
    assert [(event.annotation_index, event.annotation.to_dict()) for event in events if event.type == ADDED] == [
        (0, CITED),
        (1, BARE),
    ]
    (part,) = response.output[0].content
    assert [one.to_dict() for one in part.annotations] == [CITED, BARE]
    assert events[3].part.annotations == []
    assert (await client.responses.retrieve(response.id)).to_dict() == response.to_dict()
    items: list[Any] = [item async for item in await client.conversations.items.list(conversation.id, order="asc")]
    assert items[1].to_dict() == response.output[0].to_dict()
    again: Any = await client.responses.retrieve(response.id, stream=True, starting_after=4)
    assert [event.to_dict() async for event in again] == [event.to_dict() for event in events[5:]]
    # A client that sends the item again may leave out what it does not show.
    canned.whole(completion({"content": "Yes."}))
    sent: Any = items[1].to_dict()
    sent["content"][0]["annotations"] = []
    last = await client.responses.create(input=[sent, {"role": "user", "content": "x"}], conversation=conversation.id)
    assert len((await client.responses.input_items.list(last.id)).data) == 1
    assert json.loads(canned.asked)["messages"][1] == {"role": "assistant", "content": "Rome it is."}


async def test_citations_of_a_whole_answer_are_replayed_as_a_stream(canned: CannedServer, client: AsyncOpenAI) -> None:
    canned.whole(completion({"content": "Rome it is.", "annotations": GIVEN}))
    response: Any = await client.responses.create(input="Which city?")
    assert [one.to_dict() for one in response.output[0].content[0].annotations] == [CITED, BARE]
    again: Any = await client.responses.retrieve(response.id, stream=True)
    events = [event async for event in again]
    assert [event.annotation.to_dict() for event in events if event.type == ADDED] == [CITED, BARE]
    assert events[3].part.annotations == []
    assert events[-1].response.to_dict() == response.to_dict()


async def test_citations_of_a_response_in_the_background_are_kept(canned: CannedServer, client: AsyncOpenAI) -> None:
    canned.chunks(*CHUNKS)
    events, response = await streamed(client, input="Which city?", background=True)
    assert [event.annotation.to_dict() for event in events if event.type == ADDED] == [CITED, BARE]
    kept: Any = await client.responses.retrieve(response.id)
    assert [one.to_dict() for one in kept.output[0].content[0].annotations] == [CITED, BARE]
