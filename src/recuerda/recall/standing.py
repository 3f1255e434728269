"""Standing instructions and preferences: "always …", "from now on …", "please remember …", "I prefer …", "call me …".

Such a message matters for many later questions, whatever their words. It is recognized by fixed phrases, in English,
Spanish, German, French, Portuguese and Italian; the commonest ones also in other languages. A word such as "always"
counts only where an order begins, so "it always rains" and "Never mind" are no instructions.
"""

from __future__ import annotations

import re

_END = 1_000
_START = (
    r"(?:(?:^|[.!?:;,\n-])[\W\d]*|(?<!\w)(?:please|you (?:should|must|can|have to|need to)|you to|(?:can|could) you|"
    r"por favor,?|bitte) )"
)
"""The place before an order: the beginning of a clause, or words that begin an order."""

_NO_ENGLISH_ORDER = (
    r"(?!mind|again|been|had|heard|seen|saw|knew|thought|happy|glad|nice|good|great|full|here|there|a |the |on |"
    r"\w+(?<!e)ed\b|\w{3,}ing\b|\w+(?<![sui])s\b)"
)
_HABIT = r"(?:want|need|prefer|like|use|eat|drink|take)\b"
_NO_NAME = r"(?!when|back|later|if|at|on|after|before|in|once|now|and|or|for|to|about|crazy|tomorrow)"
_OTHER_ORDER = (
    r"(?!wieder|mehr|noch|he |ha |habia |fui |fue |es |me \w+(?:o|ia|aba)\b|mas |te |lo |la |un |une |uma )\w+ \w"
)

_ASKED = r"(?: (?:mir|uns|sie|bitte|por favor|s'il (?:te|vous) plait|per favore)|-moi|-nous)*"


def _orders(adverb: str, *verbs: str) -> str:
    """Return a pattern for an order that begins with one of the verbs, as in "Antworte mir immer auf Deutsch".

    The verbs are those of wishes to an assistant: of others, the same form often tells about somebody else.
    """
    return rf"{_START}(?:{'|'.join(verbs)}){_ASKED} {adverb} \w"


_GERMAN = (
    "(?:antwort|schreib|benutz|verwend|nutz|erklar|red|sag|frag|denk|mach|formulier|zeig|nenn|rechn)(?:en?)?",
    "sprich", "sprechen", "gib", "geben", "nimm", "nehmen",
)  # fmt: skip
_FRENCH = (
    "repond(?:s|ez)", "ecri(?:s|vez)", "utilisez?", "parlez?", "donnez?", "expliquez?", "fai(?:s|tes)", "di(?:s|tes)",
    "mets", "mettez", "demandez?", "verifiez?",
)  # fmt: skip
_SPANISH = (
    "respond[ea](?:me)?", "respondeme", "contest[ae](?:me)?", "escrib[ea](?:me)?", "usa", "use", "utiliza", "utilice",
    "habl[ae](?:me)?", "explic[ae](?:me)?", "explique(?:me)?", "dame", "deme", "dime", "pon", "haz", "avis[ae](?:me)?",
    "pregunt[ae](?:me)?",
)  # fmt: skip
_PORTUGUESE = (
    "respond[ae]",
    "escrev[ae]",
    "usa",
    "use",
    "fal[ae]",
    "expli(?:ca|que)",
    "pergunt[ae]",
    "utilize",
    "mostre",
)
_DUTCH = ("antwoord", "schrijf", "gebruik", "spreek", "praat", "geef", "zeg", "noem", "leg uit")
_SCANDINAVIAN = ("svara?", "skriv", "anvand", "bruk", "brug", "prata", "snakk?", "tal")
_NO_WISH = "mention|bring up|talk about|use|recommend|suggest|apologi[sz]e|ask me|call me|tell me"
_ITALIAN = ("rispondi(?:mi)?", "scrivi(?:mi)?", "usa", "utilizza", "parla(?:mi)?", "spiega(?:mi)?", "dammi", "dimmi")

