"""Models that fastembed does not list, and the words that models want before a text.

Some models were trained with a few words before each question, and others before each text that may answer it. Without
these words, their vectors are worse. fastembed does not add them.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

DEFAULT_MODEL = "intfloat/multilingual-e5-small"
"""The default embedding model: 100 languages, 384 dimensions, MIT licence; 0.12 GB in eight bits."""

_DEFAULT_SOURCE = "Xenova/multilingual-e5-small"
_DEFAULT_FILE = "onnx/model_quantized.onnx"
_adding = threading.Lock()  # fastembed refuses to add a model twice


class Prefixes(NamedTuple):
    """The words before a question, and the words before a text that may answer one."""

    question: str = ""
    text: str = ""


_E5 = Prefixes("query: ", "passage: ")
_SENTENCE = Prefixes("Represent this sentence for searching relevant passages: ")

PREFIXES = {
    "intfloat/multilingual-e5": _E5,
    "baai/bge-small-en": _SENTENCE,
    "baai/bge-base-en": _SENTENCE,
    "baai/bge-large-en": _SENTENCE,
    "mixedbread-ai/mxbai-embed": _SENTENCE,
    "snowflake/snowflake-arctic-embed": _SENTENCE,
    "nomic-ai/nomic-embed-text": Prefixes("search_query: ", "search_document: "),
    "google/embeddinggemma": Prefixes("task: search result | query: ", "title: none | text: "),
}
"""The prefixes of models, by the beginning of a model's name in lower case. They are from the models' own pages."""


def prefixes_of(model_id: str) -> Prefixes:
    """Return the prefixes with which a model was trained; empty ones if none are known."""
    name = model_id.lower()
    return next((found for start, found in PREFIXES.items() if name.startswith(start)), Prefixes())


def embedding_models() -> dict[str, str]:
    """Return the names of all models that fastembed can run, by their names in lower case."""
    with _adding:
        known = {model["model"].lower(): model["model"] for model in TextEmbedding.list_supported_models()}
        if DEFAULT_MODEL not in known:
            _add_default_model()
    return {**known, DEFAULT_MODEL: DEFAULT_MODEL}


def _add_default_model() -> None:
    TextEmbedding.add_custom_model(
        DEFAULT_MODEL,
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf=_DEFAULT_SOURCE),
        dim=384,
        model_file=_DEFAULT_FILE,
        license="mit",
        size_in_gb=0.12,
    )
