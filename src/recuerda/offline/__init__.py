"""Chat clients without a language model, for a first try without a key and for demonstrations.

`OfflineChatClient` answers questions in English and Spanish about facts that people state about themselves: name,
place, work, age, tastes, "my … is …", "remember that …". It knows only the messages that it is sent, so its answers
show what the memory around it remembered. To any other question it replies that it is not a language model.

`facts.py` reads messages, `answers.py` writes replies, and each language has a table, in `english.py` and `spanish.py`.
"""

from recuerda.offline.client import OfflineChatClient
from recuerda.offline.notes import OfflineNotesClient

__all__ = ["OfflineChatClient", "OfflineNotesClient"]
