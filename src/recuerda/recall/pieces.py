"""The pieces of a long message that an embedder reads one by one, and the vector of all of them.

A small model reads 256 to 512 tokens and ignores the rest, so one vector of a long message would stand for its start
only. A piece has at most 1,000 bytes, which are 250 tokens of English and about as many of other languages, because a
script with more tokens for each character also has more bytes. The message's vector is the mean of those of its pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

from recuerda.recall.vectors import unit

_PIECE_BYTES = 1_000
_UNEVEN = 1.1
"""A piece may be longer than the mean by this factor, so that it can end between words."""


def pieces_of(text: str) -> list[str]:
    """Return the pieces of a text, of about equal size. They end between lines or words where that is possible."""
    size = _size(text)
    if size <= _PIECE_BYTES:
        return [text]
    count = -(-size // _PIECE_BYTES)
    longest = min(_PIECE_BYTES, round(_UNEVEN * size / count))
    pieces: list[str] = []
    while text:
        piece = text[:longest].encode()[:longest].decode(errors="ignore")
        if len(piece) < len(text):
            piece = piece[: _end(piece)]
        text = text[len(piece) :]
        pieces.append(piece)
    return [piece for piece in pieces if piece.strip()]


def mean_vector(pieces: Sequence[str], vectors: Sequence[Sequence[float]]) -> list[float]:
    """Return the vector of length 1 of a text from those of its pieces, of which longer ones count more.

    A piece without a vector, or with one of another dimension than the first one's, does not count.
    """
    fitting = [(_size(piece), vector) for piece, vector in zip(pieces, vectors, strict=True) if vector]
    fitting = [(size, vector) for size, vector in fitting if len(vector) == len(fitting[0][1])]
    if len(fitting) < 2:
        return [value for _, vector in fitting for value in vector]
    weighted = [[size * value for value in vector] for size, vector in fitting]
    return unit([sum(values) for values in zip(*weighted, strict=True)])


def _end(piece: str) -> int:
    """Return where a piece ends: behind its last line or, failing that, its last word, if that is not far."""
    for separator in ("\n", " "):
        end = piece.rfind(separator) + 1
        if end > len(piece) * 2 // 3:
            return end
    return len(piece)


def _size(text: str) -> int:
    return len(text.encode())
