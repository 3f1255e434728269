"""Operations on threads that an OpenAI-compatible service keeps: read, create, delete and repair.

There are two kinds. A conversation (`conv_…`) is one object that grows. An item stays in it until it is deleted, even
if the item's turn failed. A chain of responses (`resp_…`) is named by its newest response and never changes: after a
failed turn, nothing continues from that turn's responses.

Items are deleted from the newest to the oldest, so that a conversation stays usable if the deletion is interrupted.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Literal, TypeVar, cast

from openai import APIStatusError, AsyncOpenAI

from recuerda.agent.chat import ChatRequest, ChatResponse
from recuerda.agent.output import is_correction
from recuerda.messages.message import ChatMessage
from recuerda.openai.responses_call import is_conversation
from recuerda.openai.responses_input import input_items
from recuerda.openai.responses_output import Item, ids_of
from recuerda.openai.responses_reading import as_item, read_items, speaker_of
from recuerda.threads.service_context import is_marked, quoted, without_context

T = TypeVar("T")

LOCK_WAITS_S = (0.2, 0.4, 0.8, 1.6, 3.2)
"""The seconds to wait before each further attempt while the service is busy with a conversation."""

_PAGE = 100
_MAX_NEW_ITEMS = 20
_LOOK_BACK = 20


async def when_unlocked(call: Callable[[], Awaitable[T]]) -> T:
    """Return the result of a call of the SDK, which is repeated while the service has the conversation locked.

    A service locks a conversation during an answer. After a connection breaks, the lock stays until the service
    notices.
    """
    for wait_s in LOCK_WAITS_S:
        try:
            return await call()
        except APIStatusError as error:
            if error.code != "conversation_locked":
                raise
        await asyncio.sleep(wait_s)
    return await call()


async def read_thread(sdk: AsyncOpenAI, service_thread_id: str) -> list[ChatMessage]:
    """Return all messages of a conversation, or of a chain up to the response with this id, without context."""
    if is_conversation(service_thread_id):
        return without_context(read_items([item async for item in _list(sdk, service_thread_id)]))
    items: dict[str, Item] = {}
    for response in await _chain(sdk, service_thread_id):
        pages = sdk.responses.input_items.list(response["id"], limit=_PAGE, order="asc")
        given = [as_item(item) async for item in pages]
        # Some services also list all earlier items of the chain as a response's input.
        items.update({str(item["id"]): item for item in (*given, *response["output"]) if str(item["id"]) not in items})
    return without_context(read_items(list(items.values())))


async def newest_message_id(sdk: AsyncOpenAI, service_thread_id: str) -> str | None:
    """Return the id of the last message that `read_thread` would return."""
    newest: list[Item] = []
    if not is_conversation(service_thread_id):
        newest = as_item(await sdk.responses.retrieve(service_thread_id))["output"]
    else:
        async with aclosing(_list(sdk, service_thread_id, order="desc", limit=_LOOK_BACK)) as items:
            async for item in items:
                if newest and speaker_of(item) != speaker_of(newest[0]):
                    break
                newest.insert(0, item)
    messages = read_items(newest)
    return messages[-1].message_id if messages else None


async def create_thread(sdk: AsyncOpenAI, messages: Sequence[ChatMessage]) -> str:
    """Create a conversation from messages, in as few requests as the service allows, and return its id."""
    # Only the service that encrypted the reasoning can read it, and only with the answers that it has stored.
    items = cast("list[Any]", input_items(list(map(quoted, messages)), with_reasoning=False))
    conversation = await sdk.conversations.create(items=items[:_MAX_NEW_ITEMS])
    try:
        for start in range(_MAX_NEW_ITEMS, len(items), _MAX_NEW_ITEMS):
            await sdk.conversations.items.create(conversation.id, items=items[start : start + _MAX_NEW_ITEMS])
    except BaseException:
        await sdk.conversations.delete(conversation.id)
        raise
    return conversation.id


async def delete_thread(sdk: AsyncOpenAI, service_thread_id: str) -> bool:
    """Delete a conversation with its items, or all responses of a chain. Return False if the thread does not exist."""
    try:
        if is_conversation(service_thread_id):
            # The service keeps the items of a deleted conversation, so they are deleted first.
            await _delete_items(sdk, service_thread_id, [item async for item in _list(sdk, service_thread_id)][::-1])
            await when_unlocked(lambda: sdk.conversations.delete(service_thread_id))
            return True
        return await _delete_chain(sdk, service_thread_id)
    except APIStatusError as error:
        if error.status_code != 404:
            raise
        return False


async def _delete_chain(sdk: AsyncOpenAI, response_id: str) -> bool:
    has_deleted = False
    previous: str | None = response_id
    while previous is not None:
        try:
            response = await sdk.responses.retrieve(previous)
            await sdk.responses.delete(previous)
        except APIStatusError as error:
            if error.status_code != 404:
                raise
            break
        has_deleted, previous = True, response.previous_response_id
    return has_deleted


async def take_back(sdk: AsyncOpenAI, request: ChatRequest, responses: Sequence[ChatResponse]) -> None:
    """Remove from a thread the items that a turn's request and responses added; see `ChatClient.retract`."""
    thread_id = responses[-1].service_thread_id if responses else None
    if thread_id is None:
        return
    if not is_conversation(thread_id):
        for response in reversed(responses):
            if response.response_id is not None:
                await sdk.responses.delete(response.response_id)
    elif request.service_thread_id is None:
        await when_unlocked(lambda: sdk.conversations.delete(thread_id))
    else:
        beyond = _LOOK_BACK + len(input_items(request.messages, is_continued=True))
        items = await _newest_items(sdk, thread_id, until=set(ids_of(responses[0])), beyond=beyond)
        await _delete_items(sdk, thread_id, _of_turn(items, request, responses))


