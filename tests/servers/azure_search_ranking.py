"""How the stand-in for Azure AI Search reads a search, and ranks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

TOPICS = {"dog": 0, "puppy": 0, "hound": 0, "car": 1, "automobile": 1, "pasta": 2, "spaghetti": 2}
PARAMETERS = {
    *("search", "top", "skip", "select", "filter", "queryType", "searchMode", "searchFields", "count", "orderby"),
    *("semanticConfiguration", "captions", "answers", "vectorQueries", "vectorFilterMode", "semanticQuery"),
    *("semanticErrorHandling", "semanticMaxWaitInMilliseconds"),
}


class Refused(Exception):
    """A request that the service would refuse."""

    def __init__(self, message: str, *, status: int = 400, code: str = "") -> None:
        self.message = message
        self.status = status
        self.code = code
        super().__init__(message)


def topic_vector(text: str, dimensions: int) -> list[float]:
    """Return what the service's own vectorizer makes of a text."""
    vector = [0.0] * dimensions
    vector[-1] = 0.01
    for word in re.findall(r"\w+", text.lower()):
        if word in TOPICS:
            vector[TOPICS[word]] += 1.0
    return vector


def search(definition: Json, documents: Sequence[Json], body: Json) -> list[Json]:
    """Return the results of a search."""
    if unknown := body.keys() - PARAMETERS:
        raise Refused(
            f"The request is invalid. Details: The parameter '{min(unknown)}' in the request payload is not a valid "
            "parameter for the operation 'search'."
        )
    fields: dict[str, Json] = {one["name"]: one for one in definition["fields"]}
    selected = _selected(fields, body.get("select"))
    is_semantic = _is_semantic(definition, body)
    top = body.get("top", 50)
    if not 0 <= top <= 1000:
        raise Refused("Value must be between 0 and 1000. Parameter name: $top", code="InvalidRequestParameter")
    wanted = [one for one in documents if _filter(fields, body.get("filter"))(one)]
    lists = [_by_vector(definition, fields, query, wanted) for query in body.get("vectorQueries") or ()]
    text = body.get("search")
    if text is not None or not lists:
        lists.append(_by_text(fields, text or "*", wanted, body.get("searchFields")))
    scored = _merged(lists)
    if is_semantic:
        scored = [(score, one) for score, one in scored if _words(one)]
    return [_result(score, one, selected, is_semantic=is_semantic) for score, one in scored[:top]]


def _selected(fields: Mapping[str, Json], select: str | None) -> list[str]:
    names = [name.strip() for name in select.split(",")] if select else list(fields)
    for name in names:
        if name not in fields:
            _refuse_property(name, "$select")
        if select and fields[name].get("retrievable") is False:
            raise Refused(f"Invalid expression: '{name}' is not a retrievable field. Parameter name: $select")
    return [name for name in names if fields[name].get("retrievable") is not False]


def _refuse_property(name: str, parameter: str) -> None:
    raise Refused(
        f"Invalid expression: Could not find a property named '{name}' on type 'search.document'.\r\n"
        f"Parameter name: {parameter}"
    )


def _is_semantic(definition: Json, body: Json) -> bool:
    if body.get("captions") and body.get("queryType") != "semantic":
        raise Refused("The parameter 'captions' needs the query type 'semantic'.")
    if body.get("queryType", "simple") not in ("simple", "semantic"):
        raise Refused("The stand-in knows the query types simple and semantic.")
    if body.get("queryType") != "semantic":
        return False
    semantic: Json = definition.get("semantic") or {}
    names = [one["name"] for one in semantic.get("configurations") or ()]
    name = body.get("semanticConfiguration") or semantic.get("defaultConfiguration")
    if name is None:
        raise Refused("The parameter 'semanticConfiguration' is needed: the index has no default one.")
    if name not in names:
        raise Refused(f"Unknown semantic configuration '{name}'.")
    return True


def _filter(fields: Mapping[str, Json], text: str | None) -> Callable[[Json], bool]:
    """Read `field eq 'text'`, joined by `and`, with parentheses around each."""
    if text is None:
        return lambda _: True
    rest, wanted = text.strip(), list[tuple[str, str]]()
    while match := re.match(r"\(*\s*(\w+) eq '((?:[^']|'')*)'\s*\)*(?:\s+and\s+|$)", rest):
        name = match[1]
        if name not in fields:
            _refuse_property(name, "$filter")
        if not fields[name].get("filterable", True):
            raise Refused(f"Invalid expression: '{name}' is not a filterable field. Parameter name: $filter")
        wanted.append((name, match[2].replace("''", "'")))
        rest = rest[match.end() :]
    if rest or text.count("(") < text.count(")"):
        raise Refused("Invalid expression: Syntax error in the filter. Parameter name: $filter")
    return lambda document: all(document.get(name) == value for name, value in wanted)


