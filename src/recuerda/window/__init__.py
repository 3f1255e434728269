"""The part of a thread that is sent to a model: choosing it, making it fit, counting it, summing up the rest."""

from recuerda.window.encodings import TextEncoding
from recuerda.window.repair import mend
from recuerda.window.summary import Summary, decode_summary, encode_summary
from recuerda.window.tokens import TokenCounter
from recuerda.window.window import ContextWindow, group_turns

__all__ = [
    "ContextWindow",
    "Summary",
    "TextEncoding",
    "TokenCounter",
    "decode_summary",
    "encode_summary",
    "group_turns",
    "mend",
]
