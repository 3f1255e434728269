"""The language and the theme that a person chose.

`?lang=es` and `?theme=dark` in an address choose them, so the two switches of a page are plain links. A cookie keeps
the choice. Without a choice the browser decides: by `Accept-Language`, and by the system's theme in the style sheet.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from recuerda.studio.words import LANGUAGES, Language

Theme: TypeAlias = Literal["auto", "light", "dark"]

THEMES: tuple[Theme, ...] = get_args(Theme)
LANGUAGE_COOKIE = "recuerda_language"
THEME_COOKIE = "recuerda_theme"
_YEAR_S = 365 * 86_400


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """A person's choices.

    Attributes:
        language: the language of the pages.
        theme: "auto" follows the system.
        chosen: the cookies that keep the choices of this request.
    """

    language: Language
    theme: Theme
    chosen: dict[str, str] = {}

    def keep(self, response: Response) -> None:
        """Set the cookies that keep the choices of this request."""
        for name, value in self.chosen.items():
            response.set_cookie(name, value, max_age=_YEAR_S, httponly=True, samesite="strict")


def preferences_of(request: Request, *, default: Language = "en") -> Preferences:
    """Return the choices of a request: its query, then its cookies, then its headers."""
    asked, kept = request.query_params, request.cookies
    language = _language(asked.get("lang")) or _language(kept.get(LANGUAGE_COOKIE))
    theme = _theme(asked.get("theme")) or _theme(kept.get(THEME_COOKIE))
    chosen = {
        name: value
        for name, value in (
            (LANGUAGE_COOKIE, _language(asked.get("lang"))),
            (THEME_COOKIE, _theme(asked.get("theme"))),
        )
        if value is not None
    }
    accepted = accepted_language(request.headers.get("accept-language", ""))
    return Preferences(language=language or accepted or default, theme=theme or "auto", chosen=chosen)


def accepted_language(header: str) -> Language | None:
    """Return the language of the studio that an `Accept-Language` header prefers. None if it names neither."""
    weighed = [_weighed(part) for part in header[:1000].split(",")]
    best: Language | None = None
    best_weight = 0.0
    for weight, language in weighed:
        if language is not None and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weighed(part: str) -> tuple[float, Language | None]:
    tag, _, weight = part.partition(";")
    try:
        value = float(weight.strip().removeprefix("q=") or 1)
    except ValueError:
        value = 0.0
    return value, _language(tag.strip().partition("-")[0].lower())


def _language(value: str | None) -> Language | None:
    return next((language for language in LANGUAGES if language == value), None)


def _theme(value: str | None) -> Theme | None:
    return next((theme for theme in THEMES if theme == value), None)
