"""The address of a database, in two forms: with its secrets for the driver, and without them for people.

A URL may hold a password, so only the driver gets it. Errors and logs name the place, which is `host:port/database`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from recuerda.errors import ConfigurationError

DEFAULT_SCHEMA = "recuerda"

_SCHEMA = re.compile(r"\w[\w .-]*")


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """A database: `conninfo` is for the driver, `place` is for people."""

    conninfo: str = field(repr=False)
    place: str

    @classmethod
    def parse(cls, url: str, *, application_name: str, timeout_s: float) -> PostgresAddress:
        """Read a URL or a libpq connection string.

        Settings that the URL leaves out get values with which a connection to a vanished machine ends by itself. All
        settings are sent while connecting, which PgBouncer allows, and none are sent by SET.

        Raises:
            ConfigurationError: the URL cannot be read. The error does not quote it, because it may hold a password.
        """
        given = _read(url)
        if given is None:
            raise ConfigurationError(
                "the PostgreSQL URL cannot be read; write it as postgresql://user:password@host:5432/database, with "
                "special characters of the password percent-encoded"
            )
        defaults = {
            "application_name": application_name,
            "client_encoding": "utf8",
            "connect_timeout": max(2, round(timeout_s)),
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        }
        database = given.get("dbname") or given.get("service") or "default database"
        return cls(conninfo=make_conninfo("", **(defaults | given)), place=f"{_hosts(given)}/{database}")


def split_schema(url: str) -> tuple[str, str]:
    """Return a URL without its `schema` parameter, and the schema; libpq knows no such parameter."""
    address, _, query = url.partition("?")
    options = query.split("&") if query else []
    others = [option for option in options if not option.startswith("schema=")]
    schemas = [unquote(option.removeprefix("schema=")) for option in options if option not in others]
    return "?".join([address, "&".join(others)] if others else [address]), (schemas or [DEFAULT_SCHEMA])[-1]


def check_schema(schema: str) -> str:
    """Return the name of a schema if PostgreSQL and our SQL allow it.

    Raises:
        ConfigurationError: the name has characters other than letters, digits, `_`, `-`, `.` and spaces, or over 63
            bytes, or PostgreSQL reserves it.
    """
    if not _SCHEMA.fullmatch(schema) or len(schema.encode()) > 63 or schema.startswith("pg_"):
        raise ConfigurationError(
            f"{schema!r} cannot be the schema; use up to 63 letters, digits, '_', '-', '.' and spaces, and a beginning "
            "other than 'pg_'"
        )
    return schema


def _hosts(given: Mapping[str, Any]) -> str:
    """Return the hosts, each with its port if one is given."""
    hosts = str(given.get("host") or given.get("hostaddr") or "local socket").split(",")
    ports = str(given.get("port") or "").split(",")
    pairs = zip(hosts, ports if len(ports) == len(hosts) else ports * len(hosts), strict=False)
    return ",".join(f"{host}:{port}" if port else host for host, port in pairs)


def _read(url: str) -> dict[str, Any] | None:
    # The driver's error quotes the text that it cannot read, so not even the chain of causes may hold that error.
    try:
        return dict(conninfo_to_dict(url))
    except (psycopg.Error, UnicodeError):
        return None
