"""The list of threads, and the pages of one thread."""

from recuerda.studio.page import page
from recuerda.studio.threads.listing import list_threads

ROUTES = (*page("/threads", list_threads, "threads.html", parts={"rows": "threads_rows.html"}),)

__all__ = ["ROUTES"]
