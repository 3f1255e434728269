"""Standing instructions and preferences: "from now on …", "always …", "no more emojis", "I prefer …", "call me …".

Such a message matters for many later questions, whatever their words. It is recognized by rules that are the same in
all languages, over words of each (see `standing_words.py`):

- an order to the assistant beside words that make it last: "reply in Spanish from now on";
- an order about how the assistant speaks: "no more emojis", "short answers please", "speak to me as to a friend";
- a preference in the first person: "I prefer …", "I can't stand …", "I am a vegetarian".

"From now on the shop opens at nine" and "it always rains" have no order. What others have said, quotes, code and
questions are left out, except questions that ask for a favour.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import TypeAlias

from recuerda.recall.patterns import compiled
from recuerda.recall.standing_words import (
    ADVERBS,
    AGREED,
    BRIEF,
    CHARACTERS,
    LASTING,
    ORDERS,
    PLEASE,
    PREFERENCES,
    REPLIES,
    REPLY_WORDS,
    REPORTED,
    REQUESTING_CHARACTERS,
    REQUESTS,
    STYLE,
    STYLE_WORDS,
)
from recuerda.recall.text import words_of

_END = 1_000
_OPENERS = (
    "and|but|so|also|ok|okay|hey|hi|hello|btw|then|well|oh|great|cool|nice|perfect|thanks|thx|fyi|just|again|yes|"
    "no,|y|pero|"
    "und|aber|also|et|mais|e|ma|en|maar|и|а|но"
)
_ASKED = rf"(?:{PLEASE}|{REQUESTS}|you (?:should|must|have to|need to)|you to)"
_BEHIND_MARK = rf"(?:^|[.!?:;,\n\u2013\u2014-])[\W\d]*(?:(?:{_OPENERS})\W+){{0,3}}"
_TO_USER = r"(?:(?:me|mir|uns|nos|ne|no|non|nao|lo|le|te|mij|meg|mi|mne|мне|لي|bitte|just|only|не|nie|lutfen) )*"
_TOPIC = r"[^.!?\n]{0,90}?"
_ANY_ORDER = "|".join(ORDERS.values())

_START = re.compile(rf"(?:{_BEHIND_MARK}|(?<!\w){_ASKED},? )(?:{_ASKED},? )?\Z")
"""What stands before an order: the beginning of a clause, or words that begin an order."""
_LOOSE = re.compile(rf"(?:{_BEHIND_MARK}|(?<!\w)(?:{_ASKED},?|but|so|also|and please) )(?:{_ASKED},? )?{_TO_USER}\Z")
"""The same, or a word between two clauses without a comma. Only a word that is clearly an order may follow."""
_ORDERED = re.compile(rf"(?:{_BEHIND_MARK}|(?<!\w){_ASKED},? )(?:{ORDERS['en']})\b[^.!?\n]{{0,90}}?,? ?\Z")
"""An order from its verb on."""
_MARGIN = 120
"""The number of characters before a sign that are looked at."""

_ORDER = rf"\b(?:{_ANY_ORDER})\b"
_DIRECT = re.compile(rf"\W*(?:(?:{PLEASE}),? )?{_TO_USER}(?:{_ANY_ORDER})\b")
_WISH = re.compile(
    rf"\b(?:{PLEASE}|{REQUESTS}|{REPLIES}|you (?:should|must|have to|need to)|want you|like you|need you|"
    rf"i (?:want|would like|need|'d like) (?!to\b)|i'd (?:like|prefer)|quiero que|mochte,? dass|"
    rf"je (?:veux|voudrais) que|voglio che|vorrei che|quero que|gostaria que|ik wil dat|хочу,? чтобы|chce,? zebys)\b|"
    rf"{STYLE}|\b(?:{ORDERS['tr']})\W*$"
)
_NO_ENGLISH_ORDER = (
    r"(?!mind|again|have i\b|did i\b|would i\b|been|had|heard|seen|saw|knew|thought|happy|glad|nice|good|great|"
    r"full|here|there|say never|a |"
    r"the |on |"
    r"\w+(?<!e)ed\b|\w{3,}ing\b|\w+(?<![sui])s\b)"
)
_NO_NAME = r"(?!when|back|later|if|at|on|after|before|in|once|now|and|or|for|to|about|crazy|tomorrow)"
_NO_WISH = (
    "mention|bring up|talk about|use|add|include|recommend|suggest|apologi[sz]e|repeat|assume|make up|guess|give me|"
    "show (?:me )?(?:code|lists|tables|links)|sugarcoat|lecture|patroni[sz]e|flatter|interrupt|invent|shorten|"
    "ask me|call me|tell me|start (?:your|with|"
    "every|each)|end (?:your|with|every|each)|sign|address me|"
    r"be (?:so |too )?(?:formal|verbose|wordy|polite|chatty|vague|brief|long)"
)
_WHEN = r"\b(?:when|whenever|every time|each time|any ?time|if) (?:i|we)"
_THEN = (
    r"(?:, ?|(?<! to)(?<! leave)(?<! i)(?<! we)(?<! you)(?<! they) "
    rf"(?={PLEASE}|always|never|give|answer|reply|show|use|write|include|add|don't|only|suggest|tell me))"
)

_Where: TypeAlias = re.Pattern[str] | None
_Sign: TypeAlias = tuple[_Where, str]
"""What has to stand before a sign, and the pattern of the sign. It is compiled when it is first looked for."""
_SIGNS: tuple[tuple[str, _Where, str], ...] = (
    # orders that last
    ("always never", _START, rf"\b(?:always|never) {_NO_ENGLISH_ORDER}[\w-]+ \w"),
    ("always never", _LOOSE, rf"\b(?:always|never) (?:{ORDERS['en']})\b"),
    (
        "always never",
        None,
        (
            r"\band (?:always|never) (?:answer|reply|respond|use|add|include|write|cite|mention|format|translate|"
            r"convert)\b"
        ),
    ),
    ("always", _ORDERED, r"\balways\W*$"),
    (
        "never always",
        None,
        (
            r"\b(?:agree|want|expect|prefer|insist|important) (?:that )?you (?:never|always)\b|"
            r"\b(?:can|could) we agree (?:that )?you (?:never|always)\b"
        ),
    ),
    ("ever", _START, r"\b(?:don't|dont|do not) ever\b"),
    (
        "ask request say mention write send share paste upload want type post",
        None,
        (
            rf"{_WHEN} (?:ask|request|say|mention|write|send|share|paste|upload|want|type|post)\b"
            rf"{_TOPIC}{_THEN}{_TO_USER}"
            rf"(?:(?:{PLEASE}|then|you (?:should|must|can)),? )*(?:{ORDERS['en']})\b"
        ),
    ),
    (
        "whenever every each",
        None,
        rf"\b(?:whenever|(?:every|each) time) (?!you ){_TOPIC}, ?{_TO_USER}(?:(?:{PLEASE}),? )?(?:{ORDERS['en']})\b",
    ),
    ("only", _START, r"\bonly (?:suggest|recommend|answer|reply|write|speak|list|offer)\b"),
    ("mind", _START, r"\bkeep (?:that|this|it) in mind\b"),
    ("assume", _START, r"\bassume (?:that )?(?:i|i'm|im|we|we're|my|all)\b"),
    ("treat", _START, r"\btreat me (?:like|as)\b"),
    (
        "like",
        _START,
        (
            r"\bi(?:'d| would) like (?:all )?(?:my|your) (?:answers|replies|summaries|recipes|lists|reports|code|"
            r"examples|dates|times|prices|results|emails|texts|units|measurements|explanations|translations) "
            r"(?:in|as|with|without)\b"
        ),
    ),
    (
        "everything anything whatever",
        _START,
        (
            r"\b(?:use|keep|put|add) [^.!?\n]{1,40} (?:in|to) (?:everything|anything|whatever) (?:that )?you "
            r"(?:write|send|say|make|give|show|tell)\b"
        ),
    ),
    (
        "every each",
        None,
        (
            r"\b(?:every|each) (?:answer|reply|response|summary|list|email|recipe|report|explanation|translation) "
            r"(?:should|must|has to|needs to) (?:end|start|begin|have|include|contain|use|list|fit|mention|state)\b"
        ),
    ),
    ("all", _START, rf"\ball (?:\w+ ){{1,3}}(?:in|as|with|without) [^.!?\n]{{1,30}} (?:{PLEASE})\b"),
    (
        "need have",
        None,
        (
            r"\byou (?:don't|dont|do not) (?:need|have) to (?:apologi[sz]e|explain|repeat|mention|remind|ask|say|sign|"
            r"use|add|"
            r"include|greet|thank)\b"
        ),
    ),
    ("evita evite evitez", _START, r"\bevit(?:a|e|ez) (?:de )?\w+(?:[aei]r|re)(?:me|mi|nos)?\b"),
    ("ask request", _ORDERED, rf"{_WHEN} (?:ask|request)\b"),
    ("remember", _START, r"\bremember (?:that|to|my|i)\b"),
    ("note", _START, r"\bnote (?:that|to)\b"),
    ("reference", None, r"\bfor (?:future|your) reference\b"),
    ("mind", _START, r"\b(?:keep|bear) in mind\b"),
    ("forget", _START, r"\b(?:don't|do not|never) forget (?:that|i|my|to)\b"),
    (
        "you",
        _START,
        (
            r"\b(?:when|whenever|every time|each time) you "
            r"(?:write|answer|reply|respond|explain|give|send|show|translate|summari[sz]e|code|talk|mention|suggest|"
            r"recommend|propose|plan|compare|quote|list|calculate|draft)\b"
        ),
    ),
    (
        "rule rules order instruction instructions regla reglas regel regeln regle regola regra",
        None,
        (
            r"(?:^|[.!?;,\n])\W*(?:(?:and|also|ok|okay|so|then|here's|here is|i have|i've got) )*"
            r"(?:(?:an?|one|my|the) )?"
            r"(?:(?:new|another|more|last|second|golden|ground) )*"
            r"(?:(?<!the )rules?|(?:standing|house) (?:rules?|orders?|instructions?))"
            r"(?: (?:for|about|on|when) [^.!?:\n]{1,60})?(?::|, please)|"
            r"(?:^|[.!?:;,\n])\W*(?:(?:una?|otra|eine?|une|un') )?(?:nueva regla|neue regel|nouvelle regle|"
            r"nuova regola|nova regra|nieuwe regel)[^.!?:\n]{0,60}:"
        ),
    ),
    (
        "must should needs has have",
        None,
        (
            r"\b(?:from (?:now|here|today) on|in future|henceforth),? (?:every|each|all|any|your|my|the) "
            r"[^.!?\n]{1,60}?"
            r"\b(?:must|should|needs? to|ha(?:s|ve) to) "
            r"(?:say|show|have|be|include|come|end|start|use|state|list|contain|carry|mention|fit)\b"
        ),
    ),
    ("sure", _START, r"\bmake sure (?:to|that|you)\b"),
    # orders about how the assistant speaks
    ("keep", _START, rf"\bkeep (?:(?:your|the|all|every|my) )?(?:\w+ )?{REPLIES}\b"),
    ("stop", None, rf"\b(?:{PLEASE}) stop \w+ing\b"),
    (
        "stop",
        _START,
        (
            r"\bstop (?:using|adding|saying|calling me|apologi[sz]ing|repeating|asking me|suggesting|recommending|"
            r"mentioning|"
            r"telling me|being so)\b"
        ),
    ),
    ("quit", _START, r"\bquit calling me\b"),
    (
        "plainly simply clearly briefly concisely formally informally casually",
        _START,
        (
            r"\b(?:speak|talk|write|answer|reply) (?:more )?(?:plainly|simply|clearly|briefly|concisely|formally|"
            r"informally|casually)\b"
        ),
    ),
    (
        "kurzer knapper einfacher breve corto court simplement korter короче проще кратко понятнее подробнее",
        _LOOSE,
        (
            rf"\b(?:{_ANY_ORDER}) (?:mas |plus |piu |mais )?(?:kurzer|knapper|einfacher|breve|corto|court|"
            r"simplement|korter|короче|проще|кратко|понятнее|подробнее)\b"
        ),
    ),
    (
        "verwende benutze nutze usa utilise utilisez utilizza gebruik используй",
        None,
        (
            rf"\b(?:{PLEASE}) (?:verwende|benutze|nutze|usa|utilisez?|utilizza|gebruik|используй) "
            r"(?!dies|est[ae]\b|ce\b|cette|quest|deze|dit\b|эт)"
        ),
    ),
    ("use", _START, r"\buse [^.!?]{1,40},? (?:please|pls)\b"),
    (
        "use",
        None,
        (
            r"\b(?:please|pls) use (?!the (?:attached|following|above|below|same|file|link|text|first|second)|"
            r"th(?:is|at|ese|ose|em)\b|it\b|following|attached)"
        ),
    ),
    ("don don't dont not", _START, rf"\b(?:don't|dont|do not) (?:{_NO_WISH})\b"),
    ("call", _START, rf"\bcall me {_NO_NAME}"),
    ("call", None, rf"\b(?:just|to|not|don't|you can|you may) call me {_NO_NAME}"),
    ("address", None, r"\baddress me\b"),
    ("refer", None, r"\brefer to me as\b"),
    ("speak talk write explain", _START, r"\b(?:speak|talk|write) to me\b|\bexplain \w+ to me (?:as|like|in)\b"),
    (STYLE_WORDS, _START, STYLE),
    (REPLY_WORDS, _START, rf"\b{BRIEF}(?: (?:{PLEASE}|only|from now on)|\W*$)|\b(?:use|only)[^.!?\n]{{0,20}} {BRIEF}"),
    # Spanish
    ("trates tratame tuteame", None, r"\bno me trates de\b|\b(?:tratame|tuteame)\b"),
    ("hablame", None, r"\bhablame (?:de tu|de usted|en)\b"),
    ("recuerda recuerde ten tenga", _START, r"\b(?:recuerda|recuerde) (?:que|mi|mis)\b|\b(?:ten|tenga) en cuenta\b"),
    ("acuerdate olvides", None, r"\bacuerdate de\b|\bno (?:te )?olvides (?:que|de)\b"),
    ("llamame llameme llamarme llames", None, r"\bllam(?:ame|eme)\b|\bpuedes llamarme\b|\bno me llames\b"),
    (
        "te",
        None,
        (
            r"\b(?:cuando|cada vez que|siempre que|si) te (?:pregunte|pido|pida|pregunto|hable|mande|envie|escriba)\b|"
            r"\b(?:quando|sempre que|se) (?:eu )?te (?:perguntar|pedir|falar|mandar)\b|"
            r"\b(?:quand|si|lorsque|chaque fois que) je te (?:demande|parle|pose|envoie|ecris)\b"
        ),
    ),
    ("pedir perguntar", None, r"\b(?:quando|sempre que|se) eu (?:lhe |te )?(?:perguntar|pedir)\b"),
    # German
    ("nenn nenne", None, r"\bnenne? mich\b"),
    ("merk merke", None, r"\bmerke? dir\b"),
    ("denk denke", None, r"\bdenke? (?:bitte )?(?:immer )?daran\b"),
    (
        "mich",
        None,
        (
            r"\b(?:sprich|sprechen sie|rede) mich (?:\w+ ){0,3}an\b|\b(?:duze?|duzen sie|sieze?) mich\b|"
            r"\b(?:kannst|darfst|konnen|durfen) (?:du |sie )?mich (?:\w+ )?(?:duzen|siezen|nennen)\b"
        ),
    ),
    (
        "wenn sobald",
        None,
        (
            r"\b(?:wenn|sobald|jedes mal,? wenn) ich [^.!?\n]{0,60}\b(?:frage|bitte|schreibe|sage|schicke|erwahne)\b,? "
            rf"(?:dann |bitte )*(?:{ORDERS['de']})\b"
        ),
    ),
    # French, Italian and Portuguese
    ("appelle appelles appellez", None, r"\bappelle[sz]?-moi\b"),
    (
        "tutoie tutoyez vouvoie vouvoyez",
        None,
        r"\b(?:tutoie|tutoyez|vouvoie|vouvoyez)[- ]?moi\b|\bne me (?:tutoie|tutoyez|vouvoie|vouvoyez) (?:pas|plus)\b",
    ),
    ("vous", None, r"\b(?:quand|si|lorsque|chaque fois que) je vous (?:demande|parle|pose|envoie|ecris)\b"),
    ("souviens oublie oubliez", None, r"\bsouviens-toi\b|\bn'oublie[sz]? pas\b"),
    ("chame chama trate trata", None, r"\bme (?:chame|trate)\b|\b(?:trata|chama)-me\b"),
    ("lembre", None, r"\blembre-se\b"),
    ("tu lei", None, r"\b(?:dammi|diamoci|darmi) (?:del |pure del )?(?:tu|lei)\b"),
    ("chiamami", None, r"\bchiamami\b"),
    ("ricorda ricordati", _START, r"\bricorda(?:ti)? (?:che|di)\b"),
    ("ti", None, r"\b(?:quando|se|ogni volta che) ti (?:chiedo|domando|parlo|mando|scrivo)\b"),
    # Dutch, the Scandinavian languages, Polish, Russian, Turkish and Arabic
    ("noem spreek", None, r"\bnoem me\b|\bspreek (?:me|mij) (?:\w+ ){0,2}(?:aan|met)\b"),
    ("kalla kall kald", None, r"\b(?:kalla mig|kall meg|kald mig)\b"),
    (
        "als wanneer",
        None,
        (
            r"\b(?:als|wanneer|telkens als) ik [^.!?\n]{0,60}\b(?:vraag|stuur|zeg|schrijf)\b,? (?:dan )?"
            rf"(?:{ORDERS['nl']})\b"
        ),
    ),
    ("zwracaj mow", None, r"\bzwracaj(?:cie)? sie do mnie\b|\bmow(?:cie)? (?:do mnie|mi)\b"),
    ("называй называйте зови зовите", None, r"\b(?:называй|зови)(?:те)? меня\b"),
    ("обращайся обращайтесь", None, r"\bобращай(?:ся|тесь) ко мне\b"),
    (
        "когда если",
        None,
        (
            r"\b(?:когда|если) я [^.!?\n]{0,60}\b(?:спрашиваю|спрошу|прошу|попрошу|пишу)\b"
            rf"[^.!?\n]{{0,40}}(?:, |\b)(?:{ORDERS['ru']})\b"
        ),
    ),
    ("et edin", None, r"\b(?:bana|beni) [^.!?\n]{1,30} (?:diye )?hitap et(?:in)?\b"),
    ("نادني ناديني", None, r"\bناد(?:ي)?ني\b"),
)
"""The signs: the words of which each has one, what has to stand before it, and its pattern."""

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|^[ \t]*(?:>|//|/\*|#|\$ )[^\n]*", re.DOTALL | re.MULTILINE)
_QUOTED = re.compile(
    '"[^"\n]{2,}"|\u201c[^\u201d\n]{2,}\u201d|\u201e[^\u201c\u201d\n]{2,}[\u201c\u201d]|\u00ab[^\u00bb\n]{2,}\u00bb|'
    "\u300c[^\u300d\n]{2,}\u300d|(?<!\\w)'[^\n]{3,}?'(?!\\w)"
)
_SENTENCE = re.compile(r"[^.!?\n\u3002\u061f]+[.!?\u3002\u061f]*")
_FAVOUR = re.compile(rf"\b(?:{REQUESTS}|{PLEASE})\b|{REQUESTING_CHARACTERS}|\b(?:{AGREED}) ?[?\u061f]")
_REPORTED = re.compile(REPORTED)
_ATTRIBUTION = 15
"""The number of characters behind "said" that are too few for a sentence: they stand behind what was said."""


def _by_word(signs: Iterable[tuple[str, _Where, str]]) -> dict[str, list[_Sign]]:
    """Return the signs by the words of which each has one."""
    found: defaultdict[str, list[_Sign]] = defaultdict(list)
    for words, where, pattern in signs:
        for word in words.split():
            found[word].append((where, pattern))
    return dict(found)


def _beside_orders() -> Iterator[tuple[str, _Where, str]]:
    """Yield the signs of "always" and "never" beside an order, in each language."""
    for language, adverbs in ADVERBS.items():
        orders = ORDERS[language]
        words = " ".join(adverb.split()[0] for adverb in adverbs.split("|"))
        yield words, None, rf"\b(?:{PLEASE}),? (?:{adverbs}) \w"
        yield words, _LOOSE, rf"\b(?:{adverbs}) {_TO_USER}(?:{orders})\b"
        yield (
            words,
            _LOOSE,
            rf"\b(?:{orders})(?:-moi|-nous)?(?: (?:sie|{PLEASE}|mir|uns|me|mi|мне|mij))* (?:{adverbs})\b",
        )
    yield "immer niemals nie", _START, rf"\b(?:immer|niemals|nie) [^.!?\n]{{0,60}} (?:{ORDERS['de']})\W*$"


_LASTING = _by_word((words, None, rf"\b(?:{pattern})\b") for words, pattern in LASTING.items())
_OTHERS = _by_word((*_SIGNS, *((words, None, pattern) for words, pattern in PREFERENCES.items()), *_beside_orders()))
_CUES = frozenset(_LASTING.keys() | _OTHERS.keys())
_CHARACTERS = tuple((part, (None, sign)) for part, sign in CHARACTERS.items())


def is_standing(folded: str, words: AbstractSet[str] | None = None) -> bool:
    """Return True if a text, in lower case and without accents, has a standing instruction or a preference.

    Of a long text, only the beginning and the end are searched: the rest was probably pasted.

    Args:
        folded: the folded text.
        words: its words, if the caller has them.
    """
    text = folded if len(folded) <= 2 * _END else f"{folded[:_END]}\n{folded[-_END:]}"
    cues = _CUES.intersection(words_of(text) if words is None else words)
    signs: list[_Sign] = [sign for cue in cues for sign in _OTHERS.get(cue, ())]
    if not text.isascii():
        signs += [sign for part, sign in _CHARACTERS if part in text]
    # Most signs are not found. So the sentences are looked at only if one is found in the text.
    found = [sign for sign in signs if _has(text, sign)]
    lasting = [sign for cue in cues for sign in _LASTING.get(cue, ()) if _has(text, sign)]
    return any(
        any(_has(sentence, sign) for sign in found) or any(_lasts(sentence, sign) for _, sign in lasting)
        for sentence in (_sentences(text) if found or lasting else ())
    )


def _has(text: str, sign: _Sign) -> bool:
    where, pattern = sign
    if where is None:
        return compiled(pattern).search(text) is not None
    found = compiled(pattern).finditer(text)
    return any(where.search(text, max(0, match.start() - _MARGIN), match.start()) for match in found)


def _lasts(sentence: str, pattern: str) -> bool:
    """Return True if a sentence has words that make an order last, and an order."""
    found = compiled(pattern).search(sentence)
    if found is None:
        return False
    return bool(_DIRECT.match(sentence, found.end()) or _has(sentence, (_LOOSE, _ORDER)) or _WISH.search(sentence))


def _sentences(text: str) -> Iterator[str]:
    """Yield what the user says in a text: without code, quotes, questions and what others have said."""
    for match in _SENTENCE.finditer(_QUOTED.sub(" it ", _CODE.sub("\n", text))):
        sentence = match[0].strip()
        if sentence.endswith(("?", "\u061f")) and not _FAVOUR.search(sentence):
            continue
        reported = _REPORTED.search(sentence)
        if reported is None:
            yield sentence
        elif len(sentence) - reported.end() > _ATTRIBUTION:
            yield sentence[: reported.start()]
