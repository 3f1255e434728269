"""From a URL to a storage: the one door, for code, the command line and `RECUERDA_STORAGE`.

Backends are named by text and imported when asked for, so that `import recuerda` stays light and no driver is needed
that is not used.
"""

from __future__ import annotations

import importlib
from urllib.parse import urlsplit

from recuerda.errors import ConfigurationError
from recuerda.storage.contract import Storage

URL_SCHEMES: dict[str, str] = {
    "memory": "recuerda.storage.ram:MemoryStorage",
    "sqlite": "recuerda.sqlite:SQLiteStorage",
    "file": "recuerda.file:FileStorage",
    "postgresql": "recuerda.postgres:PostgresStorage",
    "postgres": "recuerda.postgres:PostgresStorage",
    "cosmos": "recuerda.cosmos:CosmosStorage",
    "redis": "recuerda.redis:RedisStorage",
    "rediss": "recuerda.redis:RedisStorage",
}
"""Where the storage of each URL scheme lives: one line per backend."""


def open_storage(url: str) -> Storage:
    """Return the storage that a URL names, without connecting yet.

    Args:
        url: `memory:`, `sqlite:///relative.db` (four slashes for an absolute path), `file:///folder`,
            `redis://host:6379/0`, `postgresql://user:password@host/database` or
            `cosmos://account.documents.azure.com/database/container`; each storage's class tells its options.

    Raises:
        ConfigurationError: for a URL that names no known storage; it lists those there are.
        MissingExtraError: when the storage's optional dependency is not installed.
    """
    scheme = urlsplit(url).scheme
    target = URL_SCHEMES.get(scheme)
    if target is None:
        known = ", ".join(sorted(URL_SCHEMES))
        raise ConfigurationError(f"no storage is named by a URL of scheme {scheme!r}; there are: {known}")
    module, _, name = target.partition(":")
    storage: type[Storage] = getattr(importlib.import_module(module), name)
    return storage.from_url(url)
