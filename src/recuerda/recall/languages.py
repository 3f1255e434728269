"""The language of a text, and the stems of its words.

A text tells its language by its function words, its letters and its script. A short text may tell none. Then its Latin
words have English stems. So a question has English stems beside those of its own language. A question that tells no
language has the stems of every language of its script.

The stems are those of Snowball (https://snowballstem.org), in pure Python. `snowballstemmer.stemmer` is not used: it
would take the faster package PyStemmer if that is installed, whose version may have other stems. Two processes that
share an index need the same stems.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from functools import cache, lru_cache
from importlib import import_module
from operator import itemgetter
from struct import Struct
from typing import Protocol

from recuerda.recall.english import family, shortened
from recuerda.recall.folding import fold, spellings
from recuerda.recall.function_words import FUNCTION_WORDS
from recuerda.recall.inflection import inflected_stem

ENGLISH = "en"
STOPWORDS: dict[str, frozenset[str]] = {
    language: frozenset(map(fold, words.split())) for language, words in FUNCTION_WORDS.items()
}
"""Maps the code of a language to its function words, which are folded and left out of a text in that language."""

_KNOWN_WORDS = 100_000
_SHARE = 12
_FIELD = 32
"""The number of bits of a count."""
_NUMBERS = {language: number for number, language in enumerate(FUNCTION_WORDS)}
_COUNTS = Struct(f"<{len(_NUMBERS)}I")
_SNOWBALL = {
    "en": "english", "es": "spanish", "de": "german", "fr": "french", "it": "italian", "pt": "portuguese",
    "nl": "dutch", "sv": "swedish", "no": "norwegian", "da": "danish", "fi": "finnish", "pl": "polish", "cs": "czech",
    "hu": "hungarian", "ro": "romanian", "ca": "catalan", "tr": "turkish", "id": "indonesian", "ru": "russian",
    "uk": "russian", "el": "greek", "ar": "arabic", "fa": "persian", "hi": "hindi",
}  # fmt: skip
_SCRIPTS = (
    ("latin", "[a-z\u00aa-\u02af\u1e00-\u1eff]"), ("cyrillic", "[\u0400-\u052f]"),
    ("greek", "[\u0370-\u03ff\u1f00-\u1fff]"),
    ("arabic", "[\u0600-\u06ff\u0750-\u077f]"), ("hebrew", "[\u0590-\u05ff]"), ("indic", "[\u0900-\u097f]"),
)  # fmt: skip
_SCRIPT = re.compile("|".join(f"(?P<{name}>{letters})" for name, letters in _SCRIPTS))
_OTHER_SCRIPTS = {
    "cyrillic": ("ru", "uk"), "greek": ("el",), "arabic": ("ar", "fa"), "hebrew": ("he",), "indic": ("hi",),
}  # fmt: skip
_ELSEWHERE = frozenset(language for languages in _OTHER_SCRIPTS.values() for language in languages)
_LANGUAGES = {"latin": tuple(one for one in FUNCTION_WORDS if one not in _ELSEWHERE), **_OTHER_SCRIPTS}
# Short texts of a language are easily taken for one of these.
_SIBLINGS = {
    "no": ("da", "sv"), "da": ("no", "sv"), "sv": ("no", "da"), "es": ("pt", "it", "ca"), "pt": ("es", "it", "ca"),
    "ca": ("es", "pt", "it", "fr"), "it": ("es", "pt", "ca", "fr"), "fr": ("it", "ca"), "ro": ("it", "fr"),
    "nl": ("de",), "de": ("nl",), "fi": ("sv", "de"), "hu": ("de",), "tr": ("de",), "pl": ("cs",), "cs": ("pl",),
    "ru": ("uk",), "uk": ("ru",),
}  # fmt: skip
_SPELT_OUT = frozenset(("nl", "sv", "no", "da", "fi"))
"""The languages beside German in which people write "ue" for a letter with a mark. In Spanish, it is another sound."""
_LETTERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys("ạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ", ("vi",)),
    "ß": ("de",), "ñ": ("es",), "¿": ("es",), "¡": ("es",), "ã": ("pt",), "õ": ("pt",), "œ": ("fr",),
    "ê": ("fr", "pt"), "è": ("fr", "it"), "ò": ("it", "ca"), "ì": ("it",), "å": ("sv", "no", "da"), "ø": ("no", "da"),
    "æ": ("no", "da"), "ł": ("pl",), "ą": ("pl",), "ę": ("pl",), "ś": ("pl",), "ż": ("pl",), "ź": ("pl",),
    "ć": ("pl",), "ń": ("pl",), "ř": ("cs",), "ě": ("cs",), "ů": ("cs",), "č": ("cs",), "ž": ("cs",), "ő": ("hu",),
    "ű": ("hu",), "ă": ("ro",), "ț": ("ro",), "ș": ("ro",), "ğ": ("tr",), "ı": ("tr",), "ş": ("tr",), "İ": ("tr",),
    "đ": ("vi",), "ư": ("vi",), "ơ": ("vi",), "ä": ("de", "sv", "fi"), "ö": ("de", "sv", "fi", "tr", "hu"),
    "ü": ("de", "tr", "hu", "es"), "ää": ("fi",), "yö": ("fi",), "uu": ("fi",), "ii": ("fi",), "sch": ("de",),
    "ç": ("fr", "pt", "tr", "ca"), "і": ("uk",), "ї": ("uk",), "є": ("uk",), "ы": ("ru",), "э": ("ru",), "پ": ("fa",),
    "چ": ("fa",), "ژ": ("fa",), "گ": ("fa",), "ی": ("fa",), "ک": ("fa",), "ة": ("ar",), "ي": ("ar",), "أ": ("ar",),
}  # fmt: skip
# Function words of other languages that mean something in English. They are evidence of English as well.
_ALSO_ENGLISH = """
    alla ate bald bar ben bin car care cat come dan dare deed die dig doe dog door dove ed ella end era eras face
    far fin font fur gran hat hay hen ill inn kim kit man mar mate men met mia min mine mint mod nan pad pal par pas
    plus pod pot pots pour pro pros quest rang rat saga sage sale sara sense sin sit size solo son sue tack tale tan
    ted ten tied till tom ton tot van vase vet volt war ware
