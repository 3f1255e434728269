"""`open_storage`, which returns the storage that a URL names, for code, the command line and `RECUERDA_STORAGE`.

The table names each backend as text. A backend is imported when its URL is opened, so `import recuerda` stays light and
only the driver in use must be installed.
"""

from __future__ import annotations

import importlib

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
    "redis+sentinel": "recuerda.redis:RedisStorage",
    "rediss+sentinel": "recuerda.redis:RedisStorage",
}
"""The module and class of each URL scheme's storage: one line for each scheme."""


def open_storage(url: str) -> Storage:
    """Return the storage that a URL names, without connecting yet.

    Args:
        url: `memory:`, `sqlite:///relative.db` (four slashes for an absolute path), `file:///folder`,
            `redis://host:6379/0`, `redis+sentinel://host:26379/service`, `postgresql://user:password@host/database` or
            `cosmos://account.documents.azure.com/database/container`. The storage's class documents its options.

    Raises:
        ConfigurationError: no storage has the URL's scheme, or the storage refuses the URL.
        MissingExtraError: the storage's optional dependency is not installed.
    """
    if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
        raise ConfigurationError(
            f"a storage is opened by its URL, such as 'sqlite:///memory.db', not by a {type(url).__name__}"
        )
    scheme = scheme_of(url)
    target = URL_SCHEMES.get(scheme)
    if target is None:
        known = ", ".join(sorted(URL_SCHEMES))
        raise ConfigurationError(f"no storage has URLs with the scheme {scheme!r}: use one of {known}")
    module, _, name = target.partition(":")
    storage: type[Storage] = getattr(importlib.import_module(module), name)
    return storage.from_url(url)


def scheme_of(url: str) -> str:
    """Return the scheme of a storage's URL in lower case; "" for a text without a scheme."""
    # `urlsplit` refuses a URL with several IPv6 hosts.
    return url.partition(":")[0].lower() if ":" in url else ""
