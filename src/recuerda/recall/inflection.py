"""Forms of words beyond the rules of Snowball: irregular forms, and letters that change within a word.

"Gekauft" is a form of "kaufen", "yeux" of "œil" and "ręce" of "ręka", and Snowball's rules join none of them. The rules
here join what is regular, such as German participles. They change a word before Snowball does, or the stem after it.
Irregular words are listed in groups: each form has the stem of the first one. A verb with a prefix, such as
"verkaufen" or "comprendre", has the forms of the verb without it.

The rules only have to be right in one way: forms of one word get one stem, and other words rarely get it too. So a rule
may make stems that are no words.

The package simplemma was weighed and left out: it knows more forms, but its tables of one language take 30 to 450 MB of
memory and up to 3 seconds to load.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from recuerda.recall.folding import fold
from recuerda.recall.irregular_forms import IRREGULAR_FORMS

_Rules = tuple[tuple[re.Pattern[str], str], ...]


def _rules(*pairs: tuple[str, str]) -> _Rules:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in pairs)


# Accents that people leave out although the rules of Snowball need them, plurals that these rules do not know, and
# prefixes that they do not remove. The rules of Russian serve Ukrainian, but they do not know its letters.
_REPAIRS: dict[str, _Rules] = {
    "es": _rules(("([cs])ion$", r"\1ión"), ("dades$", "dad"), ("ces$", "z")),
    "pt": _rules(
        ("(?:ões|ães|ãos|coes|soes)$", "ão"),
        ("cao$", "ção"),
        ("sao$", "são"),
        ("(?<=[cs])ão$", "ão"),
        ("(?<=..)ais$", "al"),
        ("(?<=...)[ée]is$", "el"),
        ("(?<=...)[óo]is$", "ol"),
        ("(?<=...)uis$", "ul"),
        ("(?<=[rtv])is$", "il"),
        ("ns$", "m"),
    ),
    "nl": _rules(("([ei])eën$", r"\1e"), ("(?<=.[^aeiou])e$", "en")),
    "no": _rules(("(?<=..er)ne$", "")),
    "pl": _rules(("^([^aeiouyąęó]*)ą(?=[^aeiouyąę])", r"\1ę"), ("(?<=..)dzie$", "da")),
    "ca": _rules(
        ("(?<=[aeiou])ssos$", "s"),
        ("ques$", "ca"),
        ("gues$", "ga"),
        ("ges?$", "ja"),
        ("ces$", "ça"),
        ("(?<=[aeiouàèéíòóú])ns$", ""),
        ("(?<=.[^aeiou])es?$", "a"),
    ),
    "uk": _rules(("ість$", "ость"), ("[ії]", "и"), ("є", "е"), ("ґ", "г")),
    "ar": _rules(("^(?:[وفبك]?ال|لل)(?=...)", ""), ("(?<=...)(?:تين|تان)$", "ة")),
    "he": _rules(("^(?:ו?[משכ]?ה|ו?[בל]|ו)(?=...)", ""), ("(?<=...)(?:ים|ות|[הת])$", "")),
    "fa": _rules(("(?<=....)(?:م|ت|ش|مان|تان|شان)$", "")),
}

# Spanish "usar", "ojos" and "alta" begin with a vowel, and Snowball leaves their endings.
_SHORT_ROMANCE = (
    r"^([aeiou][^aeiou]{1,3})"
    r"(?:[aei]r|[aeio]s?|[ae][nm]|[ai]d[ao]s?|[ai]t[aeio]?|i?[ae]ndo|aron|ieron|aba|are|ou|i[ou])$"
)
_NORTHERN = _rules(
    ("(?<=...)(?:isk|i)$", ""),
    ("(?<=.el)n$", ""),
    ("(?<=..)e(?=[ln]$)", ""),
    (r"([bdfgkmpt])\1(?=[ln]$)", r"\1"),
    ("(?<=.[bdfgkmpstv])r$", ""),
    ("(?<=..[^aeiout])t$", ""),
    (r"([dmnt])\1$", r"\1"),
)
_ROMANCE = _rules(("(?<=..)i$", ""), ("(?<=..[cg])h$", ""))
_SLAVIC_VERBS = ("(?<=...)(?:uj|ow|yw)$", "")
_SEPARABLE = "ab|an|auf|aus|bei|ein|fest|her|hin|los|mit|nach|um|vor|weg|zuruck|zusammen|zu"
_NO_PARTICIPLES = "schaft|sicht|richt|wicht|dicht|schicht|schlecht|halt|biet|burt|rat|samt|walt|spenst"

# Changes of a stem, in this order. Some words of a family have an ending: "alergia" and "alérgica". Some forms of a
# word have other letters: Swedish "nyckel" and "nycklar", Dutch "afspraak" and "afspraken", Spanish "vuelo" and
# "volar", Polish "ręka" and "ręce", Russian "платок" and "платка".
_CHANGES: dict[str, _Rules] = {
    "ca": (
        *_rules(
            (r"\.", ""), ("(?<=....)ic$", ""), ("qu$", "c"), ("gu$", "g"), ("(?<=..)j$", "g"), (r"([ls])\1$", r"\1")
        ),
        *_ROMANCE,
    ),
    "it": (
        *_rules(
            (_SHORT_ROMANCE, r"\1"),
            ("tric$", "tor"),
            ("(?<=[ts]or|ent)ess$", ""),
            ("(?<=...)(?:i?an|ar)$", ""),
        ),
        *_ROMANCE,
    ),
    "pt": (
        *_rules(
            (_SHORT_ROMANCE, r"\1"),
            ("(?<=[aeo])s$", ""),
            ("qu$", "c"),
            ("gu$", "g"),
            ("il$", "el"),
            ("(?<=.[oe])u?$", ""),
        ),
        *_ROMANCE,
    ),
    "fr": _rules(
        ("(?<=[^s])s$", ""),
        ("(?<=[eo]u)x$", ""),
        ("(?<=..eu)r$", ""),
        ("tric$", "teu"),
        ("qu$", "c"),
        ("gu$", "g"),
        ("iv$", "if"),
        ("(?<=....)ent$", ""),
        ("(?<=[gc])e?on$", ""),
        ("(?<=..[bdtv])r$", ""),
        ("(?<=[nr]d)u$", ""),
        ("(?<=[cdrt]ui)[rt]$", ""),
        (r"([lnt])\1$", r"\1"),
        ("(?<=...)i$", ""),
        ("(?<=..[cg])h$", ""),
    ),
    "ro": (
        *_rules(
            ("oa", "o"),
            ("ea", "e"),
            ("z$", "d"),
            ("(?<=...)(?:[aiu]t|ur)$", ""),
            ("(?<=...)u$", ""),
        ),
        *_ROMANCE,
    ),
    "es": (
        *_rules(
            (_SHORT_ROMANCE, r"\1"),
            ("(?<=[aeo])s$", ""),
            ("(?<=..)i$", ""),
            ("^jueg", "jug"),
            ("(?<![qg])ue(?=[^aeiou])", "o"),
            ("(?<=.)ie(?=[^aeiou])", "e"),
            ("qu$", "c"),
            ("(?<=[aeiounrz])c$", "z"),
            ("zz$", "z"),
            ("(?<=..)j$", "g"),
        ),
    ),
    "sv": (*_rules(("(?<=...)(?:an|et)$", "")), *_NORTHERN),
    **dict.fromkeys(("no", "da"), _NORTHERN),
    "de": _rules(
        ("(?<=...)(?:isch|i|em)$", ""),
        (rf"^((?:{_SEPARABLE})?)ge(?!(?:{_NO_PARTICIPLES})$)(?=...+t$)", r"\1"),
        ("(?<=..[^aeiouts])t$|(?<=...s)t$", ""),
        ("ier$", ""),
        ("(?<=....)in$", ""),
        ("(?<=..[aoy])s$", ""),
    ),
    "pl": _rules(
        _SLAVIC_VERBS,
        ("(?<=...ar)k$", ""),
        ("(?<=...)(?:iczn|yczn|i)$", ""),
        ("(?<=.[^aeiouy])e(?=[kc]$)", ""),
        ("(?<=[^aeiouy])ien$", "n"),
        ("c$", "k"),
        ("(?<=.)dz$", "g"),
        ("(?<=..)rz$", "r"),
    ),
    "cs": _rules(
        ("(?<=..ar)k$", ""),
        ("(?<=...)(?:[aei][lt]|[ei]m|uj|ov)$", ""),
        ("(?<=...)(?:ick|i)$", ""),
        ("c$", "k"),
        ("z$", "h"),
        ("(?<=.[^aeiouy])e(?=[kn]$)", ""),
    ),
    "tr": _rules(
        ("(?<=...)(?:[iu]?yor|m[ae]k|m[iu]s|[ae]c[ae][kg]|[ae]n|[ai]r|l[iu]|s[iu]z|c[iu])$", ""),
        ("(?<=..[aeiou])s$", ""),
        ("(?<=...)(?:ik|i)$", ""),
        ("(?<=..[^aeiou])[aeiou]$", ""),
    ),
    "el": _rules(("(?<=...)ικ$", ""), ("(?<=..)ι$", ""), ("(?<=..)σ$", "ζ")),
    "ru": _rules(
        ("(?<=...)(?:ическ|ичн|ик|и)$", ""),
        ("(?<=.[^аеиоуыэюя])[ое](?=[кц]$)", ""),
        ("(?<=[бпвмф])л$", ""),
        ("(?<=...)[еаия][тл]$", ""),
    ),
    "uk": _rules(
        ("(?<=...)(?:ичн|ик|и)$", ""),
        ("(?<=..)о$", ""),
        ("(?<=.[^аеиоуюя])[ое](?=[кцн]$)", ""),
        ("(?<=[бпвмф])л$", ""),
        ("(?<=..)[аиюя]т?$", ""),
        ("(?<=..)[аи]в$", ""),
        ("ц$", "к"),
    ),
    "nl": _rules(
        ("(?<=...)(?:isch|i)$", ""),
        ("^((?:be|ver|ont|her)...+)d$", r"\1"),
        ("(?<=..[^aeiou])t$", ""),
        (r"(?<=[aeiou][^aeiou])([^aeiou]*)([aeou])\2(?=[^aeiou]$)", r"\1\2"),
    ),
    "fi": _rules(
        ("(?<=..)n[uy]$", ""),
        ("(?<=.[^aeiouy])[aeiouy]$", ""),
        ("ks$", "s"),
        ("ng", "nk"),
        ("(?<=...i)st$", "s"),
        ("in$", "is"),
        ("(?<=...)i[sm]$", ""),
        (r"([kpt])\1$", r"\1"),
        ("(?<=.n)[nt]$|(?<=.l)[lt]$|(?<=.r)[rt]$|(?<=.m)[mp]$", ""),
        ("d$", "t"),
    ),
    "he": _rules(("ך$", "כ"), ("ם$", "מ"), ("ן$", "נ"), ("ף$", "פ"), ("ץ$", "צ")),
    "fa": _rules(("(?<=....)ان$", ""), ("(?<=...)ه$", "")),
    "ar": _rules(
        (r"^(.(.))ا((?!\2).|..)$", r"\1\3"),
        ("^[يت](?=...)", ""),
        ("^ا(..)ا(.)$", r"\1\2"),
    ),
}
_TWICE = frozenset(("es", "nl", "hu"))
"""The languages in which the stem of a plural may be a singular with an ending."""
_SHORTEST = 3
_TABLES = {"sv": ("sv", "no", "da"), "no": ("no", "da", "sv"), "da": ("da", "no", "sv")}
"""The tables of a language. Short texts in Danish are easily taken for Norwegian."""

_GERMANIC = (
    "ab|an|auf|aus|bei|be|ein|ent|er|fest|her|hin|los|mit|nach|um|unter|uber|ver|vor|weg|zer|zuruck|zusammen|zu|"
    "aan|achter|af|bij|door|in|mee|na|onder|ont|op|over|tegen|terug|toe|uit|voor"
)
_SCANDINAVIAN = (
    "an|av|af|be|bi|for|fram|from|frem|ihop|in|ind|inn|med|mot|ned|om|op|opp|over|pa|sam|till|til|under|upp|ut|ud"
)
_ROMANCE_PREFIXES = (
    "ab|ac|ad|ammi?|am|ante|ap|as|at|av|com|con|contra|cor|de|des|di|dis|en|entre|es|ex|im|in|inter|inte|intro|man|mante|ob|"
    "par|per|pour|pre|pro|re|ri|ra|rac|s|sou|sor|sos|sub|su|sup|sur|tra|trans|tras"
)
_PREFIXES = {
    **dict.fromkeys(("de", "nl"), re.compile(f"({_GERMANIC})(?:ge)?(?=...)")),
    **dict.fromkeys(("sv", "no", "da"), re.compile(f"({_SCANDINAVIAN})(?=...)")),
    **dict.fromkeys(("fr", "it", "es", "pt", "ca", "ro"), re.compile(f"({_ROMANCE_PREFIXES})(?=...)")),
}

_ENDINGS = {
    "de": ("en", "e", "n"), "nl": ("en", "e", "t"), "it": ("o", "a", "e", "i", "are", "ere"),
    "es": ("o", "a", "e", "ar", "er", "ir"), "pt": ("o", "a", "e", "ar", "er", "ir"), "fr": ("e", "r", "er"),
    "ca": ("a", "o", "s"), "ro": ("a", "e", "i", "ă"), "sv": ("a", "e", "er"), "no": ("e", "a"), "da": ("e", "er"),
    "pl": ("a", "e", "y", "u", "ć", "ł", "o", "i"), "cs": ("a", "e", "y", "i", "o", "t"),
    "ru": ("а", "и", "ы", "у", "о", "ь", "ть", "л"), "uk": ("а", "и", "у", "о", "ь", "ти", "в"), "fi": ("n", "i", "a"),
    "hu": ("k", "t", "ok", "ek", "ott", "ett", "m", "ka"), "tr": ("i",), "el": ("α", "ω", "ο", "ι"),
}  # fmt: skip
"""What a form in a table may have behind its stem, so that further forms of it are found: German "geschriebene"."""


def inflected_stem(word: str, language: str, snowball: Callable[[str], str]) -> str:
    """Return the folded stem of a word in lower case, which its regular and its irregular forms share.

    Args:
        word: the word, with its accents.
        language: the code of the language.
        snowball: returns the stem by the rules of Snowball.
    """
    plain = _plain_stem(word, language, snowball)
    found = _changed(plain, language)
    firsts = _first_forms(language)
    if not firsts:
        return found
    endings = _ENDINGS.get(language, ())
    forms = (fold(word), plain, *(plain + ending for ending in endings), found)
    for form in forms:
        if (first := firsts.get(form)) is not None:
            return _changed(_plain_stem(first, language, snowball), language)
    prefixes = _PREFIXES.get(language)
    if prefixes is not None and (match := prefixes.match(plain)) is not None:
        for form in forms:
            if (first := firsts.get(form[match.end() :])) is not None:
                base = _changed(_plain_stem(first, language, snowball), language)
                return _changed(match[1] + base, language)
    return found


def _plain_stem(word: str, language: str, snowball: Callable[[str], str]) -> str:
    for pattern, repaired in _REPAIRS.get(language, ()):
        word = pattern.sub(repaired, word)
    found = snowball(word)
    if language in _TWICE and len(again := snowball(found)) >= _SHORTEST:
        found = again
    return fold(found) or fold(word)


def _changed(stem: str, language: str) -> str:
    for pattern, changed in _CHANGES.get(language, ()):
        stem = pattern.sub(changed, stem)
    return stem


@cache
def _first_forms(language: str) -> dict[str, str]:
    """Return the first form for each folded form of the irregular words. A form in two groups has the first."""
    firsts: dict[str, str] = {}
    for table in _TABLES.get(language, (language,)):
        for group in IRREGULAR_FORMS.get(table, "").split(";"):
            first, *others = group.split() or [""]
            for form in (first, *others):
                firsts.setdefault(fold(form), first)
    return firsts
