"""The settings of a server."""

from __future__ import annotations

import ipaddress

import msgspec

from recuerda.errors import ConfigurationError
from recuerda.window.window import ContextWindow

DEFAULT_WINDOW = ContextWindow(max_tokens=100_000)
"""The default window: about as many tokens as today's models can read."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits for one request, for one tenant and for the whole server.

    Attributes:
        max_body_bytes: the size of the longest accepted request in bytes. A longer request is refused with status 413.
        max_input_items: the largest number of input items in a request for a response.
        requests_per_minute: the largest number of requests that a tenant may make in a minute. Further requests are
            refused with status 429. None for no limit.
        max_in_flight: the largest number of model calls that may run at the same time. Further calls are refused with
            status 503.
        queue_s: the seconds that a request waits for another request on the same conversation. Then it is refused with
            status 409.
    """

    max_body_bytes: int = 16 * 1024 * 1024
    max_input_items: int = 1000
    requests_per_minute: int | None = None
    max_in_flight: int = 256
    queue_s: float = 60.0


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide how the service answers.

    Attributes:
        model: the model for requests that do not name one.
        window: the part of a conversation that is sent to the model.
        limits: the limits on requests; see `Limits`.
        max_warm_threads: the number of threads whose newest turns are kept in memory, so that a request on one of them
            reads only the turns that are new.
    """

    model: str
    window: ContextWindow = DEFAULT_WINDOW
    limits: Limits = Limits()
    max_warm_threads: int = 2000


def check_host(host: str, *, has_keys: bool) -> None:
    """Check that a server without keys listens only on this machine.

    Raises:
        ConfigurationError: the server has no keys, and other machines can reach the host.
    """
    if not has_keys and not is_loopback(host):
        raise ConfigurationError(
            f"a server without keys may listen on this machine only, and other machines can reach {host}: use "
            "--key-file or RECUERDA_SERVER_KEYS (recuerda serve --new-key NAME makes a key), or use --host 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Return whether a host name or address can be reached only from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
