"""Pictures and files inside the JSON of other programs: links, data URIs, and base64."""

from __future__ import annotations

import mimetypes

from recuerda.interop.encoded import decoded
from recuerda.messages.message import DataContent, UriContent

ANY_IMAGE = "image/*"
ANY_FILE = "application/octet-stream"


def linked(
    url: str, media_type: str | None = None, *, otherwise: str = ANY_FILE, name: str | None = None
) -> DataContent | UriContent:
    """Return the part for a link. A data URI gives the bytes.

    Args:
        url: the link.
        media_type: the media type, if the source says it.
        otherwise: the media type if neither the source nor the link says one.
        name: the file's name.
    """
    if not url.startswith("data:"):
        return UriContent(url, media_type or media_type_of(url) or otherwise)
    head, _, text = url.partition(",")
    declared = head.removeprefix("data:").partition(";")[0]
    data = decoded(text) if head.endswith(";base64") else None
    kind = declared or media_type or otherwise
    return UriContent(url, kind) if data is None else DataContent(data, kind, name)


def media_type_of(name: str) -> str | None:
    """Return the media type that the ending of a file's name or of a link says; None for an unknown ending."""
    return mimetypes.guess_type(name.partition("?")[0])[0]


def is_image(part: DataContent | UriContent) -> bool:
    """Return whether a part is a picture."""
    return part.media_type.startswith("image/")
