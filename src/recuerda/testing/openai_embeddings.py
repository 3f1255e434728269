"""The vectors of the scripted server's `POST /v1/embeddings`. They need no model and are the same in every run.

Each word adds to one dimension, which its hash chooses. So texts that share words are close to each other, and a search
finds the texts that a reader expects. The vectors know nothing else about meaning.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from recuerda.testing.openai_script import JSONObject
from recuerda.testing.openai_wire import BadRequest, parse

__all__ = ["embed"]

_Input: TypeAlias = str | int | list[int]


class _EmbeddingRequest(Struct):
    model: str
    input: str | Annotated[list[_Input], Meta(min_length=1)]
    dimensions: Annotated[int, Meta(ge=1)] = 64
    encoding_format: Literal["float", "base64"] = "float"


def embed(body: JSONObject) -> dict[str, object]:
    """Return the answer to a request for embeddings: unit vectors with 64 dimensions, or with the requested number."""
    request = parse(body, _EmbeddingRequest)
    texts = _texts(request.input)
    data: list[dict[str, object]] = []
    for index, text in enumerate(texts):
        vector = _vector(text, request.dimensions)
        embedding = vector if request.encoding_format == "float" else _base64(vector)
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": request.model, "usage": usage}


def _texts(given: str | list[_Input]) -> list[str]:
    """Return the texts of an input, which is one text or several texts, as strings or as token numbers."""
    if isinstance(given, str):
        texts = [given]
    elif isinstance(given[0], int):
        texts = [" ".join(map(str, given))]
    else:
        texts = [" ".join(map(str, item)) if isinstance(item, list) else str(item) for item in given]
    if "" in texts:
        raise BadRequest("Invalid 'input': input cannot be an empty string.", param="input")
    return texts


def _vector(text: str, dimensions: int) -> list[float]:
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.blake2b(word.encode(errors="surrogatepass"), digest_size=8).digest()
        vector[int.from_bytes(digest) % dimensions] += 1.0
    length = math.hypot(*vector)
    return [value / length for value in vector] if length else [1.0] + [0.0] * (dimensions - 1)


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
