"""Links to the things of a storage, and the way back from a path to an id.

An id may be any text: it may have slashes, or be `..`, which a browser would resolve. So each id is one segment of a
path, percent-encoded, and routes are matched before the encoding is undone. A tilde in front keeps a browser from
reading `.` and `..` as folders.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlencode

from starlette.convertors import Convertor, register_url_convertor

_DOTS = (".", "..")
_NO_ID = ""
_PARAMETER = re.compile(r"\{(\w+_id)\}")


def segment(text: str) -> str:
    """Return a text as one segment of a path, from which `text_of` gets it back."""
    mark = "~" if text in _DOTS or text.startswith("~") else ""
    return mark + quote(text, safe="", errors="surrogatepass")


def text_of(part: str) -> str:
    """Return the text of a segment; an empty text, which is no id, if the segment is not one of `segment`."""
    try:
        text = unquote(part, errors="strict")
    except UnicodeDecodeError:
        return _NO_ID
    return text.removeprefix("~") if part.startswith("~") else text


def link(*parts: str | int, **query: str | int | None) -> str:
    """Return a link on the studio: `link("threads", thread_id, before=12)`. A query with None is left out."""
    path = "/" + "/".join(segment(str(part)) for part in parts)
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def with_ids(path: str) -> str:
    """Return the pattern of a route in which each parameter that ends with `_id` is one id, whatever it holds."""
    return _PARAMETER.sub(r"{\1:studio_id}", path)


class _IdConvertor(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return text_of(value)

    def to_string(self, value: str) -> str:
        return segment(value)


register_url_convertor("studio_id", _IdConvertor())
