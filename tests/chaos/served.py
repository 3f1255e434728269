"""Storm 6: clients of three servers on one storage, while servers are killed with SIGKILL and started again.

A client repeats each request under its key until it knows the outcome. So the fate of everything is certain: what was
acknowledged is there once, and what was deleted stays away, also when the old requests are sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

import httpx

from recuerda import Storage
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Dropped, Failure, RecordedRequest, Reply
from tests.chaos.calling import Answer, Caller, Request, Servers
from tests.chaos.places import Place
from tests.chaos.said import Response, Said, Talk, problems_of_copies
from tests.chaos.speaking import turns_of
from tests.chaos.tally import Round

TENANTS = ("ann", "bo")
CLIENTS = 8
MOST_TALKS, MOST_RESPONSES = 4, 8
SAMPLE = 10
"""The number of deleted conversations and responses that are looked for in a check."""

T = TypeVar("T")


@dataclass(slots=True)
class World:
    """Everything that the clients know, and the model's side of it."""

    talks: list[Talk] = field(default_factory=list[Talk])
    responses: list[Response] = field(default_factory=list[Response])
    began: dict[str, int] = field(default_factory=dict[str, int])
    gone: dict[str, int] = field(default_factory=dict[str, int])
    leaks: list[str] = field(default_factory=list[str])
    answers: count[int] = field(default_factory=count)
    now: count[int] = field(default_factory=count)
    is_rough: bool = False

    def tick(self) -> int:
        """Return the next moment."""
        return next(self.now)

    def answer(self, request: RecordedRequest) -> Reply | Dropped | Failure:
        """Answer a question as no other, after some time; note a deleted text that is sent to the model.

        If the world is rough, some answers break off, and some do not begin.
        """
        question = request.last_text
        for message in request.messages:
            gone = self.gone.get(str(message["content"]))
            if gone is not None and gone < self.began[question]:
                self.leaks.append(f"{message['content']!r} was deleted before {question!r} was asked")
        number = next(self.answers)
        whole = Reply(f"answer {number} to {question}", delay_s=0.01 * (number % 5), chunk_delay_s=0.002)
        if self.is_rough and number % 17 == 0:
            return Dropped(2, whole)
        return Failure(500) if self.is_rough and number % 23 == 0 else whole


async def served(place: Place, current: Round, *, restart: Callable[[], None] | None = None) -> None:
    """Let clients of two tenants create, update, add, ask and delete, while servers are killed.

    Args:
        place: the storage.
        current: the round.
        restart: kills the storage's server and starts it again; None if it is left alone. With it, the model's server
            fails now and then, too.
    """
    world = World(is_rough=restart is not None)
    async with (
        ScriptedOpenAIServer(default=world.answer) as model,
        Servers(place.url(), model.base_url, TENANTS) as servers,
        httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=100)) as http,
    ):
        current.start()
        caller = Caller(servers, current, http)
        clients = [_Client(f"c{i}", TENANTS[i % 2], world, caller, current) for i in range(CLIENTS)]
        async with asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(current.repeat(client.act))
            tasks.create_task(_kill(servers, world, caller, current, restart))
        await _check(world, caller, current, most=len(world.talks) + len(world.responses))
        await _check_storage(place, world, current)


async def _kill(
    servers: Servers, world: World, caller: Caller, current: Round, restart: Callable[[], None] | None
) -> None:
    while current.goes_on:
        await current.pause(0.3)
        if restart is not None and current.luck.random() < 0.3:
            await asyncio.to_thread(restart)
            current.disturbed("killed databases")
        elif current.luck.random() < 0.3:
            await servers.restart_one(current.luck)
            current.disturbed("restarts")
        else:
            await servers.kill_one(current.luck)
            current.disturbed("kills")
        await current.pause(0.5)
        if current.luck.random() < 0.1:
            async with current.quiet():
                await _check(world, caller, current, most=SAMPLE)
            current.disturbed("checks")


