"""The pages and files that an answer cites. Other programs keep them beside the text; here they are a property."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recuerda.json_value import Json, JsonObject

SOURCES = "sources"
"""The property of a message with the sources of its text: objects with `title`, `url` or both."""


def with_sources(properties: Mapping[str, Json], cited: Iterable[tuple[object, object]]) -> JsonObject | None:
    """Return the properties of a message with the sources that it cites, each once; None without any property.

    Args:
        properties: the other properties.
        cited: the title and the link of each source, as the program has written them. Other values than texts are no
            titles and no links.
    """
    sources: list[Json] = []
    for title, url in cited:
        source: JsonObject = {
            name: text for name, text in (("title", title), ("url", url)) if isinstance(text, str) and text
        }
        if source and source not in sources:
            sources.append(source)
    found: JsonObject = {**properties, SOURCES: sources} if sources else {**properties}
    return found or None


def page_text(page: Mapping[str, object], *names: str) -> str:
    """Return the title, the link and the text of a found page, one below the other, under these names."""
    texts = [page.get(name) for name in names]
    return "\n".join(text for text in texts if isinstance(text, str) and text)