"""
_ALSO_TURKISH = "hasta ile bana"
# Turkish words that are no function words. They show that a short text is Turkish.
_TURKISH_EVIDENCE = (
    "oldu oldum aldim gittim geldi geldim yaptim ettim kaldi dedi verdi istiyorum yarin bugun annem babam"
)
_TURKISH_ENDING = re.compile(r"[^\W\d_]{2}(?:[ıiuü]yor(?:um|uz|sun|lar)?|[ıiuü]ld[ıiuü][mk]?|[ıiuü]m[ıiuü]z)\b")


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...  # noqa: N802 - Snowball's name


_ARABIC_ENDING = "ة"
_ARABIC_MY = "تي"
"""The ending of an Arabic noun, and what it becomes before "my"."""


def _share(languages: Collection[str], *, is_weak: bool = False) -> int:
    """Return what a word or a letter counts for the languages that have it, as fields of one number.

    So the counts of a text are one sum of numbers. A word of one letter is weak evidence: "a" may name anything.
    """
    share = 1 if is_weak else _SHARE // len(languages)
    return sum(share << _FIELD * _NUMBERS[language] for language in languages)


def _shares() -> dict[str, int]:
    languages: defaultdict[str, list[str]] = defaultdict(list)
    for language, words in STOPWORDS.items():
        for word in words:
            languages[word].append(language)
    for word in _ALSO_ENGLISH.split():
        languages[word].append(ENGLISH)
    for word in f"{_ALSO_TURKISH} {_TURKISH_EVIDENCE}".split():
        languages[word].append("tr")
    return {word: _share(having, is_weak=len(word) == 1) for word, having in languages.items()}


_SHARES = _shares()
_SHARES_OF_LETTERS = {letter: _share(languages) for letter, languages in _LETTERS.items()}


def is_function_word(word: str) -> bool:
    """Return True if a folded word is a function word of any language."""
    return word in _SHARES


def languages_of(words: Iterable[str], text: str) -> list[str]:
    """Return the languages that a text may have, the likeliest first, or nothing if it does not tell.

    Args:
        words: the folded words of the text.
        text: the text with its own letters.
    """
    total = sum(_SHARES[word] for word in words if word in _SHARES)
    if not text.isascii():
        lower = text.lower()
        total += sum(share for letters, share in _SHARES_OF_LETTERS.items() if letters in lower)
    if not total:
        return ["tr"] if _TURKISH_ENDING.search(text.lower()) else []
    counts = _COUNTS.unpack(total.to_bytes(_COUNTS.size, "little"))
    least = max(counts) / 2
    likely = [one for one in zip(_NUMBERS, counts, strict=True) if one[1] >= least]
    return [language for language, _ in sorted(likely, key=itemgetter(1), reverse=True)]


@lru_cache(_KNOWN_WORDS)
def stem(word: str, language: str) -> str:
    """Return the folded stem of a word in lower case. A word in another script has the stem of that script."""
    script = _script(word)
    if script is None:
        return fold(word)
    if language not in _LANGUAGES[script]:
        language = _LANGUAGES[script][0]
    if language == ENGLISH:
        word = family(fold(word))
        return shortened(_snowball(ENGLISH)(word)) if len(word) > 2 else word
    return inflected_stem(word, language, _snowball(language))


def stems(word: str, languages: Iterable[str]) -> list[str]:
    """Return a word of a question, folded, and the stems that a message may have for it.

    Args:
        word: the word in lower case.
        languages: the languages that the question may have; nothing if it does not tell.
    """
    script = _script(word)
    folded = fold(word)
    if script is None:
        return [folded]
    told = [near for one in languages for near in (one, *_SIBLINGS.get(one, ()))]
    found = [stem(word, one) for one in told or _LANGUAGES[script]]
    for spelling in spellings(word) if script == "latin" else ():
        found += [fold(spelling), *(stem(spelling, one) for one in (*_SPELT_OUT.intersection(told[:1]), "de", ENGLISH))]
    if word.endswith(_ARABIC_ENDING):
        found.append(stem(word.removesuffix(_ARABIC_ENDING) + _ARABIC_MY, "ar"))
    if folded != word:
        found += [stem(folded, one) for one in told]
    return list(dict.fromkeys([folded, *found, stem(word, ENGLISH)]))


def _script(word: str) -> str | None:
    match = _SCRIPT.search(word)
    return None if match is None else match.lastgroup


@cache
def _snowball(language: str) -> Callable[[str], str]:
    name = _SNOWBALL.get(language)
    if name is None:
        return str
    made: Callable[[], _Stemmer] = getattr(
        import_module(f"snowballstemmer.{name}_stemmer"), f"{name.capitalize()}Stemmer"
    )
    # A stemmer holds the word that it works on, so each word gets one of its own: several OS threads may need stems.
    return lambda word: made().stemWord(word)
