"""Pages as HTML: one Jinja environment for each language, with the words, the filters and the frame of every page.

Everything is escaped, always. A variable that does not exist is an error, never an empty text. A template gets `page`
(the struct that a view returned) and `frame` (the parts around it), and begins like this:

    {% extends "base.html" %}
    {% import "macros.html" as m with context %}
    {% block content %}…{% endblock %}

`t(key, name=value)` is a text in the page's language, and `n(key, count)` a text with a number (`words/`).
`here(q="x")` is the page's own address with other query parameters; None removes one. `link("threads", id, q="x")` is
the address of a page, and `static("studio.css")` the address of a file. Filters: `time`, `exact`, `number`, `size`,
`duration`, `visible`, `plain`, `told` (a text of the studio's own, with commands), `compact` (JSON on one line),
`indented` (JSON on lines).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import CodeType
from typing import cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.bccache import Bucket
from jinja2.runtime import Context
from markupsafe import Markup

from recuerda.storage import Clock
from recuerda.studio import figures, visible
from recuerda.studio.paths import link
from recuerda.studio.preferences import THEMES, Preferences, Theme
from recuerda.studio.words import LANGUAGES, Language, translate, translate_count

ROOT = Path(__file__).parent
TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"

QueryValue = str | int | None


class Room(msgspec.Struct, frozen=True):
    """One entry of the navigation."""

    name: str
    path: str


ROOMS = (
    Room("threads", "/threads"),
    Room("memory", "/memory"),
    Room("inbox", "/inbox"),
    Room("health", "/health"),
    Room("chat", "/chat"),
)


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a page around its content.

    Attributes:
        preferences: the language and the theme.
        url: the path and the query of the page.
        csrf: the token that every form sends back, in its field `csrf`. Empty where nothing can be changed.
        allow_changes: whether pages offer changes.
        rooms: the entries of the navigation.
        room: the name of the current entry.
        storage: the storage's name for people. It holds no password.
        user: the user to whom the studio is limited. None shows all users.
    """

    preferences: Preferences
    url: str
    csrf: str = ""
    allow_changes: bool = False
    rooms: tuple[Room, ...] = ROOMS
    room: str = ""
    storage: str = ""
    user: str | None = None

    @property
    def language(self) -> Language:
        """The language of the page."""
        return self.preferences.language

    @property
    def theme(self) -> Theme:
        """The theme of the page."""
        return self.preferences.theme


class _Compiled(BytecodeCache):
    """Keeps the compiled templates of this process, because a language or a studio more needs the same ones.

    To compile a template takes a tenth of a second, and to load it again takes a millisecond.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


class Renderer:
    """Makes HTML of views."""

    def __init__(self, *, clock: Clock) -> None:
        self._environments = {language: _environment(language, clock) for language in LANGUAGES}
        for name in ("base.html", "macros.html"):  # the longest, and every page needs them
            self._environments[LANGUAGES[0]].get_template(name)

    def html(self, template: str, page: object, frame: Frame) -> str:
        """Return a page.

        Args:
            template: the name of the template's file.
            page: the struct that the view returned.
            frame: the parts around it.
        """
        environment = self._environments[frame.language]
        return environment.get_template(template).render(page=page, frame=frame)


def _environment(language: Language, clock: Clock) -> Environment:
    def timed(moment: figures.Moment) -> Markup:
        return figures.time(moment, language, now_us=clock())

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=_COMPILED,
    )
    names = cast("dict[str, object]", environment.globals)
    names.update(
        t=partial(translate, language),
        n=partial(_counted, language),
        here=_here,
        static=static,
        link=link,
        now_us=clock,
        languages=LANGUAGES,
        themes=THEMES,
        cut_characters=visible.CUT_CHARACTERS,
    )
    filters = cast("dict[str, Callable[..., object]]", environment.filters)
    filters.update(
        time=timed,
        exact=partial(figures.exact_time, language=language),
        number=partial(figures.number, language=language),
        size=partial(figures.size, language=language),
        duration=partial(figures.duration, language=language),
        visible=visible.visible,
        plain=visible.plain,
        told=visible.told,
        compact=compact,
        indented=indented,
    )
    return environment


@cache
def static(name: str) -> str:
    """Return the address of a file that comes with the studio. It changes with the file, so a browser may keep it."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


def compact(value: object) -> str:
    """Return a JSON value on one line. A text that is JSON already stays as it is."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def indented(value: object) -> str:
    """Return a JSON value on several lines. A text that is no JSON stays as it is."""
    try:
        return msgspec.json.format(compact(value), indent=2)
    except msgspec.DecodeError:
        return compact(value)


def with_query(url: str, changes: Mapping[str, QueryValue]) -> str:
    """Return a path with other query parameters. None removes a parameter."""
    parts = urlsplit(url)
    kept = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key not in changes]
    added = [(key, str(value)) for key, value in changes.items() if value is not None]
    query = urlencode(kept + added)
    return f"{parts.path}?{query}" if query else parts.path


@pass_context
def _here(context: Context, **changes: QueryValue) -> str:
    frame = cast("Frame", context["frame"])
    return with_query(frame.url, changes)


def _counted(language: Language, key: str, count: int, **values: object) -> str:
    return translate_count(language, key, count, shown=figures.number(count, language), **values)
