"""The terms of a document in its table: an array in which a mark of the scope precedes each term, and the counts.

With the mark, the same term in two scopes is two entries of the index. So an entry leads only to the documents of one
user.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import msgspec


def term_array(scope: str, terms: Mapping[str, int]) -> str:
    """Return the terms of a document as PostgreSQL writes an array of texts."""
    return f"{{{','.join([_quoted(term) for term in marked(scope, terms)])}}}"


def repeated_terms(scope: str, terms: Mapping[str, int]) -> str:
    """Return a JSON object with the count of each term that occurs more than once."""
    mark = _mark(scope)
    return msgspec.json.encode({mark + term: count for term, count in terms.items() if count > 1}).decode()


def marked(scope: str, terms: Iterable[str]) -> list[str]:
    """Return terms with the mark of their scope."""
    mark = _mark(scope)
    return [mark + term for term in terms]


def _mark(scope: str) -> str:
    return blake2b(scope.encode(), digest_size=5).hexdigest()


def _quoted(term: str) -> str:
    escaped = term.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
