"""The docstring of a function, for a model: what the function does, and what each parameter means."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

_SECTION = r"(?im)^\s*(?:(?:Args|Arguments|Parameters|Params)\s*:?\s*$|:param\s|@param\s)"
"""The line with which the parameters begin: in Google's and NumPy's style, in Sphinx's and in Epydoc's."""


class Described(msgspec.Struct, frozen=True):
    """A docstring in parts.

    Attributes:
        text: the docstring without the section of the parameters.
        parameters: the descriptions of the parameters by name.
    """

    text: str
    parameters: Mapping[str, str]


def described(docstring: str) -> Described:
    """Return the parts of a docstring. A docstring without a section of parameters is its text."""
    if not re.search(_SECTION, docstring):
        return Described(docstring, {})
    import docstring_parser

    try:
        parsed = docstring_parser.parse(docstring)
    except docstring_parser.ParseError:
        return Described(docstring, {})
    texts = {one.arg_name: " ".join(one.description.split()) for one in parsed.params if one.description}
    if not texts:
        return Described(docstring, {})
    said = [parsed.short_description, parsed.long_description]
    if parsed.returns is not None and parsed.returns.description:
        said.append(f"Returns: {' '.join(parsed.returns.description.split())}")
    return Described("\n\n".join(part for part in said if part), texts)
