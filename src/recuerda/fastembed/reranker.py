"""The reranker: a cross-encoder that runs on this machine's processor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastembed.rerank.cross_encoder import TextCrossEncoder

from recuerda.errors import ConfigurationError, RerankerError
from recuerda.fastembed.running import Running, encodable, model_options

_TEXTS_AT_ONCE = 16  # A call that was cancelled or took too long ends after its running batch.


class FastEmbedReranker:
    """Compare texts with a question, with a cross-encoder that runs on this machine's processor.

    The model is loaded when it is first needed, or by `load`. A search waits only for a short time, so load the model
    before the first run. Several event loops and threads may use the same reranker.

    Args:
        model_id: a model that fastembed supports, such as `BAAI/bge-reranker-v2-m3-int8` (100 languages, 0.57 GB,
            Apache 2.0) or `Xenova/ms-marco-MiniLM-L-6-v2` (English, 0.08 GB, Apache 2.0).
            `fastembed.rerank.cross_encoder.TextCrossEncoder.list_supported_models()` lists them.
        folder: as in `FastEmbedEmbedder`.
        cache_folder: as in `FastEmbedEmbedder`.
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
        options = model_options(folder, cache_folder, threads)
        self._running = Running(
            self._model_id,
            lambda: TextCrossEncoder(self._model_id, **options),
            folder=options["specific_model_path"],
            error=RerankerError,
        )

    def __repr__(self) -> str:
        return f"FastEmbedReranker({self._model_id!r})"

    @property
    def model_id(self) -> str:
        """The model's name, as fastembed spells it."""
        return self._model_id

    async def load(self) -> None:
        """Load the model now. A loaded model stays loaded.

        Raises:
            RerankerError: the files cannot be downloaded or read. The next call tries again.
        """
        await self._running.load()

    async def rerank(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return one score for each text, in order. A cancellation takes effect after the running batch of texts.

        Raises:
            RerankerError: the model cannot be loaded, or fails.
        """
        asked = encodable(question)
        scores: list[float] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            batch = [encodable(text) for text in texts[start : start + _TEXTS_AT_ONCE]]

            def ask(model: TextCrossEncoder, batch: list[str] = batch) -> list[float]:
                return [float(score) for score in model.rerank(asked, batch, batch_size=_TEXTS_AT_ONCE)]

            scores += await self._running.call(ask)
        return scores


def _supported(model_id: str) -> str:
    for model in TextCrossEncoder.list_supported_models():
        if model["model"].lower() == model_id.lower():
            return model["model"]
    raise ConfigurationError(
        f"fastembed does not support the reranker {model_id!r}: choose one of "
        "fastembed.rerank.cross_encoder.TextCrossEncoder.list_supported_models()"
    )
