"""The chat pane, in which a person tries the agent with which the studio was started."""

from recuerda.studio.chat.room import decide, decide_stream, send, show_chat, show_chats, stream
from recuerda.studio.page import action, page

_CHAT = "/chat/{thread_id}"

ROUTES = (
    *page("/chat", show_chats, "chats.html"),
    *page(_CHAT, show_chat, "chat.html"),
    *action(f"{_CHAT}/send", send),
    *action(f"{_CHAT}/stream", stream),
    *action(f"{_CHAT}/decide", decide),
    *action(f"{_CHAT}/decide-stream", decide_stream),
)

__all__ = ["ROUTES"]
