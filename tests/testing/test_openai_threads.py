"""What the scripted server keeps, through the official SDK: conversations, their items, and responses."""

from __future__ import annotations

from typing import Any, cast

import openai
import pytest
from openai import AsyncOpenAI

from recuerda.testing.openai_server import Dropped, Failure, Reply, ScriptedOpenAIServer, ToolCall

ADD: dict[str, object] = {
    "type": "function",
    "name": "add",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
WAYS = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])


async def respond(client: AsyncOpenAI, given: object, *, is_streamed: bool = False, **settings: Any) -> Any:
    # The official types would refuse what some tests send on purpose.
    create = cast("Any", client.responses.create)
    answer = await create(model="gpt-scripted", input=given, stream=is_streamed, **settings)
    return [event async for event in answer][-1].response if is_streamed else answer


async def refusal_of(client: AsyncOpenAI, given: object, **settings: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        await respond(client, given, **settings)
    return caught.value


async def kinds(client: AsyncOpenAI, conversation: str, **settings: Any) -> list[str]:
    return [item.type async for item in client.conversations.items.list(conversation, order="asc", **settings)]


@WAYS
async def test_a_complete_response_adds_its_input_and_its_output_to_the_conversation(
    server: ScriptedOpenAIServer, client: AsyncOpenAI, is_streamed: bool
) -> None:
    server.script.append(Reply("Three", reasoning="one, two"))
    conversation = (await client.conversations.create(metadata={"owner": "ana"})).id

    response = await respond(client, "Count", conversation=conversation, is_streamed=is_streamed)

    assert response.output_text == "Three"
    assert await kinds(client, conversation) == ["message", "reasoning", "message"]
    assert (await client.conversations.retrieve(conversation)).metadata == {"owner": "ana"}
    assert (await client.responses.retrieve(response.id)).conversation.id == conversation  # pyright: ignore[reportOptionalMemberAccess]  # it has one


@WAYS
@pytest.mark.parametrize("answer", [Failure(500), Dropped(), Dropped(after_chunks=4)], ids=["500", "at once", "later"])
async def test_a_response_that_is_not_complete_adds_nothing(
    server: ScriptedOpenAIServer, client: AsyncOpenAI, is_streamed: bool, answer: Failure | Dropped
) -> None:
    server.script.append(answer)
    conversation = (await client.conversations.create()).id

    with pytest.raises(openai.APIError):
        await respond(client, "Count", conversation=conversation, is_streamed=is_streamed)

    assert await kinds(client, conversation) == []
    assert server.threads.responses == {}


@WAYS
async def test_an_answer_that_is_lost_on_the_way_can_be_kept_nevertheless(
    server: ScriptedOpenAIServer, client: AsyncOpenAI, is_streamed: bool
) -> None:
    server.script.append(Dropped(after_chunks=3, reply=Reply("One"), is_kept=True))
    conversation = (await client.conversations.create()).id

    with pytest.raises(openai.APIError):
        await respond(client, "Count", conversation=conversation, is_streamed=is_streamed)

    assert await kinds(client, conversation) == ["message", "message"]


async def test_a_failed_response_says_so_and_is_not_kept(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append(Reply(finish_reason="failed"))
    conversation = (await client.conversations.create()).id

    response = await respond(client, "Count", conversation=conversation, is_streamed=True)

    assert (response.status, response.error.code) == ("failed", "server_error")
    assert await kinds(client, conversation) == []


async def test_a_call_without_its_output_makes_a_conversation_unusable(
    server: ScriptedOpenAIServer, client: AsyncOpenAI
) -> None:
    server.script.extend([Reply(tool_calls=[ToolCall("add", id="call_1")]), "Three"])
    conversation = (await client.conversations.create()).id
    await respond(client, "Add", conversation=conversation, tools=[ADD])

    error = await refusal_of(client, "And?", conversation=conversation)
    assert error.status_code == 400
    assert "No tool output found for function call call_1." in error.message

    output = {"type": "function_call_output", "call_id": "call_1", "output": "3"}
    assert (await respond(client, [output], conversation=conversation)).output_text == "Three"


async def test_a_chain_goes_on_from_a_response_and_a_response_that_was_not_stored_is_unknown(
    server: ScriptedOpenAIServer, client: AsyncOpenAI
) -> None:
    server.script.extend(["One", "Two", "Three", "Four"])
    first = await respond(client, "1")
    second = await respond(client, "2", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert [item.id async for item in client.responses.input_items.list(second.id)] == ["msg_000002i000"]

    unstored = await respond(client, "3", previous_response_id=second.id, store=False)
    error = await refusal_of(client, "4", previous_response_id=unstored.id)
    assert (error.status_code, error.code) == (400, "previous_response_not_found")

    await client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(second.id)
    assert (await respond(client, "4", previous_response_id=first.id)).output_text == "Four"


async def test_items_are_listed_in_pages_in_both_orders(client: AsyncOpenAI) -> None:
    items = [{"role": "user", "content": str(number)} for number in range(20)]
    conversation = (await client.conversations.create(items=cast("Any", items))).id
    await client.conversations.items.create(conversation, items=cast("Any", items[:5]))

    def texts(found: list[Any]) -> list[str]:
        return [item.content[0].text for item in found]

    expected = [str(number) for number in (*range(20), *range(5))]
    oldest = [item async for item in client.conversations.items.list(conversation, order="asc", limit=7)]
    newest = [item async for item in client.conversations.items.list(conversation, limit=7)]
    assert texts(oldest) == expected
    assert texts(newest) == expected[::-1]


async def test_items_are_added_at_most_twenty_at_a_time(client: AsyncOpenAI) -> None:
    items = cast("Any", [{"role": "user", "content": "x"}] * 21)
    with pytest.raises(openai.BadRequestError, match="array too long"):
        await client.conversations.create(items=items)


async def test_items_and_conversations_can_be_changed_and_deleted(client: AsyncOpenAI) -> None:
    items = cast("Any", [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
    conversation = (await client.conversations.create(items=items)).id
    first, second = [item.id async for item in client.conversations.items.list(conversation, order="asc")]
    assert first is not None
    assert second is not None
    await client.conversations.items.delete(first, conversation_id=conversation)
    assert (await client.conversations.items.retrieve(second, conversation_id=conversation)).id == second
    with pytest.raises(openai.NotFoundError):
        await client.conversations.items.retrieve(first, conversation_id=conversation)
    assert (await client.conversations.update(conversation, metadata={"a": "b"})).metadata == {"a": "b"}
    assert (await client.conversations.delete(conversation)).deleted
    with pytest.raises(openai.NotFoundError, match=f"Conversation with id '{conversation}' not found"):
        await client.conversations.items.create(conversation, items=items)
    assert (await refusal_of(client, "x", conversation=conversation)).status_code == 404


async def test_an_outage_answers_what_is_about_kept_threads(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.outages.append(Failure(503))
    with pytest.raises(openai.InternalServerError):
        await client.conversations.create()
    await client.conversations.create()


REASONING: dict[str, object] = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "encrypted:rs_1"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "add", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "3"}
SAID = {"role": "assistant", "content": "Three"}

BROKEN: dict[str, tuple[list[object], str]] = {
    "an unknown type": ([{"type": "thought"}], "Invalid value: 'thought'"),
    "an unknown role": ([{"role": "robot", "content": "x"}], "'robot'"),
    "an unknown field": ([{"role": "user", "content": "x", "name": "ana"}], "name"),
    "input as output": ([{"role": "user", "content": [{"type": "output_text", "text": "x"}]}], "'output_text'"),
    "output as input": ([{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}], "'input_text'"),
    "a foreign id": ([{**SAID, "id": "chatcmpl-1"}], "begins with 'msg'"),
    "an output without its call": ([OUTPUT], "No tool call found for function call output with call_id c1"),
    "a call without its output": ([CALL], "No tool output found for function call c1"),
    "an id twice": ([{**SAID, "id": "msg_1"}, {**SAID, "id": "msg_1"}], "Duplicate item found with id msg_1"),
    "dangling reasoning": ([REASONING, {"role": "user", "content": "x"}], "without its required following item"),
    "another's reasoning": ([{**REASONING, "encrypted_content": "x"}, SAID], "could not be verified"),
    "forgotten reasoning": (
        [{"type": "reasoning", "id": "rs_1", "summary": []}, SAID],
        "not found. Items are not pers",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_input_that_the_service_would_refuse_is_refused(client: AsyncOpenAI, name: str) -> None:
    items, words = BROKEN[name]
    assert words in (await refusal_of(client, items)).message


async def test_a_function_is_strict_unless_it_says_otherwise(client: AsyncOpenAI) -> None:
    strict = {name: value for name, value in ADD.items() if name != "strict"}
    assert (await refusal_of(client, "x", tools=[strict])).code == "invalid_function_parameters"


async def test_a_response_builds_on_a_conversation_or_on_a_response(client: AsyncOpenAI) -> None:
    error = await refusal_of(client, "x", conversation="conv_1", previous_response_id="resp_1")
    assert error.code == "mutually_exclusive_parameters"
