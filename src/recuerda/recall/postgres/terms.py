"""The terms of a document in its row: all of them in one text, and their counts while it is pending."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


def joined_terms(terms: Mapping[str, int]) -> str:
    """Return the terms, separated by newlines. No term has a newline, because a term is a part of a word."""
    return "\n".join(terms)


def counts_of(terms: Mapping[str, int]) -> str:
    """Return the terms and their counts as a JSON object."""
    return msgspec.json.encode(terms).decode()
