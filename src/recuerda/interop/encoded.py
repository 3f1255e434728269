"""Bytes inside JSON, in the forms in which frameworks write them."""

from __future__ import annotations

from base64 import b64decode, b64encode, urlsafe_b64decode

from recuerda.messages.message import DataContent


def data_uri(content: DataContent) -> str:
    """Return a file as a data URI."""
    return f"data:{content.media_type};base64,{b64encode(content.data).decode()}"


def decoded(text: str) -> bytes | None:
    """Return the bytes of a base64 text; None for any other text."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


def urlsafe_decoded(text: str) -> bytes:
    """Return the bytes of pydantic's base64, which has letters that are safe in URLs, and may have no padding.

    Any other text gives its own bytes.
    """
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return text.encode()
