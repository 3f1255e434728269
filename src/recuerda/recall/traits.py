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
_QUESTION = re.compile(r"[?\uff1f\u061f\u037e]\W*(?:\[[^\]]*\]\W*)?$")
"""A question mark at the end, also an Arabic or a Greek one. The description of a picture may follow."""
_ASKING_LINES = r"""
    (?:what|which|whose)(?: (?!i |you |we |he |she |it |they |an? )\w+){0,2} (?:is|are|was|were|am|do|does|did|has|have)
    (?:who|where|when)(?: (?:is|are|was|were|am|do|does|did|has|have)|'?s)|what'?s
    how(?: \w+){0,2} (?:is|are|was|were|am|do|does|did|has|have)
    (?:do|does|did|am|is|are|was|were|have|has) (?:i|you|we|my|our|the|there|he|she|they)
    (?:do|can|could) you (?:know|remember|recall|tell me)|tell me (?:what|where|who|when|how|which|the|my|our)
    (?:was|wer|wem|wen|wo|wann|wie|woher|wohin|welche[rsmn]?)(?: (?!ich |du |wir |man |er |sie |es )\w+)? (?:ist|war)
    (?:was|wer|wem|wen|wo|wann|wie|woher|wohin|welche[rsmn]?)(?: \w+)? (?:lautet|heisst|heissen|(?!ich)\w+e ich)
    (?:cual|cuales|quien|quienes|donde|cuando|cuant[oa]s?|como|que \w+) (?:es|son|era|fue|esta|estan|tengo|se llama\w*)
    (?:donde|cuando|cuanto|en que \w+|a que) (?:vivo|trabajo|naci|cumplo|mido|peso|trabaja|vive)
    (?:quel(?:le)?s?|qui|ou|quand|comment|combien)(?: \w+)? (?:est|sont|etait|s'appelle|ai-je|suis-je)|est-ce que
    (?:qual|quais|quem|onde|quando|como|quantos|quantas) (?:e|sao|era|foi|esta|fica|tenho|moro|se chama)
    (?:qual|quali|chi|dove|quando|quanti|come) (?:e|sono|era|ho|abito|vivo|lavoro|si chiama)
    (?:wat|wie|waar|wanneer|hoe|welke?)(?: (?!ik |je |we |hij |ze )\w+)? (?:is|zijn|was|waren|heet|heb ik|woon ik)
    (?:vad|vem|var|nar|hur|vilken|hvad|hva|hvem|hvor|hvornar|nar|hvordan)(?: gammel| gammal)? (?:ar|er|heter|hedder|bor)
    (?:как(?:ой|ая|ое|ие)|где|сколько|кто|как) (?:мо[йяеи]|мне|меня|наш\w*|зовут|у меня)
    (?:jaki|jaka|jakie|gdzie|kiedy|kto|ile) (?:jest|sa|mam|mieszkam|ma)|jak sie
    (?:nedir|kim|nerede) \w+|[\w ]+ (?:ne|nedir|nerede|kim|kac|ne zaman)
"""
_ASKING = re.compile(
    rf"\W*(?:(?:{'|'.join(line.strip() for line in _ASKING_LINES.strip().splitlines())})\b)[^.!?\n,;:]*$"
)
"""The beginning of a question that ends without a mark. Relative clauses, as in "when I was ten", are none."""
_ASKING_CHARACTERS = re.compile(
    r"[^。\uff01\uff1f!?\n,\uff0c、]*(?:什么|什麼|哪[里裡儿]?|[谁誰]|多少|几点|[吗嗎]|(?:です|ます|でした|ました|だ|の)か|何|いつ|どこ|"
    r"(?:뭐|무엇|어디|언제|누구|얼마|몇).{0,8}(?:야|지|까|요|니))$"
)
_LONGEST_ASKING = 120
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
_ALL_OF_ME = re.compile(
    r"\W*(?:ben kimim|(?:benim )?hakkimda (?:ne|neler) \w+|кто я(?: так\w+)?|"
    r"расскажи(?:те)? (?:мне )?(?:обо мне|про меня)|"
    r"(?:что|чего) (?:ты|вы|тебе|вам) \w+ (?:обо мне|про меня)|我是[谁誰]|"
    r"[你您]?.{0,2}(?:知道|了解|记得|記得|认识|認識|关于|對|对).{0,2}我.{0,8}(?:什么|什麼|多少|哪些|吗|嗎)|"
    r"(?:私|僕|俺)(?:は誰|は何者|について|のこと).{0,16}|(?:저|나)에 대해.{0,16}|(?:저는|나는|제가|내가) 누구.{0,6}|"
    r"من انا|ماذا (?:تعرف|تعلم|تتذكر) عني)\W*"
)
"""Whole questions about the asker in languages whose words do not tell it."""
_ASKS_ASSISTANT = re.compile(
    r"\b(?:did|have|had) you\b(?! (?:know|remember|think))|"
    r"\byou(?:'d| had| have)? (?:gave|told|said|wrote|drew|came up|put together|did|\w{2,}ed)\b|\baccording to you\b|"
    r"\byour (?:\w+ )?(?:advice|view|reckoning|ideas?|opinion|tips?|lists?|plans?|recommend|suggest|answer|expla)|"
    r"\byour (?:\w+ )?propos|"
    r"\b(?:recomendaste|sugeriste|dijiste|explicaste|propusiste|aconsejaste|diste|"
    r"me has (?:dicho|recomendado|sugerido|explicado))\b|\btus? (?:recomenda|suger|consejo|respuesta|explica)|"
    r"\bhast du (?!gewusst|gedacht)|\bdu mir\b.*\b(?:gesagt|empfohlen|vorgeschlagen|geraten|gegeben|erklart)|"
    r"\bdeine?n? (?:rat|vorschlag|tipp|empfehlung|antwort)|"
    r"\b(?:as-tu|tu m'as|tu m'avais) |\btes? (?:conseil|recommand|suggest|reponse)|"
    r"\b(?:mi hai|hai) (?:detto|consigliato|suggerito|proposto|dato|raccomandato|spiegato)|\b(?:tuoi|tuo) consigli|"
    r"\bvoce (?:me )?(?:disse|recomendou|sugeriu|deu|aconselhou|explicou)|"
    r"\bheb je (?:me |mij )?.*\b(?:aangeraden|gezegd|voorgesteld|aanbevolen|gegeven|verteld)|"
    r"\bты (?:мне )?(?:сказал|посоветовал|рекомендовал|предложил|объяснил)|"
    r"\b(?:poleciles|doradziles|powiedziales|zaproponowales)|"
    r"[你您](?:曾经|之前|以前)?(?:给我|跟我|和我|向我)?(?:推荐|建议|分享|说过|告诉|介绍)"
)


