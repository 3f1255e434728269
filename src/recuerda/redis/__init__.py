"""Threads on a Redis server, which many processes and machines can use at once.

`RedisStorage` is the storage. `RedisChatMessageStore` is one thread of it, with the arguments of Agent Framework's
store of that name. `RedisProvider` is a memory across threads, built on the query engine. `scripts/` has the scripts
that run inside the server, `wire.py` the format of the stored bytes, `server.py` the connections, and `search/` the
memories.
"""

from recuerda.errors import MissingExtraError

try:
    import redis as _redis  # noqa: F401  # pyright: ignore[reportUnusedImport] - fail early
except ImportError:
    raise MissingExtraError(module="recuerda.redis", extra="redis") from None

from recuerda.redis.lists import import_legacy_list
from recuerda.redis.provider import RedisProvider
from recuerda.redis.search.documents import RedisMemory
from recuerda.redis.storage import RedisStorage
from recuerda.redis.store import RedisChatMessageStore

__all__ = ["RedisChatMessageStore", "RedisMemory", "RedisProvider", "RedisStorage", "import_legacy_list"]
