"""The scores of the scripted server's `POST /v1/rerank`. They need no model and are the same in every run.

OpenAI has no such endpoint. The form is that of Cohere and Jina, and of servers for open models: the results are in the
order of their scores, and each names its text by index. A score is the share of the question's words that a text has.
"""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta, Struct

from recuerda.testing.openai_script import JSONObject
from recuerda.testing.openai_wire import parse

__all__ = ["rerank"]


class _RerankRequest(Struct):
    model: str
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None


def rerank(body: JSONObject) -> dict[str, object]:
    """Return the answer to a request for scores: the best first."""
    request = parse(body, _RerankRequest)
    asked = _words(request.query)
    scores = [len(asked & _words(text)) / max(1, len(asked)) for text in request.documents]
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[: request.top_n]
    results: list[dict[str, object]] = [{"index": index, "relevance_score": scores[index]} for index in order]
    tokens = sum(len(text.split()) for text in request.documents)
    return {"id": "rerank-1", "model": request.model, "results": results, "usage": {"total_tokens": tokens}}


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
