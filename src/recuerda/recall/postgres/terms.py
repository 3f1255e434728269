"""Terms as PostgreSQL has them: lexemes of a tsvector, with a mark of the scope before each.

The mark makes a term of one scope another lexeme than the same term elsewhere, so the index leads to the documents of
one user alone. A lexeme has as many positions as its term occurs in the document, and `ts_rank` of a query of one
lexeme tells that number back: it is the sum of 1/n² over the positions, divided by π²/6
(https://www.postgresql.org/docs/current/textsearch-controls.html).
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate, pairwise

MAX_COUNT = 255
"""Positions that a lexeme can have."""

_POSITIONS = ["", *accumulate(map(str, range(1, MAX_COUNT + 1)), "{},{}".format)]
_RANKS = [rank / 1.64493406685 for rank in accumulate(1 / (n * n) for n in range(1, MAX_COUNT + 1))]
_BETWEEN = [(low + high) / 2 for low, high in pairwise(_RANKS)]


def vector_text(scope: str, terms: Mapping[str, int]) -> str:
    """Return the tsvector of a document, as text."""
    mark = _mark(scope)
    return " ".join(f"'{mark}{_escaped(term)}':{_POSITIONS[min(count, MAX_COUNT)]}" for term, count in terms.items())


def query_texts(scope: str, terms: Iterable[str]) -> list[str]:
    """Return a tsquery for each term, as text."""
    mark = _mark(scope)
    return [f"'{mark}{_escaped(term)}'" for term in terms]


def counts_of(ranks: Sequence[float]) -> list[int]:
    """Return how often a term occurs, from the ranks of documents."""
    return [bisect(_BETWEEN, rank) + 1 for rank in ranks]


def _mark(scope: str) -> str:
    return blake2b(scope.encode(), digest_size=5).hexdigest()


def _escaped(term: str) -> str:
    return term.replace("\\", "\\\\").replace("'", "''")
