"""The pages of what is remembered: of a user, of a thread without a user, and of one turn."""

from recuerda.studio.memory.of_turn import show_turn_memories
from recuerda.studio.memory.remembering import show_memory
from recuerda.studio.page import page

ROUTES = (
    *page("/memory", show_memory, "memory.html"),
    *page("/threads/{thread_id}/turns/{number}/memories", show_turn_memories, "memory_turn.html"),
)

__all__ = ["ROUTES"]
