"""The part of a thread that is sent to a model: choose it, make it fit, count its tokens, and summarize the rest."""

from recuerda.window.choosing import LeftOut
from recuerda.window.explaining import Change, MessageReport, TurnReport, WindowReport
from recuerda.window.repair import mend
from recuerda.window.summary import Summary, decode_summary, encode_summary
from recuerda.window.tokens import TextEncoding, TokenCounter
from recuerda.window.window import ContextWindow, group_turns

__all__ = [
    "Change",
    "ContextWindow",
    "LeftOut",
    "MessageReport",
    "Summary",
    "TextEncoding",
    "TokenCounter",
    "TurnReport",
    "WindowReport",
    "decode_summary",
    "encode_summary",
    "group_turns",
    "mend",
]