async def forget_context(
    sdk: AsyncOpenAI, conversation_id: str, request: ChatRequest, responses: Sequence[ChatResponse]
) -> None:
    """Delete the context messages of a turn from a conversation; see `ChatClient.forget_context`."""
    known = set(ids_of(responses[0]))
    count = len(input_items(request.messages, is_continued=True))  # a message with several results is several items
    items = await _newest_items(sdk, conversation_id, until=known, beyond=count)
    before = itertools.dropwhile(lambda item: item["id"] not in known, items)
    given = list(itertools.islice((item for item in before if item["id"] not in known), count))
    await _delete_items(sdk, conversation_id, [item for item in given if any(map(is_marked, read_items([item])))])


async def mend(sdk: AsyncOpenAI, conversation_id: str) -> bool:
    """Delete a conversation's last turn if it has a call without a result. Return whether it was deleted.

    The last turn is the newest unbroken sequence of the model's items and results, with the input right before them.
    """
    tail: list[Item] = []
    async with aclosing(_list(sdk, conversation_id, order="desc")) as newest:
        async for item in newest:
            speaker = speaker_of(item)
            if speaker == "other" and not tail:
                return False  # An input without an answer is not from this turn, so it is left alone.
            if speaker != "other" and tail and speaker_of(tail[-1]) == "other":
                break
            tail.append(item)
    answered = {item.get("call_id") for item in tail if speaker_of(item) == "tool"}
    if all(item.get("call_id") in answered for item in tail if item["type"] == "function_call"):
        return False
    await _delete_items(sdk, conversation_id, tail)
    return True


def _of_turn(newest: Sequence[Item], request: ChatRequest, responses: Sequence[ChatResponse]) -> list[Item]:
    """Return the items that a turn added, out of a conversation's newest items. Both lists have the newest item first.

    The turn's items begin with the input, right before the first answer. A later item belongs to the turn if its id or
    its call is known, or if it asks for an answer in another form. So does an item of the model right after such an
    item: it comes from an answer that was never received.
    """
    known = {item_id for response in responses for item_id in ids_of(response)}
    calls = {call.call_id for response in responses for call in response.message.function_calls}
    items = list(reversed(newest))
    first = next((place for place, item in enumerate(items) if item["id"] in known), len(items))
    of_turn = _input_before(items[:first], request)
    is_ours = False
    for item in items[first:]:
        if item["id"] in known:
            is_ours = True
        elif speaker_of(item) != "model":
            is_ours = item.get("call_id") in calls or any(map(is_correction, read_items([item])))
        if is_ours:
            of_turn.append(item)
    return of_turn[::-1]


def _input_before(items: Sequence[Item], request: ChatRequest) -> list[Item]:
    """Return the last items if they look like the request's input; otherwise an empty list."""
    given = input_items(request.messages, is_continued=True)
    last = list(items[len(items) - len(given) :]) if len(given) <= len(items) else []
    return last if [speaker_of(item) for item in last] == [speaker_of(item) for item in given] else []


async def _chain(sdk: AsyncOpenAI, response_id: str) -> list[Item]:
    """Return all responses of a chain up to the response with this id, the oldest first."""
    chain: list[Item] = []
    previous: str | None = response_id
    while previous is not None:
        response = await sdk.responses.retrieve(previous)
        chain.append(as_item(response))
        previous = response.previous_response_id
    return chain[::-1]


async def _list(
    sdk: AsyncOpenAI, conversation_id: str, *, order: Literal["asc", "desc"] = "asc", limit: int = _PAGE
) -> AsyncGenerator[Item]:
    async for item in sdk.conversations.items.list(conversation_id, limit=limit, order=order):
        yield as_item(item)


async def _newest_items(sdk: AsyncOpenAI, conversation_id: str, *, until: set[str], beyond: int) -> list[Item]:
    """Return the newest items, the newest first, down to the items with the ids `until` and `beyond` more items."""
    items: list[Item] = []
    older: int | None = None
    async with aclosing(_list(sdk, conversation_id, order="desc")) as newest:
        async for item in newest:
            items.append(item)
            if item["id"] in until:
                older = 0
            elif older is not None:
                older += 1
                if older > beyond:
                    break
    return items


async def _delete_items(sdk: AsyncOpenAI, conversation_id: str, items: Sequence[Item]) -> None:
    for item in items:
        delete = partial(sdk.conversations.items.delete, item["id"], conversation_id=conversation_id)
        try:
            await when_unlocked(delete)
        except APIStatusError as error:
            if error.status_code != 404:  # an item that is already gone needs no deletion
                raise
