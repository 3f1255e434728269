"""Work on many documents: delete the documents that match a query, and give each document a new vector."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

from recuerda.providers.embedding import Embedder, embed
from recuerda.redis.search.documents import vector_fields
from recuerda.redis.search.engine import Engine, IndexMissing
from recuerda.redis.search.queries import keys_of
from recuerda.redis.search.schema import Shape
from recuerda.redis.trips import RedisCall

BATCH = 500
EMBEDDED_AT_ONCE = 64


async def delete_matching(engine: Engine, shape: Shape, query: str) -> int:
    """Delete the documents that match a query, and return their number. A missing index is created first."""
    if await engine.info(shape.name) is None:
        await engine.ensure(shape)
    await engine.built(shape.name)
    deleted = 0
    while keys := await _matching(engine, shape.name, query):
        replies = await engine.send([RedisCall("UNLINK", (), (key,)) for key in keys], "delete memories")
        deleted += sum(replies)
    return deleted


async def embed_again(engine: Engine, prefix: str, embedder: Embedder | None, *, dimensions: int | None) -> int:
    """Give every document under a prefix a vector from the embedder, and return the number of documents.

    Without an embedder, the vectors are removed.
    """
    count = 0
    async for keys in _batches(engine, prefix):
        texts = await engine.send([RedisCall("HGET", (), (key, "text")) for key in keys], "read memories")
        there = [(key, _text(text)) for key, text in zip(keys, texts, strict=True) if text is not None]
        if embedder is None:
            writes = [RedisCall("HDEL", (), (key, "vector", "model")) for key, _ in there]
        else:
            vectors = await embed(embedder, [text for _, text in there], dimensions=dimensions)
            writes = [
                RedisCall(
                    "HSET",
                    (),
                    (key, *(word for pair in vector_fields(vector, embedder.model_id).items() for word in pair)),
                )
                for (key, _), vector in zip(there, vectors, strict=True)
            ]
        await engine.send(writes, "write memories")
        count += len(there)
    return count


async def _matching(engine: Engine, index: str, query: str) -> Sequence[bytes | str]:
    search = RedisCall("FT.SEARCH", (), (index, query, "NOCONTENT", "LIMIT", 0, BATCH, "DIALECT", 2))
    try:
        (reply,) = await engine.send([search], "look for memories")
    except IndexMissing:
        return []
    return keys_of(reply)


async def _batches(engine: Engine, prefix: str) -> AsyncGenerator[list[bytes | str]]:
    """Yield the keys of all documents in batches. SCAN may return a key twice, so a key may come twice."""
    pattern = re.sub(r"([*?\[\]^\\])", r"\\\1", prefix) + ":*"
    cursor: Any = "0"
    while True:
        (reply,) = await engine.send(
            [RedisCall("SCAN", (), (cursor, "MATCH", pattern, "COUNT", BATCH))], "list memories"
        )
        cursor, keys = cast("tuple[Any, list[bytes | str]]", reply)
        for start in range(0, len(keys), EMBEDDED_AT_ONCE):
            yield keys[start : start + EMBEDDED_AT_ONCE]
        if _text(cursor) == "0":
            return


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
