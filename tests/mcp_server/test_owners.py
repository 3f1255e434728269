"""Random programs of two users: whatever they and the owner of the storage do, nobody meets what is another's."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from recuerda import ChatMessage, ChatMessageStore
from recuerda.mcp_server import MemoryServer, Scope
from recuerda.mcp_server.references import Place, memory_uri, thread_uri
from recuerda.recall import SQLiteRecallIndex
from recuerda.recall.forgotten import is_forgotten
from recuerda.recall.scopes import NAMESPACE_KEY
from recuerda.sqlite import SQLiteStorage
from recuerda.threads.history import readable_turns
from tests.mcp_server.conftest import answer, failure, text_of
from tests.recall.talking import say

USERS = ("ana", "bob")
STEPS = 40
WORD = re.compile(r"word\d+q")


class Said:
    """A turn with one message, as the program expects it.

    Attributes:
        turn: the id of the turn.
        word: the word in it that no other turn has.
        is_forgotten: True if it was forgotten on request.
    """

    def __init__(self, turn: str, word: str, *, is_forgotten: bool = False) -> None:
        self.turn = turn
        self.word = word
        self.is_forgotten = is_forgotten


class Program:
    """A random program, and what its user expects of the server.

    Args:
        folder: the folder of the storage and the index.
        seed: the program.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.storages = [SQLiteStorage(folder / "memory.db") for _ in range(2)]
        self.user = USERS[0]
        self.servers = [
            MemoryServer(
                storage,
                SQLiteRecallIndex(folder / "index.db"),
                scope=lambda: Scope(user_id=self.user),
            )
            for storage in self.storages
        ]
        self.owners: dict[str, str] = {}
        self.said: dict[str, list[Said]] = {}
        self.corrected: dict[tuple[str, str], str] = {}
        """The right word of a turn, by its user and the word that was said."""
        self.names: set[Place] = set()
        self.words = 0
        self.trace: list[str] = []

    async def close(self) -> None:
        for server, storage in zip(self.servers, self.storages, strict=True):
            await server.close()
            await storage.close()

    # -- the steps -----------------------------------------------------------------------------------------------------

    async def step(self) -> None:
        self.user = self.random.choice(USERS)
        steps = [self.remember, self.remember, self.say, self.say, self.save, self.fork, self.give, self.give]
        steps += [self.forget, self.forget, self.forget_thread, self.forget_words, self.delete, self.erase]
        steps += [self.correct, self.correct, self.meddle, self.meddle]
        step = self.random.choice(steps)
        self.trace.append(f"{self.user} {step.__name__}")
        await step()

    async def remember(self) -> None:
        word = self.new_word()
        kept = await self.call("remember", text=self.text(word))
        self.note(kept["thread"], kept["memory"].split("/")[1], word)

    async def say(self) -> None:
        """Say something in a thread of the user, as an agent beside the server would do it."""
        own = [name for name in self.own() if name.startswith("chat ")]
        thread_id = self.random.choice([*own, f"chat {len(self.said)} {self.words}"])
        word = self.new_word()
        await say(
            self.storage, thread_id, ChatMessage("user", self.text(word)), user=self.user, turn_id=f"turn {self.words}"
        )
        self.note(thread_id, f"turn {self.words}", word)

    async def save(self) -> None:
        own = [name for name in self.own() if name.startswith("chat ")]
        named = {"thread": self.random.choice(own)} if own and self.random.random() < 0.5 else {}
        word = self.new_word()
        messages = [{"role": "user", "text": self.text(word)}]
        kept = await self.call("save_turn", messages=messages, idempotency_key=word, **named)
        turns = (await self.storage.read(kept["thread"])).records
        self.note(kept["thread"], turns[-1].id, word)

    async def fork(self) -> None:
        if (thread_id := self.any_own()) is None:
            return
        into = f"{thread_id.split()[0]} fork {self.words} {len(self.said)}"
        if into in self.said:
            return
        await ChatMessageStore(storage=self.storage, thread_id=thread_id, user_id=self.user).fork(thread_id=into)
        self.owners[into] = self.user
        self.said[into] = [Said(one.turn, one.word, is_forgotten=one.is_forgotten) for one in self.said[thread_id]]
        self.names |= {Place(into, one.turn) for one in self.said[into]}

    async def give(self) -> None:
        """Give a thread to the other user."""
        if (thread_id := self.any_own()) is None:
            return
        if self.random.random() < 0.2:
            # Into a namespace that no connection reads.
            await self.storage.update_thread(thread_id, metadata={NAMESPACE_KEY: "work"})
            self.owners[thread_id] = f"{self.user}/work"
            self.drop_corrections()
            return
        other = USERS[self.user == USERS[0]]
        await self.storage.update_thread(thread_id, user_id=other)
        self.owners[thread_id] = other
        for one in self.said[thread_id]:
            made = [self.corrected[user, one.word] for user in USERS if (user, one.word) in self.corrected]
            if (self.user, one.word) in self.corrected:
                self.corrected[other, one.word] = max(made, key=lambda word: int(word[4:-1]))
        self.drop_corrections()

    async def forget(self) -> None:
        if (place := self.any_place()) is None:
            return
        memory = place.id
        shown = await self.call("forget", memories=[memory])
        await self.call("forget", memories=[memory], confirmation=shown["confirmation"])
        self.forgotten({self.at(place).word})

    async def forget_words(self) -> None:
        if (place := self.any_place()) is None:
            return
        said = self.at(place)
        word = self.corrected.get((self.user, said.word), said.word)
        shown = await self.call("forget", query=word)
        assert len(shown["items"]) >= 1
        await self.call("forget", query=word, confirmation=shown["confirmation"])
        self.forgotten({said.word})

    async def forget_thread(self) -> None:
        if (thread_id := self.any_own()) is None:
            return
        shown = await self.call("forget", thread=thread_id)
        await self.call("forget", thread=thread_id, confirmation=shown["confirmation"])
        self.gone(thread_id)

    async def delete(self) -> None:
        if (thread_id := self.any_own()) is None:
            return
        await self.storage.delete(thread_id)
        self.gone(thread_id)

    async def erase(self) -> None:
        if self.random.random() < 0.3:
            await self.storage.erase_user(self.user)
            for thread_id in [name for name, owner in self.owners.items() if owner.startswith(self.user)]:
                self.gone(thread_id)

    async def correct(self) -> None:
        if (place := self.any_place()) is None:
            return
        word = self.new_word()
        await self.call("correct", memory=place.id, text=self.text(word))
        self.corrected[self.user, self.at(place).word] = word

    async def meddle(self) -> None:
        """Try everything with what is the other user's."""
        theirs = [name for name, owner in self.owners.items() if owner != self.user]
        places = [place for place in self.names if self.owners.get(place.thread_id) not in (None, self.user)]
        async with self.client() as client:
            for thread_id in theirs:
                missing = f"there is no thread {thread_id!r}: list_threads shows the threads"
                said = [{"role": "user", "text": "Mine."}]
                assert await failure(client, "read_thread", thread=thread_id) == missing
                assert await failure(client, "forget", thread=thread_id) == missing
                assert await failure(client, "save_turn", thread=thread_id, messages=said) == missing
                with pytest.raises(MCPError, match="there is no thread"):
                    await client.read_resource(thread_uri(thread_id))
            for place in places:
                missing = f"there is no memory {place.id!r}: recall finds memories and gives their ids"
                assert await failure(client, "forget", memories=[place.id]) == missing
                assert await failure(client, "correct", memory=place.id, text="Mine.") == missing
                with pytest.raises(MCPError, match="there is no memory"):
                    await client.read_resource(memory_uri(place.id))

    # -- the checks ----------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        for user in self.random.sample(USERS, self.random.randrange(len(USERS) + 1)):
            self.user = user
            expected = {
                self.corrected.get((user, one.word), one.word)
                for thread_id in self.own()
                for one in self.said[thread_id]
                if not one.is_forgotten
            }
            async with self.client() as client:
                recalled = await answer(client, "recall", query="Which secret word?", limit=50)
                about = await client.get_prompt("what_do_you_know_about_me", {})
                page = await client.read_resource("recuerda://memory/about-me")
                listed = await answer(client, "list_threads", limit=100)
            found = {word for one in recalled["memories"] for word in WORD.findall(one["text"])}
            assert found == expected, (user, found - expected, expected - found, self.trace)
            assert set(WORD.findall(f"{about} {page}")) <= expected, self.trace
            assert {one["thread"] for one in listed["threads"]} == set(self.own()), self.trace
        for thread_id, said in self.said.items():
            found = await self.storage.read(thread_id)
            turns = {turn.id: is_forgotten(turn) for turn in readable_turns(found.records, thread_id)}
            assert turns == {one.turn: one.is_forgotten for one in said}, (thread_id, self.trace)

    # -- the rest ------------------------------------------------------------------------------------------------------

    @property
    def storage(self) -> SQLiteStorage:
        return self.random.choice(self.storages)

    def client(self) -> Client:
        return Client(self.random.choice(self.servers).sdk_server())

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        async with self.client() as client:
            result = await client.call_tool(name, arguments)
        assert not result.is_error, (text_of(result), self.trace)
        return result.structured_content

    def new_word(self) -> str:
        self.words += 1
        return f"word{self.words}q"

    def text(self, word: str) -> str:
        return f"I always say that the secret word is {word} here"

    def own(self) -> list[str]:
        return [thread_id for thread_id, owner in self.owners.items() if owner == self.user]

    def any_own(self) -> str | None:
        return self.random.choice(self.own() or [None])

    def any_place(self) -> Place | None:
        places = [
            Place(thread_id, one.turn)
            for thread_id in self.own()
            for one in self.said[thread_id]
            if not one.is_forgotten
        ]
        return self.random.choice(places or [None])

    def at(self, place: Place) -> Said:
        return next(one for one in self.said[place.thread_id] if one.turn == place.turn_id)

    def note(self, thread_id: str, turn: str, word: str) -> None:
        assert self.owners.setdefault(thread_id, self.user) == self.user
        self.said.setdefault(thread_id, []).append(Said(turn, word))
        self.names.add(Place(thread_id, turn))

    def forgotten(self, words: set[str]) -> None:
        for thread_id in self.own():
            for one in self.said[thread_id]:
                one.is_forgotten = one.is_forgotten or one.word in words
        self.drop_corrections()

    def gone(self, thread_id: str) -> None:
        del self.owners[thread_id]
        del self.said[thread_id]
        self.drop_corrections()

    def drop_corrections(self) -> None:
        """Drop the corrections of messages that their users do not have any more."""
        had = {
            (owner, one.word) for name, owner in self.owners.items() for one in self.said[name] if not one.is_forgotten
        }
        self.corrected = {key: word for key, word in self.corrected.items() if key in had}


@pytest.fixture
async def program(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Program]:
    program = Program(tmp_path, request.param)
    yield program
    await program.close()


@pytest.mark.parametrize("program", range(6), indirect=True)
async def test_nobody_meets_what_is_another_s(program: Program) -> None:
    for _ in range(STEPS):
        await program.step()
        await program.check()
