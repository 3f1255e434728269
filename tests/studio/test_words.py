"""The texts of the studio: each language has all of them, and pages use all of them."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import get_args

from recuerda.examination import Kind
from recuerda.studio.rendering import ROOT, TEMPLATES
from recuerda.studio.words import LANGUAGES, WORDS, translate, translate_count

# `t("key"`, `n("key"`, and the same two functions in Python; a key that is put together ends in a quote before `~`.
_USED = re.compile(r'\b(?:t|n|translate|translate_count)\(\s*(?:[\w.]+,\s*)?f?"([\w.\-{} \']+)"(\s*~)?')
# A key that a page gets as data stands in the code as a text of its own.
_NAMED = re.compile(r'"([a-z][\w-]*(?:\.[\w-]+)+)"')


def sources() -> list[str]:
    files = [*TEMPLATES.glob("*.html"), *(path for path in ROOT.rglob("*.py") if path.parent.name != "words")]
    return [Path(path).read_text(encoding="utf-8") for path in files]


def used() -> tuple[set[str], set[str]]:
    """Return the keys that are used, and the beginnings of keys that are put together."""
    whole: set[str] = set()
    beginnings: set[str] = set()
    for text in sources():
        for key, is_put_together in _USED.findall(text):
            if is_put_together or "{" in key:
                beginnings.add(key.partition("{")[0])
            else:
                whole.add(key)
    return whole, beginnings


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_each_text_has_each_language_and_the_same_values() -> None:
    for key, texts in WORDS.items():
        assert len(texts) == len(LANGUAGES), key
        assert all(text.strip() == text and text for text in texts), key
        assert len({frozenset(names(text)) for text in texts}) == 1, f"{key}: the languages name different values"


def test_each_key_that_a_page_uses_has_a_text() -> None:
    whole, beginnings = used()
    known = set(WORDS) | {key.removesuffix(".one") for key in WORDS if key.endswith(".one")}
    assert whole - known == set()
    assert {start for start in beginnings if not any(key.startswith(start) for key in WORDS)} == set()


def test_each_text_is_used_by_a_page() -> None:
    whole, beginnings = used()
    named = {key for text in sources() for key in _NAMED.findall(text)}
    unused = {
        key
        for key in WORDS
        if not {key, key.rpartition(".")[0] if key.endswith((".one", ".other", ".next")) else key} & (whole | named)
        and not any(start and key.startswith(start) for start in beginnings)
    }
    assert unused == set()


def test_a_text_with_a_number_has_both_forms() -> None:
    for key in WORDS:
        if key.endswith(".one"):
            assert key.removesuffix("one") + "other" in WORDS


def test_a_text_gets_its_values() -> None:
    assert translate("es", "turn", number=3) == "Turno 3"
    assert translate_count("en", "time.ago.minute", 1) == "1 minute ago"
    assert translate_count("es", "time.ago.minute", 5) == "hace 5 minutos"


def test_each_kind_of_a_finding_has_its_texts() -> None:
    kinds = {*get_args(Kind), "decided_draft", "outdated_draft"}
    for start in ("health.found.", "health.do."):
        assert {key.removeprefix(start) for key in WORDS if key.startswith(start)} == kinds
