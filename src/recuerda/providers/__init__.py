"""Context providers: they add context before a run, learn from it afterwards, and work in the background."""

from recuerda.providers.context import Context, ContextProvider
from recuerda.providers.deferred import Deferred
from recuerda.providers.embedding import Embedder, QuestionEmbedder
from recuerda.providers.reranking import Reranker

__all__ = [
    "Context",
    "ContextProvider",
    "Deferred",
    "Embedder",
    "QuestionEmbedder",
    "Reranker",
]
