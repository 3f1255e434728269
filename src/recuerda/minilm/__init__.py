"""Vectors by meaning without a service and without PyTorch: the small model all-MiniLM-L6-v2, run by numpy.

`embedder.py` is what one uses, `bert.py` the model's arithmetic, `files.py` where the model is found on the disk.
"""

from recuerda.errors import MissingExtraError

try:
    import numpy as _numpy
    import safetensors as _safetensors
    import tokenizers as _tokenizers
except ModuleNotFoundError as error:
    if error.name not in ("numpy", "safetensors", "tokenizers"):
        raise
    raise MissingExtraError(module="recuerda.minilm", extra="minilm") from error

from recuerda.minilm.embedder import MiniLMEmbedder  # needs all three: after the check

del _numpy, _safetensors, _tokenizers  # were only asked for

__all__ = ["MiniLMEmbedder"]
