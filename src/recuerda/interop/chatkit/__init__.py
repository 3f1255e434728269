"""A store of ChatKit on any storage.

Needs the extra `chatkit`:

    store = RecuerdaStore("sqlite:///memory.db", user_of=lambda context: context.user_id)
    server = MyChatKitServer(store)
"""

import importlib.util

from recuerda.errors import MissingExtraError

if importlib.util.find_spec("chatkit") is None:
    raise MissingExtraError(module="recuerda.interop.chatkit", extra="chatkit")

from recuerda.interop.chatkit.store import RecuerdaStore, generate_id

__all__ = ["RecuerdaStore", "generate_id"]
