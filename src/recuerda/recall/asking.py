"""The questions of a message, and what stands beside them.

People write more than a bare question: "We fly on Friday. Where did I put the passports, and who feeds the cat?" Each
question of such a message is searched for by itself, because the memories that fit one of them would take the places of
those that fit another one. The other sentences are a help, and so is what was said just before: "Where is his
practice?" needs "Who is my dentist?". Their words count less, because many are about something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from recuerda.recall.folding import fold
from recuerda.recall.requests import is_request
from recuerda.recall.text import query_words
from recuerda.recall.traits import has_question_mark

MOST_QUESTIONS = 4
"""The largest number of questions that are searched for by themselves. More of them mostly stand in a pasted text."""

_END = re.compile(
    r"[.!?\u2026]+[\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f\u061f\u037e]+\s*|\n\s*\n|\n(?=\s*[^\sa-z])"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(.])(?:[^\W\d_]|mrs?|ms|dr|prof|st|sra?|jr|hr|fr|nr|vs|etc|approx|ca|bzw|usw|mme|mlle|av|tel)\.$|\d\.$",
    re.IGNORECASE,
)
"""A full stop that ends no sentence, as in "Dr. Lee", "J. Lee", "U.S." and "am 3. Mai"."""
_AND_WORDS = "and|or|y|o|und|oder|et|ou|e|en|of"
_QUESTION_WORDS = """
    who whom whose what when where which why how quien quién quiénes qué cuando cuándo donde dónde adónde cuál cuáles
    cómo cuánto cuánta cuántos cuántas wer wen wem wessen was wann wo wohin woher welche welcher welches welchen warum
    wieso wie wieviel qui quoi quand où quel quelle quels quelles comment pourquoi combien chi quando dove quale quali
    perché quanto quanta quanti quante quem onde qual quais porquê quantos quantas wie wat wanneer waar welke waarom hoe
    hoeveel
"""
_NEXT = re.compile(rf",?\s+(?:{_AND_WORDS})\s+(?=(?:{'|'.join(_QUESTION_WORDS.split())})\b)", re.IGNORECASE)
"""Between two questions of one sentence."""
_IDLE_WORDS = """
    help hand favor favour minute moment second question questions ask tell know think thought thoughts idea ideas tip
    tips advice suggest suggestion suggestions something anything right ok okay thanks thank great perfect cool hello hi
    hey bye ayuda ayudar ayudarme pregunta preguntar decir saber consejo consejos algo gracias vale perfecto hola adiós
    hilfe helfen frage fragen sagen tipp tipps rat ideen danke super hallo tschüss aide aider dire conseil conseils
    idées merci parfait salut bonjour aiuto aiutare aiutarmi domanda chiedere consiglio consigli grazie perfetto ciao
    ajuda ajudar pergunta perguntar dizer conselho ideia ideias obrigado obrigada olá hulp helpen vraag vragen zeggen
    advies dank bedankt
"""
_IDLE = frozenset(map(fold, (_IDLE_WORDS + _QUESTION_WORDS).split()))
"""Words of messages that ask for nothing which was said, such as "Can you help me?" and "Thanks!"."""


class Asked(msgspec.Struct, frozen=True):
    """A question of a message.

    Attributes:
        text: the question, or the whole message if it has no question that could be searched for.
        beside: the other sentences of the message, and what was said before it; "" if there are none.
        is_request: True if the message asks an assistant to do something.
    """

    text: str
    beside: str = ""
    is_request: bool = False


def questions_of(message: str, before: str = "") -> list[Asked]:
    """Return the questions of a message, at least one.

    Args:
        message: the message.
        before: what was said just before the message.
    """
    wants_help = is_request(fold(message))
    asked: list[tuple[str, list[str]]] = []
    statements: list[str] = []
    for sentence in _sentences(message):
        parts = _parts(sentence) if has_question_mark(sentence) else []
        asked += [(part, [other for other in parts if other is not part]) for part in parts]
        if not parts:
            statements.append(sentence)
    if not asked or len(asked) > MOST_QUESTIONS:
        return [Asked(message, before if has_question_mark(message) or _told_words(message) else "", wants_help)]
    return [Asked(part, "\n".join([*statements, *others, before]).strip(), wants_help) for part, others in asked]


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(text):
        sentence = text[start : match.end()].strip()
        if _ABBREVIATION.search(sentence):
            continue
        if sentence:
            yield sentence
        start = match.end()
    if rest := text[start:].strip():
        yield rest


def _parts(sentence: str) -> list[str]:
    """Return the questions of a sentence: one if a part of it asks for nothing, and none if all of it does."""
    parts = _NEXT.split(sentence)
    if len(parts) > 1 and all(map(_told_words, parts)):
        return parts
    return [sentence] if _told_words(sentence) else []


def _told_words(question: str) -> set[str]:
    return query_words(question) - _IDLE
