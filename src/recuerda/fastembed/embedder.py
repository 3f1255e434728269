"""The embedder: it turns texts into vectors without blocking the event loop.

fastembed finds a model's files, cuts texts into tokens and runs the model with ONNX Runtime. It needs no PyTorch. This
file adds the `QuestionEmbedder` protocol: fastembed's calls block, so they run in a thread, a few texts at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fastembed import TextEmbedding

from recuerda.errors import ConfigurationError, EmbedderError
from recuerda.fastembed.models import DEFAULT_MODEL, Prefixes, embedding_models, prefixes_of
from recuerda.fastembed.running import Running, encodable, model_options

_TEXTS_AT_ONCE = 16  # A larger batch is not faster, and a cancelled call waits for the running batch.


class FastEmbedEmbedder:
    """Turn texts into vectors with a model that runs on this machine's processor.

    The model is loaded when it is first needed, or by `load`. It runs in a thread beside the event loop. Several event
    loops and threads may use the same embedder.

    Args:
        model_id: a model that fastembed supports. The default, multilingual-e5-small, knows 100 languages and has 0.12
            GB. `fastembed.TextEmbedding.list_supported_models()` lists others with their sizes, languages and licences.
        folder: a folder that holds the model's files. If None, they are downloaded from the model's hub, once.
        cache_folder: the folder for downloaded files. The default is `FASTEMBED_CACHE_PATH` or, if that is not set, a
            folder in the system's temporary folder.
        threads: the number of processor cores that one call may use.
        question_prefix: the words before each question. None for the words with which the model was trained, if
            recuerda knows them; "" for none.
        text_prefix: the words before each other text. None and "" mean the same as in `question_prefix`.

    Raises:
        ConfigurationError: fastembed does not support the model, or there is no such folder.
        InvalidInput: `threads` is below 1.
    """

    def __init__(
        self,
        model_id: str = DEFAULT_MODEL,
        *,
        folder: str | Path | None = None,
        cache_folder: str | Path | None = None,
        threads: int = 1,
        question_prefix: str | None = None,
        text_prefix: str | None = None,
    ) -> None:
        self._model = _supported(model_id)
        known = prefixes_of(self._model)
        self._prefixes = Prefixes(
            known.question if question_prefix is None else question_prefix,
            known.text if text_prefix is None else text_prefix,
        )
        self._known_prefix = known.text
        options = model_options(folder, cache_folder, threads)
        self._running = Running(
            self._model,
            lambda: TextEmbedding(self._model, **options),
            folder=options["specific_model_path"],
            error=EmbedderError,
        )

    def __repr__(self) -> str:
        return f"FastEmbedEmbedder({self.model_id!r})"

    @property
    def model_id(self) -> str:
        """The model's name, as fastembed spells it; with `text_prefix` if it is not the model's own prefix."""
        prefix = self._prefixes.text
        return self._model if prefix == self._known_prefix else f"{self._model} after {prefix!r}"

    async def load(self) -> None:
        """Load the model now, so that the first run does not wait for it. A loaded model stays loaded.

        Raises:
            EmbedderError: the files cannot be downloaded or read. The next call tries again.
        """
        await self._running.load()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector for each text, in order.

        The vector of a text does not reflect words beyond the model's limit (512 tokens, for example). A cancellation
        takes effect after the batch of texts that is being embedded.

        Raises:
            EmbedderError: the model cannot be loaded, or fails.
        """
        return await self._vectors(texts, self._prefixes.text, TextEmbedding.passage_embed)

    async def embed_questions(self, questions: Sequence[str]) -> list[list[float]]:
        """Return one vector for each question, in order. Compare them with the vectors that `embed` returns.

        Raises:
            EmbedderError: as in `embed`.
        """
        return await self._vectors(questions, self._prefixes.question, TextEmbedding.query_embed)

    async def _vectors(
        self, texts: Sequence[str], prefix: str, embed: Callable[..., Iterable[Any]]
    ) -> list[list[float]]:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors: list[list[float]] = [[] for _ in texts]
        for batch in _batches(order):
            asked = [encodable(prefix + texts[index]) for index in batch]

            def ask(model: TextEmbedding, asked: list[str] = asked) -> list[list[float]]:
                return [vector.tolist() for vector in embed(model, asked, batch_size=_TEXTS_AT_ONCE)]

            found = await self._running.call(ask)
            for index, vector in zip(batch, found, strict=True):
                vectors[index] = vector
        return vectors


def _supported(model_id: str) -> str:
    found = embedding_models().get(model_id.lower())
    if found is None:
        raise ConfigurationError(
            f"fastembed does not support the model {model_id!r}: choose one of "
            "fastembed.TextEmbedding.list_supported_models()"
        )
    return found


def _batches(order: Sequence[int]) -> Iterator[Sequence[int]]:
    # Texts of similar length share a batch, because a batch is padded to its longest text.
    return (order[start : start + _TEXTS_AT_ONCE] for start in range(0, len(order), _TEXTS_AT_ONCE))
