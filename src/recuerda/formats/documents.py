"""The JSON values of a file: the elements of one array, one object, or one object on each line.

Only the text of the file is held in memory, and one value at a time. So an archive of 500 MB needs little more than
500 MB, and not the several times as much that its objects would take.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from recuerda.errors import RecuerdaError, StateError

T = TypeVar("T")

NEWLINE = b"\n"


class Document(msgspec.Struct, frozen=True):
    """One JSON value of a file.

    Attributes:
        raw: the JSON.
        where: the place in the file for people, such as "line 3" or "conversation 3".
    """

    raw: msgspec.Raw | bytes
    where: str

    def as_type(self, kind: type[T]) -> T:
        """Return the value as a type.

        Raises:
            StateError: the value has another form; the error names the place.
        """
        try:
            return msgspec.json.decode(self.raw, type=kind)
        except RecursionError:
            raise StateError(f"{self.where} cannot be read: it is nested too deeply") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateError(f"{self.where} cannot be read: {error}") from None


@contextmanager
def understood(where: str) -> Generator[None]:
    """Translate the errors of a conversion that meets a value of another type than the format has.

    The forms of other programs are not described by a schema that could be checked first.

    Raises:
        StateError: the conversion failed; the error names the place.
    """
    try:
        yield
    except RecuerdaError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise StateError(
            f"{where} cannot be read: a value is missing or has an unknown form ({type(error).__name__})"
        ) from error


@contextmanager
def located(name: object) -> Generator[None]:
    """Put the name of a file before the errors of its content. None puts nothing there."""
    try:
        yield
    except StateError as error:
        if name is None:
            raise
        raise StateError(f"{name}: {error}") from None


def documents(text: bytes, noun: str = "conversation") -> Iterator[Document]:
    """Yield the elements of an array, or the only object, or the objects on the lines of a file.

    Args:
        text: the content of the file.
        noun: the name of an element in errors.

    Raises:
        StateError: the text is not JSON; the error names the line.
    """
    try:
        getincrementaldecoder("utf-8")().decode(text[:4096])
    except UnicodeDecodeError as error:
        raise StateError(f"the file is not JSON: it is not UTF-8 text ({error.reason})") from None
    if not text.strip():
        raise StateError("the file is empty")
    if text.lstrip()[:1] == b"[":
        yield from elements(text, noun)
    elif _is_value(text):
        yield _checked(text)
    else:
        yield from lines(text)


def elements(text: bytes, noun: str) -> Iterator[Document]:
    """Yield the elements of an array."""
    for number, raw in enumerate(_decoded(text, list[msgspec.Raw]), 1):
        yield Document(raw, f"{noun} {number}")


def _checked(text: bytes) -> Document:
    _decoded(text, msgspec.Raw)
    return Document(text, "the file")


def _decoded(text: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateError(f"{_place(text, error)}: the file is not JSON: {error}") from None


def lines(text: bytes) -> Iterator[Document]:
    """Yield the values of JSON Lines."""
    for number, line in enumerate(text.split(b"\n"), 1):
        if line.strip():
            document = Document(line, f"line {number}")
            document.as_type(msgspec.Raw)
            yield document


def _is_value(text: bytes) -> bool:
    """Return whether the text is one JSON value. JSON Lines are several."""
    first, _, rest = text.strip().partition(b"\n")
    if not rest:
        return True
    try:
        msgspec.json.decode(first, type=msgspec.Raw)
    except msgspec.DecodeError:
        return True
    return False


def _place(text: bytes, error: Exception) -> str:
    """Return the line and the column of a JSON error, which names a byte."""
    position = str(error).rpartition("byte ")[2].rstrip(")")
    if not position.isdecimal():
        return "the end of the file" if "truncated" in str(error) else "the file"
    before = text[: int(position)]
    column = len(before) - before.rfind(b"\n")
    return f"line {1 + before.count(NEWLINE)}, column {column}"
