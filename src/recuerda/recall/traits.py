"""The traits of a message or a question, recognized by words.

The words are those of English and Spanish, and the commonest ones of other languages.

Traits are stored as bits with a message, because every search needs them. If their meaning changes, `TERMS_VERSION` has
to change too.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from recuerda.recall.date_words import TIME_WORDS
from recuerda.recall.folding import fold
from recuerda.recall.identity import is_identity
from recuerda.recall.standing import is_standing
from recuerda.recall.text import query_words, words_of

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

IS_CORRECTION = 32
"""The message says that something holds no longer, or was wrong."""
IS_IDENTITY = 64
"""The message says who its speaker is; see `identity.py`. Such a message is personal too."""

_TAIL = 400
_QUESTION = re.compile(r"[?\uff1f]\W*(?:\[[^\]]*\]\W*)?$")
_PERSONAL_WORDS = """
    i i'm i've i'd i'll my mine me we we're we've we'll our us yo mi mis me mio mia soy estoy tengo nosotros
    nosotras nuestro nuestra nuestros nuestras conmigo ich mich mir mein meine meinem meinen meiner meines wir uns
    unser unsere unserem unseren je j'ai moi mon nous notre nos io mio miei mie noi nostro nostra mim sou estou
    tenho meu minha meus minhas nosso nossa ik mij mijn wij onze jag mig mitt mina jeg mine moj moja moje mojego
    mojej mam mnie jestem я мне меня мой моя мое мои моего моей моих мы нас наш наша наше наши мені мене моя моє
    benim bana bende minun minulla saya aku انا عندي لدي
"""
_PERSONAL = frozenset(_PERSONAL_WORDS.split())
_ABOUT_ASKER = _PERSONAL | {"soy", "estoy", "tengo", "sono", "sou", "tenho"}
# In Chinese, Japanese and Korean, the word for "I" stands beside others without a space.
_PERSONAL_CHARACTERS = re.compile("[我私僕俺]|(?:저는|제가|저의|나는|내가|저희|우리)|(?:제|내|나) ")
_TIME = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|last|next|ago|weeks?|weekend|months?|years?|(?!birthday)\w+day|recently|since|"
    r"morning|january|february|march|april|(?:in|of|\d(?:st|nd|rd|th)?) may|may \d|june|july|august|september|october|"
    r"november|december|(?:19|20)\d\d|ayer|hoy|manana|"
    r"semanas?|mes|meses|anos?|lunes|martes|miercoles|jueves|viernes|sabado|domingo|pasad[oa]|proxim[oa]|hace|"
    r"enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre)\b"
)
_NAME = re.compile(r"(?<=[a-z\u00df-\u00ff\u0430-\u044f] )[A-Z\u00c0-\u00de\u0410-\u042f][^\W\d_A-Z]{2,}")
_WHEN = re.compile(
    r"\W*(?:\w+\W+)?(?:when|cuando|wann|quand|quando|wanneer|nar|hvornar|milloin|kiedy|kdy|mikor|когда|коли|ποτε|متى)\b|"
    r".*\b(?:what|which) (?:date|day|month|year)\b|.*\bque (?:dia|mes|ano|fecha)\b|.*\bne zaman\b|"
    r".*(?:언제|いつ|何時|何日|何月|何曜日|什么时候|什麼時候|几点|幾點|哪天|哪年|เมื่อไหร่|เมื่อไร)"
)
_MEMORY_WORDS = """
    remember recall know known describe tell told mentioned shared me mim learned learnt stored store summarize
    summarise myself already memory memories recuerdas recordas sabes describeme cuentame dime erinnerst weisst
    beschreib beschreibe erzahl kennst speichert gespeichert rappelles souviens sais decris raconte ricordi sai
    descrivimi dimmi lembra lembras descreva herinner weet beschrijf contado dicho erzahlt gesagt raconte contei
    raccontato verteld
"""
_OF_MEMORIES = frozenset(_MEMORY_WORDS.split())
# It is searched in every message, so all of its alternatives begin with the start of a word, which is tried first.
_CORRECTION = re.compile(
    r"\b(?:actually,|no longer\b|any ?more\b(?! than)|i (?:just )?(?:quit|switched|was wrong|meant)\b|"
    r"(?:used to|correction:|instead of|changed my mind)|"
    r"ya no\b|en realidad\b|me equivoque\b|nicht mehr\b|eigentlich\b|korrektur\b|statt\b|"
    r"ne \w+ plus\b|en fait\b|non \w+ piu\b|in realta\b|nao \w+ mais\b|na verdade\b|"
    r"niet meer\b|больше не |juz nie\b|inte langre\b|ikke lenger\b|artik\b)"
)
_NOT_THAT = re.compile(r", not (?:my |the |in |at |on |dr\.? )?\w+\.?$")
_CORRECTION_CHARACTERS = re.compile("其实|不再|実は|もう.{1,12}ない|사실은|더 이상")
_SAID = "recommend|suggest|said|say|told|tell me|advise|propose|mention|explain|explained|wrote|gave|give me"
_ASKS_ASSISTANT = re.compile(
    rf"\b(?:did|have|had) you (?:{_SAID})|\byou (?:{_SAID})(?:ed|d)?\b|\byour (?:\w+ )?(?:recommend|suggest|advice|"
    r"answer|explan|tip|propos|list)|\b(?:recomendaste|sugeriste|dijiste|explicaste|propusiste|aconsejaste|diste|"
    r"me has (?:dicho|recomendado|sugerido|explicado))\b|\btus? (?:recomenda|suger|consejo|respuesta|explica)"
)


def traits_of(text: str, words: AbstractSet[str] | None = None) -> int:
    """Return the traits of a text, as bits.

    Args:
        text: the text.
        words: its folded words, if the caller has them; see `Terms.words`.
    """
    found = IS_QUESTION if _QUESTION.search(text[-_TAIL:]) else 0
    words = frozenset(words_of(text)) if words is None else words
    folded = fold(text)
    if is_identity(folded):
        found |= IS_PERSONAL | IS_IDENTITY
    elif not _PERSONAL.isdisjoint(words) or _has_asker(text):
        found |= IS_PERSONAL
    if _TIME.search(folded) or not TIME_WORDS.isdisjoint(words):
        found |= HAS_TIME
    if _NAME.search(text):
        found |= HAS_NAME
    if _corrects(folded):
        found |= IS_CORRECTION
    return found | (IS_STANDING if is_standing(folded) else 0)


def asks_when(question: str) -> bool:
    """Return True if a question asks for a time."""
    return bool(_WHEN.match(fold(question)))


def asks_about_asker(question: str) -> bool:
    """Return True if a question is about the person who asks it, such as "Who am I?"."""
    return not _ABOUT_ASKER.isdisjoint(words_of(question)) or _has_asker(question)


def asks_for_memories(question: str) -> bool:
    """Return True if a question asks for all that is known, such as "What do you remember about me?"."""
    meant = query_words(question)
    return bool(meant) and meant <= _OF_MEMORIES


def asks_assistant(question: str) -> bool:
    """Return True if a question asks what the assistant has said."""
    return bool(_ASKS_ASSISTANT.search(fold(question)))


def _corrects(folded: str) -> bool:
    if _CORRECTION.search(folded) or (", not " in folded and _NOT_THAT.search(folded)):
        return True
    return not folded.isascii() and _CORRECTION_CHARACTERS.search(folded) is not None


def _has_asker(text: str) -> bool:
    return not text.isascii() and _PERSONAL_CHARACTERS.search(text) is not None
