"""The tokens of images, sound and documents, by the rules that OpenAI publishes. They are estimates.

An image is paid for by its size. Most models scale it into 2048 x 2048 pixels, scale its shorter side to 768 pixels,
and count tiles of 512 pixels. Smaller models count patches of 32 pixels, of which an image has at most 1,536
(https://platform.openai.com/docs/guides/images-vision, "Calculating costs"). Sound costs 10 tokens a second. Each page
of a PDF is sent as its text and as an image. A file whose size is not known, such as a file that is given by its
address, is assumed to cost `TOKENS_PER_FILE`.
"""

from __future__ import annotations

from math import ceil, sqrt

import msgspec

from recuerda.messages.extent import extent_of
from recuerda.messages.files import bytes_of_url
from recuerda.messages.message import AnyFile, DataContent, FileExtent, StoredFile, UriContent

TOKENS_PER_FILE = 1000
"""The number of tokens that is assumed for an image or a file whose size is not known."""

TOKENS_PER_PAGE = 1200
"""The number of tokens that is assumed for a page of a PDF: an image of the page, and its text."""

TOKENS_PER_SECOND = 10
"""The number of tokens of a second of sound."""

_BYTES_PER_TEXT_TOKEN = 4
_COMPRESSED_SOUND = 16_000  # bytes a second, at 128 kbit/s
_BYTES_PER_PAGE = 50_000
_PATCH, _MOST_PATCHES = 32, 1536
_LONGEST, _SHORTER, _TILE = 2048, 768, 512


class _Tiles(msgspec.Struct, frozen=True, gc=False):
    base: int
    tile: int


_USUAL = _Tiles(85, 170)

# The longest beginning of a model's name counts. A number is a multiplier of patches.
_MODELS: dict[str, _Tiles | float] = {
    "gpt-5": _Tiles(70, 140),
    "gpt-5-mini": 1.62,
    "gpt-5-nano": 2.46,
    "gpt-4.1-mini": 1.62,
    "gpt-4.1-nano": 2.46,
    "gpt-4o-mini": _Tiles(2833, 5667),
    "o1": _Tiles(75, 150),
    "o3": _Tiles(75, 150),
    "o4-mini": 1.72,
    "computer-use-preview": _Tiles(65, 129),
}


def file_tokens(part: AnyFile, model_id: str | None = None) -> int:
    """Return the number of tokens of an image or a file for a model; None for the most usual rule."""
    media_type = part.media_type or ""
    extent, size = _extent_and_size(part)
    if media_type.startswith("image/"):
        return _image(extent, part.detail, _rule(model_id))
    if media_type.startswith("audio/"):
        seconds = extent.duration_ms / 1000 or size / _COMPRESSED_SOUND
        return max(1, ceil(seconds * TOKENS_PER_SECOND)) if seconds else TOKENS_PER_FILE
    if media_type.startswith("text/") and size:
        return ceil(size / _BYTES_PER_TEXT_TOKEN)
    if media_type == "application/pdf" and size:
        return TOKENS_PER_PAGE * (extent.pages or ceil(size / _BYTES_PER_PAGE))
    return TOKENS_PER_FILE


def _extent_and_size(part: AnyFile) -> tuple[FileExtent, int]:
    """Return the facts about a file, and its size in bytes; 0 for a file whose bytes are not here."""
    if isinstance(part, StoredFile):
        return part.extent, part.size
    data = part.data if isinstance(part, DataContent) else None
    if isinstance(part, UriContent):
        data = bytes_of_url(part.uri)
    return (FileExtent(), 0) if data is None else (extent_of(data, part.media_type or ""), len(data))


def _rule(model_id: str | None) -> _Tiles | float:
    name = (model_id or "").rpartition("/")[2]
    found = [start for start in _MODELS if name.startswith(start)]
    return _MODELS[max(found, key=len)] if found else _USUAL


def _image(extent: FileExtent, detail: str | None, rule: _Tiles | float) -> int:
    if isinstance(rule, _Tiles) and detail == "low":
        return rule.base
    if not extent.width or not extent.height:
        return TOKENS_PER_FILE
    if isinstance(rule, _Tiles):
        return rule.base + rule.tile * _tiles(extent.width, extent.height)
    return ceil(_patches(extent.width, extent.height) * rule)


def _tiles(width: int, height: int) -> int:
    scale = min(1.0, _LONGEST / max(width, height))
    scale *= min(1.0, _SHORTER / (min(width, height) * scale))
    return ceil(width * scale / _TILE) * ceil(height * scale / _TILE)


def _patches(width: int, height: int) -> int:
    count = ceil(width / _PATCH) * ceil(height / _PATCH)
    if count <= _MOST_PATCHES:
        return count
    # The image is scaled until whole patches fit in one direction, so that at most the largest number covers it.
    scale = sqrt(_PATCH**2 * _MOST_PATCHES / (width * height))
    wide, high = width * scale / _PATCH, height * scale / _PATCH
    scale *= min(max(1, int(wide)) / wide, max(1, int(high)) / high)
    return min(_MOST_PATCHES, ceil(width * scale / _PATCH) * ceil(height * scale / _PATCH))
