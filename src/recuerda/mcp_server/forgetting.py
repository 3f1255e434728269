"""Forgetting, in two steps: the first call shows the items, and the second call, with the confirmation, forgets them.

The confirmation is a hash of exactly the items that were shown. So any process of the server can check it, nothing has
to be kept between the calls, and nothing is forgotten that was not shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from recuerda.errors import InvalidInput, ThreadConflict
from recuerda.mcp_server.answers import ForgetItem, Forgotten
from recuerda.mcp_server.budget import cut_text, fitting
from recuerda.mcp_server.finding import FoundMemory
from recuerda.mcp_server.memories import Memories, check_query, check_writable, store_of
from recuerda.mcp_server.references import Place
from recuerda.mcp_server.scope import Scope
from recuerda.mcp_server.threads import Threads, no_thread
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import ChatMessage, Turn
from recuerda.providers.observing import on_memories
from recuerda.recall.following import documents_of
from recuerda.recall.forgotten import FORGOTTEN_KEY
from recuerda.recall.scopes import Whose
from recuerda.recall.text import terms_of
from recuerda.recall.wording import Wording
from recuerda.threads.conflicts import MAX_TRIES

MAX_FORGOTTEN = 50
"""The largest number of memories that one call forgets."""

ERASED = "erased"
NOT_RECALLED = "not recalled"
_SHOWN = 300


class Forgetting:
    """Forget memories and threads.

    Args:
        memories: the memories.
        threads: the threads.
    """

    def __init__(self, memories: Memories, threads: Threads) -> None:
        self._memories = memories
        self._threads = threads

    async def forget_memories(self, scope: Scope, ids: Sequence[str], confirmation: str | None) -> Forgotten:
        """Show memories or, with their confirmation, forget them.

        A memory that was stored on purpose is erased. A message of a conversation stays in the conversation, and no
        connection sees it again. The other messages of its turn go with it, and are shown too.

        Raises:
            InvalidInput: a memory does not exist or cannot be changed here, or the memories are not the ones that were
                shown.
        """
        found = await self._whole_turns(scope, ids)
        for one in found:
            check_writable(scope, one)
        found = self._shown(found)
        items = [_item(one) for one in found]
        expected = scope.digest("forget", [[one.place.id, one.words.text] for one in found])[:16]
        if confirmation is None or not items:
            return Forgotten(is_done=False, items=items, confirmation=expected if items else None)
        _check(confirmation, expected)
        await on_memories(
            "delete_memory", self._forget_all(scope, found), store=store_of(scope), count=lambda _: len(items)
        )
        return Forgotten(is_done=True, items=items)

    async def found(self, scope: Scope, query: str) -> list[str]:
        """Return the ids of the memories with all words of a query, also in the words of a correction.

        Raises:
            InvalidInput: the query has no word to look for, or is too long.
        """
        check_query(query)
        recollection = self._memories.recollection
        whose = Whose(user_id=scope.user_id, namespaces=(scope.namespace,))
        turns = await recollection.turns_with_words(query, whose, only_thread=None)
        said = (await recollection.index.held(turns, MAX_FORGOTTEN)).first
        _, recalled = await self._memories.recall(structs.replace(scope, reads=()), query, limit=MAX_FORGOTTEN)
        wording = Wording(query)
        corrected = [
            one for one in recalled if one.corrected_us is not None and wording.are_in(terms_of(one.text).counts)
        ]
        return [Place(one.thread_id, one.turn_id, one.position).id for one in (*said, *corrected)]

    async def forget_thread(self, scope: Scope, thread_id: str, confirmation: str | None) -> Forgotten:
        """Show a thread or, with its confirmation, delete it with everything in it.

        Raises:
            InvalidInput: there is no such thread, it cannot be changed here, or it has changed since it was shown.
        """
        info = await self._threads.info(scope, thread_id)
        if not scope.may_write(info):
            raise InvalidInput(
                "this thread is in a namespace that this connection only reads: it cannot be deleted here"
            )
        title = cut_text(info.title or "(no title)", _SHOWN)[0]
        items = [ForgetItem(text=f"{title} ({info.messages} messages)", thread=thread_id, effect=ERASED)]
        expected = scope.digest("thread", info.id, info.incarnation, info.revision)[:16]
        if confirmation is None:
            return Forgotten(is_done=False, items=items, confirmation=expected)
        _check(confirmation, expected)
        try:
            was_there = await scope.view(self._threads.storage).delete(thread_id, expected=info.version)
        except ThreadConflict:
            raise InvalidInput(
                "the thread has changed since it was shown: call forget again without confirmation"
            ) from None
        if not was_there:
            raise no_thread(thread_id)
        return Forgotten(is_done=True, items=items)

    def _shown(self, found: Sequence[FoundMemory]) -> list[FoundMemory]:
        """Return the first memories that fit into an answer, without a turn of which only a part fits."""
        fit = fitting([_item(one) for one in found], self._memories.max_tokens, shorten=_cut)
        left_out = {_turn(one) for one in found[len(fit) :]}
        whole = [one for one in found[: len(fit)] if _turn(one) not in left_out]
        return whole or list(found[: len(fit)])

    async def _whole_turns(self, scope: Scope, ids: Sequence[str]) -> list[FoundMemory]:
        """Return memories, each together with the other messages of its turn."""
        found: dict[str, FoundMemory] = {}
        for memory in ids:
            one = await self._memories.find(scope, memory)
            for new in documents_of(one.record, one.place.thread_id):
                place = Place(one.place.thread_id, one.place.turn_id, new.document.position)
                if place.id not in found:
                    found[place.id] = one if place == one.place else await self._memories.find(scope, place.id)
        return list(found.values())

    async def _forget_all(self, scope: Scope, found: Sequence[FoundMemory]) -> None:
        for one in {_turn(one): one for one in found}.values():
            await self._forget(scope, one)

    async def _forget(self, scope: Scope, found: FoundMemory) -> None:
        place = found.place
        recollection = self._memories.recollection
        turns = await recollection.turns_to_forget(place.thread_id, place.turn_id, found.position)
        await recollection.forget(turns)
        if found.is_kept_alone:
            await self._erase(scope, found)
        await recollection.follow(place.thread_id)

    async def _erase(self, scope: Scope, found: FoundMemory) -> None:
        """Replace the words of a memory in the log by nothing. Its turn stays, so a retry does not store it again."""
        view = scope.view(self._memories.storage)
        message = ChatMessage(found.own.role, "", author_name=found.own.speaker)
        body = encode_turn(Turn(messages=(message,), input_count=0, metadata={FORGOTTEN_KEY: True}))
        place = found.place
        for attempt in range(MAX_TRIES):
            now = await view.read(place.thread_id, last_turns=0, turn_id=place.turn_id)
            if now.info is None or now.found is None:
                return
            try:
                await view.rewrite(place.thread_id, {now.found.number: body}, expected=now.info.version)
            except ThreadConflict:
                if attempt == MAX_TRIES - 1:
                    raise
            else:
                return


def _turn(found: FoundMemory) -> tuple[str, str]:
    return found.place.thread_id, found.place.turn_id


def _item(found: FoundMemory) -> ForgetItem:
    text = cut_text(found.words.text, _SHOWN)[0]
    return ForgetItem(text=text, memory=found.place.id, effect=ERASED if found.is_kept_alone else NOT_RECALLED)


def _cut(item: ForgetItem, max_characters: int) -> ForgetItem:
    return structs.replace(item, text=cut_text(item.text, max_characters)[0])


def _check(given: str, expected: str) -> None:
    if given != expected:
        raise InvalidInput(
            "this confirmation is not the one for these items, or they have changed since: call forget without "
            "confirmation, and look at the items again"
        )
