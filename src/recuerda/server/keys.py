"""Bearer keys and their tenants.

The key file holds only the SHA-256 of a key, from which the key cannot be recovered:

[tenants]
acme = ["sha256:2bb8…"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from recuerda._drivers.bearer_keys import BearerKeys, digest_of, read_digest, written_digest
from recuerda.errors import ConfigurationError
from recuerda.server.names import TENANT

KEYS_VARIABLE = "RECUERDA_SERVER_KEYS"
_MIN_KEY_LENGTH = 16


class TenantKeys(BearerKeys[str]):
    """The keys that the service accepts.

    Args:
        digests: the tenant of each key, by the key's SHA-256 in hexadecimal. A tenant may have several keys.
    """

    @property
    def tenants(self) -> int:
        """The number of tenants."""
        return len(set(self.holders))

    def tenant_of(self, key: str) -> str | None:
        """Return the tenant of a key that a client sent; None when no tenant has this key."""
        return self.holder_of(key)


def file_line(tenant: str, key: str) -> str:
    """Return the line of a key file that makes the server accept a key.

    Raises:
        ConfigurationError: the tenant's name is not allowed.
    """
    return f'{_checked_tenant(tenant)} = ["{written_digest(key)}"]'


def read_keys(path: Path | None, variable: str | None) -> TenantKeys:
    """Return the keys of a key file and of an environment variable together.

    Args:
        path: a TOML file with a table `[tenants]`, which has a list of `sha256:` digests for each tenant; or None.
        variable: the value of `RECUERDA_SERVER_KEYS`, which has `tenant=key` pairs with commas between them; or None.

    Raises:
        ConfigurationError: the file or the variable is invalid. The error names the tenant and shows no key.
    """
    digests: dict[str, str] = {}
    for tenant, digest in (*_file_pairs(path), *_variable_pairs(variable)):
        if digests.setdefault(digest, tenant) != tenant:
            raise ConfigurationError(f"tenants {digests[digest]!r} and {tenant!r} have the same key: give each its own")
    return TenantKeys(digests)


def read_recall_ways(path: Path | None) -> dict[str, str]:
    """Return the table `[recall]` of a key file: the way of each tenant that it names; see `settings.RecallWay`.

    Raises:
        ConfigurationError: the file or the table is invalid.
    """
    table = None if path is None else _content(path).get("recall")
    if table is None:
        return {}
    if not isinstance(table, dict):
        raise ConfigurationError(f"[recall] in the key file {path} is not a table")
    ways: dict[str, str] = {}
    for tenant, way in cast("dict[str, object]", table).items():
        if not isinstance(way, str):
            raise ConfigurationError(f'tenant {tenant!r} below [recall] in {path} needs a text, such as "user"')
        ways[_checked_tenant(tenant)] = way
    return ways


def _content(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"the key file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # The parser's error may quote a piece of the file.
        raise ConfigurationError(f"the key file {path} is not valid TOML") from None


def _file_pairs(path: Path | None) -> Iterable[tuple[str, str]]:
    if path is None:
        return
    tenants = _content(path).get("tenants")
    if not isinstance(tenants, dict) or not tenants:
        raise ConfigurationError(f"the key file {path} needs a table [tenants] with at least one tenant")
    for tenant, listed in cast("dict[str, object]", tenants).items():
        _checked_tenant(tenant)
        digests = cast("list[object]", listed if isinstance(listed, list) else [listed])
        for digest in digests:
            if (known := read_digest(digest)) is None:
                raise ConfigurationError(
                    f'tenant {tenant!r} in {path} needs a list of "sha256:" digests; '
                    "`recuerda serve --new-key NAME` makes a key and prints its line"
                )
            yield tenant, known


def _variable_pairs(variable: str | None) -> Iterable[tuple[str, str]]:
    for pair in (variable or "").split(","):
        if not pair.strip():
            continue
        tenant, equals, key = pair.strip().partition("=")
        if not equals:
            raise ConfigurationError(f"{KEYS_VARIABLE} must hold tenant=key pairs with commas between them")
        _checked_tenant(tenant)
        if len(key) < _MIN_KEY_LENGTH:
            raise ConfigurationError(
                f"the key of tenant {tenant!r} in {KEYS_VARIABLE} has fewer than {_MIN_KEY_LENGTH} characters"
            )
        yield tenant, digest_of(key)


def _checked_tenant(tenant: str) -> str:
    if TENANT.fullmatch(tenant) is None:
        raise ConfigurationError(
            f"{tenant!r} cannot be a tenant's name: use up to 64 letters, digits, dots, dashes and underscores"
        )
    return tenant
