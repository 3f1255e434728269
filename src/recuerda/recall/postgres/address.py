"""Which database: from a URL to what the driver is told, and to a name that may be shown.

A URL may hold a password. It goes into the driver and nowhere else: errors and logs name the place, which is
`host:port/database`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from recuerda.errors import ConfigurationError

DEFAULT_SCHEMA = "recuerda"

_SCHEMA = re.compile(r"\w[\w .-]*")


@dataclass(frozen=True, slots=True)
class Address:
    """A database, as the driver is told (`conninfo`) and as people are (`place`)."""

    conninfo: str = field(repr=False)
    place: str

    @classmethod
    def parse(cls, url: str, *, timeout_s: float) -> Address:
        """Read a URL or a libpq connection string.

        Raises:
            ConfigurationError: it cannot be read. The text does not repeat it: it may hold a password.
        """
        given = _read(url)
        if given is None:
            raise ConfigurationError(
                "the URL of the index cannot be read; it is like postgresql://user:password@host:5432/database, with "
                "special characters of the password percent-encoded"
            )
        defaults = {
            "application_name": "recuerda recall",
            "client_encoding": "utf8",
            "connect_timeout": max(2, round(timeout_s)),
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        }
        host = given.get("host") or given.get("hostaddr") or "local socket"
        port = f":{given['port']}" if given.get("port") else ""
        database = given.get("dbname") or given.get("service") or "default database"
        return cls(conninfo=make_conninfo("", **(defaults | given)), place=f"{host}{port}/{database}")


def split_schema(url: str) -> tuple[str, str]:
    """Return a URL without its `schema` parameter, and the schema; libpq knows no such parameter."""
    address, _, query = url.partition("?")
    options = query.split("&") if query else []
    others = [option for option in options if not option.startswith("schema=")]
    schemas = [unquote(option.removeprefix("schema=")) for option in options if option not in others]
    return "?".join([address, "&".join(others)] if others else [address]), (schemas or [DEFAULT_SCHEMA])[-1]


def check_schema(schema: str) -> str:
    """Return a schema's name, if it can be one.

    Raises:
        ConfigurationError: for other characters than letters, digits, `_`, `-`, `.` and spaces, for over 63 bytes, and
            for names that PostgreSQL keeps for itself.
    """
    if not _SCHEMA.fullmatch(schema) or len(schema.encode()) > 63 or schema.startswith("pg_"):
        raise ConfigurationError(
            f"{schema!r} cannot be the schema: up to 63 letters, digits, '_', '-', '.' and spaces, and not pg_…"
        )
    return schema


def _read(url: str) -> dict[str, Any] | None:
    # The driver's error quotes what it cannot read, so not even the chain of causes may hold it.
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.Error:
        return None
