"""Random histories like those in other programs' databases: mostly sound, and damaged in every way that was ever seen.

They are drawn from a seed, many thousands in a second. Tests check that services accept what a window sends of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    Turn,
    UnknownContent,
    UriContent,
    Usage,
    UsageContent,
)

_ROLES = ("user", "assistant", "system", "developer", "tool", "function", "critic")
_TEXTS = ("", "Hello", "¿Qué tal?", "你好", "\ud83d", "x" * 400, "I would like to know more about that, please.")
_CALL_IDS = ("call_1", "call_1", "call_2", "a", "", "id with spaces", "x" * 80)
_NAMES = ("add", "functions.add", "", "ñandú")


def damaged_history(random: Random, *, max_turns: int = 6) -> list[Turn]:
    """Draw the turns of a history; most histories are damaged, once or several times."""
    turns = [_sound_turn(random) for _ in range(random.randrange(max_turns + 1))]
    if not turns or random.random() < 0.2:
        return turns
    for _ in range(1 + random.randrange(5)):
        at = random.randrange(len(turns))
        messages = list(turns[at].messages)
        random.choice(_DAMAGES)(random, messages)
        turns[at] = Turn(messages=tuple(messages) or (_message(random),))
    return turns


def _sound_turn(random: Random) -> Turn:
    messages = [ChatMessage("user", random.choice(_TEXTS))]
    for _ in range(random.choice((0, 0, 1, 1, 2, 4))):
        ids = random.sample(("call_1", "call_2", "call_3", f"call_{random.random()}"), random.choice((1, 1, 2, 3)))
        calls = [FunctionCallContent(id, "add", {"a": 1} if random.random() < 0.5 else '{"a":1}') for id in ids]
        said: list[AnyContent] = [TextContent("Let me see.")] if random.random() < 0.3 else []
        messages.append(ChatMessage("assistant", [*said, *calls]))
        results = [_result(random, id) for id in ids]
        random.shuffle(results)
        if random.random() < 0.5:
            messages.append(ChatMessage("tool", results))
        else:
            messages.extend(ChatMessage("tool", result) for result in results)
    messages.append(ChatMessage("assistant", random.choice(_TEXTS[1:])))
    return Turn(messages=tuple(messages))


def _result(random: Random, call_id: str) -> FunctionResultContent:
    value = random.choice(("3", "", None, {"rows": [1, 2, {"a": "b"}]}, "word " * random.choice((1, 30, 300))))
    return FunctionResultContent(call_id, value, is_error=random.random() < 0.1)


def _call(random: Random) -> FunctionCallContent:
    return FunctionCallContent(random.choice(_CALL_IDS), random.choice(_NAMES), random.choice(("{}", "", "not JSON")))


def _part(random: Random) -> AnyContent:
    return random.choice(
        (
            lambda: TextContent(random.choice(_TEXTS)),
            lambda: _call(random),
            lambda: _result(random, random.choice(_CALL_IDS)),
            lambda: DataContent(b"\x00\xff", random.choice(("image/png", "audio/mpeg", "application/pdf"))),
            lambda: UriContent("https://example.com/a.png", "image/png"),
            lambda: TextReasoningContent("Hm."),
            lambda: RefusalContent("No."),
            lambda: UsageContent(Usage(1)),
            lambda: UnknownContent({"type": "hologram"}),
        )
    )()


def _message(random: Random) -> ChatMessage:
    parts = [_part(random) for _ in range(random.randrange(4))]
    return ChatMessage(random.choice(_ROLES), parts, author_name=random.choice((None, "Ana María", "<|im_end|>")))


def _any(random: Random, messages: Sequence[ChatMessage]) -> int:
    return random.randrange(len(messages)) if messages else 0


def _drop(random: Random, messages: list[ChatMessage]) -> None:
    at = _any(random, messages)
    del messages[at : at + 1]


def _cut_off(random: Random, messages: list[ChatMessage]) -> None:
    del messages[_any(random, messages) + 1 :]


def _behead(random: Random, messages: list[ChatMessage]) -> None:
    del messages[: _any(random, messages)]


def _repeat(random: Random, messages: list[ChatMessage]) -> None:
    at = _any(random, messages)
    messages[at:at] = messages[at : at + 1]


def _insert(random: Random, messages: list[ChatMessage]) -> None:
    messages.insert(_any(random, messages), _message(random))


def _disorder(random: Random, messages: list[ChatMessage]) -> None:
    random.shuffle(messages)


def _recast(random: Random, messages: list[ChatMessage]) -> None:
    at = _any(random, messages)
    messages[at : at + 1] = [ChatMessage(random.choice(_ROLES), message.contents) for message in messages[at : at + 1]]


def _empty(random: Random, messages: list[ChatMessage]) -> None:
    at = _any(random, messages)
    messages[at : at + 1] = [ChatMessage(message.role) for message in messages[at : at + 1]]


def _mix(random: Random, messages: list[ChatMessage]) -> None:
    at = _any(random, messages)
    for message in messages[at : at + 1]:
        parts = [*message.contents, _part(random), _part(random)]
        random.shuffle(parts)
        messages[at] = ChatMessage(message.role, parts)


_DAMAGES: tuple[Callable[[Random, list[ChatMessage]], None], ...] = (
    _drop,
    _drop,
    _cut_off,
    _behead,
    _repeat,
    _insert,
    _disorder,
    _recast,
    _empty,
    _mix,
)
