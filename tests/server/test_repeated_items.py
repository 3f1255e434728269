"""Items that a request names by a reference, and items that it sends although the conversation has them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError

from recuerda import ContextWindow, Storage
from recuerda._drivers.bearer_keys import digest_of
from recuerda.server import ServerSettings, TenantKeys
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Reply, ToolCall
from tests.server.serving import MODEL, running, sdk
from tests.server.test_responses import ADD, sent

KEYS = {"ann": "key-of-ann-0123456789", "bob": "key-of-bob-0123456789"}
CALL = Reply(tool_calls=[ToolCall("add", {"a": 1}, id="call_a")])


def reference(item: Any) -> dict[str, str]:
    return {"type": "item_reference", "id": item.id}


def output(text: Any, id: str = "call_a") -> Any:
    return {"type": "function_call_output", "call_id": id, "output": text}


async def items_of(client: AsyncOpenAI, conversation: str) -> list[Any]:
    return [item.to_dict() async for item in await client.conversations.items.list(conversation, order="asc")]


async def test_a_reference_stands_for_its_item_wherever_it_is_kept(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.script.extend(["Hello, Ann.", CALL, "Three.", "Ann.", "Of Ann."])
    first = await client.responses.create(input="I am Ann.")
    question = (await client.responses.input_items.list(first.id)).data[0]
    asked = await client.responses.create(input="1 + 2?", tools=[ADD])
    history: Any = [reference(question), reference(first.output[0]), {"role": "user", "content": "1 + 2?"}]
    history += [reference(asked.output[0]), output("3")]
    last = await client.responses.create(input=history, tools=[ADD])
    assert [role for role, _ in sent(model)] == ["user", "assistant", "user", "assistant", "tool"]
    assert sent(model)[:2] == [("user", "I am Ann."), ("assistant", "Hello, Ann.")]
    kept = (await client.responses.input_items.list(last.id, order="asc")).data
    assert [item.type for item in kept] == ["message", "message", "message", "function_call", "function_call_output"]
    again: Any = [*map(reference, kept), {"id": last.output[0].id}, {"role": "user", "content": "Who am I?"}]
    assert (await client.responses.create(input=again, tools=[ADD])).output_text == "Ann."
    assert len(sent(model)) == 7
    conversation = await client.conversations.create(items=cast("Any", [reference(first.output[0])]))
    assert [item["content"][0]["text"] for item in await items_of(client, conversation.id)] == ["Hello, Ann."]


async def test_a_reference_leads_nowhere_if_its_item_is_not_kept_or_belongs_to_another_tenant(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    keys = TenantKeys({digest_of(key): tenant for tenant, key in KEYS.items()})
    async with (
        running(storage, model.base_url, keys=keys) as url,
        sdk(url, KEYS["ann"]) as ann,
        sdk(url, KEYS["bob"]) as bob,
    ):
        of_ann = await ann.responses.create(input="secret")
        forgotten = await bob.responses.create(input="x", store=False)
        deleted = await bob.responses.create(input="x")
        await bob.responses.delete(deleted.id)
        ids = [of_ann.output[0].id, forgotten.output[0].id, deleted.output[0].id, "msg_of_mine"]
        for id in ids:
            with pytest.raises(NotFoundError, match="not found") as refusal:
                await bob.responses.create(input=cast("Any", [{"type": "item_reference", "id": id}]))
            assert refusal.value.param == "input[0].id"
    assert len(model.requests) == 3


@pytest.mark.parametrize("is_by_reference", [True, False], ids=["references", "items"])
@pytest.mark.parametrize("is_chain", [True, False], ids=["chain", "conversation"])
async def test_items_that_the_conversation_has_are_not_kept_twice(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, *, is_by_reference: bool, is_chain: bool
) -> None:
    model.script.extend(["Hello.", CALL, "Three.", "Bye."])
    conversation = (await client.conversations.create()).id
    place: dict[str, Any] = {} if is_chain else {"conversation": conversation}
    create: Any = client.responses.create
    first = await create(input="Hi.", **place)
    second = await create(input="1 + 2?", tools=[ADD], **_after(first, place))
    known: list[Any] = []
    for response in (first, second):
        known += (await client.responses.input_items.list(response.id, order="asc")).data
        known += response.output
    repeated: list[Any] = [reference(item) if is_by_reference else item.to_dict() for item in known]
    third = await create(input=cast("Any", [*repeated, output("3")]), tools=[ADD], **_after(second, place))
    assert [role for role, _ in sent(model)] == ["user", "assistant", "user", "assistant", "tool"]
    assert [item.type for item in (await client.responses.input_items.list(third.id)).data] == ["function_call_output"]
    fourth = await create(
        input=cast("Any", [output([{"type": "input_text", "text": "3"}]), {"role": "user", "content": "Bye."}]),
        **_after(third, place),
    )
    assert fourth.output_text == "Bye."
    assert [role for role, _ in sent(model)][-3:] == ["tool", "assistant", "user"]
    if not is_chain:
        ids = [item["id"] for item in await items_of(client, conversation)]
        assert len(ids) == len(set(ids)) == 8


def _after(response: Any, place: dict[str, Any]) -> dict[str, Any]:
    return place or {"previous_response_id": response.id}


async def test_known_items_are_found_behind_the_window(storage: Storage, model: ScriptedOpenAIServer) -> None:
    model.script.extend([CALL, "Three.", *"abcdef", "Bye."])
    settings = ServerSettings(model=MODEL, window=ContextWindow(max_messages=2))
    async with running(storage, model.base_url, settings=settings) as url, sdk(url) as client:
        conversation = (await client.conversations.create()).id
        await client.responses.create(input="1 + 2?", tools=[ADD], conversation=conversation)
        await client.responses.create(input=[output("3")], conversation=conversation)
        for text in "abcdef":
            await client.responses.create(input=text, conversation=conversation)
        known = cast("Any", [*(await items_of(client, conversation))[:1], output("3")])
        await client.responses.create(input=[*known, {"role": "user", "content": "Bye."}], conversation=conversation)
        assert len(await items_of(client, conversation)) == 4 + 12 + 2


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([output("4")], "duplicate_output"),
        ([{"type": "function_call", "call_id": "call_a", "name": "add", "arguments": '{"a":1}'}, output("4")], None),
        ([{"type": "function_call", "call_id": "k", "name": n, "arguments": "{}"} for n in "fg"], "duplicate_call_id"),
        ([{"type": "function_call", "call_id": "k", "name": "f", "arguments": "{}"}] * 2, "duplicate_call_id"),
        ([output("4", "call_x")], None),
    ],
    ids=["output", "call and output", "two calls", "one call twice", "no call"],
)
async def test_another_output_or_another_call_under_one_call_id_is_refused(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, items: Any, code: str | None
) -> None:
    model.script.extend([CALL, "Three."])
    asked = await client.responses.create(input="1 + 2?", tools=[ADD])
    answered = await client.responses.create(input=[output("3")], previous_response_id=asked.id)
    with pytest.raises(BadRequestError, match="call") as refusal:
        await client.responses.create(input=items, previous_response_id=answered.id)
    assert refusal.value.param == "input"
    assert refusal.value.code == code or code is None
    assert len(model.requests) == 2


async def test_a_known_item_with_another_content_is_refused(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.default = "Yes."
    conversation = (await client.conversations.create()).id
    response = await client.responses.create(input="x", conversation=conversation)
    changed: Any = {**response.output[0].to_dict(), "content": [{"type": "output_text", "text": "No."}]}
    with pytest.raises(BadRequestError, match=response.output[0].id):
        await client.responses.create(input=[changed], conversation=conversation)
    with pytest.raises(BadRequestError, match="already"):
        await client.conversations.items.create(conversation, items=[cast("Any", response.output[0].to_dict())])
    assert len(await items_of(client, conversation)) == 2


async def test_calls_of_other_tools_reach_the_model_as_calls_of_functions_and_come_back_unchanged(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "Done."
    calls: list[tuple[dict[str, Any], dict[str, Any], tuple[str, str, str]]] = [
        (
            {"type": "custom_tool_call", "call_id": "1", "name": "run", "input": "x = 1"},
            {"type": "custom_tool_call_output", "call_id": "1", "output": "ok"},
            ("run", '{"input":"x = 1"}', "ok"),
        ),
        (
            {"type": "local_shell_call", "call_id": "2", "action": {"type": "exec", "command": ["ls"]}},
            {"type": "local_shell_call_output", "id": "2", "output": "a.txt"},
            ("local_shell", '{"type":"exec","command":["ls"]}', "a.txt"),
        ),
        (
            {"type": "apply_patch_call", "call_id": "3", "operation": {"type": "delete_file", "path": "a"}},
            {"type": "apply_patch_call_output", "call_id": "3", "status": "completed"},
            ("apply_patch", '{"type":"delete_file","path":"a"}', "completed"),
        ),
    ]
    items: list[Any] = [{"role": "user", "content": "Go."}]
    for call, result, _ in calls:
        items += [call, result]
    response = await client.responses.create(input=items)
    messages: Any = model.requests[-1].messages
    asked = [call["function"] for message in messages for call in message.get("tool_calls", [])]
    said = [message["content"] for message in messages if message["role"] == "tool"]
    assert [(call["name"], call["arguments"]) for call in asked] == [seen[:2] for _, _, seen in calls]
    assert said == [seen[2] for _, _, seen in calls]
    url = f"/responses/{response.id}/input_items?order=asc"
    kept: Any = await client.get(url, cast_to=cast("Any", object))
    for given, shown in zip(items[1:], kept["data"][1:], strict=True):
        assert given.items() <= shown.items()


async def test_items_that_only_a_conversation_can_keep_are_refused_in_an_input_unless_they_are_known(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    odd: Any = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    conversation = (await client.conversations.create(items=[odd])).id
    await client.responses.create(input=[odd, {"role": "user", "content": "x"}], conversation=conversation)
    assert [item["type"] for item in await items_of(client, conversation)] == ["web_search_call", "message", "message"]
    for kind in ("web_search_call", "mcp_call", "computer_call_output", "compaction", "nonsense"):
        with pytest.raises(BadRequestError, match=kind) as refusal:
            await client.responses.create(input=[cast("Any", {"type": kind})], conversation=conversation)
        assert refusal.value.param == "input[0].type"


async def test_messages_that_are_sent_again_before_the_output_of_a_call_are_not_kept_twice(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.script.extend(["Hello.", CALL, "Three.", CALL, "Again three."])
    hello = await client.responses.create(input="Hello.")
    asked = await client.responses.create(input="1 + 2?", tools=[ADD], previous_response_id=hello.id)
    # Semantic Kernel sends the messages of a run again, in front of the output.
    again: Any = [{"role": "user", "content": "1 + 2?"}, output("3")]
    answered = await client.responses.create(input=again, tools=[ADD], previous_response_id=asked.id)
    assert [role for role, _ in sent(model)] == ["user", "assistant", "user", "assistant", "tool"]
    assert [item.type for item in (await client.responses.input_items.list(answered.id)).data] == [
        "function_call_output"
    ]
    # Another message in this place is a new one, and so is the same message without an output behind it.
    asked = await client.responses.create(input="1 + 2?", tools=[ADD], previous_response_id=answered.id)
    new: Any = [{"role": "user", "content": "Quickly!"}, output("3", cast("Any", asked.output[0]).call_id)]
    last = await client.responses.create(input=new, tools=[ADD], previous_response_id=asked.id)
    assert len((await client.responses.input_items.list(last.id)).data) == 2
    assert ("user", "Quickly!") in sent(model)
