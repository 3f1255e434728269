"""The cost of planning a window over a thread, and a check that services accept the messages of generated histories.

A plan is the work of a run between its read and its request: it chooses the turns and repairs the messages. "Cold" is
the first plan of a handle that has read the whole thread. "Warm" is each later plan, after one more turn.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from random import Random
from statistics import median
from typing import Any, cast

from bench.conversation import Conversation, to_turn
from bench.library import encode, seed
from bench.results import HistoryCheck, WindowCost
from recuerda import ChatMessage, ChatMessageStore, ContextWindow, MemoryStorage, Turn
from recuerda.openai.wire import wire_messages
from recuerda.testing.openai_rules import check_chat_request
from recuerda.testing.openai_wire import BadRequest
from recuerda.window.repair import mend
from tests.damaged_histories import damaged_history

WINDOWS = {
    "40 messages": ContextWindow(max_messages=40),
    "8,000 tokens": ContextWindow(max_tokens=8_000),
    "128,000 tokens": ContextWindow(max_tokens=128_000, reserve_tokens=8_000),
    "128,000 tokens, results of 8 turns": ContextWindow(max_tokens=128_000, reserve_tokens=8_000, keep_results=8),
}
"""Typical windows, from small to large."""

_QUESTION = ChatMessage("user", "And now?")


async def measure_windows(sizes: Sequence[int], *, rounds: int) -> list[WindowCost]:
    """Return the cost of each window over threads of some sizes, in RAM. `turns.py` measures the reads of storages."""
    costs: list[WindowCost] = []
    for size in sizes:
        talk = Conversation(size)
        async with MemoryStorage() as storage:
            await seed(storage, "t", encode(talk.messages(size)))
            for name, window in WINDOWS.items():
                store = ChatMessageStore(storage=storage, thread_id="t")
                await store.refresh()
                gc.collect()
                plans: list[float] = []
                for _ in range(rounds + 1):
                    plans.append(_time_plan(store, window))
                    await store.append(to_turn(talk.messages(2)))
                costs.append(_cost(name, size, plans))
    return costs


def check_histories(count: int) -> HistoryCheck:
    """Send generated histories, most of them damaged, through windows of many kinds, and count the refused ones."""
    random = Random(count)
    started = time.process_time()
    refused = sum(not _is_accepted(damaged_history(random), _window(random)) for _ in range(count))
    return HistoryCheck(histories=count, refused=refused, processor_s=time.process_time() - started)


def _time_plan(store: ChatMessageStore, window: ContextWindow) -> float:
    started = time.perf_counter()
    sent = mend(store.history.window(window))
    ended = time.perf_counter()
    assert sent
    return ended - started


def _cost(name: str, size: int, plans: Sequence[float]) -> WindowCost:
    cold, *warm = plans
    return WindowCost(window=name, messages=size, rounds=len(warm), cold_ms=cold * 1e3, warm_ms=median(warm) * 1e3)


def _is_accepted(turns: Sequence[Turn], window: ContextWindow) -> bool:
    try:
        check_chat_request({"messages": cast("Any", wire_messages(mend([*window.select(turns), _QUESTION])))})
    except BadRequest:
        return False
    return True


def _window(random: Random) -> ContextWindow:
    return ContextWindow(
        max_messages=random.choice((None, 1, 3, 6, 15)),
        max_tokens=random.choice((None, 40, 150, 400, 3_000)),
        keep_results=random.choice((None, 1, 2)),
    )
