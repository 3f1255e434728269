"""Compaction: a model writes notes that take the place of a conversation.

OpenAI's notes are sealed, and only OpenAI can read them. The notes of this service are plain text in the same field, so
that every node can read them. They are material from the client like any other input: the model is told that they are
notes, and not instructions.
"""

from __future__ import annotations

import secrets
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from recuerda.agent.summarizer import INSTRUCTIONS, NOTES_BYTES
from recuerda.agent.transcript import transcript
from recuerda.json_value import JsonObject
from recuerda.messages.message import Turn
from recuerda.server.faults import ApiFault
from recuerda.server.requests import Item

_MARK = "recuerda."
_HEAD = "Notes on the earlier part of this conversation:\n\n"


def compaction_body(turns: Sequence[Turn], *, model: str) -> JsonObject:
    """Return the body of the call in which the model writes the notes."""
    messages = [message for turn in turns for message in turn.messages]
    text = f"Notes so far:\n\n(none yet)\n\nNext part of the conversation:\n\n{transcript(messages)}"
    rules = f"{INSTRUCTIONS}\nWrite at most {NOTES_BYTES} characters; leave out the least important."
    return {"model": model, "messages": [{"role": "system", "content": rules}, {"role": "user", "content": text}]}


def compaction_item(notes: str) -> Item:
    """Return the item that holds the notes.

    Raises:
        ApiFault: the notes are empty.
    """
    if not notes.strip():
        raise ApiFault(502, "The model wrote no notes. Try again.", code="upstream_error")
    sealed = f"{_MARK}{urlsafe_b64encode(notes.strip().encode()).decode()}"
    return {"id": f"cmp_{secrets.token_hex(24)}", "type": "compaction", "encrypted_content": sealed}


def notes_in(item: Item) -> str | None:
    """Return the notes that an item holds, as the model is given them; None if this service did not make the item."""
    sealed: Any = item.get("encrypted_content")
    if item.get("type") != "compaction" or not isinstance(sealed, str) or not sealed.startswith(_MARK):
        return None
    try:
        notes = b64decode(sealed.removeprefix(_MARK), altchars=b"-_", validate=True).decode()
    except ValueError:  # not base64, or not text
        return None
    return f"{_HEAD}{notes}" if notes else None
