"""The list of threads, and the pages of one thread."""

from recuerda.studio.page import page, stream
from recuerda.studio.threads.branches import show_branches
from recuerda.studio.threads.comparing import show_comparison
from recuerda.studio.threads.files import send_file
from recuerda.studio.threads.listing import list_threads
from recuerda.studio.threads.live import stream_thread
from recuerda.studio.threads.thread import show_thread, show_turn

_THREAD = "/threads/{thread_id}"
_TURN = f"{_THREAD}/turns/{{number}}"

ROUTES = (
    *page("/threads", list_threads, "threads.html"),
    *page(_THREAD, show_thread, "thread.html", parts={"turns": "thread_turns.html"}),
    *stream(f"{_THREAD}/live", stream_thread),
    *page(f"{_THREAD}/branches", show_branches, "thread_branches.html"),
    *page(f"{_THREAD}/compare/{{other_id}}", show_comparison, "thread_compare.html"),
    *page(_TURN, show_turn, "thread_turn.html"),
    *stream(f"{_TURN}/files/{{file}}", send_file),
)

__all__ = ["ROUTES"]
