"""Text cut into clauses, each of which tells one thing or asks one.

Runs of spaces are made one first, and every pattern looks at a bounded stretch: hostile text costs linear time.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

READ_CHARACTERS = 20_000
"""How much of a message is read."""

CLAUSE_CHARACTERS = 300
"""How much of a clause is read."""

# A full stop behind a single letter or a title belongs to a name: "J. R. R.", "Dr. Pulaski", "Sra. Ortiz".
_END = re.compile(
    r"([?!]+|(?<!\b[^\W\d_])(?<!\b[DMS]r)(?<!\bMs)(?<!\bSt)(?<!\b[MD]rs)(?<!\b[DS]ra)\.(?=\s|$)|[…;\n])|(?=¿)"
)
# Where the next thing begins: a verb or a possessive of the first person, or a question's first word. What stands
# before it must not be a correction alone ("No, I'm …"), which belongs to what follows.
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
        text: as it was written, without the punctuation around it.
        is_question: True when it asks.
    """

    text: str
    is_question: bool

    @property
    def folded(self) -> str:
        """The text for comparing: lower case, no accents, plain apostrophes."""
        return fold(self.text)


def sentences(text: str) -> list[Sentence]:
    """Cut a message's text into clauses."""
    pieces = _END.split(_SPACES.sub(" ", text[:READ_CHARACTERS]))
    return [
        clause
        for piece, end in zip(pieces[::2], [*pieces[1::2], None], strict=True)
        for clause in _clauses(piece, is_asking="?" in (end or ""))
    ]


def fold(text: str) -> str:
    """Return `text` for comparing: lower case, no accents, plain apostrophes."""
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
