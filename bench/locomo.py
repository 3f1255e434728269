"""Read conversations and questions in the format of LoCoMo, and judge the messages that a search finds for a question.

LoCoMo (Maharana and others, "Evaluating Very Long-Term Conversational Memory of LLM Agents", 2024; CC BY-NC 4.0) is not
part of this project: you give the path of your copy. Each question names the messages that prove its answer. So a
search is judged without a model, by the share of this evidence among the first messages found.
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
"""The categories of questions. Category 5 is left out, because its questions have no answer."""

DEPTHS = (5, 10, 20)

_EVIDENCE = re.compile(r"D:?(\d+):(\d+)")
_TIME = re.compile(r"(\d+):(\d+) ([ap])m on (\d+) (\w+),? (\d+)")
_SESSION = re.compile(r"session_(\d+)")
_ROLES = {"user": "user", "human": "user", "assistant": "assistant", "ai": "assistant", "bot": "assistant"}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a conversation.

    Attributes:
        id: the id by which a question's evidence names the message.
        session: the number of the message's session.
        role: "user" for people, or "assistant".
        author: the speaker's name; None when the speaker has only a role.
        text: the text, with the caption of a shared picture.
        when: the time of the message.
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
    """The mean quality of the answers to questions.

    Attributes:
        questions: the number of questions.
        recall: for each depth, the share of a question's evidence among that number of first results.
        mrr: the reciprocal rank of the first evidence found.
        ndcg: the normalised discounted cumulative gain of the first ten.
    """

    questions: int
    recall: dict[int, float]
    mrr: float
    ndcg: float


def load(path: Path) -> list[Sample]:
    """Return the conversations in a file of LoCoMo's format."""
    return [_sample(number, raw) for number, raw in enumerate(msgspec.json.decode(path.read_bytes()))]


def judge(found: Sequence[str], evidence: Sequence[str]) -> Quality:
    """Return the quality of the ids that were found for one question, the best id first."""
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
    """Return the mean of the qualities of single questions."""
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
