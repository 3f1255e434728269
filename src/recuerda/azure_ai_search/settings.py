"""The settings of a search, and the arguments of the SDK's search for a text in natural language.

A user's text is data. The service's simple query syntax gives some characters a meaning. They are removed, so that no
text can exclude a word, require one, or match everything. A scope's values are quoted by the rules of OData.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from azure.search.documents.models import VectorizableTextQuery, VectorizedQuery

from recuerda.errors import ConfigurationError
from recuerda.ids import check_limit

SearchMode: TypeAlias = Literal["simple", "semantic", "vector", "hybrid"]
"""How an index is searched; `AzureAISearchProvider` explains the modes."""

MAX_QUERY = 2_000
"""The largest number of characters of a search text. Of a longer text, the last characters are used, because a question
is usually at the end."""

MAX_TOP = 50

_OPERATORS = re.compile(r"""[+|"()'*~\\\[\]{}^:!&/?<>=-]""")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*")


class SearchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a search; `AzureAISearchProvider` explains each of them."""

    index_name: str
    mode: SearchMode
    top_k: int
    semantic_configuration_name: str | None = None
    vector_field_name: str | None = None
    key_field: str | None = None
    title_field: str | None = None
    content_fields: tuple[str, ...] = ()
    filter: str | None = None
    has_embedder: bool = False

    def __post_init__(self) -> None:
        if self.mode not in get_args(SearchMode):
            raise ConfigurationError(f"mode must be one of {', '.join(get_args(SearchMode))}, but it is {self.mode!r}")
        if not self.index_name:
            raise ConfigurationError("index_name is empty: give the name of an index that exists")
        if check_limit(self.top_k, "top_k") > MAX_TOP:
            raise ConfigurationError(
                f"top_k must be at most {MAX_TOP}, but it is {self.top_k}: a run has no room for more"
            )
        if not self.asks_by_vector and (self.has_embedder or self.vector_field_name):
            raise ConfigurationError(f"mode {self.mode!r} uses no vectors; leave out embedder and vector_field_name")
        if self.mode != "semantic" and self.semantic_configuration_name is not None:
            raise ConfigurationError(f"mode {self.mode!r} uses no semantic configuration; give mode='semantic'")
        for name in (*self.content_fields, self.key_field, self.title_field, self.vector_field_name):
            if name is not None:
                check_field(name)

    @property
    def asks_by_vector(self) -> bool:
        """True if the query has a vector. In mode "semantic" it has one if a vector field or an embedder is given."""
        if self.mode == "semantic":
            return self.has_embedder or self.vector_field_name is not None
        return self.mode in ("vector", "hybrid")

    @property
    def selected(self) -> list[str] | None:
        """The fields to return; None for all retrievable fields."""
        if not self.content_fields:
            return None
        return list(dict.fromkeys(name for name in (self.key_field, self.title_field, *self.content_fields) if name))

    def arguments(self, text: str, *, vector: Sequence[float] | None, limit: int) -> dict[str, Any]:
        """Return the arguments of the SDK's `search`."""
        found: dict[str, Any] = {
            "search_text": None if self.mode == "vector" else plain(text),
            "top": limit,
            "select": self.selected,
            "filter": self.filter,
        }
        if self.mode == "semantic":
            found |= {
                "query_type": "semantic",
                "query_caption": "extractive",
                "semantic_configuration_name": self.semantic_configuration_name,
            }
        if self.asks_by_vector:
            field = self.vector_field_name
            found["vector_queries"] = [
                VectorizableTextQuery(text=text, k_nearest_neighbors=MAX_TOP, fields=field)
                if vector is None
                else VectorizedQuery(vector=list(vector), k_nearest_neighbors=MAX_TOP, fields=field)
            ]
        return {name: value for name, value in found.items() if value is not None}


def plain(text: str) -> str:
    """Return a text without the characters that have a meaning in the service's query syntax."""
    return " ".join(_OPERATORS.sub(" ", text).split())


def asked(text: str) -> str | None:
    """Return the part of a text to search for; None if it has no words."""
    cut = text.encode(errors="replace").decode().replace("\x00", " ").strip()[-MAX_QUERY:]
    return cut if any(character.isalnum() for character in cut) else None


def scope_filter(expression: str | None, scope: Mapping[str, str] | None) -> str | None:
    """Return the OData filter that combines an expression and the required values of fields; None without both."""
    terms = [f"({expression})"] if expression else []
    for name, value in (scope or {}).items():
        if not isinstance(value, str) or not value or "\x00" in value:  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
            raise ConfigurationError(
                f"the scope's value for field {name} must be a text that is not empty and has no NUL"
            )
        quoted = value.replace("'", "''")
        terms.append(f"{check_field(name)} eq '{quoted}'")
    return " and ".join(terms) or None


def check_field(name: str) -> str:
    """Return `name` if it is a valid name of a field.

    Raises:
        ConfigurationError: `name` cannot be the name of a field.
    """
    if not _FIELD.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a valid name of a field: a name has letters, digits and underscores, and starts with a "
            "letter"
        )
    return name
