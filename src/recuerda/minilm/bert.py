"""A BERT encoder in numpy: from the numbers of tokens to one vector of unit length for each text.

The texts of a batch lie behind one another in one array, without padding. The large matrix products take them all at
once; attention, which is where a text looks at itself, goes text by text. So a vector depends on its own text only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]

_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_ERF_P = 0.3275911
_ROWS_AT_ONCE = 64  # so that what the activation function works on stays in the processor's cache


class Bert:
    """The weights, and the way through them.

    Args:
        weights: by their names in the model's file.
        layers: how many layers the encoder has.
        heads: how many heads its attention has.
        epsilon: what layer norms add to the variance.
    """

    def __init__(self, weights: Mapping[str, Array], *, layers: int, heads: int, epsilon: float) -> None:
        self._words = weights["embeddings.word_embeddings.weight"]
        # Every token is of the first text, and there is no second: its type is a constant.
        kinds = weights["embeddings.token_type_embeddings.weight"]
        self._positions = weights["embeddings.position_embeddings.weight"] + kinds[0]
        self._norm = _Norm(weights, "embeddings.LayerNorm", epsilon)
        self._layers = [
            _Layer(weights, f"encoder.layer.{number}", heads=heads, epsilon=epsilon) for number in range(layers)
        ]

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return self._words.shape[1]

    def embed(self, texts: Sequence[Sequence[int]]) -> Array:
        """Return one unit vector for each text, given as the numbers of its tokens (at least one each)."""
        bounds = [0, *np.cumsum([len(text) for text in texts]).tolist()]
        spans = [slice(start, end) for start, end in pairwise(bounds)]
        tokens = np.concatenate([np.asarray(text, dtype=np.int64) for text in texts])
        places = np.concatenate([np.arange(len(text)) for text in texts])
        states = self._norm(self._words[tokens] + self._positions[places])
        for layer in self._layers:
            states = layer(states, spans)
        means = np.stack([states[span].mean(axis=0) for span in spans])
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return means / np.maximum(lengths, np.float32(1e-12))


class _Layer:
    def __init__(self, weights: Mapping[str, Array], name: str, *, heads: int, epsilon: float) -> None:
        parts = [_Linear(weights, f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
        self._attended = _Linear(weights, f"{name}.attention.output.dense")
        self._attended_norm = _Norm(weights, f"{name}.attention.output.LayerNorm", epsilon)
        self._wide = _Linear(weights, f"{name}.intermediate.dense")
        self._narrow = _Linear(weights, f"{name}.output.dense")
        self._norm = _Norm(weights, f"{name}.output.LayerNorm", epsilon)
        self._heads = heads
        self._inputs = _Linear.joined(parts)

    def __call__(self, states: Array, spans: Sequence[slice]) -> Array:
        states = self._attended_norm(states + self._attended(self._attention(states, spans)))
        return self._norm(states + self._narrow(_gelu(self._wide(states))))

    def _attention(self, states: Array, spans: Sequence[slice]) -> Array:
        width = states.shape[1] // self._heads
        inputs = self._inputs(states).reshape(len(states), 3, self._heads, width)
        found = np.empty((len(states), self._heads, width), dtype=np.float32)
        scale = np.float32(1 / math.sqrt(width))
        for span in spans:
            queries, keys, values = inputs[span].transpose(1, 2, 0, 3)
            scores = (queries * scale) @ keys.transpose(0, 2, 1)
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=-1, keepdims=True)
            found[span] = (scores @ values).transpose(1, 0, 2)
        return found.reshape(len(states), -1)


class _Linear:
    def __init__(self, weights: Mapping[str, Array], name: str) -> None:
        self._weight = np.ascontiguousarray(weights[f"{name}.weight"].T)
        self._bias = weights[f"{name}.bias"]

    @classmethod
    def joined(cls, parts: Sequence[_Linear]) -> _Linear:
        """Return one that gives what all of them give, side by side."""
        whole = cls.__new__(cls)
        whole._weight = np.concatenate([part._weight for part in parts], axis=1)
        whole._bias = np.concatenate([part._bias for part in parts])
        return whole

    def __call__(self, states: Array) -> Array:
        result = states @ self._weight
        result += self._bias
        return result


class _Norm:
    def __init__(self, weights: Mapping[str, Array], name: str, epsilon: float) -> None:
        self._weight = weights[f"{name}.weight"]
        self._bias = weights[f"{name}.bias"]
        self._epsilon = np.float32(epsilon)

    def __call__(self, states: Array) -> Array:
        states = states - states.mean(axis=-1, keepdims=True)
        variance = np.einsum("ij,ij->i", states, states)[:, None] / np.float32(states.shape[-1])
        states *= 1 / np.sqrt(variance + self._epsilon)
        states *= self._weight
        states += self._bias
        return states


def _gelu(states: Array) -> Array:
    """Put x · Φ(x) in place of each x.

    numpy has no error function. This one is formula 7.1.26 of Abramowitz and Stegun, which is exact to 1.5e-7.
    """
    for start in range(0, len(states), _ROWS_AT_ONCE):
        part = states[start : start + _ROWS_AT_ONCE]
        x = np.abs(part)
        x *= np.float32(math.sqrt(0.5))
        t = 1 / (1 + np.float32(_ERF_P) * x)
        tail = t * np.float32(_ERF[4])
        for factor in reversed(_ERF[:4]):
            tail += np.float32(factor)
            tail *= t
        np.multiply(x, x, out=x)
        np.negative(x, out=x)
        tail *= np.exp(x, out=x)
        erf = np.copysign(1 - tail, part)
        erf += 1
        erf *= np.float32(0.5)
        part *= erf
    return states
