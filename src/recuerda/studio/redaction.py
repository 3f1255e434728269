"""Secrets that stand in conversations: found by rule, and replaced in everything that the studio shows.

A person pastes a key into a chat, or a tool returns a URL with a password. A page of the studio may be on a screen that
others see, so a secret with a known form is replaced by `[redacted: kind]` before a page, or its JSON, is made. A rule
cannot know every secret, and a secret stays in the storage. Ids are shown as they are, because links name things by
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar, cast

import msgspec
from msgspec import structs

from recuerda.errors import ConfigurationError

T = TypeVar("T")

_NAMES = (
    r"(?:api[_-]?key|access[_-]?key|secret(?:[_-]?key)?|client[_-]?secret|password|passwd|pwd"
    r"|(?:access|auth|refresh|id)[_-]?token)"
)


class Rule(NamedTuple):
    """A kind of secrets.

    Attributes:
        kind: the word that stands in the place of a secret.
        hints: texts in lower case of which one stands in every such secret. Looking for them is quick, and most texts
            have none of them. No hints for a rule that is always tried.
        form: the form of a secret.
    """

    kind: str
    hints: tuple[str, ...]
    form: re.Pattern[str]


_KEYS = (
    r"\b(?:sk|pk|rk)[-_](?:[A-Za-z0-9]{1,40}[-_]){0,4}[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bgithub_pat_\w{20,}|\bxox[abprs]-[\w-]{10,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,}"
    r"|\bglpat-[\w-]{16,}|\bhf_[A-Za-z0-9]{20,}"
)
_KEY_HINTS = ("k-", "k_", "gh", "pat_", "xox", "akia", "asia", "aiza", "glpat-", "hf_")
_PRIVATE = r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
# A token begins at the first such place of a word. If it could begin at each of them, a long word would take hours.
_JWT = r"(?<![\w-])(?>(?:[\w-]*?-)??(?=eyJ))(?P<kept>)eyJ[\w-]{8,}+\.eyJ[\w-]{8,}+\.[\w-]+"
_NAMED = (
    rf"(?i:(?<![^\W_]){_NAMES}\\?[\"']?\s{{0,3}}[:=]\s{{0,3}}\\?[\"']?)(?P<kept>)(?!\[redacted)[^\s\"'\\,;&}}]{{4,}}"
)
_BASIC = r"(?i:\bauthorization\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?basic )(?P<kept>)[\w+/=-]{4,}"

RULES: tuple[Rule, ...] = (
    Rule("private key", ("private key",), re.compile(_PRIVATE)),
    Rule("token", ("eyj",), re.compile(_JWT)),
    Rule("API key", _KEY_HINTS, re.compile(_KEYS)),
    Rule("bearer token", ("bearer ",), re.compile(r"(?i:\bbearer )(?P<kept>)[\w.~+/=-]{12,}")),
    Rule("password", ("basic ",), re.compile(_BASIC)),
    Rule("password", ("://",), re.compile(r"(?<=://)[^\s/:@\"'<>]*:[^\s/@\"'<>]+(?=@)")),
    Rule("secret", ("key", "secret", "passw", "pwd", "token"), re.compile(_NAMED)),
)
"""The secrets that are replaced by default, beside card numbers."""

_SECRET_NAME = re.compile(rf"(?i)(?:.*[_\-. ])?{_NAMES}")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_SHORTEST = 8


class Redaction:
    """Replace the secrets in the values of a page.

    Args:
        patterns: regular expressions of further secrets.

    Raises:
        ConfigurationError: a pattern is not a regular expression, or finds an empty text.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._rules = (*RULES, *(Rule("secret", (), _compiled(pattern)) for pattern in patterns))
        self._shortest = _SHORTEST if len(self._rules) == len(RULES) else 1

    def text(self, text: str) -> str:
        """Return a text in which each secret is replaced."""
        if len(text) < self._shortest:
            return text
        lower = text.lower()
        for rule in self._rules:
            if not rule.hints or any(hint in lower for hint in rule.hints):
                text = rule.form.sub(_replacing(rule.kind), text)
        return _CARD.sub(_card, text)

    def value(self, value: T) -> T:
        """Return a value in which the secrets in all texts are replaced: a struct, a mapping, a sequence or a text.

        The value of a key such as `api_key` is replaced whole. Fields with ids, addresses and cursors stay.
        """
        return cast("T", self._value(value))

    def _value(self, value: object) -> object:
        match value:
            case str():
                return self.text(value)
            case msgspec.Struct():
                return self._struct(value)
            case Mapping():
                return self._mapping(cast("Mapping[object, object]", value))
            case list() | tuple():
                held = [self._value(one) for one in cast("Sequence[object]", value)]
                return held if isinstance(value, list) else tuple(held)
            case _:
                return value

    def _struct(self, value: msgspec.Struct) -> msgspec.Struct:
        held = {name: getattr(value, name) for name in _shown_fields(type(value))}
        changed = {name: new for name, old in held.items() if (new := self._value(old)) is not old}
        return structs.replace(value, **changed) if changed else value

    def _mapping(self, value: Mapping[object, object]) -> dict[object, object]:
        return {
            self._value(key): "[redacted: secret]" if _is_secret(key, held) else self._value(held)
            for key, held in value.items()
        }


@lru_cache(maxsize=512)
def _shown_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(name for name in kind.__struct_fields__ if not _names_a_thing(name))


def _names_a_thing(field: str) -> bool:
    return field in {"id", "href", "cursor", "next_href"} or field.endswith(("_id", "_href"))


def _is_secret(key: object, value: object) -> bool:
    is_empty = isinstance(value, bool) or value in (None, "", [], {})
    return isinstance(key, str) and not is_empty and bool(_SECRET_NAME.fullmatch(key))


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigurationError(f"--redact {pattern!r} is not a regular expression: {error}") from None
    if compiled.match(""):
        raise ConfigurationError(f"--redact {pattern!r} also finds an empty text: name the form of the secret")
    return compiled


def _replacing(kind: str) -> Callable[[re.Match[str]], str]:
    def replaced(found: re.Match[str]) -> str:
        kept = found["kept"] if "kept" in found.re.groupindex else None
        start = "" if kept is None else found.string[found.start() : found.start("kept")]
        return f"{start}[redacted: {kind}]"

    return replaced


def _card(found: re.Match[str]) -> str:
    digits = [int(one) for one in found[0] if one.isdigit()]
    doubled = [digit if at % 2 == 0 else sum(divmod(digit * 2, 10)) for at, digit in enumerate(reversed(digits))]
    return found[0] if sum(doubled) % 10 or len(set(digits)) == 1 else "[redacted: card number]"
