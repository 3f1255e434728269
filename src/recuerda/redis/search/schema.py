"""The fields of the index, and the check whether an existing index has them.

Documents are hashes under a prefix. The fields that a query uses are indexed. The original text and the ids are stored
without an index. An index with additional fields is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias, cast

import msgspec

from recuerda.redis.trips import Argument

VectorAlgorithm: TypeAlias = Literal["flat", "hnsw"]
"""The way of searching vectors: "flat" compares all of the scope's vectors (exact), "hnsw" uses a graph (for
millions)."""

TAGS = ("application", "agent", "user", "partition", "thread", "turn", "model")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The properties that an index must have.

    Attributes:
        name: the name of the index.
        prefix: the start of its documents' keys.
        dimensions: the dimensions of its vectors; None for an index without vectors.
        algorithm: the search algorithm of its vectors.
        language: the language whose word endings the engine removes, by its name in the engine.
    """

    name: str
    prefix: str
    dimensions: int | None
    algorithm: VectorAlgorithm = "flat"
    language: str = "english"

    @property
    def create(self) -> tuple[Argument, ...]:
        """The arguments of FT.CREATE."""
        tags = [word for name in TAGS for word in (name, "TAG")]
        vector: list[Argument] = []
        if self.dimensions is not None:
            settings = ("TYPE", "FLOAT32", "DIM", self.dimensions, "DISTANCE_METRIC", "COSINE")
            vector = ["vector", "VECTOR", self.algorithm.upper(), len(settings), *settings]
        head = ("ON", "HASH", "PREFIX", 1, f"{self.prefix}:", "LANGUAGE", self.language, "STOPWORDS", 0)
        return (*head, "SCHEMA", "words", "TEXT", "number", "NUMERIC", *tags, *vector)

    def differences(self, info: Mapping[str, Any]) -> list[str]:
        """Return the differences of an index from this shape, in words; `info` comes from `parsed_info`."""
        return list(self._differences(info))

    def _differences(self, info: Mapping[str, Any]) -> Iterator[str]:
        definition = _mapping(info.get("index_definition"))
        if definition.get("key_type") != "HASH":
            yield f"its documents are of type {definition.get('key_type')}, but must be of type HASH"
        prefixes: list[Any] = list(definition.get("prefixes") or ())
        if prefixes != [f"{self.prefix}:"]:
            yield f"its keys start with {prefixes!r}, but must start with {self.prefix + ':'!r}"
        language = definition.get("default_language", "english")
        if language != self.language:
            yield f"its language is {language}, but must be {self.language}"
        fields = {field["attribute"]: field for field in map(_mapping, info.get("attributes") or ())}
        needed = {"words": "TEXT", "number": "NUMERIC", **dict.fromkeys(TAGS, "TAG")}
        for name, kind in needed.items():
            has = fields.get(name, {}).get("type", "missing")
            if has != kind:
                yield f"its field {name} is {has}, but must be {kind}"
        if self.dimensions is not None:
            yield from self._vector_differences(fields.get("vector", {}))

    def _vector_differences(self, field: Mapping[str, Any]) -> Iterator[str]:
        needed = {
            "type": "VECTOR",
            "dim": str(self.dimensions),
            "data_type": "FLOAT32",
            "distance_metric": "COSINE",
            "algorithm": self.algorithm.upper(),
        }
        if not field:
            yield f"it has no vectors, but must have vectors of {self.dimensions} dimensions"
            return
        for name, value in needed.items():
            if str(field.get(name)) != value:
                yield f"its vectors have {name} {field.get(name)}, but must have {value}"


def parsed_info(reply: object) -> dict[str, Any]:
    """Return a reply of FT.INFO as a dict, from protocol version 2 (flat lists) or 3 (maps)."""
    return _mapping(_decoded(reply))


def _mapping(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    found: dict[str, Any] = {}
    items = cast("list[Any]", value) if isinstance(value, list) else []
    at = 0
    while at + 1 < len(items):
        # Flags such as CASESENSITIVE come at the end of an attribute without a value. Everything else comes in pairs.
        found[str(items[at])] = items[at + 1]
        at += 2
    return found


def _decoded(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value).items()
        return {str(_decoded(name)): _decoded(item) for name, item in pairs}
    if isinstance(value, list):
        return [_decoded(item) for item in cast("list[object]", value)]
    return value
