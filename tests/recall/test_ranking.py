"""The order of candidates, compared with a plain reading of the formula."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from recuerda.recall.dates import NamedTimes
from recuerda.recall.index import Candidate, Candidates, ScopeInfo
from recuerda.recall.question import Question
from recuerda.recall.ranking import WEIGHTS, idf, rank, session_support
from recuerda.recall.traits import IS_QUESTION

HOUR_US = 3600 * 1_000_000
TERMS = {"lantern": 0, "lanterns": 0, "ribbon": 1, "velvet": 2}
INFO = ScopeInfo(documents=60, mean_size=4.0)
QUESTION = Question(terms=TERMS, speakers=frozenset(), times=NamedTimes(), asks_when=False, asks_assistant=True)


def test_the_order_is_that_of_a_plain_reading_of_the_formula() -> None:
    for seed in range(200):
        candidates = some_candidates(random.Random(seed))
        expected = plain_scores(candidates)
        found = rank(QUESTION, INFO, candidates)
        assert dict(found) == pytest.approx(expected)
        assert found == sorted(found, key=lambda item: (-item[1], -candidates.found[item[0]].created_us, -item[0]))


def some_candidates(chance: random.Random) -> Candidates:
    """Return candidates of two threads with gaps, all from one moment or from moments that are far apart."""
    found: dict[int, Candidate] = {}
    for key in [*range(1 << 32, (1 << 32) + 20), *range(2 << 32, (2 << 32) + 20)]:
        if chance.random() < 0.7:
            matches = {term: chance.randint(1, 3) for term in TERMS if chance.random() < 0.2}
            found[key] = Candidate(
                key, key // 2, "user", None, chance.choice((0, 0, 0, 7)) * HOUR_US, chance.choice((0, IS_QUESTION)),
                chance.randint(10, 30), matches,
            )  # fmt: skip
    return Candidates(found=found, frequencies={"lantern": 9, "lanterns": 2, "ribbon": 30, "velvet": 1}, threads={})


def plain_scores(candidates: Candidates) -> dict[int, float]:
    """Return the scores of candidates without echoes, dates, vectors, speakers and assistants."""
    found = candidates.found
    own = {key: own_score(candidate, candidates.frequencies) for key, candidate in found.items()}
    times = [candidate.created_us for candidate in found.values()]
    scores: dict[int, float] = {}
    for key, candidate in found.items():
        score = own[key] + sum(
            weight * own[key + step]
            for step, weight in steps_beside(found, key).items()
            if abs(found[key + step].created_us - candidate.created_us) <= 6 * HOUR_US
        )
        if score:
            best = sorted((own[other] for other in found if other >> 32 == key >> 32), reverse=True)[:3]
            newness = (candidate.created_us - min(times)) / max(1, max(times) - min(times))
            kind = 1 - WEIGHTS.question if candidate.traits & IS_QUESTION else 1.0
            scores[key] = (score + WEIGHTS.session * sum(best)) * kind * (1 + WEIGHTS.recent * newness)
    return scores


def own_score(candidate: Candidate, frequencies: Mapping[str, int]) -> float:
    """Return the BM25 of a message, with its coverage of the question."""
    norm = WEIGHTS.k1 * (1 - WEIGHTS.b + WEIGHTS.b * candidate.size / INFO.mean_size)
    by_word: dict[int, float] = {}
    for term, count in candidate.matches.items():
        score = idf(frequencies[term], INFO.documents) * count * (WEIGHTS.k1 + 1) / (count + norm)
        by_word[TERMS[term]] = max(score, by_word.get(TERMS[term], 0.0))
    return sum(by_word.values()) * (1 - WEIGHTS.coverage + WEIGHTS.coverage * len(by_word) / 3)


def steps_beside(found: Mapping[int, Candidate], key: int) -> dict[int, float]:
    """Return the weight of the support of each neighbour, by the step to it."""
    previous = found.get(key - 1)
    asked = WEIGHTS.after_question if previous is not None and previous.traits & IS_QUESTION else 0.0
    weights = {-2: WEIGHTS.second_before, -1: WEIGHTS.before + asked, 1: WEIGHTS.after, 2: WEIGHTS.second_after}
    return {step: weight for step, weight in weights.items() if key + step in found}


def test_messages_to_an_assistant_stand_more_for_themselves_than_those_among_people() -> None:
    def said(thread: int, number: int, role: str) -> Candidate:
        return Candidate((thread << 32) + number, number, role, None, 0, 0, 10, {})

    people = [said(1, number, "user") for number in range(5)]
    assisted = [said(2, number, "assistant" if number % 2 else "user") for number in range(5)]
    found = {candidate.key: candidate for candidate in (*people, *assisted)}
    own = {key: float(1 + (key & 7)) for key in found}
    support = session_support(found, own, WEIGHTS)
    assert support == {(1, 0): pytest.approx(WEIGHTS.session * 12), (2, 0): pytest.approx(WEIGHTS.assisted * 12)}
    assert WEIGHTS.assisted < WEIGHTS.session
