"""The embedder: it turns texts into vectors without blocking the event loop.

fastembed finds a model's files, cuts texts into tokens and runs the model with ONNX Runtime. It needs no PyTorch. This
file adds the `Embedder` protocol: fastembed's calls block, so they run in a thread, a few texts at a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from fastembed import TextEmbedding

from recuerda.errors import ConfigurationError, EmbedderError
from recuerda.ids import check_limit

_TEXTS_AT_ONCE = 16  # A larger batch is not faster, and a cancelled call waits for the running batch.
_MAX_CHARACTERS = 100_000  # a model cuts a text after a few hundred or thousand tokens anyway


class FastEmbedEmbedder:
    """Turn texts into vectors with a model that runs on this machine's processor.

    The model is loaded when it is first needed, or by `load`. It runs in a thread beside the event loop. Several event
    loops and threads may use the same embedder.

    Args:
        model_id: a model that fastembed supports, such as `sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2`
            (50 languages) or `BAAI/bge-small-en-v1.5` (English). `fastembed.TextEmbedding.list_supported_models()`
            lists them with their sizes, languages and licences. Choose a model that needs no prefix before questions,
            because here the same texts serve as questions and as answers.
        folder: a folder that holds the model's files. If None, they are downloaded from the model's hub, once.
        cache_folder: the folder for downloaded files. The default is `FASTEMBED_CACHE_PATH` or, if that is not set, a
            folder in the system's temporary folder.
        threads: the number of processor cores that one call may use.

    Raises:
        ConfigurationError: fastembed does not support the model, or there is no such folder.
        InvalidInput: `threads` is below 1.
    """

    def __init__(
        self,
        model_id: str,
        *,
        folder: str | Path | None = None,
        cache_folder: str | Path | None = None,
        threads: int = 1,
    ) -> None:
        self._model_id = _supported(model_id)
        if folder is not None and not Path(folder).is_dir():
            raise ConfigurationError(f"there is no folder {folder}: give the folder that holds the model's files")
        self._folder = None if folder is None else str(folder)
        self._cache_folder = None if cache_folder is None else str(cache_folder)
        self._threads = check_limit(threads, "threads")
        self._mutex = threading.Lock()
        self._model: TextEmbedding | None = None

    def __repr__(self) -> str:
        return f"FastEmbedEmbedder({self._model_id!r})"

    @property
    def model_id(self) -> str:
        """The model's name, as fastembed spells it."""
        return self._model_id

    async def load(self) -> None:
        """Load the model now, so that the first run does not wait for it. A loaded model stays loaded.

        Raises:
            EmbedderError: the files cannot be downloaded or read. The next call tries again.
        """
        await asyncio.to_thread(self._loaded)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector for each text, in order.

        The vector of a text does not reflect words beyond the model's limit (256 tokens, for example). A cancellation
        takes effect after the batch of texts that is being embedded.

        Raises:
            EmbedderError: the model cannot be loaded, or fails.
        """
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors: list[list[float]] = [[] for _ in texts]
        for batch in _batches(order):
            found = await asyncio.to_thread(self._embedded, [_encodable(texts[index]) for index in batch])
            for index, vector in zip(batch, found, strict=True):
                vectors[index] = vector
        return vectors

    def _embedded(self, texts: list[str]) -> list[list[float]]:
        model = self._loaded()
        try:
            return [vector.tolist() for vector in model.embed(texts, batch_size=_TEXTS_AT_ONCE)]
        except Exception as error:
            raise EmbedderError(f"the model {self._model_id} failed ({type(error).__name__})") from error

    def _loaded(self) -> TextEmbedding:
        with self._mutex:
            if self._model is None:
                self._model = self._load()
            return self._model

    def _load(self) -> TextEmbedding:
        try:
            return TextEmbedding(
                self._model_id,
                cache_dir=self._cache_folder,
                threads=self._threads,
                specific_model_path=self._folder,
            )
        except Exception as error:  # ONNX Runtime and tokenizers raise no more specific class.
            raise EmbedderError(
                f"the model {self._model_id} cannot be loaded from {self._folder or 'its hub'} "
                f"({type(error).__name__}): check the network, or give folder= a folder with the model's files"
            ) from error


def _supported(model_id: str) -> str:
    for model in TextEmbedding.list_supported_models():
        if model["model"].lower() == model_id.lower():
            return model["model"]
    raise ConfigurationError(
        f"fastembed does not support the model {model_id!r}: choose one of "
        "fastembed.TextEmbedding.list_supported_models()"
    )


def _batches(order: Sequence[int]) -> Iterator[Sequence[int]]:
    # Texts of similar length share a batch, because a batch is padded to its longest text.
    return (order[start : start + _TEXTS_AT_ONCE] for start in range(0, len(order), _TEXTS_AT_ONCE))


def _encodable(text: str) -> str:
    return text[:_MAX_CHARACTERS].encode(errors="replace").decode()
