"""The page of what the model saw with a turn, or would see now."""

from recuerda.studio.page import page
from recuerda.studio.seen.seeing import show_seen

_THREAD = "/threads/{thread_id}"

ROUTES = (
    *page(f"{_THREAD}/seen", show_seen, "seen.html"),
    *page(f"{_THREAD}/turns/{{number}}/seen", show_seen, "seen.html"),
)

__all__ = ["ROUTES"]
