"""The conversation of `recuerda chat`: streamed answers, the history, undo, and interrupted turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from rich.text import Text

from recuerda.agent.agent import AgentResponse
from recuerda.agent.client import ChatClient
from recuerda.agent.stream import AgentResponseStream
from recuerda.cli.inbox import login_name
from recuerda.cli.messages import shown_message, shown_turn
from recuerda.cli.output import clean, clean_line, console, counted, print_json, warn
from recuerda.cli.pending import arguments_shown, told_pending
from recuerda.errors import InvalidInput, RecuerdaError, TurnPending
from recuerda.examination import read_pending
from recuerda.providers.context import ContextProvider
from recuerda.storage.contract import Storage
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread
from recuerda.window.window import ContextWindow

_GONE = "the interrupted turn is not there any more: it was continued or dropped by another program"

GREETING_TURNS = 5
"""The number of turns that are shown when the chat begins."""


class Unfinished(NamedTuple):
    """An unfinished turn.

    Attributes:
        told: a clause about the turn, such as "interrupted after step 2".
        waits_for_approval: True if a person has to decide about calls.
    """

    told: str
    waits_for_approval: bool

    @property
    def next_step(self) -> str:
        """The commands of the chat for the turn."""
        if self.waits_for_approval:
            return "/allow runs what waits, /refuse tells the model that you refused, /drop deletes the turn"
        return "/resume continues it, /drop deletes it"


class Conversation:
    """One thread on one storage, and its output. Closing it closes the client and the storage."""

    def __init__(
        self,
        client: ChatClient,
        storage: Storage,
        *,
        thread_id: str,
        user_id: str | None,
        instructions: str | None,
        window: ContextWindow | None,
        tools: Sequence[ContextProvider],
        label: str,
        as_json: bool,
        keeps_failed: bool,
    ) -> None:
        self._client = client
        self._storage = storage
        self._store = ChatMessageStore(storage=storage, thread_id=thread_id, user_id=user_id)
        self._thread = AgentThread(message_store=self._store)
        self._agent = client.create_agent(instructions=instructions, storage=storage, window=window, tools=tools)
        self._has_tools = bool(tools)
        self._label = label
        self._as_json = as_json
        self._keeps_failed = keeps_failed
        self._page = console()
        self._turns_before = 0
        self._shown_pending: str | None = None

    async def close(self) -> None:
        """Close the client and the storage."""
        await self._agent.close()
        await self._client.close()
        await self._storage.close()

    async def greet(self) -> None:
        """Show the end of the thread, and how to list the commands."""
        info = await self._store.info()
        name = clean_line(self._thread.id)
        if info is None or not info.turns:
            self._page.print(Text(f"A new thread: {name}. /help lists the commands.", style="dim"))
            return
        turns = await self._store.list_turns(limit=GREETING_TURNS, skip_corrupt=True)
        earlier = info.turns - len(turns)
        more = f", {earlier:,} more with /history" if earlier else ""
        size = counted(info.turns, "turn")
        self._page.print(Text(f"Thread {name}: {size}{more}. /help lists the commands.", style="dim"))
        for turn in turns:
            for message in turn.messages:
                self._page.print(shown_message(message), soft_wrap=True)

    async def pending(self) -> Unfinished | None:
        """Return what is to be said about the thread's unfinished turn; None if there is no such turn."""
        draft = await self._storage.load_draft(self._thread.id, user_id=self._store.user_id)
        self._shown_pending = draft and draft.turn_id
        if draft is None:
            return None
        turn = read_pending(draft, self._thread.id)
        return Unfinished(told_pending(draft, turn), waits_for_approval=turn is not None and turn.waits_for_approval)

    async def resume(self) -> None:
        """Continue the interrupted turn, and stream the rest of the answer to the terminal."""
        self._shown_pending = None
        await self._print_answer(self._agent.resume_stream(self._thread, keep_partial=True))

    async def decide(self, *, is_allowed: bool) -> None:
        """Allow or refuse the calls that wait, and stream the rest of the answer to the terminal."""
        pending = await self._agent.pending_turn(self._thread)
        waiting = [one.call_id for one in pending.calls if one.waits_for == "approval"] if pending else []
        if not waiting:
            raise InvalidInput("no call of this thread waits for approval")
        approvals, by = dict.fromkeys(waiting, is_allowed), login_name()
        if is_allowed and not self._has_tools:
            await self._agent.decide(self._thread, approvals, decided_by=by)
            told = "(saved: the program that has these tools runs the calls when it resumes the thread)"
            self._page.print(Text(told, style="dim"))
            return
        resumed = self._agent.resume_stream(self._thread, approvals=approvals, decided_by=by, keep_partial=True)
        await self._print_answer(resumed)

    async def drop(self) -> None:
        """Drop the interrupted turn that was shown. If none was shown, drop the one that is there now."""
        turn_id, self._shown_pending = self._shown_pending, None
        if not await self._agent.discard_turn(self._thread, turn_id=turn_id):
            raise InvalidInput("this thread has no interrupted turn" if turn_id is None else _GONE)
        self._page.print(
            Text("(the interrupted turn is deleted; the thread is as it was before that turn)", style="dim")
        )

    async def show_history(self) -> None:
        """Show the whole thread, except for turns that cannot be read."""
        turns = await self._store.list_turns(skip_corrupt=True)
        for turn in turns:
            for line in shown_turn(turn):
                self._page.print(line, soft_wrap=True)
        if not turns:
            self._page.print(Text("(the thread is empty)", style="dim"))

    async def undo(self) -> None:
        """Remove the last turn."""
        undone = await self._thread.undo()
        if undone is None:
            raise InvalidInput("this thread has no turn to remove")
        said = next((message.text for message in undone.messages if message.role == "user"), "")
        self._page.print(Text(f"(removed: {clean_line(said)})", style="dim"))

    async def answer(self, text: str) -> None:
        """Stream the model's answer to the terminal and keep the turn.

        If the answer is stopped, the part that arrived is kept. If it fails, the question may be kept.
        """
        try:
            await self._answer(text)
        except TurnPending:
            if (unfinished := await self.pending()) is None:
                raise
            raise InvalidInput(f"a turn of this thread is {unfinished.told}: {unfinished.next_step}") from None

    async def _answer(self, text: str) -> None:
        if self._as_json:
            print_json(_answer_json(await self._agent.run(text, thread=self._thread, keep_partial=True)), indent=None)
            return
        keeps = self._keeps_failed
        await self._print_answer(
            self._agent.run_stream(text, thread=self._thread, keep_partial=True, keep_failed=keeps)
        )

    async def retry(self) -> None:
        """Answer the last question again. The new answer takes the place of the old one."""
        if self._as_json:
            print_json(_answer_json(await self._agent.regenerate(self._thread, keep_partial=True)), indent=None)
            return
        keeps = self._keeps_failed
        await self._print_answer(self._agent.regenerate_stream(self._thread, keep_partial=True, keep_failed=keeps))

    async def _print_answer(self, answer: AgentResponseStream) -> None:
        self._turns_before = await self._revision()
        self._page.print(Text(self._label, style="bold green"), end="")
        try:
            async with answer as stream:
                async for update in stream:
                    self._page.print(Text(clean(update.text)), end="", soft_wrap=True)
        except RecuerdaError:
            if self._keeps_failed and await self._revision() > self._turns_before:
                self._page.print()
                self._page.print(Text("(the question is kept; /retry asks it again)", style="dim"), end="")
            raise
        finally:
            self._page.print()
        for warning in stream.response.warnings:
            warn(warning)
        calls = stream.response.pending
        if calls and self._has_tools:
            for call in calls:
                warn(f"{clean_line(call.name)} waits with the arguments {clean_line(arguments_shown(call))}")
            warn("/allow runs what waits, /refuse tells the model that you refused")
        elif calls:
            names = ", ".join(clean_line(call.name) for call in calls)
            warn(
                f"the turn waits for approval of its calls ({names}): /allow saves your decision for the program that "
                "has these tools, and so does `recuerda pending approve`; /refuse tells the model that you refused"
            )

    async def say_what_was_kept(self) -> None:
        """Print whether a stopped answer was kept."""
        text = "no part of the answer is kept"
        if await self._revision() > self._turns_before:
            last = (await self._store.list_turns(limit=1))[-1]
            text = (
                "the part of the answer that arrived is kept"
                if last.turn.is_interrupted
                else "the turn was complete and is kept"
            )
        self._page.print(Text(f"(stopped; {text})", style="dim"))

    async def _revision(self) -> int:
        info = await self._storage.head(self._thread.id)
        return 0 if info is None else info.revision


def _answer_json(response: AgentResponse) -> dict[str, object]:
    return {
        "thread_id": response.thread_id,
        "turn_id": response.turn_id,
        "text": response.text,
        "usage": None if response.usage is None else msgspec.to_builtins(response.usage),
        "warnings": list(response.warnings),
    }
