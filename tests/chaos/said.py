"""The conversations and responses that the clients of several servers were promised, and how they are checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.calling import Request


@dataclass(slots=True)
class Said:
    """One acknowledged turn of a conversation.

    Attributes:
        texts: the texts of its items, in order.
        began: the moment at which the request began.
        ended: the moment of the acknowledgement.
        ids: the ids of the items that can be deleted, by their texts.
    """

    texts: list[str]
    began: int
    ended: int
    ids: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Talk:
    """A conversation.

    Attributes:
        tenant: its tenant.
        id: its id.
        key: the idempotency key with which it was made.
        made: the body of the request that made it.
        metadata: the metadata that were set last.
        said: the acknowledged turns.
        gone: the moments at which the deletions of items were acknowledged, by the items' texts.
        leaving: the moment at which its deletion began; None before that.
        left: the moment at which its deletion was acknowledged.
    """

    tenant: str
    id: str
    key: str
    made: Mapping[str, object]
    metadata: dict[str, str]
    said: list[Said] = field(default_factory=list[Said])
    gone: dict[str, int] = field(default_factory=dict[str, int])
    leaving: int | None = None
    left: int | None = None

    @property
    def retrieval(self) -> Request:
        """The request that retrieves it."""
        return Request(self.tenant, "GET", f"conversations/{self.id}")

    def problems(self, listed: Sequence[str], metadata: object) -> list[str]:
        """Compare the promises with the texts of the conversation's items and its metadata, while nothing is done."""
        found = Counter(listed)
        expected = [text for turn in self.said for text in turn.texts if text not in self.gone]
        return [
            *(f"{text!r} was acknowledged, and is lost" for text in expected if not found[text]),
            *(f"{text!r} is there {count} times" for text, count in found.items() if count > 1),
            *(f"{text!r} was deleted, and is there" for text in self.gone if found[text]),
            *(f"{text!r} was never acknowledged" for text in found if text not in {*expected, *self.gone}),
            *self._misplaced(listed),
            *([] if metadata == self.metadata else [f"the metadata are {metadata} and not {self.metadata}"]),
        ]

    def _misplaced(self, listed: Sequence[str]) -> list[str]:
        """Return the turns that are not whole, or stand before a turn that was acknowledged before they began."""
        places = {text: place for place, text in enumerate(listed)}
        held = [(sorted(places[text] for text in turn.texts if text in places), turn) for turn in self.said]
        problems: list[str] = []
        newest = 0
        for there, turn in sorted((one for one in held if one[0]), key=lambda one: one[0]):
            if there != list(range(there[0], there[0] + len(there))):
                problems.append(f"the turn {turn.texts} is not in one piece")
            if turn.ended < newest:
                problems.append(f"the turn {turn.texts} stands behind a turn that was said later")
            newest = max(newest, turn.began)
        return problems


@dataclass(slots=True)
class Response:
    """An acknowledged response of a chain.

    Attributes:
        tenant: its tenant.
        id: its id.
        question: the text of its input.
        answer: the text of its output.
        request: the body of the request that made it.
        key: the idempotency key of that request.
        is_leaving: True as soon as its deletion has begun.
        left: the moment at which its deletion was acknowledged.
    """

    tenant: str
    id: str
    question: str
    answer: str
    request: Mapping[str, object]
    key: str
    is_leaving: bool = False
    left: int | None = None

    @property
    def retrieval(self) -> Request:
        """The request that retrieves it."""
        return Request(self.tenant, "GET", f"responses/{self.id}")


def problems_of_copies(response: Response, answers: Sequence[str]) -> list[str]:
    """Compare a response with the answers to its question in all threads of the storage."""
    others = {answer for answer in answers if answer != response.answer}
    return [f"{response.question!r} was answered by {response.answer!r} and {other!r}" for other in sorted(others)]
