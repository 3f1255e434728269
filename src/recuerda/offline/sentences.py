"""Clauses of a text, each of which states one fact or asks one question.

Runs of spaces are first reduced to one space, and every pattern looks at a limited number of characters. So the time
grows linearly with the length of the text, even for hostile texts.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

READ_CHARACTERS = 20_000
"""The largest number of characters that are read of a message."""

CLAUSE_CHARACTERS = 300
"""The largest number of characters that are read of a clause."""

# A full stop after a single letter or a title belongs to a name: "J. R. R.", "Dr. Pulaski", "Sra. Ortiz". A remark in
# parentheses behind a quotation is not part of it: `"I like tea." (noted on 1 May 2026)`.
_END = re.compile(
    r"([?!]+|(?<!\b[^\W\d_])(?<!\b[DMS]r)(?<!\bMs)(?<!\bSt)(?<!\b[MD]rs)(?<!\b[DS]ra)\.(?=\s|$)|[…;\n]"
    r"|[\"”»](?=\s\())|(?=¿)"
)
# A new clause begins with a verb or a possessive of the first person, or with the first word of a question. A
# correction alone ("No, I'm …") is not a clause of its own: it belongs to the clause after it.
_NEXT = re.compile(
    r"(?<!^no)(?<!^sorry)(?<!^actually)(?<!^perdón)(?<!^en realidad)"
    r"(?:,\s*(?:(?:and|but|so|y|e|pero)\s+)?|\s+(?:and|but|so|y|e|pero)\s+)"
    r"(?=(?:i|i['\u2019]m|im|my|live|work|am|like|love|please|remember"
    r"|mis?|me|soy|vivo|tengo|trabajo|prefiero|recuerda|por favor"
    r"|what|who|where|how|which|do you|can you|qué|quién|dónde|cómo|cuál|sabes)\b)",
    re.IGNORECASE,
)
_SPACES = re.compile(r"[^\S\n]+")
_OPENING = " -*•\u2013\u2014¿¡,.:\"“«'"
_ASKS = re.compile(
    r"(?:and |but |so |y |e |pero |hi |hello |hola |please |por favor |[a-z]{1,12}, )?"
    r"(?:what|whats|what's|who|whos|who's|where|when|which|how|why|do you|did i|can you|could you|am i|tell me"
    r"|remind me|que|quien|donde|cuando|cual|cuales|como|cuantos|sabes|recuerdas|te acuerdas|dime|puedes)\b"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One clause.

    Attributes:
        text: the clause in its own words, without the punctuation around it.
        is_question: whether the clause is a question.
    """

    text: str
    is_question: bool

    @property
    def folded(self) -> str:
        """The text in folded form; see `fold`."""
        return fold(self.text)


def sentences(text: str) -> list[Sentence]:
    """Return the clauses of a message's text."""
    pieces = _END.split(_SPACES.sub(" ", text[:READ_CHARACTERS]))
    return [
        clause
        for piece, end in zip(pieces[::2], [*pieces[1::2], None], strict=True)
        for clause in _clauses(piece, is_asking="?" in (end or ""))
    ]


def fold(text: str) -> str:
    """Return a text prepared for comparison: in lower case, without accents, and with plain apostrophes."""
    plain = unicodedata.normalize("NFKD", text.replace("\u2019", "'"))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold()


def _clauses(piece: str, *, is_asking: bool) -> list[Sentence]:
    texts = [
        text
        for part in _NEXT.split(piece.strip())
        if (text := part[:CLAUSE_CHARACTERS].strip().lstrip(_OPENING).rstrip())
    ]
    last = len(texts) - 1
    return [
        Sentence(text, is_question=(is_asking and i == last) or _ASKS.match(fold(text)) is not None)
        for i, text in enumerate(texts)
    ]
