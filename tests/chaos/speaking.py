"""Users who talk to an agent, in words from which everything can be checked.

A user's text names the user, the thread and a number that is never used twice. The model's answer names the thread's
life (a word that was drawn when the thread began) and a digest of the conversation that the model was sent. So a
thread shows by itself whether it holds turns of another life, of another user, or a turn that was made from other
messages than those before it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence

from recuerda import ChatMessage, ContextProvider, FunctionTool, Storage
from recuerda.agent.agent import Agent
from recuerda.agent.chat import ChatRequest
from recuerda.agent.response import AgentResponse
from recuerda.errors import RecuerdaError
from recuerda.testing.scripted import ScriptedChatClient, call
from recuerda.threads.history import StoredTurn
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread
from tests.chaos.ledger import Ledger
from tests.chaos.tally import UNKNOWN, Round

SAID = re.compile(r"(\w+) says number (\d+) in (\w+)")
HEARD = re.compile(r"life (\w+) heard (\w+)")


class Speaker:
    """A user with an agent and one warm handle for each thread.

    Args:
        user: the user's id.
        storage: a handle on the storage; the speaker's own, or a shared one.
        ledger: notes the turns.
        current: the round.
        slowest_s: the longest time that the agent's tool takes; 0 for an agent that calls no tool.
        asks: True lets the tool wait for approval, so that runs leave drafts behind.
        providers: context providers of the agent.
    """

    def __init__(
        self,
        user: str,
        storage: Storage,
        ledger: Ledger,
        current: Round,
        *,
        slowest_s: float = 0.0,
        asks: bool = False,
        providers: Sequence[ContextProvider] = (),
    ) -> None:
        self.user = user
        self._ledger = ledger
        self._current = current
        self._slowest_s = slowest_s
        self._asks = asks
        self._said = 0
        self._name = f"{user}{current.luck.getrandbits(32):08x}"
        tool = FunctionTool.of(self.wait, needs_approval=asks)
        client = ScriptedChatClient(default=self._answer)
        self.agent: Agent = client.create_agent(storage=storage, tools=[tool], context_providers=list(providers))
        self._threads: dict[str, AgentThread] = {}

    async def wait(self) -> str:
        """Take some time."""
        await asyncio.sleep(self._current.luck.uniform(0, self._slowest_s))
        return "done"

    def thread(self, thread_id: str) -> AgentThread:
        """Return the speaker's handle on a thread, which stays warm."""
        if thread_id not in self._threads:
            self._threads[thread_id] = self.agent.get_thread(thread_id, user_id=self.user)
        return self._threads[thread_id]

    async def speak(self, thread_id: str) -> AgentResponse | RecuerdaError:
        """Say one thing in a thread, and note what came of it."""
        self._said += 1
        turn_id = f"{self._name}.{self._said}"
        self._ledger.begin(turn_id, thread=thread_id, user=self.user)
        text = f"{self.user} says number {self._said} in {thread_id}"
        reply = await self._current.attempt(self.agent.run(text, thread=self.thread(thread_id), turn_id=turn_id))
        self._note(turn_id, reply)
        return reply

    async def resume(self, thread_id: str, approvals: Mapping[str, bool]) -> AgentResponse | RecuerdaError:
        """Resume the thread's interrupted turn, and note what came of it."""
        reply = await self._current.attempt(self.agent.resume(self.thread(thread_id), approvals=approvals))
        if isinstance(reply, AgentResponse) and reply.turn_id is not None:
            self._note(reply.turn_id, reply)
        return reply

    def _note(self, turn_id: str, outcome: AgentResponse | RecuerdaError) -> None:
        """Note whether a turn was acknowledged or refused, if it is known."""
        if isinstance(outcome, AgentResponse):
            if not outcome.pending:
                self._ledger.acknowledge(turn_id)
        elif not isinstance(outcome, UNKNOWN) and not self._asks:
            self._ledger.refuse(turn_id)

    def _answer(self, request: ChatRequest) -> ChatMessage:
        if self._slowest_s and request.messages[-1].role == "user" and self._current.luck.random() < 0.5:
            return call(self.wait.__name__)
        heard = _texts(request.messages)
        before = heard[: max(i for i, text in enumerate(heard) if SAID.fullmatch(text))]
        lives = [match[1] for text in before if (match := HEARD.fullmatch(text))]
        life = lives[-1] if lives else f"{self._current.luck.getrandbits(32):08x}"
        return ChatMessage("assistant", f"life {life} heard {_digest(before)}")


async def turns_of(storage: Storage, thread_id: str) -> list[StoredTurn]:
    """Return a thread's turns, as a handle that has read nothing yet sees them."""
    return await ChatMessageStore(storage=storage, thread_id=thread_id).list_turns()


async def check_thread(current: Round, storage: Storage, ledger: Ledger, thread_id: str) -> list[StoredTurn]:
    """Check a thread against the ledger and against its own words, while nothing is under way. Return its turns."""
    turns = await turns_of(storage, thread_id)
    for problem in ledger.problems(thread_id, [turn.id for turn in turns]):
        current.fault(thread_id, expected="the acknowledged turns, once each", found=problem)
    check_words(current, thread_id, turns)
    return turns


def check_words(current: Round, thread_id: str, turns: Sequence[StoredTurn]) -> None:
    """Check that the turns are of this thread and of one life, and that each was made from the turns before it."""
    before: list[str] = []
    lives: set[str] = set()
    for turn in turns:
        texts = _texts(turn.messages)
        said, heard = SAID.fullmatch(texts[0]), HEARD.fullmatch(texts[-1])
        if said is None or said[3] != thread_id or heard is None:
            current.fault(thread_id, expected="turns of this thread", found=f"turn {turn.number}: {texts}")
            return
        lives.add(heard[1])
        if heard[2] != _digest(before):
            found = f"turn {turn.number} was made from other messages than the {len(before)} before it"
            current.fault(thread_id, expected="each turn was made from the turns before it", found=found)
            return
        before += texts
    if len(lives) > 1:
        current.fault(thread_id, expected="turns of one life", found=f"turns of the lives {sorted(lives)}")


def speakers_in(turns: Sequence[StoredTurn]) -> set[str]:
    """Return the users who said something in the turns."""
    texts = [text for turn in turns for text in _texts(turn.messages)]
    return {match[1] for text in texts if (match := SAID.fullmatch(text))}


def _texts(messages: Sequence[ChatMessage]) -> list[str]:
    """Return the texts of a conversation, without calls, results, and words that a provider added."""
    return [message.text for message in messages if SAID.fullmatch(message.text) or HEARD.fullmatch(message.text)]


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
