"""What a server is told when it starts, in one value."""

from __future__ import annotations

import ipaddress

import msgspec

from recuerda.errors import ConfigurationError
from recuerda.window.window import ContextWindow

DEFAULT_WINDOW = ContextWindow(max_tokens=100_000)
"""What is sent of a conversation when nobody says otherwise: what today's models read, about."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request, one key and the server as a whole may ask for.

    Attributes:
        max_body_bytes: the longest request; a longer one is refused with 413.
        max_input_items: how many items one response may bring along.
        requests_per_minute: how many requests of one key; more are refused with 429. None for no limit.
        max_in_flight: how many calls of the model at once; more are refused with 503.
        queue_s: how many seconds a request waits for another one on the same conversation, before it is refused with
            409.
    """

    max_body_bytes: int = 16 * 1024 * 1024
    max_input_items: int = 1000
    requests_per_minute: int | None = None
    max_in_flight: int = 256
    queue_s: float = 60.0


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the service answers.

    Attributes:
        model: the model of requests that name none.
        window: the part of a conversation that is sent to the model.
        limits: see `Limits`.
        max_warm_threads: of how many threads the newest part is kept in memory, so that only what is new is read.
        is_open: True when there are no keys: requests must then come from this machine, and from no web page.
    """

    model: str
    window: ContextWindow = DEFAULT_WINDOW
    limits: Limits = Limits()
    max_warm_threads: int = 2000
    is_open: bool = False


def check_host(host: str, *, has_keys: bool) -> None:
    """Refuse to serve other machines without keys.

    Raises:
        ConfigurationError: there are no keys, and the host is not loopback.
    """
    if not has_keys and not is_loopback(host):
        raise ConfigurationError(
            f"without keys the service listens on this machine only, and {host} is more than that: give --key-file or "
            "RECUERDA_SERVER_KEYS (recuerda serve --new-key NAME makes a key), or --host 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Say whether a host name is this machine and nobody else can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
