"""Users who show pictures to an agent, and branch, replace, cut, copy and erase what they have shown.

A picture's bytes are its name, again and again, so that every part of them can be found and told apart. A question
names its picture. The agent's answer carries a digest of the question and of the answer before it, so a thread shows by
itself whether each turn was made from the turn before it, also in a fork, after a replacement and after a trim.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from recuerda import ChatMessage, DataContent, MemoryStorage, Storage, TextContent
from recuerda.agent.chat import ChatRequest
from recuerda.copying import copy_thread
from recuerda.encryption import EncryptedStorage
from recuerda.errors import RecuerdaError
from recuerda.ids import new_id
from recuerda.testing.scripted import ScriptedChatClient
from recuerda.threads.history import StoredTurn
from recuerda.threads.thread import AgentThread
from tests.chaos.keys import TwoKeys
from tests.chaos.tally import Round

USERS = ("ana", "bo")
ROOTS = tuple(f"{user}{number}" for user in USERS for number in range(2))
"""The ids of the threads that are not forks."""

MOST_THREADS, MOST_TURNS = 6, 8
PICTURE = rb"picture[0-9a-f]{16}"
SHOWN = re.compile(r"(\w+) shows ([0-9a-f]{16}) as ([\w-]+)")
HEARD = re.compile(r"heard (\w+)")


def picture(word: str) -> bytes:
    """Return the bytes of the picture that a word of 16 hexadecimal digits names: 5 to 28 kB."""
    return f"picture{word}".encode() * (200 + 4 * int(word[:2], 16))


def question(user: str, word: str) -> ChatMessage:
    """Return a question with a picture, which is never said twice."""
    return ChatMessage(
        "user", [TextContent(f"{user} shows {word} as {new_id()}"), DataContent(picture(word), "image/png")]
    )


class Painter:
    """One worker for all users, with warm handles on some threads and cold ones on others.

    Args:
        storage: a handle on the storage; the painter's own, or a shared one.
        current: the round.
        keys: the keys, if the storage encrypts.
    """

    def __init__(self, storage: Storage, current: Round, keys: TwoKeys) -> None:
        self._storage = storage
        self._current = current
        self._keys = keys
        self._agent = PaintingClient(current).create_agent(storage=storage)
        self._warm: dict[str, AgentThread] = {}
        self._shown: deque[str] = deque(maxlen=4)
        self._acts: tuple[Callable[[str, AgentThread], Awaitable[None]], ...] = (
            *(self._show, self._show, self._show, self._again, self._replace),
            *(self._edit, self._fork, self._undo, self._trim, self._delete, self._copy),
        )

    async def act(self) -> None:
        """Do one thing in one thread."""
        luck = self._current.luck
        user = luck.choice(USERS)
        if luck.random() < 0.01:
            await self._current.attempt(self._storage.erase_user(user))
            return
        if isinstance(self._storage, EncryptedStorage) and luck.random() < 0.1:
            await self._rotate(self._storage, await self._pick(user))
            return
        await luck.choice(self._acts)(user, self._handle(await self._pick(user), user))
        await self._current.pause(0.01)

    async def _pick(self, user: str) -> str:
        """Return one of a user's threads. Delete a thread if there are many."""
        page = await self._current.attempt(self._storage.list_threads(user_id=user, limit=MOST_THREADS + 1))
        there = [] if isinstance(page, RecuerdaError) else [info.id for info in page.threads]
        if len(there) > MOST_THREADS:
            await self._current.attempt(self._storage.delete(there.pop()))
        return self._current.luck.choice([*there, *(root for root in ROOTS if root.startswith(user))])

    def _handle(self, thread_id: str, user: str) -> AgentThread:
        if self._current.luck.random() < 0.3:
            return self._agent.get_thread(thread_id, user_id=user)
        return self._warm.setdefault(thread_id, self._agent.get_thread(thread_id, user_id=user))

    def _word(self) -> str:
        """Return the name of a new picture, or of one that was shown before."""
        luck = self._current.luck
        if not self._shown or luck.random() < 0.4:
            self._shown.append(f"{luck.getrandbits(64):016x}")
        return luck.choice(self._shown)

    async def _turns(self, thread: AgentThread) -> Sequence[StoredTurn]:
        turns = await self._current.attempt(thread.list_turns())
        return [] if isinstance(turns, RecuerdaError) else turns

    # -- acts ----------------------------------------------------------------------------------------------------------

    async def _show(self, user: str, thread: AgentThread) -> None:
        await self._current.attempt(self._agent.run(question(user, self._word()), thread=thread, turn_id=new_id()))

    async def _again(self, user: str, thread: AgentThread) -> None:
        await self._current.attempt(self._agent.regenerate(thread, turn_id=new_id()))

    async def _replace(self, user: str, thread: AgentThread) -> None:
        if turns := await self._turns(thread):
            said = question(user, self._word())
            await self._current.attempt(self._agent.run(said, thread=thread, replaces=turns[-1], turn_id=new_id()))

    async def _edit(self, user: str, thread: AgentThread) -> None:
        if turns := await self._turns(thread):
            turn, said = self._current.luck.choice(turns), question(user, self._word())
            await self._current.attempt(self._agent.edit(thread, turn, said, turn_id=new_id()))

    async def _fork(self, user: str, thread: AgentThread) -> None:
        if turns := await self._turns(thread):
            await self._current.attempt(thread.fork(through=self._current.luck.choice(turns)))

    async def _undo(self, user: str, thread: AgentThread) -> None:
        await self._current.attempt(thread.undo())

    async def _trim(self, user: str, thread: AgentThread) -> None:
        keep_turns = self._current.luck.randint(1, MOST_TURNS)
        await self._current.attempt(self._storage.trim(thread.id, keep_turns=keep_turns, user_id=user))

    async def _delete(self, user: str, thread: AgentThread) -> None:
        await self._current.attempt(self._storage.delete(thread.id, user_id=user))

    async def _copy(self, user: str, thread: AgentThread) -> None:
        """Copy a thread to another storage. The copy may fail only if the thread changes meanwhile."""
        before = await self._current.attempt(self._storage.head(thread.id))
        async with MemoryStorage() as other:
            copied = await self._current.attempt(copy_thread(self._storage, other, thread.id))
        after = await self._current.attempt(self._storage.head(thread.id))
        if not isinstance(copied, RecuerdaError) and copied.problem is not None and before == after:
            self._current.fault(thread.id, expected="a whole copy", found=copied.problem)

    async def _rotate(self, storage: EncryptedStorage, thread_id: str) -> None:
        self._keys.name = self._current.luck.choice(("old", "new"))
        await self._current.attempt(storage.rotate(thread_id))


