"""Facts from the definition of an index, for credentials that may read it. A query key and the reader's role may not.

With the definition, wrong names and dimensions are found before a search, and missing settings are filled in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import msgspec

from recuerda.azure_ai_search.hits import TITLES
from recuerda.azure_ai_search.settings import SearchSettings
from recuerda.errors import ProviderError


class IndexFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of an index that matter here.

    Attributes:
        fields: the names of all fields.
        hidden: the fields that a search never returns.
        key_field: the name of the key field.
        text_fields: the text fields that a search returns.
        vector_fields: the dimensions of each vector field, by name.
        vectorized: the vector fields for which the service computes vectors itself.
        semantic: the names of the semantic configurations.
        default_semantic: the name of the default semantic configuration.
    """

    fields: frozenset[str]
    hidden: frozenset[str]
    key_field: str | None
    text_fields: tuple[str, ...]
    vector_fields: dict[str, int]
    vectorized: frozenset[str]
    semantic: tuple[str, ...]
    default_semantic: str | None

    @classmethod
    def of(cls, definition: Any) -> IndexFacts:
        """Return the facts in the SDK's definition of an index."""
        fields = _items(definition, "fields")
        search, semantic = getattr(definition, "vector_search", None), getattr(definition, "semantic_search", None)
        vectorizing = {one.name for one in _items(search, "profiles") if getattr(one, "vectorizer_name", None)}
        vectors = {one.name: one.vector_search_dimensions for one in fields if one.vector_search_dimensions}
        return cls(
            fields=frozenset(one.name for one in fields),
            hidden=frozenset(one.name for one in fields if one.hidden),
            key_field=next((one.name for one in fields if one.key), None),
            text_fields=tuple(one.name for one in fields if _is_text(one) and not one.hidden),
            vector_fields=vectors,
            vectorized=frozenset(
                one.name for one in fields if one.name in vectors and one.vector_search_profile_name in vectorizing
            ),
            semantic=tuple(one.name for one in _items(semantic, "configurations")),
            default_semantic=getattr(semantic, "default_configuration_name", None),
        )

    def settle(self, settings: SearchSettings) -> SearchSettings:
        """Return the settings with the missing ones filled in.

        Raises:
            ProviderError: the settings do not match the index.
        """
        self._check_names(settings)
        key_field = settings.key_field or self.key_field
        title_field = settings.title_field or next((name for name in TITLES if name in self.text_fields), None)
        return msgspec.structs.replace(
            settings,
            key_field=key_field,
            title_field=title_field,
            content_fields=settings.content_fields
            or tuple(name for name in self.text_fields if name not in (key_field, title_field)),
            vector_field_name=self._vector_field(settings) if settings.asks_by_vector else None,
        )

    def check_length(self, settings: SearchSettings, vector: list[float]) -> None:
        """Raise a `ProviderError` if a vector does not have the dimensions of its field in the index."""
        name = settings.vector_field_name or ""
        if len(vector) != self.vector_fields.get(name, len(vector)):
            raise ProviderError(
                f"the embedder's vector has {len(vector)} dimensions, but field {name!r} of the index "
                f"{settings.index_name!r} has {self.vector_fields[name]}; give the embedder that the index "
                "was filled with"
            )

    def _check_names(self, settings: SearchSettings) -> None:
        returned = (*settings.content_fields, settings.key_field, settings.title_field)
        named = {name.split("/")[0] for name in (*returned, settings.vector_field_name) if name is not None}
        if unknown := named - self.fields:
            has = ", ".join(sorted(self.fields))
            self._refuse(settings, f"has no field {', '.join(sorted(unknown))}; its fields are {has}")
        if hidden := self.hidden.intersection(name for name in returned if name is not None):
            self._refuse(settings, f"does not return field {', '.join(sorted(hidden))}: it is not retrievable")
        if settings.mode != "semantic":
            return
        wanted = settings.semantic_configuration_name or self.default_semantic
        if wanted is None or wanted not in self.semantic:
            has = ", ".join(self.semantic) or "none"
            self._refuse(settings, f"has no semantic configuration {wanted or 'by default'}; it has {has}")

    def _vector_field(self, settings: SearchSettings) -> str:
        name = settings.vector_field_name
        if name is None:
            if len(self.vector_fields) != 1:
                has = ", ".join(self.vector_fields) or "none"
                self._refuse(
                    settings, f"must have one vector field, but has {has}; give vector_field_name, or another mode"
                )
            (name,) = self.vector_fields
        if name not in self.vector_fields:
            self._refuse(settings, f"has no vectors in field {name}; check vector_field_name")
        if not settings.has_embedder and name not in self.vectorized:
            self._refuse(settings, f"has no vectorizer for field {name}; give an embedder, or add a vectorizer to it")
        return name

    def _refuse(self, settings: SearchSettings, what: str) -> None:
        raise ProviderError(f"the index {settings.index_name!r} {what}")


def _is_text(field: Any) -> bool:
    # The type is a string in version 11 of the SDK, and a member of an enumeration in version 12.
    return str(getattr(field.type, "value", field.type)) in ("Edm.String", "Collection(Edm.String)")


def _items(owner: object, name: str) -> list[Any]:
    return list(cast("Iterable[Any]", getattr(owner, name, None) or ()))
