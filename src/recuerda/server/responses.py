"""The handlers of `/v1/responses`. A response is one turn of a thread: the thread has all of it or nothing.

The thread is the conversation that the request names, or the chain of its `previous_response_id`, or a new chain. A
request that continues from the newest response of a chain adds to that chain. A request that continues from an older
response, or that arrives while another request is adding, gets a copy of the chain up to that response and adds to the
copy.

An answer is committed when it is complete, before the client gets the event that says so. If the client of a stream
goes away earlier, the call of the model is ended and nothing is kept. A request without streaming is processed to its
end even if its client goes away, so that a retry with the same idempotency key gets the answer that was paid for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Any

import msgspec
from starlette.responses import Response

from recuerda.messages.message import Turn, TurnRuns
from recuerda.server.answer import Answer, read_answer
from recuerda.server.background import Background, Live
from recuerda.server.compacting import compaction_body, compaction_item
from recuerda.server.conversations import page_of
from recuerda.server.events import Frames, closing, failing, opening, replay
from recuerda.server.faults import ApiFault, bad_request, dropped, key_in_use, not_found
from recuerda.server.http import ApiCall, Stream, json_response, known_fault
from recuerda.server.inputs import new_items
from recuerda.server.items import text_item
from recuerda.server.limits import InFlight
from recuerda.server.memories import Memories, Recalled
from recuerda.server.metrics import Metrics
from recuerda.server.names import TurnName, parse_response_id
from recuerda.server.once import Once, RequestKey, fingerprint_in, key_of
from recuerda.server.output_items import Cuts, text_of
from recuerda.server.places import Place, find_place, is_kept
from recuerda.server.prompt import chat_body, check_calls, with_known_format
from recuerda.server.requests import CreateResponse, Item, RetrieveQuery, convert, parse_body, parse_query
from recuerda.server.response_object import (
    ResponseObject,
    begun,
    compacted,
    cuts_in,
    finished,
    from_kept,
    shows_summary,
    to_keep,
)
from recuerda.server.running_responses import Begun, Outcome, Running
from recuerda.server.settings import ServerSettings
from recuerda.server.threads import Threads
from recuerda.server.tools import Tools, tools_of
from recuerda.server.turns import (
    EMPTY_TURN,
    answered,
    fingerprint_of,
    inputs_of,
    items_of,
    merged_messages,
    outputs_of,
    pack_turn,
    response_of,
    without_response,
)
from recuerda.server.uploads import Uploads
from recuerda.server.upstream import Upstream, UpstreamAnswer
from recuerda.threads.history import StoredTurn
from recuerda.threads.stopwatch import Stopwatch
from recuerda.window.tokens import TokenCounter


class _Job(msgspec.Struct, frozen=True):
    """A response that is being made."""

    call: ApiCall
    request: CreateResponse
    place: Place
    inputs: list[Item]
    asked: Turn
    body: dict[str, Any]
    response: ResponseObject
    tools: Tools
    key: RequestKey | None
    watch: Stopwatch


class _Prompt(msgspec.Struct, frozen=True):
    """The part of a request that the model reads; the last turn is the input."""

    inputs: list[Item]
    turns: list[Turn]
    tools: Tools


class Responses:
    """The handlers of the responses' routes."""

    def __init__(
        self,
        threads: Threads,
        upstream: Upstream,
        settings: ServerSettings,
        *,
        once: Once,
        uploads: Uploads,
        background: Background,
        in_flight: InFlight,
        metrics: Metrics,
        memories: Memories | None = None,
    ) -> None:
        self._threads = threads
        self._memories = memories
        self._once = once
        self._uploads = uploads
        self._upstream = upstream
        self._settings = settings
        self._in_flight = in_flight
        self._metrics = metrics
        self._counter = TokenCounter()
        self.background = background

    async def create(self, call: ApiCall) -> Response:
        """Answer, whole or as a stream. A retry with the same idempotency key gets the first answer again."""
        request = await call.run(parse_body, call.body, CreateResponse)
        claimed = await call.run(key_of, call)
        if request.background:
            return await self._in_background(call, request, claimed)
        key = claimed if request.is_kept else None  # Two answers that are not kept must not have the same ids.
        async with AsyncExitStack() as held:
            await held.enter_async_context(self._once.alone(call.tenancy, key))
            place = await find_place(self._threads, call.tenancy, request, key=key, held=held)
            if key is not None and place.committed is not None:
                return _replayed(place.committed, place.name, key, is_streamed=bool(request.stream))
            job = await self._job(call, request, place, key)
            held.enter_context(self._in_flight.one_more())
            await self._once.claim(call.tenancy, claimed)
            upstream = await held.enter_async_context(self._upstream.chat(job.body))
            if request.stream:
                return Stream(self._streamed(job, upstream), held=held.pop_all())
            return json_response(await self._whole(job, upstream))

    async def _in_background(self, call: ApiCall, request: CreateResponse, key: RequestKey | None) -> Response:
        """Begin a response that a task makes, and return it as it is then, or the stream of its events."""
        if request.store is False:
            raise bad_request("A response in the background has to be stored: leave out 'store'.", param="store")
        tenancy = call.tenancy
        async with self._once.alone(tenancy, key), AsyncExitStack() as held:
            if key is not None and (known := await self._begun_before(call, request, key)) is not None:
                return known
            place = await find_place(self._threads, tenancy, request, key=key, held=held)
            if key is not None and place.committed is not None:
                return _replayed(place.committed, place.name, key, is_streamed=bool(request.stream))
            job = await self._job(call, msgspec.structs.replace(request, stream=True), place, key)
            held.enter_context(self._in_flight.one_more())
            await self._once.claim(tenancy, key)
            answer = self._answer(job, notes_fragments=True)
            begun = Begun(job.response, job.inputs, dict(job.tools.fields), self.background.running.node.id)
            live = Live(tenancy, place.name, begun, answer)
            await self.background.start(live, job.body, held=held.pop_all(), commit=partial(self._commit, job))
        if request.stream:
            return self._followed(call, place.name, after=-1, live=live)
        return json_response(begun.response)

    async def _begun_before(self, call: ApiCall, request: CreateResponse, key: RequestKey) -> Response | None:
        """Return the answer to a retry of a request whose response runs or has failed; None if there is none."""
        running = await self.background.running.find(call.tenancy, key.token)
        outcome = None if running is not None else await self.background.running.outcome(call.tenancy, key.token)
        if running is None and outcome is None:
            return None
        await self._once.claim(call.tenancy, key)  # It refuses another request under this key.
        response = running.begun.response if running is not None else outcome.response if outcome is not None else {}
        name = parse_response_id(response["id"])
        if request.stream and name is not None:
            return self._followed(call, name, after=-1)
        return json_response(response)

    def _followed(self, call: ApiCall, name: TurnName, *, after: int, live: Live | None = None) -> Response:
        """Return the stream of the events of a response that may still run, also if `live` has just ended."""

        async def replayed(number: int) -> bytes | None:
            view = await self._threads.turn(call.tenancy, name.thread, name.turn)
            if view.found is None or not is_kept(view.found):
                return None
            return replay(_shown(view.found, name), _cuts_of(view.found), after=number if number >= 0 else None)

        live = live or self.background.live(call.tenancy, name.turn)
        events = self.background.follow(call.tenancy, name, after=after, live=live, replayed=replayed)
        return Stream(events, held=AsyncExitStack())

    async def cancel(self, call: ApiCall) -> Response:
        """Cancel a response in the background. One whose answer is whole stays as it is."""
        name = _response_name(call)
        await self.background.cancel(call.tenancy, name)
        found = await self._found(call, name)
        response = _response_in(found, name)
        if not response.get("background"):
            raise bad_request("Only a response with 'background' can be cancelled.", param="response_id")
        return json_response(response)

    async def compact(self, call: ApiCall) -> Response:
        """Return items that take the place of a conversation: the user's messages, and notes that the model writes."""
        request = await call.run(parse_body, call.body, CreateResponse)
        async with AsyncExitStack() as held:
            place = await find_place(self._threads, call.tenancy, request, key=None, held=held)
            prompt = await self._prompt(call, request, place)
        model = request.model or call.deployment or self._settings.model
        answer = Answer(place.name, first=0, call_fields={})
        with self._in_flight.one_more():
            async with self._upstream.chat(compaction_body(prompt.turns, model=model)) as upstream:
                made = [*answer.take(read_answer(await upstream.read()))]
        made += answer.end(is_whole=bool(answer.items))
        self._metrics.used(answer.usage)
        said = [item for turn in prompt.turns for item in items_of(turn) if item.get("role") == "user"]
        output = [*said, compaction_item(text_of(answer.items))]
        return json_response(compacted(output, answer.usage, created_at=int(time.time())))

    async def input_tokens(self, call: ApiCall) -> Response:
        """Return about how many tokens the model would read for a request. The model is not asked."""
        request = await call.run(parse_body, call.body, CreateResponse)
        async with AsyncExitStack() as held:
            place = await find_place(self._threads, call.tenancy, request, key=None, held=held)
            prompt = await self._prompt(call, request, place)
        messages = merged_messages(prompt.turns)
        count = self._counter.count(messages, instructions=request.instructions, tools=prompt.tools.offered)
        return json_response({"object": "response.input_tokens", "input_tokens": count})

    async def retrieve(self, call: ApiCall) -> Response:
        """Return a response, whole or as a stream of its events."""
        query = convert(call.query, RetrieveQuery, strict=False)
        name = _response_name(call)
        found = await self._found(call, name)
        if not query.stream:
            return json_response(_response_in(found, name))
        if not isinstance(found, StoredTurn):
            return self._followed(call, name, after=-1 if query.starting_after is None else query.starting_after)
        return _played(replay(_shown(found, name), _cuts_of(found), after=query.starting_after))

    async def input_items(self, call: ApiCall) -> Response:
        """Return a page of the input items of a response."""
        query = parse_query(call.query)
        found = await self._found(call, _response_name(call))
        match found:
            case Running():
                inputs = found.begun.inputs
            case Outcome():
                inputs = []
            case _:
                inputs = inputs_of(found.turn)
        return json_response(page_of(inputs, query))

    async def delete(self, call: ApiCall) -> Response:
        """Delete a response. In a conversation its items stay; in a chain they are deleted for good as well."""
        threads, tenancy, name = self._threads, call.tenancy, _response_name(call)
        turn = await self._found(call, name)
        while isinstance(turn, Running):
            await self.background.cancel(tenancy, name)
            await asyncio.sleep(0)
            turn = await self._found(call, name)
        if not isinstance(turn, StoredTurn):
            await self.background.running.remove(tenancy, name.turn)
        elif name.is_in_conversation:
            await threads.rewrite(tenancy, name.thread, name.turn, without_response)
        else:
            if fingerprint_of(turn.turn) is not None:
                await self._once.bury(tenancy, name.turn)
            async with threads.alone(tenancy, name.thread):
                if not await threads.remove_newest(tenancy, name.thread, name.turn):
                    await threads.rewrite(tenancy, name.thread, name.turn, lambda _: EMPTY_TURN)
        return json_response({"id": name.id, "object": "response", "deleted": True})

    # -- making a response ---------------------------------------------------------------------------------------------

    async def _job(self, call: ApiCall, request: CreateResponse, place: Place, key: RequestKey | None) -> _Job:
        watch = Stopwatch()
        request = with_known_format(request, _responses_before(place))
        prompt = await self._prompt(call, request, place)
        model = request.model or call.deployment or self._settings.model
        recalled, tools = await self._recalled(call, request, place, prompt.turns), prompt.tools
        body = chat_body(request, recalled.turns, tools, model=model, is_openai=self._upstream.is_openai)
        response = begun(request, place.name, tools, model=model, created_at=int(time.time()), notes=recalled.notes)
        return _Job(call, request, place, prompt.inputs, prompt.turns[-1], body, response, tools, key, watch)

    async def _recalled(self, call: ApiCall, request: CreateResponse, place: Place, turns: list[Turn]) -> Recalled:
        if self._memories is None:
            return Recalled(turns)
        return await self._memories.recalled(call.tenancy, request, place, turns)

    async def _prompt(self, call: ApiCall, request: CreateResponse, place: Place) -> _Prompt:
        tools = tools_of(request, self._settings.hosted_tools)
        inputs = await self._inputs(call, request, place)
        held = [stored.turn for stored in place.turns]
        history = held[len(held) - self._settings.window.count(held) :] if held else []
        if request.truncation == "disabled" and (place.has_older_turns or len(history) < len(held)):
            raise _does_not_fit()
        if not inputs and not any(turn.messages for turn in history):
            raise bad_request("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
        files = await self._uploads.named_in(call.tenancy, inputs, at="input")
        new = await call.run(pack_turn, inputs, files=files)
        await call.run(check_calls, history, new)
        return _Prompt(inputs, [*history, new], tools)

    async def _inputs(self, call: ApiCall, request: CreateResponse, place: Place) -> list[Item]:
        if isinstance(request.input, str):
            return [text_item(request.input, place.name)]
        items = request.input or []
        limit = self._settings.limits.max_input_items
        if len(items) > limit:
            raise bad_request(f"Invalid 'input': {len(items)} items are too many; the limit is {limit}.", param="input")
        return await new_items(self._threads, call, items, place=place, at="input")

    async def _whole(self, job: _Job, upstream: UpstreamAnswer) -> ResponseObject:
        answer = self._answer(job)
        for _ in answer.take(read_answer(await upstream.read())):
            pass
        for _ in answer.end(is_whole=bool(answer.items)):
            pass
        return await self._commit(job, answer)

    async def _streamed(self, job: _Job, upstream: UpstreamAnswer) -> AsyncGenerator[bytes]:
        frames = Frames()
        yield frames.all(opening(job.response))
        answer = self._answer(job)
        try:
            async with aclosing(_pieces(upstream, answer, frames)) as pieces:
                async for piece in pieces:
                    yield piece
            ending = list(answer.end())
            response = await self._commit(job, answer)
            if response["output"] != answer.items:  # The client has read another answer than the stored one.
                raise key_in_use()
        except Exception as error:  # noqa: BLE001 - the stream has begun, so only its last events can report the failure
            yield frames.all(failing(job.response, known_fault(error)))
            return
        yield frames.all([*ending, closing(response)])

    def _answer(self, job: _Job, *, notes_fragments: bool = False) -> Answer:
        return Answer(
            job.place.name,
            first=len(job.inputs),
            call_fields=job.tools.fields,
            summarizes=shows_summary(job.response),
            notes_fragments=notes_fragments,
        )

    async def _commit(self, job: _Job, answer: Answer) -> ResponseObject:
        """Add the turn to its thread in one atomic step, and return the response as it is stored.

        The stored answer is another one if a second request with the same key was faster. That can happen only if this
        process lost its lease.
        """
        response = finished(job.response, answer, completed_at=int(time.time()))
        self._metrics.used(answer.usage)
        place, tenancy = job.place, job.call.tenancy
        if not job.request.is_kept:
            return response
        kept = to_keep(response, answer.cuts if job.request.stream else None)
        fingerprint, usage = fingerprint_in(job.key), answer.usage
        runs = TurnRuns(took_ms=job.watch.elapsed_us // 1000)
        turn = await job.call.run(
            answered, job.asked, answer.items, response=kept, usage=usage, fingerprint=fingerprint, runs=runs
        )
        turn_id = place.name.turn
        if self._memories is not None:
            place = await self._memories.claim(tenancy, job.request, place)
        if place.copy_of is not None:
            source, through = place.copy_of
            stored = await self._threads.fork(
                tenancy, source, through=through, into=place.name.thread, turn=turn, turn_id=turn_id
            )
        else:
            stored = await self._threads.append(
                tenancy, place.name.thread, turn, turn_id=turn_id, expected=place.expected
            )
        if self._memories is not None:
            await self._memories.learn(tenancy, job.request, place.name.thread)
        return response if job.key is None else _shown(stored, place.name)

    async def _found(self, call: ApiCall, name: TurnName) -> StoredTurn | Running | Outcome:
        """Return a response: its turn, or its beginning while it runs, or its failure in the background.

        Raises:
            ApiFault: there is no such response.
        """
        for _ in range(2):  # A running response is committed before it is removed, so it may be missed once.
            turn = (await self._threads.turn(call.tenancy, name.thread, name.turn)).found
            if turn is not None and is_kept(turn):
                return turn
            if turn is None and (state := await self.background.find(call.tenancy, name)) is not None:
                return state
        raise not_found("Response", name.id)


async def _pieces(upstream: UpstreamAnswer, answer: Answer, frames: Frames) -> AsyncGenerator[bytes]:
    """Yield the events for the client while the model's answer arrives."""
    try:
        async with aclosing(upstream.events()) as events:
            async for data in events:
                if written := frames.all(answer.take(read_answer(data))):
                    yield written
    except ApiFault:
        if not answer.is_whole:  # A broken connection after the end of the answer loses only the token usage.
            raise


def _replayed(turn: StoredTurn, name: TurnName, key: RequestKey, *, is_streamed: bool) -> Response:
    key.check(fingerprint_of(turn.turn))
    response = _shown(turn, name)
    return _played(replay(response, _cuts_of(turn))) if is_streamed else json_response(response)


def _played(stream: bytes) -> Response:
    return Response(stream, media_type="text/event-stream", headers={"cache-control": "no-cache"})


def _responses_before(place: Place) -> Iterator[ResponseObject]:
    """Yield the kept fields of the responses before a place; the newest first."""
    return (kept for stored in reversed(place.turns) if (kept := response_of(stored.turn)) is not None)


def _response_name(call: ApiCall) -> TurnName:
    """Return the name of the response in a path.

    Raises:
        ApiFault: the id is not the id of a response.
    """
    id = call.path("response_id")
    if (name := parse_response_id(id)) is None:
        raise not_found("Response", id)
    return name


def _response_in(found: StoredTurn | Running | Outcome, name: TurnName) -> ResponseObject:
    if isinstance(found, StoredTurn):
        return _shown(found, name)
    return found.begun.response if isinstance(found, Running) else found.response


def _does_not_fit() -> ApiFault:
    message = "The conversation is longer than the model's window, and 'truncation' is 'disabled'."
    return bad_request(message, param="truncation", code="context_length_exceeded")


def _cuts_of(turn: StoredTurn) -> Cuts | None:
    kept = response_of(turn.turn)
    return None if kept is None else cuts_in(kept)


def _shown(turn: StoredTurn, name: TurnName) -> ResponseObject:
    """Return the response that a turn keeps.

    Raises:
        ApiFault: the response was deleted.
    """
    kept = response_of(turn.turn)
    if kept is None:
        raise dropped()
    return from_kept(kept, name, outputs_of(turn.turn))