def _by_vector(definition: Json, fields: Mapping[str, Json], query: Json, documents: Sequence[Json]) -> list[Json]:
    ranked: list[tuple[float, Json]] = []
    for name in query.get("fields", "").split(","):
        if name not in fields or not fields[name].get("dimensions"):
            raise Refused(f"Unknown field '{name}' in vector field list.")
        dimensions = fields[name]["dimensions"]
        vector = _query_vector(definition, fields[name], query)
        if len(vector) != dimensions:
            raise Refused(
                f"The vector field '{name}', with dimension '{dimensions}', expects a length of '{dimensions}'. "
                f"However, the provided vector has a length of '{len(vector)}'. Please ensure that the vector length "
                "matches the expected length of the vector field."
            )
        ranked += [(_cosine(vector, one[name]), one) for one in documents if one.get(name)]
    best = sorted(ranked, key=lambda pair: pair[0], reverse=True)
    return [one for _, one in best[: query.get("k", 10)]]


def _query_vector(definition: Json, field: Json, query: Json) -> list[float]:
    if query["kind"] == "vector":
        return query["vector"]
    profiles: Json = definition.get("vectorSearch") or {}
    has_vectorizer = any(
        one.get("vectorizer") for one in profiles.get("profiles") or () if one["name"] == field["vectorSearchProfile"]
    )
    if not has_vectorizer:
        raise Refused(f"Field '{field['name']}' does not have a vectorizer defined in its vector profile.")
    return topic_vector(query["text"], field["dimensions"])


def _by_text(fields: Mapping[str, Json], text: str, documents: Sequence[Json], search_fields: str | None) -> list[Json]:
    """Rank by counted words, with the simple syntax's `-not`, `prefix*`, `"phrase"` and `\\`-escapes."""
    names = search_fields.split(",") if search_fields else list(fields)
    for name in names:
        if name not in fields:
            _refuse_property(name, "searchFields")
    if text.strip() == "*":
        return list(documents)
    terms = re.findall(r'(-?)("[^"]*"|(?:\\.|[^\s"|+()])+)', text)
    ranked: list[tuple[int, Json]] = []
    for one in documents:
        words = _words(one, names)
        hits = [(minus, _count(term, words)) for minus, term in terms]
        if any(minus and count for minus, count in hits):
            continue
        if score := sum(count for minus, count in hits if not minus):
            ranked.append((score, one))
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0], reverse=True)]


def _count(term: str, words: Sequence[str]) -> int:
    if term.endswith("*") and not term.endswith("\\*"):
        return sum(word.startswith(term[:-1].lower()) for word in words)
    wanted = re.findall(r"\w+", term.replace("\\", " ").lower())
    return sum(words.count(word) for word in wanted)


def _words(document: Json, names: Sequence[str] | None = None) -> list[str]:
    texts = [value for name, value in document.items() if isinstance(value, str) and (names is None or name in names)]
    return re.findall(r"\w+", " ".join(texts).lower())


def _merged(lists: Sequence[Sequence[Json]]) -> list[tuple[float, Json]]:
    scores: dict[int, float] = {}
    found: dict[int, Json] = {}
    for one_list in lists:
        for rank, one in enumerate(one_list, start=1):
            found[id(one)] = one
            scores[id(one)] = scores.get(id(one), 0.0) + 1 / (60 + rank)
    return sorted(((scores[key], one) for key, one in found.items()), key=lambda pair: pair[0], reverse=True)


def _result(score: float, document: Json, selected: Sequence[str], *, is_semantic: bool) -> Json:
    result: Json = {"@search.score": score}
    if is_semantic:
        longest = max((value for value in document.values() if isinstance(value, str)), key=len)
        result["@search.rerankerScore"] = min(4.0, 1 + 100 * score)
        result["@search.captions"] = [{"text": longest[:80], "highlights": ""}]
    return result | {name: document.get(name) for name in selected}


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / (math.hypot(*one) * math.hypot(*other) or 1.0)
