"""The texts of the studio in each language.

Each room of the studio has a module with its texts: a key, the English text, and the Spanish text. Values stand in
braces: `{name}`. A text with a number has two keys, `….one` and `….other`, and gets the number as `{shown}`. A test
compares the languages, and finds keys that no page uses and keys that are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

from recuerda.studio.words import changes, chat, faults, frame, health, inbox, memory, seen, threads

Language: TypeAlias = Literal["en", "es"]

LANGUAGES: tuple[Language, ...] = get_args(Language)

WORDS: Mapping[str, tuple[str, str]] = {
    **frame.WORDS,
    **threads.WORDS,
    **seen.WORDS,
    **memory.WORDS,
    **health.WORDS,
    **inbox.WORDS,
    **changes.WORDS,
    **chat.WORDS,
    **faults.WORDS,
}


def translate(language: Language, key: str, **values: object) -> str:
    """Return a text.

    Args:
        language: the language.
        key: the text's key.
        values: the values of the names in braces.

    Raises:
        KeyError: there is no such key, or a value is missing.
    """
    text = WORDS[key][LANGUAGES.index(language)]
    return text.format(**values) if "{" in text else text


def translate_count(language: Language, key: str, count: int, **values: object) -> str:
    """Return a text with a number: `….one` for 1, `….other` for each other number."""
    return translate(language, f"{key}.{'one' if count == 1 else 'other'}", **{"shown": count, **values})
