"""A chat client without a language model: for trying things out with no key, and for demonstrations.

It answers questions about what people said of themselves (name, place, work, age, tastes, "my … is …", "remember that
…"), in English and Spanish, only from the messages that it is sent. So what it knows is what the memory around it
remembered. Whatever else it is asked, it says what it is. `facts.py` reads messages, `answers.py` writes replies, and
each language is one table: `english.py`, `spanish.py`.
"""

from recuerda.offline.client import OfflineChatClient
from recuerda.offline.notes import OfflineNotesClient

__all__ = ["OfflineChatClient", "OfflineNotesClient"]
