"""The content of threads: messages with their parts, turns, and their encoding as bytes."""

from recuerda.messages.codec import decode_turn, encode_turn
from recuerda.messages.message import (
    ChatMessage,
    Content,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    Turn,
    TurnRuns,
    UnknownContent,
    UriContent,
    Usage,
    UsageContent,
)

__all__ = [
    "ChatMessage",
    "Content",
    "DataContent",
    "FunctionCallContent",
    "FunctionResultContent",
    "HostedFileContent",
    "RefusalContent",
    "TextContent",
    "TextReasoningContent",
    "Turn",
    "TurnRuns",
    "UnknownContent",
    "UriContent",
    "Usage",
    "UsageContent",
    "decode_turn",
    "encode_turn",
]
