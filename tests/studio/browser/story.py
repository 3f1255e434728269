"""A travel agent with a week of conversations, as the browser tests and the pictures of the documentation show it.

Agents whose model follows a script write everything, so the threads have what real ones have: tools with results and an
error, a payment that waits, memories, a picture, and messages that attack the page.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from recuerda import (
    Agent,
    ChatMessage,
    ChatMessageStore,
    DataContent,
    FunctionResultContent,
    FunctionTool,
    Storage,
    TextContent,
    TextReasoningContent,
    Usage,
    tool,
)
from recuerda.recall import RecallProvider
from recuerda.testing import ScriptedChatClient, call
from recuerda.testing.scripted import ScriptedAnswer

NOW = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
INSTRUCTIONS = "You plan journeys. Ask before you pay."

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<svg onload=alert(1)>",
    "javascript:alert(1)",
    "</textarea><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<iframe src=https://evil.example></iframe>",
    "![x](https://evil.example/pixel.png)",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "' onmouseover='alert(1)",
    "\u202etxt.exe \x1b[31mred\x1b[0m \x00 \u200b",
)


def drawn_houses(width: int = 240, height: int = 120) -> bytes:
    """Return a picture of houses on a hill, as a PNG file."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            house, roof = divmod(x, 24)
            top = height - 34 - (house * 29 % 41) - house * 2 + abs(roof - 12) // 2
            is_window = y > top + 8 and roof % 8 in (3, 4) and (y - top) % 12 < 5
            colour = (
                (38, 36, 52) if is_window else (222 - house * 9, 142 + house * 7, 92) if y > top else (176, 206, 226)
            )
            rows += bytes(colour)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(bytes(rows), 9)),
            (b"IEND", b""),
        )
    )


class StoryClock:
    """A clock that a story sets, in microseconds since 1970. Each reading is a little later."""

    def __init__(self, start: datetime) -> None:
        self._us = int(start.timestamp()) * 1_000_000

    def __call__(self) -> int:
        self._us += 40_000
        return self._us

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._us += int(by.total_seconds()) * 1_000_000


def search_flights(origin: str, to: str, day: str) -> list[dict[str, object]]:
    """Search for flights."""
    return [
        {"flight": "IB3106", "leaves": "09:40", "price": 84},
        {"flight": "TP1015", "leaves": "11:05", "price": 97},
    ]


def hotel_rooms(city: str, nights: int) -> str:
    """Search for hotel rooms."""
    raise RuntimeError("the hotel service does not answer")


@tool(needs_approval=True)
def pay(euros: int, to: str) -> str:
    """Pay."""
    return f"{euros} euros were paid to {to}"


def agent_of(storage: Storage, *answers: ScriptedAnswer, recall: RecallProvider | None = None) -> Agent:
    """Return the travel agent, with the answers that its model will give."""
    client = ScriptedChatClient(answers, usage=Usage(input_tokens=1180, output_tokens=74, total_tokens=1254))
    tools: Sequence[Callable[..., object] | FunctionTool] = [search_flights, hotel_rooms, pay]
    return client.create_agent(
        "Guide",
        INSTRUCTIONS,
        storage=storage,
        tools=tools,
        context_providers=[] if recall is None else [recall],
    )


async def tell(
    storage: Storage, clock: StoryClock, recall: RecallProvider | None = None, *, attacks: bool = True
) -> None:
    """Write the story into a storage, with or without the thread that attacks."""
    await _earlier(storage, clock, recall)
    await _lisbon(storage, clock, recall)
    await _waiting(storage, clock, recall)
    if attacks:
        await _hostile(storage, clock)


async def _earlier(storage: Storage, clock: StoryClock, recall: RecallProvider | None) -> None:
    for thread_id, user, question, answer in (
        ("porto-2025", "ana", "I only fly after nine, and I take window seats.", "I will remember both."),
        ("ferry", "ana", "When does the ferry to Tangier leave?", "At 09:00 from Tarifa, every day."),
        ("invoice-88", "ben", "Send the invoice of October again, please.", "I sent it to accounts@example.com."),
        ("fado", "ana", "Which house of fado is good for a Friday?", "Tasca do Chico: small, and no bookings."),
    ):
        agent = agent_of(storage, answer, recall=recall)
        await agent.run(question, thread=agent.get_thread(thread_id, user_id=user))
        clock.advance(timedelta(hours=19))


async def _lisbon(storage: Storage, clock: StoryClock, recall: RecallProvider | None) -> None:
    thinking = ChatMessage(
        "assistant",
        [
            TextReasoningContent("She wants to leave on Friday after nine. Search before promising anything."),
            *call("search_flights", {"origin": "MAD", "to": "LIS", "day": "2026-12-04"}, call_id="flights").contents,
        ],
    )
    agent = agent_of(
        storage,
        thinking,
        "IB3106 leaves at 09:40 and costs 84 €. TP1015 leaves at 11:05 and costs 97 €.\n\n"
        "The first one still has window seats: https://example.com/seats?flight=IB3106",
        call("hotel_rooms", {"city": "Lisbon", "nights": 2}, call_id="rooms"),
        "The hotel service does not answer at the moment. I will try again when you ask me.",
        "Alfama is on the hill below the castle. It is quiet before ten, and there are stairs everywhere.",
        recall=recall,
    )
    thread = agent.get_thread("lisbon", user_id="ana")
    question = "Find me a flight to Lisbon on Friday, returning on Sunday evening. Nothing before nine, please."
    await agent.run(ChatMessage("user", question, author_name="Ana"), thread=thread)
    clock.advance(timedelta(minutes=4))
    await agent.run(ChatMessage("user", "And a room for two nights.", author_name="Ana"), thread=thread)
    clock.advance(timedelta(minutes=9))
    picture = DataContent(drawn_houses(), "image/png", name="alfama.png")
    await agent.run(
        ChatMessage("user", [TextContent("Is this area quiet?"), picture], author_name="Ana"), thread=thread
    )
    await storage.update_thread("lisbon", title="A weekend in Lisbon", tags=["travel"], metadata={"channel": "web"})


async def _waiting(storage: Storage, clock: StoryClock, recall: RecallProvider | None) -> None:
    clock.advance(timedelta(minutes=30))
    agent = agent_of(storage, call("pay", {"euros": 84, "to": "Iberia"}, call_id="pay-1"), recall=recall)
    await agent.run("Book IB3106, and pay for it.", thread=agent.get_thread("booking", user_id="ana"))
    clock.advance(timedelta(minutes=6))


async def _hostile(storage: Storage, clock: StoryClock) -> None:
    attack = " ".join(PAYLOADS)
    store = ChatMessageStore(storage=storage, thread_id="<img src=x onerror=alert(1)>", user_id="mallory\"'>")
    await store.add_messages(
        [
            ChatMessage("user", attack, author_name="<b onclick=alert(1)>Mallory</b>"),
            ChatMessage(
                "assistant",
                call("<script>alert(1)</script>", {"x": attack}, call_id="<i>").contents,
                author_name=attack,
            ),
            ChatMessage("tool", [FunctionResultContent("<i>", result=attack, is_error=True)]),
            ChatMessage(
                "assistant", [TextContent(attack), DataContent(b"<svg onload=alert(1)>", "image/svg+xml", name=attack)]
            ),
        ]
    )
    await storage.update_thread(
        "<img src=x onerror=alert(1)>", title=attack[:200], metadata={"<b>": attack}, tags=["<u onclick=alert(1)>"]
    )