class _Client:
    """A client that does one thing after the other, often in the conversations and chains of the others.

    Args:
        name: its name, which is in its texts and keys.
        tenant: its tenant.
        world: what all clients know.
        caller: sends the requests.
        current: the round.
    """

    def __init__(self, name: str, tenant: str, world: World, caller: Caller, current: Round) -> None:
        self._name = f"{name}.{current.luck.getrandbits(32):08x}"
        self._tenant = tenant
        self._world = world
        self._caller = caller
        self._current = current
        self._count = count()
        in_talks = (
            self._ask,
            self._ask,
            self._ask,
            self._ask_in_background,
            self._add,
            self._add,
            self._delete_item,
            self._update,
        )
        self._acts: tuple[Callable[[], Awaitable[None]], ...] = (
            *in_talks,
            self._make,
            self._end,
            self._begin_chain,
            self._continue_chain,
            self._continue_chain,
            self._delete_response,
            self._ask_for_the_dead,
        )

    async def act(self) -> None:
        """Do one thing."""
        async with self._current.working():
            await self._current.luck.choice(self._acts)()

    # -- conversations -------------------------------------------------------------------------------------------------

    async def _make(self) -> None:
        if len(self._talks()) >= MOST_TALKS:
            return
        text, key = self._new("made"), self._new("key")
        body = {"metadata": {"by": key}, "items": [_item(text)]}
        began = self._world.tick()
        answer = await self._send("POST", "conversations", body, key)
        if self._is_done(answer, key):
            talk = Talk(self._tenant, answer.body["id"], key, body, {"by": key})
            talk.said.append(Said([text], began, self._world.tick()))
            self._world.talks.append(talk)

    async def _update(self) -> None:
        talk = self._pick(self._talks())
        if talk is None or talk.metadata.get("busy"):
            return
        before, key = talk.metadata, self._new("key")
        talk.metadata = {"busy": "one client at a time, so that everybody knows which update is the last one"}
        answer = await self._send("POST", f"conversations/{talk.id}", {"metadata": {"by": key}}, key)
        talk.metadata = {"by": key} if answer.status == 200 else before
        self._judge(talk, answer)

    async def _add(self) -> None:
        talk = self._pick(self._talks())
        if talk is None:
            return
        texts, key = [self._new("item") for _ in range(self._current.luck.randint(1, 3))], self._new("key")
        body = {"items": [_item(text) for text in texts]}
        began = self._world.tick()
        answer = await self._send("POST", f"conversations/{talk.id}/items", body, key)
        if self._judge(talk, answer, began=began):
            ids = {item["content"][0]["text"]: item["id"] for item in answer.body["data"]}
            talk.said.append(Said(texts, began, self._world.tick(), ids))

    async def _ask(self) -> None:
        talk = self._pick(self._talks())
        if talk is None:
            return
        question, key = self._new("question"), self._new("key")
        began = self._world.began[question] = self._world.tick()
        answer = await self._respond({"input": question, "conversation": talk.id}, key)
        if self._judge(talk, answer, began=began):
            ids = {_text_of(answer.body): answer.body["output"][0]["id"]}
            talk.said.append(Said([question, _text_of(answer.body)], began, self._world.tick(), ids))

    async def _delete_item(self) -> None:
        talk = self._pick(self._talks())
        texts = [] if talk is None else [text for said in talk.said for text in said.ids]
        if talk is None or not texts:
            return
        text = self._current.luck.choice(texts)
        said = next(said for said in talk.said if text in said.ids)
        id = said.ids.pop(text)
        answer = await self._send("DELETE", f"conversations/{talk.id}/items/{id}")
        if answer.status == 404 and not answer.is_first and talk.leaving is None:
            answer = Answer(200, None)
        if self._judge(talk, answer):
            talk.gone[text] = self._world.gone[text] = self._world.tick()

    async def _end(self) -> None:
        talk = self._pick(self._talks())
        if talk is None or self._current.luck.random() < 0.3:
            return
        talk.leaving = self._world.tick()
        answer = await self._send("DELETE", f"conversations/{talk.id}")
        if answer.status != 200 and answer.is_first:
            self._current.fault(talk.id, expected="the conversation can be deleted", found=answer)
        talk.left = self._world.tick()
        self._current.disturbed("deleted conversations")

    def _judge(self, talk: Talk, answer: Answer, *, began: int | None = None) -> bool:
        """Return whether a request in a conversation was carried out. It may fail only if the conversation is gone."""
        if answer.status == 200 and talk.left is not None and began is not None and talk.left < began:
            self._current.fault(talk.id, expected="the deleted conversation stays away", found=answer)
        if answer.status != 200 and not (answer.status == 404 and talk.leaving is not None):
            self._current.fault(talk.id, expected="the request is carried out", found=answer)
        return answer.status == 200

    # -- chains --------------------------------------------------------------------------------------------------------

    async def _begin_chain(self) -> None:
        if len(self._living()) < MOST_RESPONSES:
            await self._ask_in_chain({})

    async def _continue_chain(self) -> None:
        previous = self._pick(self._living())
        if previous is not None:
            await self._ask_in_chain({"previous_response_id": previous.id}, previous)

    async def _ask_in_chain(self, body: dict[str, Any], previous: Response | None = None) -> None:
        question, key = self._new("question"), self._new("key")
        self._world.began[question] = self._world.tick()
        request = {"input": question, **body}
        answer = await self._respond(request, key)
        if answer.status == 400 and previous is not None and previous.is_leaving:
            return
        if self._is_done(answer, key):
            made = Response(self._tenant, answer.body["id"], question, _text_of(answer.body), request, key)
            self._world.responses.append(made)

    async def _delete_response(self) -> None:
        response = self._pick(self._living())
        if response is None:
            return
        response.is_leaving = True
        answer = await self._send("DELETE", f"responses/{response.id}")
        if answer.status != 200 and answer.is_first:
            self._current.fault(response.id, expected="the response can be deleted", found=answer)
        response.left = self._world.tick()
        self._current.disturbed("deleted responses")

    async def _respond(self, body: Mapping[str, Any], key: str) -> Answer:
        return await self._send("POST", "responses", {**body, "stream": self._current.luck.random() < 0.4}, key)

    async def _ask_in_background(self) -> None:
        """Ask, leave, and come back until the response has ended. If it has failed, nothing of it may be kept."""
        talk = self._pick(self._talks())
        if talk is None:
            return
        question, key = self._new("question"), self._new("key")
        began = self._world.began[question] = self._world.tick()
        body = {"input": question, "conversation": talk.id, "background": True}
        answer = await self._send("POST", "responses", body, key)
        for _ in range(600):
            if answer.status != 200 or answer.body["status"] != "in_progress":
                break
            await self._current.pause(0.2)
            answer = await self._send("GET", f"responses/{answer.body['id']}")
        if answer.status == 200 and answer.body["status"] != "completed":
            self._current.check(talk.id, expected="failed", found=answer.body["status"])
            self._current.disturbed("failed responses")
        elif self._judge(talk, answer, began=began):
            ids = {_text_of(answer.body): answer.body["output"][0]["id"]}
            talk.said.append(Said([question, _text_of(answer.body)], began, self._world.tick(), ids))

    # -- the dead ------------------------------------------------------------------------------------------------------

    async def _ask_for_the_dead(self) -> None:
        """Send an old request again whose work was deleted. It must be refused."""
        talk = self._pick([talk for talk in self._world.talks if talk.left is not None])
        response = self._pick([one for one in self._world.responses if one.left is not None])
        if talk is not None:
            answer = await self._send("POST", "conversations", talk.made, talk.key)
            self._current.check(talk.id, expected=422, found=answer.status)
            answer = await self._send("POST", f"conversations/{talk.id}/items", {"items": [_item("late")]})
            self._current.check(talk.id, expected=404, found=answer.status)
        if response is not None:
            answer = await self._respond(response.request, response.key)
            if answer.status not in (400, 422):
                self._current.fault(response.id, expected="the deleted response stays away", found=answer)

    # -- shared by the acts --------------------------------------------------------------------------------------------

    def _talks(self) -> list[Talk]:
        return [talk for talk in self._world.talks if talk.tenant == self._tenant and talk.leaving is None]

    def _living(self) -> list[Response]:
        return [one for one in self._world.responses if one.tenant == self._tenant and not one.is_leaving]

    def _pick(self, things: list[T]) -> T | None:
        mine = [thing for thing in things if getattr(thing, "tenant", None) == self._tenant]
        return self._current.luck.choice(mine) if mine else None

    def _new(self, kind: str) -> str:
        return f"{kind} {next(self._count)} of {self._name}"

    def _is_done(self, answer: Answer, key: str) -> bool:
        if answer.status != 200:
            self._current.fault(key, expected="the request is carried out", found=answer)
        return answer.status == 200

    async def _send(self, method: str, path: str, body: Any = None, key: str | None = None) -> Answer:
        return await self._caller.ask(Request(self._tenant, method, path, body, key))