_SIGNS: dict[str, str] = {
    # English
    "always": rf"{_START}always {_NO_ENGLISH_ORDER}[\w-]+ \w|\b(?:i|we) always {_HABIT}",
    "never": rf"{_START}never {_NO_ENGLISH_ORDER}[\w-]+ \w|\b(?:i|we) never {_HABIT}",
    " ever": r"(?:don't|do not) ever\b",
    "from ": r"\bfrom (?:now|here|today|this point) on",
    "going forward": rf"{_START}going forward\b",
    "future,": r"\bin (?:the )?future,",
    " ask": r"\b(?:when|whenever|every time|each time|any ?time|if) (?:i|we) ask\b",
    " request": r"\b(?:when|whenever|every time|each time|any ?time|if) (?:i|we) request\b",
    "remember": rf"{_START}(?:please )?remember (?:that|to|my|i)\b",
    "note": rf"{_START}(?:please )?note (?:that|to)\b",
    "in mind": rf"{_START}(?:please )?(?:keep|bear) in mind\b",
    "forget": r"\bplease (?:don't|do not|never) forget\b|\b(?:don't|do not|never) forget (?:that|i|my)\b",
    "call me ": rf"(?:{_START}|(?:just|to|not|don't) )call me {_NO_NAME}",
    "address me ": r"\baddress me\b",
    "refer to me ": r"\brefer to me as\b",
    "prefer": r"\b(?:i|we)(?:'d| would)? (?:\w+ly |much |also |always |still )?prefer\b|\bmy prefer(?:red|ences?)\b",
    " rather": r"\b(?:i|we)(?:'d| would) (?:much )?rather\b",
    " you to ": r"\bi(?:'d| would)? (?:don't |do not |never |always )?(?:like|want|need) you to\b",
    "it when you": r"\bi (?:don't |do not |really )?(?:like|love|hate) it when you\b",
    "i usually ": rf"\bi usually {_HABIT}",
    " you ": (
        rf"{_START}(?:when|whenever|every time|each time) you "
        r"(?:write|answer|reply|respond|explain|give|send|show|translate|summari[sz]e|code)\b"
    ),
    "make sure": rf"{_START}make sure (?:to|that|you)\b",
    "keep ": rf"{_START}keep (?:your|the|all|every) (?:answer|repl|response|message|explanation|summar)",
    "please stop": r"\bplease stop \w+ing\b",
    "use ": rf"{_START}use [^.!?]{{1,40}},? please\b|\bplease use\b",
    "don't ": rf"{_START}don't (?:{_NO_WISH})\b|\bi don't (?:eat|drink)\b",
    "do not ": rf"{_START}do not (?:{_NO_WISH})\b|\bi do not (?:eat|drink)\b",
    "i hate ": r"\bi hate (?:long|short|it when|when you)\b",
    " to me": rf"{_START}(?:speak|talk|write) to me\b|{_START}explain \w+ to me (?:as|like|in)\b",
    # Spanish
    "siempre": rf"{_START}siempre {_OTHER_ORDER}|{_orders('siempre', *_SPANISH)}",
    "nunca": (
        rf"{_START}nunca {_OTHER_ORDER}|\bno \w+ nunca\b"
        rf"|{_START}no (?:uses|respondas|escribas|hables) [^.!?]{{1,30}} nunca\b"
    ),
    "jamas": rf"{_START}jamas {_OTHER_ORDER}",
    "partir de ": r"\ba partir de (?:ahora|hoy|agora|maintenant)\b",
    "desde ": r"\bdesde (?:ahora|hoy)\b",
    "adelante": r"\ben adelante\b",
    "recuerd": rf"{_START}(?:recuerda|recuerde) (?:que|mi|mis)\b",
    "acuerdate": r"\bacuerdate de\b",
    "en cuenta": rf"{_START}(?:ten|tenga) en cuenta\b",
    "olvides": r"\bno (?:te )?olvides (?:que|de)\b",
    "prefier": r"\bprefiero\b",
    "preferir": r"\bpreferiria\b",
    "preferencia": r"\bmis? preferencias?\b",
    "llam": r"\bllam(?:ame|eme)\b|\bpuedes llamarme\b|\bno me llames\b",
    "quiero que": r"\bquiero que (?:me|no|siempre|nunca|uses|respondas|contestes|hables|seas)\b",
    " te ": r"\b(?:cuando|cada vez que) te (?:pregunte|pida|hable)\b",
    "hablame": r"\bhablame (?:de tu|de usted|en)\b",
    # German
    "immer": rf"{_START}immer {_OTHER_ORDER}|{_orders('immer', *_GERMAN)}",
    "niemals": rf"{_START}niemals {_OTHER_ORDER}",
    " nie": _orders("(?:nie|niemals)", *_GERMAN),
    "ab ": r"\bab (?:jetzt|sofort|heute)\b",
    "von nun an": r"\bvon nun an\b",
    "zukunft": r"\bin zukunft\b",
    "kunftig": r"\bkunftig\b",
    "bevorzug": r"\bich bevorzuge\b",
    "lieber": r"\bich (?:mochte|hatte|mag|will|nehme|trinke|esse) lieber\b|\bmir ist \w+ lieber\b",
    "dass du": r"\bich (?:mochte|will|hatte gern), dass du\b",
    "nenn": r"\bnenne? mich\b",
    "merk": r"\bmerke? dir\b",
    # French, Portuguese, Italian
    "toujours": rf"{_START}toujours {_OTHER_ORDER}|{_orders('toujours', *_FRENCH)}",
    " jamais": rf"{_START}n(?:e |')(?:\w+ )?(?:{'|'.join(_FRENCH)})(?:-moi)? jamais\b",
    "desormais": r"\bdesormais\b",
    "dorenavant": r"\bdorenavant\b",
    "l'avenir": r"\ba l'avenir\b",
    "je prefer": r"\bje prefere(?:rais)?\b",
    "appelle": r"\bappelle[sz]?-moi\b",
    "souviens-toi": r"\bsouviens-toi\b",
    "n'oublie": r"\bn'oublie[sz]? pas\b",
    "sempre": rf"{_START}sempre {_OTHER_ORDER}|{_orders('sempre', *_PORTUGUESE, *_ITALIAN)}",
    " mai ": rf"{_START}non \w+(?:re|rmi|rci) mai \w",
    "em diante": r"\b(?:agora|daqui) em diante\b",
    "prefiro": r"\bprefiro\b",
    "me chame": r"\bme chame\b",
    "lembre-se": r"\blembre-se\b",
    "d'ora in": r"\bd'ora in (?:poi|avanti)\b",
    "preferisco": r"\bpreferisco\b",
    "chiamami": r"\bchiamami\b",
    "ricorda": rf"{_START}ricorda(?:ti)? (?:che|di)\b",
    # Dutch, the Scandinavian languages, Polish, Russian, Turkish
    "altijd": rf"{_START}altijd {_OTHER_ORDER}|{_orders('altijd', *_DUTCH)}",
    "nooit": _orders("nooit", *_DUTCH),
    "liever": r"\bik (?:heb|wil|drink|eet|neem) liever\b",
    "vanaf ": r"\bvanaf (?:nu|vandaag)\b",
    "noem me": r"\bnoem me\b",
    "alltid": _orders("alltid", *_SCANDINAVIAN),
    "altid": _orders("altid", *_SCANDINAVIAN),
    "foredrar": r"\bjag foredrar\b",
    "foretr": r"\bjeg foretr(?:ekker|aekker)\b",
    "hadanefter": r"\bhadanefter\b",
    "zawsze": rf"{_START}zawsze \w+(?:j|isz|edz)(?:cie)?\b|{_START}\w+(?:j|isz|edz)(?:cie)?(?: mi)? zawsze\b",
    "nigdy nie": rf"{_START}nigdy nie \w+j(?:cie)?\b",
    "wole": r"\bwole\b",
    "od teraz": r"\bod teraz\b",
    "всегда": rf"{_START}всегда \w+[йи](?:те)?\b|{_START}\w+[йи](?:те)?(?: мне)? всегда\b",
    "никогда не": rf"{_START}никогда не \w+[йи](?:те)?\b",
    "предпочитаю": r"\bя предпочитаю\b",
    "называй": r"\bназывай(?:те)? меня\b",
    "с этого": r"\bс этого (?:момента|дня)\b",
    "her zaman": rf"{_START}her zaman [^.!?]{{0,40}}\b(?:ver|yaz|kullan|konus|yanitla)(?:in|iniz)?\b",
    "bundan sonra": r"\bbundan sonra\b",
    "tercih": r"\btercih ederim\b",
    # Chinese, Japanese, Korean
    "总是": "(?:请|要)总是|总是(?:用|以)",
    "以后": "以后(?:请|都|叫我|不要|别)",
    "从现在": "从现在(?:开始|起)",
    "叫我": "请叫我|就叫我",
    "我更": "我更(?:喜欢|愿意)",
    "これから": "これから(?:は|も)[^。!?]{1,40}(?:ください|下さい|して|ほしい)",
    "今後": "今後は",
    "いつも": "いつも[^。!?]{1,40}(?:ください|下さい)",
    "と呼んで": "と呼んで",
    "항상": "항상[^.!?]{1,40}(?:줘|주세요|해라|하세요)",
    "앞으로": "앞으로[^.!?]{1,40}(?:줘|주세요|해라|하세요|마)",
    "절대": "절대[^.!?]{1,40}(?:마|말아|마세요)",
    "라고 불러": "라고 불러",
}
"""The signs by a part that each of them has. Looking for the part first is ten times faster."""

_COMPILED = tuple((part, re.compile(sign)) for part, sign in _SIGNS.items())


def is_standing(folded: str) -> bool:
    """Return True if a text, in lower case and without accents, has a standing instruction or a preference.

    Of a long text, only the beginning and the end are searched: the rest was probably pasted.
    """
    ends = folded if len(folded) <= 2 * _END else f"{folded[:_END]}\n{folded[-_END:]}"
    plain = ends.replace("\u2019", "'")
    return any(part in plain and sign.search(plain) for part, sign in _COMPILED)