def traits_of(text: str, words: AbstractSet[str] | None = None) -> int:
    """Return the traits of a text, as bits.

    Args:
        text: the text.
        words: its folded words, if the caller has them; see `Terms.words`.
    """
    words = frozenset(words_of(text)) if words is None else words
    folded = fold(text)
    found = IS_QUESTION if has_question_mark(text) or _asks_without_mark(folded) else 0
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
    return found | (IS_STANDING if is_standing(folded, words) else 0)


def has_question_mark(text: str) -> bool:
    """Return True if a text ends with a question mark."""
    return _QUESTION.search(text[-_TAIL:]) is not None


def asks_when(question: str) -> bool:
    """Return True if a question asks for a time."""
    return bool(_WHEN.match(fold(question)))


def asks_about_asker(question: str) -> bool:
    """Return True if a question is about the person who asks it, such as "Who am I?"."""
    if not _ABOUT_ASKER.isdisjoint(words_of(question)) or _has_asker(question):
        return True
    return _asks_for_all_of_asker(question)


def asks_for_memories(question: str) -> bool:
    """Return True if a question asks for all that is known, such as "What do you remember about me?"."""
    meant = query_words(question)
    return (bool(meant) and meant <= _OF_MEMORIES) or _asks_for_all_of_asker(question)


def asks_assistant(question: str) -> bool:
    """Return True if a question asks what the assistant has said."""
    return bool(_ASKS_ASSISTANT.search(fold(question)))


def _asks_for_all_of_asker(question: str) -> bool:
    return _ALL_OF_ME.fullmatch(fold(question)) is not None


def _asks_without_mark(folded: str) -> bool:
    if len(folded) > _LONGEST_ASKING:
        return False
    return bool(_ASKING.match(folded)) or (not folded.isascii() and bool(_ASKING_CHARACTERS.match(folded)))


def _corrects(folded: str) -> bool:
    if _CORRECTION.search(folded) or (", not " in folded and _NOT_THAT.search(folded)):
        return True
    return not folded.isascii() and _CORRECTION_CHARACTERS.search(folded) is not None


def _has_asker(text: str) -> bool:
    return not text.isascii() and _PERSONAL_CHARACTERS.search(text) is not None
