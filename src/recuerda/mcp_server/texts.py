"""The answers of the tools as texts, for a model that does not read the structured form.

Everything that was said once is quoted, on one line, by the same rules as the memories that an agent gets.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from recuerda.mcp_server.answers import (
    Corrected,
    ForgetItem,
    Forgotten,
    ListedThreads,
    MessageItem,
    Recalled,
    Remembered,
    SavedTurn,
    ThreadPart,
    TurnItem,
)
from recuerda.recall.memory import Memory
from recuerda.recall.quoting import PROMPT, one_line, quoted

NOTHING = "Nothing about this is remembered."


def recalled(answer: Recalled, found: Sequence[Memory]) -> str:
    """Return the quotes of memories, each with its id."""
    if not answer.memories:
        return NOTHING
    lines = [PROMPT]
    for item, memory in zip(answer.memories, found, strict=True):
        shown = msgspec.structs.replace(memory, text=item.text)
        line = quoted(shown, query="", thread_id="", max_characters=len(item.text))
        past = "" if item.valid_until is None else f" (corrected since, on {item.valid_until})"
        lines.append(f"{line}{past} [memory {item.memory}]")
    if answer.left_out:
        lines.append(f"{answer.left_out} more did not fit: ask for fewer, or ask more exactly.")
    return "\n".join(lines)


def remembered(answer: Remembered) -> str:
    """Return the sentence about a new memory."""
    return f"{'Remembered' if answer.is_new else 'Already remembered'} as memory {answer.memory}."


def corrected(answer: Corrected) -> str:
    """Return the sentence about a correction."""
    return (
        f'Memory {answer.memory} now says: "{one_line(answer.text)}". Before, it said: "{one_line(answer.replaced)}".'
    )


def forgotten(answer: Forgotten) -> str:
    """Return the list of the items, and the next step."""
    if not answer.items:
        return "There is nothing to forget."
    lines = [_item(item) for item in answer.items]
    if answer.is_done:
        return "\n".join(["Forgotten:", *lines])
    return "\n".join(
        [
            "Nothing is forgotten yet. This would be forgotten:",
            *lines,
            f'Ask the user. To forget it, repeat the call with confirmation "{answer.confirmation}".',
        ]
    )


def listed(answer: ListedThreads) -> str:
    """Return a line for each thread."""
    lines = [
        f'- {one_line(thread.thread)}: "{one_line(thread.title or "")}", {thread.messages} messages, changed '
        f"{thread.updated_at}"
        for thread in answer.threads
    ]
    more = [f'More: cursor "{answer.next_cursor}".'] if answer.next_cursor else []
    return "\n".join([*lines, *more]) or "There are no threads."


def part(answer: ThreadPart) -> str:
    """Return the messages of a thread as quotes."""
    lines = [line for turn in answer.turns for line in _turn(turn)]
    earlier = [f'Earlier turns: cursor "{answer.next_cursor}".'] if answer.next_cursor else []
    return "\n".join([PROMPT, *earlier, *lines]) if lines else "\n".join(["There are no turns here.", *earlier])


def saved(answer: SavedTurn) -> str:
    """Return the sentence about a turn that was stored."""
    return f"{'Saved' if answer.is_new else 'Already saved'} as turn {answer.turn} of thread {one_line(answer.thread)}."


def _turn(turn: TurnItem) -> list[str]:
    more = [f"({turn.left_out} further messages of turn {turn.turn} did not fit.)"] if turn.left_out else []
    return [*(_said(message, turn.said_at) for message in turn.messages), *more]


def _said(message: MessageItem, said_at: str) -> str:
    who = f"{one_line(message.speaker)} ({message.role})" if message.speaker else message.role
    place = f" [memory {message.memory}]" if message.memory else ""
    return f'- {said_at}, {who}: "{one_line(message.text)}"{place}'


def _item(item: ForgetItem) -> str:
    name = f"memory {item.memory}" if item.memory else f"thread {one_line(item.thread or '')}"
    effect = "is erased" if item.effect == "erased" else "is not recalled any more, and stays in its conversation"
    return f'- {name}: "{one_line(item.text)}" ({effect})'
