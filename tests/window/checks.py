"""What has to hold of every window, and of every history that is sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any, cast

from recuerda import ChatMessage, ContextWindow, FunctionResultContent, TextContent, Turn
from recuerda.messages.message import FILES
from recuerda.openai.wire import wire_messages
from recuerda.testing.openai_rules import check_chat_request
from recuerda.window.repair import mend
from recuerda.window.tally import NumberedTurn

QUESTION = ChatMessage("user", "And now?")


def check_accepted(messages: Sequence[ChatMessage]) -> None:
    """Check that messages are accepted as our client writes them, and by one that mends nothing."""
    check_chat_request({"messages": cast("Any", wire_messages(messages))})
    check_chat_request({"messages": cast("Any", plainly_wired(messages))})


def plainly_wired(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Write messages as they stand, as a simple client would: nothing is moved, paired or left out."""
    wire: list[dict[str, Any]] = []
    ids: dict[str, str] = {}
    for message in messages:
        if message.role == "tool":
            results = [part for part in message.contents if isinstance(part, FunctionResultContent)]
            assert results, "a tool's message without a result"
            for result in results:
                id = ids.setdefault(result.call_id, f"call_{len(ids)}")
                wire.append({"role": "tool", "tool_call_id": id, "content": str(result.result)})
            continue
        role = message.role if message.role in ("system", "developer", "assistant") else "user"
        plain: dict[str, Any] = {"role": role, "content": message.text}
        if calls := message.function_calls:
            assert role == "assistant", f"a call of a {message.role}"
            names = [ids.setdefault(call.call_id, f"call_{len(ids)}") for call in calls]
            assert len(set(names)) == len(names), "two calls of one id"
            plain["tool_calls"] = [
                {
                    "id": name,
                    "type": "function",
                    "function": {"name": call.name or "_", "arguments": str(call.arguments)},
                }
                for name, call in zip(names, calls, strict=True)
            ]
        wire.append(plain)
    return wire


def check_history(random: Random, turns: Sequence[Turn], window: ContextWindow) -> None:
    """Check everything that a window promises of a history, whatever its state."""
    before = repr(turns)
    chosen = window.select(turns)
    sent = mend([*chosen, QUESTION])
    check_accepted(sent)
    assert mend(sent) is sent
    assert sent[-1] == QUESTION
    check_fits(turns, chosen, window)
    assert window.select(turns) == chosen
    numbered = [Numbered(3 * i + 1, turn) for i, turn in enumerate(turns)]
    held = window.plan(window.tally(numbered))
    assert window.plan(window.tally(numbered[-random.randint(fitting(window, numbered), 99) :])) == held
    assert repr(turns) == before


def check_fits(turns: Sequence[Turn], chosen: Sequence[ChatMessage], window: ContextWindow) -> None:
    """Check that whole turns were chosen, the newest always, and no more than the limits allow."""
    if not turns:
        assert chosen == []
        return
    count = turns_in(turns, chosen)
    limit = window.max_tokens
    if limit is not None and count > 1:
        assert window.tokens(mend(chosen)) <= limit - window.reserve_tokens
    assert window.max_messages is None or count == 1 or len(chosen) <= window.max_messages


def turns_in(turns: Sequence[Turn], chosen: Sequence[ChatMessage]) -> int:
    """Return how many of the newest turns were chosen, whole but for their results."""
    for count in range(len(turns), 0, -1):
        messages = [message for turn in turns[-count:] for message in turn.messages]
        if len(messages) == len(chosen) and all(map(_is_alike, messages, chosen)):
            return count
    # The newest turn alone may lose rounds of calls, and nothing else.
    kept = [message for message in chosen if not message.function_calls and message.role != "tool"]
    newest = [message for message in turns[-1].messages if not message.function_calls and message.role != "tool"]
    assert len(kept) == len(newest)
    assert all(map(_is_alike, newest, kept))
    return 1


def fitting(window: ContextWindow, turns: Sequence[NumberedTurn]) -> int:
    """Return how many of the newest turns a storage has to read for a window."""
    messages = 0
    for count, stored in enumerate(reversed(turns)):
        messages += len(stored.turn.messages)
        if count and window.last_messages is not None and messages > window.last_messages:
            return count
    return max(1, len(turns))


def _is_alike(one: ChatMessage, other: ChatMessage) -> bool:
    """Say whether a chosen message is a message of a turn, but for the texts of results and the names of files."""
    if one.role != other.role:
        return False
    return [_kind(part) for part in one.contents] == [_kind(p) for p in other.contents] or _is_named(one, other)


def _is_named(one: ChatMessage, other: ChatMessage) -> bool:
    """Say whether a message is one text, with a line for each text and for the name of each file of another one."""
    parts = [part for part in one.contents if not isinstance(part, TextContent) or part.text]
    if not isinstance(other.content, str) or not any(isinstance(part, FILES) for part in parts):
        return False
    if not all(isinstance(part, (TextContent, *FILES)) for part in parts):
        return False
    lines = [re.escape(part.text) if isinstance(part, TextContent) else r"\[.* from turn \d+\]" for part in parts]
    return re.fullmatch("\n".join(lines), other.content, re.DOTALL) is not None


def _kind(part: object) -> object:
    if isinstance(part, FILES) or (isinstance(part, TextContent) and " from turn " in part.text):
        return "a file, or its name"
    return (part.call_id, part.is_error) if isinstance(part, FunctionResultContent) else part


class Numbered:
    """A turn with a number."""

    def __init__(self, number: int, turn: Turn) -> None:
        self.number = number
        self.turn = turn


def any_window(random: Random) -> ContextWindow:
    """Draw a window; most are small, so that they cut."""
    max_tokens = random.choice((None, 1, 40, 150, 400, 3000))
    return ContextWindow(
        max_messages=random.choice((None, 1, 3, 6, 15)),
        max_tokens=max_tokens,
        reserve_tokens=0 if max_tokens is None else random.choice((0, max_tokens // 3)),
        keep_results=random.choice((None, 1, 2)),
        keep_files=random.choice((None, 0, 1, 4)),
    )
