"""An agent for the tour that searches for a room and books it. It writes a line to a file for each action.

`python -m recuerda.cli.tour_clerk URL FOLDER TEXT` runs the agent and stops it in the middle of the booking, when the
room is booked and the tool has not returned. Then its process can be killed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from recuerda._drivers.private_files import open_private
from recuerda.agent.agent import Agent
from recuerda.agent.chat import ChatRequest, ChatResponse
from recuerda.agent.client import ChatClient
from recuerda.agent.tools import FunctionTool
from recuerda.messages.message import ChatMessage, FunctionCallContent

THREAD = "trip"
BOOKING = "booking"
"""The line that a process prints when it may be killed."""


class _Clerk(ChatClient):
    """A model that calls the first tool, then the second tool, and then repeats the last result."""

    async def respond(self, request: ChatRequest) -> ChatResponse:
        results = [message.contents[0] for message in request.messages if message.role == "tool"]
        if not results:
            answer = ChatMessage("assistant", [FunctionCallContent("call_1", "find_room", {"city": "Lima"})])
        elif len(results) == 1:
            answer = ChatMessage("assistant", [FunctionCallContent("call_2", "book", {"room": 12})])
        else:
            answer = ChatMessage("assistant", str(getattr(results[-1], "result", "")))
        return ChatResponse(message=answer)


def clerk(url: str, folder: Path, *, stops: bool = False) -> Agent:
    """Return the agent. With `stops`, it stops after the booking and waits."""

    async def find_room(city: str) -> str:
        """Find a room."""
        _note(folder, "search", city)
        return "room 12"

    async def book(room: int) -> str:
        """Book a room."""
        _note(folder, BOOKING, str(room))
        if stops:
            print(BOOKING, flush=True)  # noqa: T201 - the tour reads it and kills this process
            await asyncio.Event().wait()
        return f"room {room} is booked"

    return _Clerk().create_agent(
        storage=url, tools=[FunctionTool.of(find_room), FunctionTool.of(book)], durability="steps"
    )


def count(folder: Path, action: str) -> int:
    """Return how many times an action was done."""
    path = folder / action
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def _note(folder: Path, action: str, what: str) -> None:
    with open(folder / action, "a", encoding="utf-8", opener=open_private) as file:
        file.write(f"{what}\n")


async def _main(url: str, folder: str, text: str) -> None:
    async with clerk(url, Path(folder), stops=True) as agent:
        await agent.run(text, thread=THREAD)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
