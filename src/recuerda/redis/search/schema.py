"""What the index looks like, and whether the one that is there will do.

Documents are hashes under a prefix. What a query may ask for is indexed; the words as they were said, and the ids, are
kept beside it. An index with more fields than are needed will do as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias, cast

import msgspec

from recuerda.redis.trips import Argument

VectorAlgorithm: TypeAlias = Literal["flat", "hnsw"]
"""How vectors are searched: all of the scope's ("flat", exact), or by a graph ("hnsw", for millions)."""

TAGS = ("application", "agent", "user", "partition", "thread", "turn", "model")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What an index has to be.

    Attributes:
        name: the index's.
        prefix: what the keys of its documents start with.
        dimensions: of its vectors; None for none.
        algorithm: for its vectors.
        language: whose endings are taken off words, as the engine names it.
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
        """Say what an index's FT.INFO, as `parsed_info` gives it, has other than this."""
        return list(self._differences(info))

    def _differences(self, info: Mapping[str, Any]) -> Iterator[str]:
        definition = _mapping(info.get("index_definition"))
        if definition.get("key_type") != "HASH":
            yield f"it is over {definition.get('key_type')} documents where HASH is needed"
        prefixes: list[Any] = list(definition.get("prefixes") or ())
        if prefixes != [f"{self.prefix}:"]:
            yield f"it is over keys that start with {prefixes!r} where {self.prefix + ':'!r} is needed"
        language = definition.get("default_language", "english")
        if language != self.language:
            yield f"its language is {language} where {self.language} is needed"
        fields = {field["attribute"]: field for field in map(_mapping, info.get("attributes") or ())}
        needed = {"words": "TEXT", "number": "NUMERIC", **dict.fromkeys(TAGS, "TAG")}
        for name, kind in needed.items():
            has = fields.get(name, {}).get("type", "missing")
            if has != kind:
                yield f"field {name} is {has} where {kind} is needed"
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
            yield f"it has no vectors where {self.dimensions} dimensions are needed"
            return
        for name, value in needed.items():
            if str(field.get(name)) != value:
                yield f"its vectors have {name} {field.get(name)} where {value} is needed"


def parsed_info(reply: object) -> dict[str, Any]:
    """Return the reply of FT.INFO as a dict, of version 2 of the protocol (flat lists) or 3 (maps) alike."""
    return _mapping(_decoded(reply))


def _mapping(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    found: dict[str, Any] = {}
    items = cast("list[Any]", value) if isinstance(value, list) else []
    at = 0
    while at + 1 < len(items):
        # Flags such as CASESENSITIVE stand alone at an attribute's end; all else comes in pairs.
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
