"""Context providers: what is added before a run, learnt after it, and done in the background."""

from recuerda.providers.context import Context, ContextProvider
from recuerda.providers.deferred import Deferred
from recuerda.providers.embedding import Embedder

__all__ = [
    "Context",
    "ContextProvider",
    "Deferred",
    "Embedder",
]
