"""The results of a search: documents with their source, quoted as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from recuerda.azure_ai_search.settings import SearchSettings

MAX_TEXT = 4_000
"""The largest number of characters that a run gets of one document."""

MAX_QUOTED = 16_000
"""The largest number of characters of all quotes together."""

_KEYS = ("id", "key", "chunk_id", "doc_id", "document_id")
TITLES = ("title", "name", "filename", "file_name")
"""Common names for the field that holds a document's title."""


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """A document that a search found.

    Attributes:
        key: the document's key in the index; None if the key field is unknown.
        title: the document's title; None if it has none.
        text: the texts of the content fields, one after the other. A very long text is cut, with a note at the end.
        caption: the passage that answers the query best according to the semantic ranking; None without this ranking.
        score: the service's score, comparable within one search only.
        reranker_score: the score of the semantic ranking, from 0 to 4.
    """

    key: str | None
    title: str | None
    text: str
    caption: str | None
    score: float | None
    reranker_score: float | None

    @property
    def quote(self) -> str:
        """The hit as a line of JSON, so that no text can end its own quotation."""
        score = self.score if self.reranker_score is None else self.reranker_score
        fields = {
            "source": self.key,
            "title": self.title,
            "score": None if score is None else round(score, 3),
            "caption": self.caption,
            "text": self.text,
        }
        return msgspec.json.encode({name: value for name, value in fields.items() if value is not None}).decode()


def hit_of(document: Mapping[str, Any], settings: SearchSettings) -> SearchHit:
    """Return the hit that a result of the SDK describes."""
    key_field = settings.key_field or _first(document, _KEYS)
    title_field = settings.title_field or _first(document, TITLES)
    names = settings.content_fields or tuple(
        name for name in document if name not in (key_field, title_field) and not name.startswith("@")
    )
    text = "\n".join(said for name in names if (said := _text(document.get(name))))
    return SearchHit(
        key=_text(document.get(key_field)) or None if key_field else None,
        title=_text(document.get(title_field)) or None if title_field else None,
        text=text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} … [cut: {MAX_TEXT:,} of {len(text):,} characters]",
        caption=_caption(document.get("@search.captions")),
        score=_number(document.get("@search.score")),
        reranker_score=_number(document.get("@search.reranker_score")),
    )


def _first(document: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((name for name in names if isinstance(document.get(name), str)), None)


def _text(value: object) -> str:
    """Return a text, or a list of texts as lines; an empty text for numbers, vectors and other values."""
    if isinstance(value, str):
        return value
    items = cast("list[object]", value) if isinstance(value, list) else []
    return "\n".join(item for item in items if isinstance(item, str))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _caption(captions: object) -> str | None:
    best = cast("list[object]", captions)[0] if isinstance(captions, list) and captions else None
    text: object = getattr(best, "text", None)
    return text[:MAX_TEXT] if isinstance(text, str) and text else None
