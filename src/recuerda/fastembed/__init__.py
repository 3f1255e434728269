"""Embedding models and rerankers that run on this machine, with the library fastembed."""

import logging
import os
import sys

from recuerda._events import fields
from recuerda.errors import MissingExtraError

# fastembed runs models with ONNX Runtime, which sends usage data to its makers and keeps an id of the device in the
# home folder, unless this variable is set before the import. See its Privacy.md, "Disabling Telemetry".
if "ORT_DISABLE_TELEMETRY" not in os.environ:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    if "onnxruntime" in sys.modules:
        logging.getLogger("recuerda.fastembed").warning(
            "onnxruntime was imported before recuerda.fastembed, so it sends telemetry; import recuerda.fastembed "
            "first, or set ORT_DISABLE_TELEMETRY to 1 (or to 0, if you want telemetry)",
            extra=fields("onnx_telemetry_on"),
        )

try:
    from recuerda.fastembed.embedder import FastEmbedEmbedder
    from recuerda.fastembed.reranker import FastEmbedReranker
except ModuleNotFoundError as _error:
    if _error.name != "fastembed":
        raise
    raise MissingExtraError(module="recuerda.fastembed", extra="fastembed") from _error

__all__ = ["FastEmbedEmbedder", "FastEmbedReranker"]
