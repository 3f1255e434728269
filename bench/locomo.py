"""Conversations with questions about them, in the format of LoCoMo, and what a search that answers them is worth.

LoCoMo (Maharana and others, "Evaluating Very Long-Term Conversational Memory of LLM Agents", 2024; CC BY-NC 4.0) is not
part of this project: whoever has the file gives its path. Each question names the messages that prove its answer, so a
search is judged without a model: by the share of that evidence among the first found.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop"}
"""Of the questions that have an answer; category 5, which has none, is left out."""

DEPTHS = (5, 10, 20)

_EVIDENCE = re.compile(r"D:?(\d+):(\d+)")
_TIME = re.compile(r"(\d+):(\d+) ([ap])m on (\d+) (\w+),? (\d+)")
_SESSION = re.compile(r"session_(\d+)")
_ROLES = {"user": "user", "human": "user", "assistant": "assistant", "ai": "assistant", "bot": "assistant"}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message, and its place.

    Attributes:
        id: by which evidence names it.
        session: the number of its session.
        role: "user", for people, or "assistant".
        author: the speaker's name; None where it is only a role.
        text: what was said, with the caption of a picture that was shared.
        when: when.
    """

    id: str
    session: int
    role: str
    author: str | None
    text: str
    when: datetime


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question, its category, and the ids of the messages that prove its answer."""

    text: str
    category: str
    evidence: tuple[str, ...]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation of many sessions, with its questions."""

    id: str
    messages: list[Message]
    questions: list[Question]


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Means over questions.

    Attributes:
        questions: how many.
        recall: by depth, the share of a question's evidence among so many of the first found.
        mrr: the reciprocal rank of the first evidence found.
        ndcg: the normalised discounted cumulative gain of the first ten.
    """

    questions: int
    recall: dict[int, float]
    mrr: float
    ndcg: float


def load(path: Path) -> list[Sample]:
    """Read a file of conversations in LoCoMo's format."""
    return [_sample(number, raw) for number, raw in enumerate(msgspec.json.decode(path.read_bytes()))]


def judge(found: Sequence[str], evidence: Sequence[str]) -> Quality:
    """Judge the ids that were found for one question, the best first."""
    ranks = [rank for rank, id in enumerate(found) if id in evidence]
    gain = sum(1 / math.log2(rank + 2) for rank in ranks if rank < 10)
    best_gain = sum(1 / math.log2(rank + 2) for rank in range(min(10, len(evidence))))
    return Quality(
        questions=1,
        recall={depth: sum(rank < depth for rank in ranks) / len(evidence) for depth in DEPTHS},
        mrr=1 / (ranks[0] + 1) if ranks else 0.0,
        ndcg=gain / best_gain,
    )


def mean(judged: Iterable[Quality]) -> Quality:
    """Return the mean of single questions' figures."""
    every = list(judged)
    count = len(every) or 1
    return Quality(
        questions=len(every),
        recall={depth: sum(one.recall[depth] for one in every) / count for depth in DEPTHS},
        mrr=sum(one.mrr for one in every) / count,
        ndcg=sum(one.ndcg for one in every) / count,
    )


def _sample(number: int, raw: dict[str, Any]) -> Sample:
    messages = list(_messages(raw["conversation"]))
    known = {message.id for message in messages}
    questions = [
        Question(text=asked["question"], category=CATEGORIES[asked["category"]], evidence=evidence)
        for asked in raw["qa"]
        if asked["category"] in CATEGORIES and (evidence := tuple(_evidence(asked["evidence"], known)))
    ]
    return Sample(id=str(raw.get("sample_id", number)), messages=messages, questions=questions)


def _messages(conversation: dict[str, Any]) -> Iterator[Message]:
    numbers = sorted(int(match[1]) for key in conversation if (match := _SESSION.fullmatch(key)))
    for number in numbers:
        start = _time(conversation.get(f"session_{number}_date_time", ""))
        for place, raw in enumerate(conversation[f"session_{number}"]):
            speaker = raw["speaker"]
            caption = f" [shares {raw['blip_caption']}]" if raw.get("blip_caption") else ""
            yield Message(
                id=raw["dia_id"],
                session=number,
                role=_ROLES.get(speaker.lower(), "user"),
                author=None if speaker.lower() in _ROLES else speaker,
                text=(raw.get("text") or "") + caption,
                when=start + timedelta(seconds=20 * place),
            )


def _evidence(named: Iterable[str], known: set[str]) -> Iterator[str]:
    ids = (f"D{int(session)}:{int(place)}" for text in named for session, place in _EVIDENCE.findall(text))
    return iter(dict.fromkeys(id for id in ids if id in known))


def _time(text: str) -> datetime:
    match = _TIME.search(text)
    if match is None:
        return datetime(2020, 1, 1, tzinfo=UTC)
    hour = int(match[1]) % 12 + 12 * (match[3] == "p")
    day = datetime.strptime(f"{match[4]} {match[5][:3]} {match[6]}", "%d %b %Y").replace(tzinfo=UTC)
    return day + timedelta(hours=hour, minutes=int(match[2]))
