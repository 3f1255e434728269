"""Vectors from an embedding model that runs on this machine, with the library fastembed."""

from recuerda.errors import MissingExtraError

try:
    from recuerda.fastembed.embedder import FastEmbedEmbedder
except ModuleNotFoundError as error:
    if error.name != "fastembed":
        raise
    raise MissingExtraError(module="recuerda.fastembed", extra="fastembed") from error

__all__ = ["FastEmbedEmbedder"]
