"""One thread's messages, as an agent uses them.

`handle.py` has `ChatMessageStore`, the handle over any storage; `protocol.py` what an application's own store has to
offer to be used in its place.
"""

from recuerda.store.handle import ChatMessageStore
from recuerda.store.protocol import ChatMessageStoreProtocol

__all__ = ["ChatMessageStore", "ChatMessageStoreProtocol"]
