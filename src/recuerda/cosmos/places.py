"""The place of a container: endpoint, database and container, and the URL that names them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

from recuerda._drivers.hosts import is_loopback
from recuerda.errors import ConfigurationError

_FORM = "cosmos://ACCOUNT.documents.azure.com/DATABASE/CONTAINER"
_DEFAULT_NAME = "recuerda"


@dataclass(frozen=True, slots=True)
class ContainerPlace:
    """A container and its address. The text of this object contains no secrets."""

    endpoint: str
    database: str
    container: str
    verify: bool = True

    def __str__(self) -> str:
        return f"{self.endpoint or 'account of the given client'}/{self.database}/{self.container}"


def parse_url(url: str) -> tuple[ContainerPlace, str | None, timedelta | None]:
    """Return the place, the key and the time to live that a URL names; None for a missing key or time.

    Raises:
        ConfigurationError: the URL is malformed. The error does not quote it: in a malformed URL the key may be
            anywhere.
    """
    parts = urlsplit(url)
    names = [unquote(name) for name in parts.path.split("/") if name]
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    ttl, verify = options.pop("ttl", None), options.pop("verify", "true")
    if parts.scheme != "cosmos" or not parts.hostname or len(names) > 2 or options or parts.username:
        raise ConfigurationError(
            f"the URL of a Cosmos DB storage must be {_FORM}, optionally with ?ttl=SECONDS&verify=false"
        )
    if ttl is not None and not (ttl.isascii() and ttl.isdecimal()):
        raise ConfigurationError(
            "ttl in the URL of a Cosmos DB storage must be a number of seconds, such as ?ttl=86400"
        )
    if verify not in ("true", "false") or (verify == "false" and not is_loopback(parts.hostname)):
        raise ConfigurationError(
            "verify=false in the URL of a Cosmos DB storage works only for an emulator on this machine"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    database, container = (*names, *[_DEFAULT_NAME] * 2)[:2]
    place = ContainerPlace(f"https://{host}:{_port(url)}", database, container, verify == "true")
    key = unquote(parts.password) if parts.password else None
    return place, key, None if ttl is None else timedelta(seconds=int(ttl))


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or 443
    except ValueError:
        raise ConfigurationError("the port in the URL of a Cosmos DB storage must be a number") from None
