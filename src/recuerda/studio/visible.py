"""Text of a message, made safe to look at.

A message is hostile input. Jinja escapes its HTML. This module deals with the rest: characters that a browser does not
show, or that change the order of other characters, appear as marks such as `␛` and `[U+202E]`. Very long texts are cut.
Addresses that begin with `http://` or `https://` become links that tell the other site nothing.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from markupsafe import Markup, escape

CUT_CHARACTERS = 20_000
"""A longer text is cut. The page links to the whole text."""

MAX_LINK_CHARACTERS = 2000
"""A longer address stays text."""

# Control characters, format characters that turn the direction of text, characters without a width (but not the two
# joiners, which Persian and emoji need), tags and variation selectors (which can hide a whole message), and halves of
# surrogate pairs.
_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e01ef"
)
_ODD = re.compile(f"([{_HIDDEN}])|(https?://[^\\s<>\"'`{_HIDDEN}]+)")
_INVISIBLE = re.compile(f"[{_HIDDEN}]")
_COMMAND = re.compile("`([^`<>]+)`")
_TRAILING = ".,;:!?)]}*_"


def visible(text: str, *, cut: int | None = CUT_CHARACTERS, has_links: bool = True) -> Markup:
    """Return the text as HTML in which every character can be seen.

    Args:
        text: any text, from anybody.
        cut: the number of characters that are shown. None shows them all.
        has_links: whether addresses become links. A text that stands in a link has none.
    """
    shown = text if cut is None else text[:cut]
    pieces: list[str] = []
    end = 0
    shown = shown.replace("\r\n", "\n")
    for found in _ODD.finditer(shown):
        address = found[2]
        shown_as = _mark(found[1]) if address is None else _link(address) if has_links else escape(address)
        pieces += (escape(shown[end : found.start()]), shown_as)
        end = found.end()
    pieces.append(escape(shown[end:]))
    return Markup("").join(pieces)


def told(text: str) -> Markup:
    """Return a text of the studio's own as HTML. A command in it stands between backticks, which become an element."""
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(visible(text))))  # noqa: S704 - what stands between them is escaped


def plain(text: str) -> str:
    """Return one line of text for places without markup, such as a page's title: hidden characters become marks."""
    return " ".join(marked(text).split())


def marked(text: str) -> str:
    """Return lines of text for a script that shows them as text: hidden characters become marks."""
    return _ODD.sub(lambda found: found[2] or _symbol(found[1]), text.replace("\r\n", "\n"))


def escaped(text: str) -> str:
    """Return the text of a JSON value with escapes in place of hidden characters, which means the same."""
    return _INVISIBLE.sub(lambda found: _escape(found[0]), text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _symbol(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)  # the block of pictures for control characters
    return "\u2421" if code == 0x7F else f"[U+{code:04X}]"


@lru_cache(maxsize=1024)  # a message can consist of such characters, and a mark takes longer than the rest of the page
def _mark(character: str) -> Markup:
    name = unicodedata.name(character, "control character").lower()
    return Markup('<span class="mark" title="U+{:04X} {}">{}</span>').format(ord(character), name, _symbol(character))


def _link(address: str) -> Markup:
    target = address.rstrip(_TRAILING)
    if len(target) > MAX_LINK_CHARACTERS:
        return escape(address)
    link = Markup('<a href="{}" rel="noopener noreferrer nofollow" target="_blank">{}</a>').format(target, target)
    return link + address[len(target) :]