class PaintingClient(ScriptedChatClient):
    """A model that answers with a digest of the question and of its last answer, and looks at each picture.

    Args:
        current: the round, which gets the faults.
    """

    def __init__(self, current: Round) -> None:
        super().__init__(default=self._answer)
        self._current = current

    def _answer(self, request: ChatRequest) -> str:
        self.requests.clear()  # It would grow by the pictures of each run.
        for message in request.messages:
            for problem in problems_of(message, may_lack_picture=True):
                self._current.fault("", expected="the model sees whole pictures", found=problem)
        answers = [message.text for message in request.messages if message.role == "assistant"]
        return heard(answers[-1] if answers else "", request.messages[-1].text)


def heard(answer: str, said: str) -> str:
    """Return the answer to a question that follows an earlier answer, or "" at the beginning."""
    digest = hashlib.sha256(f"{answer}\n{said}".encode())
    return f"heard {digest.hexdigest()[:16]}"


def problems_of(message: ChatMessage, *, may_lack_picture: bool) -> list[str]:
    """Compare a message's picture with its text. A window and a run that is refused may lack a picture."""
    said = SHOWN.search(message.text)
    if said is None:
        return []
    pictures = [part.data for part in message.contents if isinstance(part, DataContent)]
    if pictures == [picture(said[2])] or (not pictures and may_lack_picture):
        return []
    names = sorted({found.decode() for data in pictures for found in re.findall(PICTURE, data)})
    return [f"{said[0]!r} has the pictures {names}"]
