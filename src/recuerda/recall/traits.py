"""The traits of a message or a question, recognized by words, in English and Spanish.

Traits are stored as bits with a message, because every search needs them. If their meaning changes, `TERMS_VERSION` has
to change too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from recuerda.recall.folding import fold
from recuerda.recall.standing import is_standing
from recuerda.recall.text import words_of

IS_QUESTION = 1
"""The message ends with a question."""
IS_PERSONAL = 2
"""The message is about its speaker."""
HAS_TIME = 4
"""The message names a time."""
IS_STANDING = 8
"""The message has a standing instruction or a preference; see `standing.py`."""
HAS_NAME = 16
"""The message names something: a word with a capital letter stands in the middle of a sentence."""

_TAIL = 400
_QUESTION = re.compile(r"[?\uff1f]\W*(?:\[[^\]]*\]\W*)?$")
_PERSONAL_WORDS = """
    i i'm i've i'd i'll my mine me we we're we've we'll our us
    yo mi mis me mio mia nosotros nosotras nuestro nuestra nuestros nuestras conmigo
"""
_PERSONAL = frozenset(_PERSONAL_WORDS.split())
_ABOUT_ASKER = _PERSONAL | {"soy", "estoy", "tengo"}
_TIME = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|last|next|ago|weeks?|weekend|months?|years?|\w+day|recently|since|morning|"
    r"january|february|march|april|june|july|august|september|october|november|december|(?:19|20)\d\d|ayer|hoy|manana|"
    r"semanas?|mes|meses|anos?|lunes|martes|miercoles|jueves|viernes|sabado|domingo|pasad[oa]|proxim[oa]|hace|"
    r"enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre)\b"
)
_NAME = re.compile(r"(?<=[a-z\u00df-\u00ff\u0430-\u044f] )[A-Z\u00c0-\u00de\u0410-\u042f][^\W\d_A-Z]{2,}")
_WHEN = re.compile(
    r"\W*(?:\w+\W+)?(?:when|cuando)\b|.*\b(?:what|which) (?:date|day|month|year)\b|.*\bque (?:dia|mes|ano|fecha)\b"
)
_SAID = "recommend|suggest|said|say|told|tell me|advise|propose|mention|explain|explained|wrote|gave|give me"
_ASKS_ASSISTANT = re.compile(
    rf"\b(?:did|have|had) you (?:{_SAID})|\byou (?:{_SAID})(?:ed|d)?\b|\byour (?:\w+ )?(?:recommend|suggest|advice|"
    r"answer|explan|tip|propos|list)|\b(?:recomendaste|sugeriste|dijiste|explicaste|propusiste|aconsejaste|diste|"
    r"me has (?:dicho|recomendado|sugerido|explicado))\b|\btus? (?:recomenda|suger|consejo|respuesta|explica)"
)


def traits_of(text: str) -> int:
    """Return the traits of a text, as bits."""
    found = IS_QUESTION if _QUESTION.search(text[-_TAIL:]) else 0
    if not _PERSONAL.isdisjoint(words_of(text)):
        found |= IS_PERSONAL
    folded = fold(text)
    if _TIME.search(folded):
        found |= HAS_TIME
    if _NAME.search(text):
        found |= HAS_NAME
    return found | (IS_STANDING if is_standing(folded) else 0)


def asks_when(question: str) -> bool:
    """Return True if a question asks for a time."""
    return bool(_WHEN.match(fold(question)))


def asks_about_asker(words: Iterable[str]) -> bool:
    """Return True if a question is about the person who asks it, such as "Who am I?"."""
    return not _ABOUT_ASKER.isdisjoint(words)


def asks_assistant(question: str) -> bool:
    """Return True if a question asks what the assistant has said."""
    return bool(_ASKS_ASSISTANT.search(fold(question)))
