"""Threads, the stores of their messages, and their saved state."""

from recuerda.threads.forking import TurnReference
from recuerda.threads.history import StoredTurn
from recuerda.threads.protocol import ChatMessageStoreProtocol
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread

__all__ = [
    "AgentThread",
    "ChatMessageStore",
    "ChatMessageStoreProtocol",
    "StoredTurn",
    "TurnReference",
]
