"""Whether the vectors in an index can be compared with those of the embedder, and what to do if they cannot.

A message has one vector, so a new model replaces the vectors of another one. That is right after a change of the model.
But two processes with different models would replace each other's vectors for ever. Vectors of other models become
fewer while a process replaces them. If they become many more instead, another process replaces the vectors of this one,
which then gives up.

A model may also give vectors of other dimensions than before under the same name, for example after an update.
"""

from __future__ import annotations

from typing import TypeAlias

from recuerda.errors import EmbedderError
from recuerda.recall.index import RecallIndex
from recuerda.recall.noting import note

_Place: TypeAlias = tuple[str, str]
"""A scope, and the embedder's model: an embedder may change its model."""

_MANY = 32
"""Another process has to replace more than this number of vectors, so that single messages decide nothing."""

_MOST_SCOPES = 10_000
"""The number of scopes that a process keeps in mind."""


class IncomparableVectors(EmbedderError):
    """The vectors of an index cannot be compared with those of the embedder."""


class Comparability:
    """Checks the vectors of scopes, at the first search of each scope in a process and before vectors are added.

    Args:
        index: the index of the memories.
    """

    def __init__(self, index: RecallIndex) -> None:
        self._index = index
        self._fewest: dict[_Place, int] = {}
        self._lost: dict[_Place, str] = {}
        self._dimensions: dict[_Place, int] = {}

    async def check_models(self, scope: str, model_id: str, *, is_search: bool = False) -> None:
        """Compare the number of vectors of other models in a scope with the lowest number so far.

        Args:
            scope: the scope.
            model_id: the embedder's model.
            is_search: True if only the first check of the scope matters, because nothing is added.

        Raises:
            IncomparableVectors: another process replaces the vectors of this one. So does each later call.
        """
        place = (scope, model_id)
        if place not in self._lost and not (is_search and place in self._fewest):
            models = await self._index.vector_models(scope)
            others = {name: count for name, count in models.items() if name != model_id}
            for other in others:  # this process itself may have had the other model, and may have it again
                self.begin_anew(scope, other)
            number = sum(others.values())
            fewest = self._fewest.get(place, number)
            note(self._fewest, place, min(fewest, number), _MOST_SCOPES)
            if number > fewest + _MANY:
                self._lost[place] = max(others, key=others.__getitem__)
        if place in self._lost:
            raise IncomparableVectors(
                f"another process gives the same memories vectors of {self._lost[place]}, in place of those of "
                f"{model_id}; let all processes use one model, or give each model an index of its own, and restart"
            )

    def begin_anew(self, scope: str, model_id: str) -> None:
        """Let the vectors of another model be replaced, also if another process replaced those of this one."""
        self._fewest.pop((scope, model_id), None)
        self._lost.pop((scope, model_id), None)

    async def check_dimensions(self, scope: str, model_id: str, dimensions: int) -> None:
        """Compare the dimensions of a question's vector with those of the vectors in a scope.

        Raises:
            IncomparableVectors: most vectors have other dimensions.
        """
        if self._dimensions.get((scope, model_id)) == dimensions:
            return
        stored = await self._index.vector_dimensions(scope, model_id)
        if stored is not None and stored != dimensions:
            raise IncomparableVectors(
                f"{model_id} gives questions vectors of {dimensions} dimensions, but the memories have vectors of "
                f"{stored}; rebuild the index, or give the embedder another model_id"
            )
        note(self._dimensions, (scope, model_id), dimensions, _MOST_SCOPES)
