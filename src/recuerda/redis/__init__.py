"""Threads on a Redis server: for many processes and machines at once.

`RedisStorage` is a storage like any other; `RedisChatMessageStore` is one thread of it, with the arguments that Agent
Framework's store of that name took; `RedisProvider` is a memory across threads, in the query engine. `scripts.py` has
what runs inside of the server, `wire.py` the bytes that it keeps, `server.py` the connections, `search/` the memories.
"""

from recuerda.errors import MissingExtraError

try:
    import redis as _redis  # noqa: F401  # pyright: ignore[reportUnusedImport] - to tell early what to install
except ImportError:
    raise MissingExtraError(module="recuerda.redis", extra="redis") from None

from recuerda.redis.lists import import_legacy_list
from recuerda.redis.provider import RedisProvider
from recuerda.redis.search.documents import RedisMemory
from recuerda.redis.storage import RedisStorage
from recuerda.redis.store import RedisChatMessageStore

__all__ = ["RedisChatMessageStore", "RedisMemory", "RedisProvider", "RedisStorage", "import_legacy_list"]
