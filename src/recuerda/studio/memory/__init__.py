"""The page of what is remembered: of a user, or of a thread without a user."""

from recuerda.studio.memory.remembering import show_memory
from recuerda.studio.page import page

ROUTES = (*page("/memory", show_memory, "memory.html"),)

__all__ = ["ROUTES"]
