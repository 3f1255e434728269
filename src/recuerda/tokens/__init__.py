"""How many tokens messages cost, before the model says it."""

from recuerda.tokens.counter import (
    ESTIMATES,
    TOKENS_PER_FILE,
    TOKENS_PER_MESSAGE,
    Size,
    TokenCounter,
    ToolSchema,
    as_text,
    estimate_tokens,
    has_files,
)
from recuerda.tokens.encodings import TextEncoding

__all__ = [
    "ESTIMATES",
    "TOKENS_PER_FILE",
    "TOKENS_PER_MESSAGE",
    "Size",
    "TextEncoding",
    "TokenCounter",
    "ToolSchema",
    "as_text",
    "estimate_tokens",
    "has_files",
]
