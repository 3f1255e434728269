"""The turns that wait for a person, and the decisions about them."""

from recuerda.studio.inbox.deciding import decide
from recuerda.studio.inbox.listing import show_inbox
from recuerda.studio.page import action, page

ROUTES = (*page("/inbox", show_inbox, "inbox.html"), *action("/threads/{thread_id}/decide", decide))

__all__ = ["ROUTES"]
