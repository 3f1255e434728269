"""The languages of the offline client, and the choice of the language of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from recuerda.offline.english import ENGLISH
from recuerda.offline.language import Language
from recuerda.offline.sentences import READ_CHARACTERS, fold
from recuerda.offline.spanish import SPANISH

LANGUAGES = (ENGLISH, SPANISH)


def choose_language(texts: Iterable[str]) -> Language:
    """Return the language of the first text whose language can be recognized; English if there is none."""
    for text in texts:
        read = text[:READ_CHARACTERS]
        words = set(re.findall(r"\w+", fold(read)))
        english, spanish = len(words & ENGLISH.words), len(words & SPANISH.words)
        if "¿" in read or "¡" in read:
            spanish += 3
        if english != spanish:
            return ENGLISH if english > spanish else SPANISH
    return ENGLISH
