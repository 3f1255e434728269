"""The search of a store's items: filters, and the order in which items answer a query.

The order is recall's own: words weigh by their rarity, in any of their forms, and vectors count beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple, cast

from langgraph.store.base import get_text_at_path

from recuerda.errors import InvalidInput
from recuerda.interop.langgraph.namespaces import Namespace
from recuerda.interop.shelf import StoredItem
from recuerda.recall.index import THREAD_BITS, Candidate, Candidates, ScopeInfo
from recuerda.recall.question import question_of
from recuerda.recall.ranking import rank
from recuerda.recall.text import terms_of
from recuerda.recall.vectors import most_similar

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, bound: value == bound,
    "$ne": lambda value, bound: value != bound,
    "$gt": lambda value, bound: value > bound,
    "$gte": lambda value, bound: value >= bound,
    "$lt": lambda value, bound: value < bound,
    "$lte": lambda value, bound: value <= bound,
}


class Found(NamedTuple):
    """An item that a search has found, with its score; None without a query."""

    namespace: Namespace
    item: StoredItem
    score: float | None = None


def texts_of(value: Mapping[str, Any], index: object, fields: Sequence[str]) -> list[str]:
    """Return the texts by which an item is found.

    Args:
        value: the item's value.
        index: the paths that the item came with; False for none, and None for the store's own.
        fields: the store's own paths; "$" for the whole value.
    """
    if index is False:
        return []
    paths = cast("Sequence[str]", index) if isinstance(index, list) else fields
    return [text for path in paths for text in get_text_at_path(dict(value), path)]


def matches(value: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """Return True if a value has what a filter wants: equal fields, or fields that an operator accepts.

    Raises:
        InvalidInput: the filter has an unknown operator.
    """
    return all(_is_wanted(value.get(name), want) for name, want in (wanted or {}).items())


def newest_first(found: Sequence[Found]) -> list[Found]:
    """Return items in the order of their last puts, the newest first."""
    return sorted(found, key=lambda one: one.item.updated_us, reverse=True)


def best_first(
    found: Sequence[Found],
    query: str,
    *,
    fields: Sequence[str],
    vector: Sequence[float] | None,
    model: str,
    now_us: int,
) -> list[Found]:
    """Return the items that answer a query, the best first.

    Args:
        found: the items.
        query: the query.
        fields: the store's own paths of texts.
        vector: the query's vector, of length 1; None searches by words alone.
        model: the model that made the vector.
        now_us: the time of the query.
    """
    terms = [Counter[str](_counts(one.item, fields)) for one in found]
    sizes = [count.total() for count in terms]
    info = ScopeInfo(documents=len(found), mean_size=fmean(sizes) or 1.0 if sizes else 1.0)
    question = question_of(query, info, now_us)
    similar = _similar(found, vector, model)
    candidates: dict[int, Candidate] = {}
    for number, one in enumerate(found):
        matched = {term: terms[number][term] for term in question.terms if term in terms[number]}
        if matched or number in similar:
            candidates[number << THREAD_BITS] = Candidate(
                key=number << THREAD_BITS,
                turn=1,
                role="",
                speaker=None,
                created_us=one.item.updated_us,
                traits=0,
                size=sizes[number],
                matches=matched,
                similarity=similar.get(number),
            )
    frequencies = {term: sum(term in counts for counts in terms) for term in question.terms}
    known = {term: count for term, count in frequencies.items() if count}
    order = rank(question, info, Candidates(found=candidates, frequencies=known, threads={}))
    best = [found[key >> THREAD_BITS]._replace(score=score) for key, score in order]
    ranked = {key >> THREAD_BITS for key, _ in order}
    # Without a common word, and less similar than most: still an answer if the caller asks for so many.
    rest = sorted((number for number in similar if number not in ranked), key=lambda number: -similar[number])
    return best + [found[number]._replace(score=0.0) for number in rest]


def _counts(item: StoredItem, fields: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts_of(item.value, item.index, fields):
        counts.update(terms_of(text).counts)
    return counts


def _similar(found: Sequence[Found], vector: Sequence[float] | None, model: str) -> dict[int, float]:
    """Return, by the items' numbers, how similar the most similar text of each item is to the query."""
    if vector is None:
        return {}
    rows = [(number, row) for number, one in enumerate(found) if one.item.model == model for row in one.item.vectors]
    cosines = most_similar(vector, list(enumerate(row for _, row in rows)))
    best: dict[int, float] = {}
    for place, cosine in cosines.items():
        number = rows[place][0]
        best[number] = max(cosine, best.get(number, cosine))
    return best


def _is_wanted(value: object, want: object) -> bool:
    if isinstance(want, Mapping):
        wanted = cast("Mapping[str, object]", want)
        if any(name.startswith("$") for name in wanted):
            return all(_is_accepted(value, operator, bound) for operator, bound in wanted.items())
        return isinstance(value, Mapping) and matches(cast("Mapping[str, Any]", value), wanted)
    if isinstance(want, list | tuple):
        wants = cast("Sequence[object]", want)
        values = cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()
        return len(values) == len(wants) and all(map(_is_wanted, values, wants))
    return value == want


def _is_accepted(value: object, operator: str, bound: object) -> bool:
    compare = _OPERATORS.get(operator)
    if compare is None:
        raise InvalidInput(f"a filter's operator must be one of {', '.join(_OPERATORS)}, not {operator!r}")
    if value is None and operator not in ("$eq", "$ne"):
        return False
    try:
        return compare(value, bound)
    except TypeError:
        return False  # a text is neither more nor less than a number
