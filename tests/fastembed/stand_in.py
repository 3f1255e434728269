"""A stand-in for a cross-encoder, because no package carries the weights of one.

It is an ONNX file of one node: the score of a question and a text is the largest token number in both. So it shows that
pairs reach the model and that scores come back in order. It does not show that a real model judges well.
"""

from __future__ import annotations

from pathlib import Path

from tests.small_model import write_small_model

_INT64 = 7  # a type of tensor, and the type of an attribute that is a list of integers
_VERSION, _GRAPH, _OPERATORS = 1, 7, 8
_NODE, _NAME, _INPUT, _OUTPUT = 1, 2, 11, 12


def write_cross_encoder(folder: Path) -> Path:
    """Write the model and the tokenizer of all-MiniLM-L6-v2 into `folder`, as fastembed reads them."""
    write_small_model(folder)
    (folder / "model.onnx").unlink()
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(_model())
    return folder


def _model() -> bytes:
    """Return the file: see onnx.proto for the numbers of the fields."""
    axes = _text(1, "axes") + _number(8, 1) + _number(20, _INT64)
    node = _text(1, "input_ids") + _text(2, "logits") + _text(4, "ReduceMax") + _field(5, axes)
    graph = _field(_NODE, node) + _text(_NAME, "largest")
    graph += _field(_INPUT, _tensor("input_ids", _text(2, "texts"), _text(2, "tokens")))
    graph += _field(_OUTPUT, _tensor("logits", _text(2, "texts"), _number(1, 1)))
    return _number(_VERSION, 8) + _field(_GRAPH, graph) + _field(_OPERATORS, _text(1, "") + _number(2, 13))


def _tensor(name: str, *dimensions: bytes) -> bytes:
    shape = b"".join(_field(1, dimension) for dimension in dimensions)
    return _text(1, name) + _field(2, _field(1, _number(1, _INT64) + _field(2, shape)))


def _text(number: int, value: str) -> bytes:
    return _field(number, value.encode())


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    return bytes([value & 127 | 128]) + _varint(value >> 7) if value > 127 else bytes([value])
