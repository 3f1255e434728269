"""Random programs of two tenants with several users: whatever they do, nobody meets what is another's."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from openai import APIStatusError

from recuerda import Storage
from recuerda._drivers.bearer_keys import digest_of
from recuerda.recall.quoting import PROMPT
from recuerda.server import RecallSettings, ServerSettings, TenantKeys
from recuerda.server.memories import RECALLED
from recuerda.server.names import parse_item_id, parse_response_id
from recuerda.testing import ScriptedOpenAIServer
from tests.server.serving import MODEL, running, sdk
from tests.server.test_responses import sent

KEYS = {"ann": "key-of-ann-0123456789", "bobby": "key-of-bob-0123456789"}
OWNERS = [("ann", "will"), ("ann", "deanna"), ("ann", ""), ("bobby", "will"), ("bobby", "")]
STEPS = 40
WORD = re.compile(r"word\d+q")
SETTINGS = ServerSettings(model=MODEL, recall=RecallSettings(limit=50, max_characters=20_000))

Owner = tuple[str, str]
"""A tenant and its user; "" for nobody."""


class Program:
    """A random program, and what its users expect of the service.

    Args:
        storage: the storage behind the service.
        model: the model's server.
        clients: the client of each tenant.
        seed: the program.
    """

    def __init__(self, storage: Storage, model: ScriptedOpenAIServer, clients: dict[str, Any], seed: int) -> None:
        self.storage = storage
        self.model = model
        self.clients = clients
        self.random = random.Random(seed)
        self.owner: Owner = OWNERS[0]
        self.owners: dict[str, Owner] = {}
        self.said: dict[str, list[tuple[str, str]]] = {}
        """The words of each thread, each with the id of its response."""
        self.given: set[str] = set()
        self.words = 0
        self.trace: list[str] = []

    async def step(self) -> None:
        self.owner = self.random.choice(OWNERS)
        steps = [self.tell, self.converse, self.go_on, self.go_on, self.branch, self.delete_response]
        steps += [self.delete_conversation, self.give, self.meddle, self.meddle]
        step = self.random.choice(steps)
        self.trace.append(f"{self.owner} {step.__name__}")
        await step()

    async def tell(self) -> None:
        await self.respond(self.owner)

    async def converse(self) -> None:
        conversation = await self.client.conversations.create()
        await self.respond(self.owner, conversation=conversation.id)

    async def go_on(self) -> None:
        """Add to a thread of the tenant. Its first user gets the turn, whoever says it."""
        if (thread := self.any_own()) is None:
            return
        if (name := thread.partition(":")[2]).startswith("conv_"):
            await self.respond(self.owners[thread], conversation=name)
        elif last := self.said[thread][-1][1]:
            await self.respond(self.owners[thread], previous_response_id=last)

    async def branch(self) -> None:
        """Go on from an earlier response, in a copy of the thread."""
        if (thread := self.any_own()) is None or len(self.said[thread]) < 2:
            return
        place = self.random.randrange(len(self.said[thread]) - 1)
        before = self.said[thread][: place + 1]
        if not before[-1][1]:
            return
        into = await self.respond(self.owners[thread], previous_response_id=before[-1][1])
        self.said[into] = [*((word, "") for word, _ in before), *self.said[into]]

    async def delete_response(self) -> None:
        """Delete a response of a chain. A conversation keeps the items of its responses, as OpenAI's do."""
        if (thread := self.any_own()) is None or ":conv_" in thread:
            return
        word, id = self.random.choice(self.said[thread])
        if id:
            await self.client.responses.delete(id)
            self.said[thread] = [one for one in self.said[thread] if one != (word, id)]
            if not self.said[thread]:
                del self.said[thread], self.owners[thread]

    async def delete_conversation(self) -> None:
        if (thread := self.any_own()) is not None and (name := thread.partition(":")[2]).startswith("conv_"):
            await self.client.conversations.delete(name)
            del self.said[thread], self.owners[thread]

    async def give(self) -> None:
        """Give a thread to the other tenant. Nobody reaches it by its id any more, and the other one recalls it."""
        if (thread := self.any_own()) is None:
            return
        tenant, user = self.owners[thread]
        other = next(name for name in KEYS if name != tenant)
        await self.storage.update_thread(thread, user_id=other)
        self.owners[thread] = (other, user)
        self.given.add(thread)

    async def meddle(self) -> None:
        """Try everything with what the tenant cannot have by its name."""
        tenant, user = self.owner
        for thread, said in self.said.items():
            if self.owners[thread][0] == tenant and thread not in self.given:
                continue
            name = thread.partition(":")[2]
            client = self.client
            if name.startswith("conv_"):
                await refused(client.conversations.retrieve(name))
                await refused(client.conversations.items.list(name))
                await refused(client.conversations.update(name, metadata={"a": "b"}))
                await refused(client.responses.create(input="Mine.", conversation=name, user=user))
                await refused(client.conversations.delete(name))
            for _, id in said:
                if id:
                    await refused(client.responses.retrieve(id))
                    await refused(client.responses.input_items.list(id))
                    await refused(client.responses.create(input="Mine.", previous_response_id=id))
                    await refused(client.responses.delete(id))

    async def check(self) -> None:
        for owner in self.random.sample(OWNERS, 2):
            self.owner = owner
            tenant, user = owner
            asked: dict[str, Any] = {"user": user} if user else {}
            answer = await self.clients[tenant].responses.create(
                input="Which secret words do I have?", store=False, **asked
            )
            quotes = [str(text) for role, text in sent(self.model) if role == "user" and str(text).startswith(PROMPT)]
            found = set(WORD.findall(" ".join(quotes)))
            expected = {word for thread, said in self.said.items() if self.owners[thread] == owner for word, _ in said}
            notes: dict[str, str] = answer.metadata or {}
            named = [parse_item_id(id) for id in notes.get(RECALLED, "").split()]
            threads = {f"{tenant}:{name and name.thread}" for name in named}
            assert threads <= self.owners.keys() - self.given, (threads, self.given)
            assert found == expected, (owner, found - expected, expected - found, " ".join(self.trace))

    @property
    def client(self) -> Any:
        return self.clients[self.owner[0]]

    def any_own(self) -> str | None:
        own = [one for one, owner in self.owners.items() if owner[0] == self.owner[0] and one not in self.given]
        return self.random.choice(own or [None])

    async def respond(self, owner: Owner, **arguments: Any) -> str:
        """Say a word, and return the thread that has it, which is the owner's."""
        self.words += 1
        word = f"word{self.words}q"
        named: dict[str, Any] = {"user": self.owner[1]} if self.owner[1] else {}
        response = await self.client.responses.create(input=f"I have the secret word {word} here", **named, **arguments)
        name = parse_response_id(response.id)
        assert name is not None
        thread = f"{self.owner[0]}:{name.thread}"
        assert self.owners.setdefault(thread, owner) == owner
        self.said.setdefault(thread, []).append((word, response.id))
        return thread


async def refused(call: Any) -> None:
    with pytest.raises(APIStatusError) as failure:
        await call
    assert failure.value.status_code in (400, 404)
    assert not WORD.search(str(failure.value.body))


@pytest.fixture
async def program(
    storage: Storage, model: ScriptedOpenAIServer, request: pytest.FixtureRequest
) -> AsyncIterator[Program]:
    model.default = "I see."
    keys = TenantKeys({digest_of(key): tenant for tenant, key in KEYS.items()})
    async with running(storage, model.base_url, settings=SETTINGS, keys=keys) as url, AsyncExitStack() as opened:
        clients = {tenant: await opened.enter_async_context(sdk(url, key)) for tenant, key in KEYS.items()}
        yield Program(storage, model, clients, request.param)


@pytest.mark.parametrize("program", range(4), indirect=True)
async def test_nobody_meets_what_is_another_s(program: Program) -> None:
    for _ in range(STEPS):
        await program.step()
        await program.check()