async def _check(world: World, caller: Caller, current: Round, *, most: int) -> None:
    """Compare all servers with the promises, while nothing is under way. Look for the `most` newest deleted things."""
    for leak in world.leaks:
        current.fault("", expected="the model reads no deleted item", found=leak)
    for talk in world.talks:
        if talk.leaving is None:
            await _check_talk(talk, caller, current)
    for one in world.responses:
        if not one.is_leaving:
            for answer in await caller.everywhere(one.retrieval):
                found = _text_of(answer.body) if answer.status == 200 else answer
                current.check(one.id, expected=one.answer, found=found)
    for things in (world.talks, world.responses):
        for request in [thing.retrieval for thing in things if thing.left is not None][-most:]:
            for answer in await caller.everywhere(request):
                current.check(request.path, expected=404, found=answer.status)


async def _check_talk(talk: Talk, caller: Caller, current: Round) -> None:
    listed = await caller.everywhere(talk.retrieval)
    texts = [await _texts(talk, caller, number) for number in range(len(listed))]
    for answer, found in zip(listed, texts, strict=True):
        metadata = answer.body["metadata"] if answer.status == 200 else answer
        for problem in talk.problems(found, metadata):
            current.fault(talk.id, expected="what was acknowledged, once each", found=problem)


async def _texts(talk: Talk, caller: Caller, number: int) -> list[str]:
    """Return the texts of a conversation, as the server with this number lists them."""
    texts: list[str] = []
    after = ""
    while True:
        path = f"{talk.retrieval.path}/items?order=asc&limit=100{after}"
        page = (await caller.everywhere(Request(talk.tenant, "GET", path)))[number]
        if page.status != 200:
            return texts
        texts += [item["content"][0]["text"] for item in page.body["data"]]
        if not page.body["has_more"]:
            return texts
        after = f"&after={page.body['last_id']}"


async def _check_storage(place: Place, world: World, current: Round) -> None:
    """Search the storage itself for conversations and answers that nobody was promised."""
    async with place.open() as storage:
        ids = [info.id async for info in storage.threads()]
        expected = {f"{talk.tenant}:{talk.id}" for talk in world.talks if talk.left is None}
        current.check("", expected=sorted(expected), found=sorted(id for id in ids if ":conv_" in id))
        answers = await _answers_in(storage, [id for id in ids if ":chain_" in id])
    known = {response.question for response in world.responses}
    current.check("", expected=[], found=sorted(answers.keys() - known))
    for response in world.responses:
        for problem in problems_of_copies(response, answers.get(response.question, [])):
            current.fault(response.id, expected="one answer under one key", found=problem)


async def _answers_in(storage: Storage, threads: Sequence[str]) -> dict[str, list[str]]:
    """Return the answers in chains, by their questions."""
    answers: dict[str, list[str]] = {}
    for thread in threads:
        for turn in await turns_of(storage, thread):
            if turn.messages:
                answers.setdefault(turn.messages[0].text, []).append(turn.messages[-1].text)
    return answers


def _item(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _text_of(response: Any) -> str:
    return response["output"][0]["content"][0]["text"]
