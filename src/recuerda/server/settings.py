"""The settings of a server."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec

from recuerda._drivers.hosts import is_loopback
from recuerda.errors import ConfigurationError
from recuerda.server.tools import HostedTools
from recuerda.window.window import ContextWindow

DEFAULT_WINDOW = ContextWindow(max_tokens=100_000)
"""The default window: about as many tokens as today's models can read."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits for one connection, for one request, for one tenant and for the whole server.

    The limits of connections are kept by `recuerda serve` and `recuerda.server.serve`. Another ASGI server that runs
    the application has limits of its own.

    Attributes:
        max_connections: the largest number of open connections; None for half of the files that the process may open.
            When there are more, the connection is closed that has waited longest for its client's request, or for its
            client to read. If all connections are being answered, a new one is refused with status 503.
        max_head_bytes: the size of the longest head of a request. A longer head is refused with status 431.
        max_headers: the largest number of headers of a request; more are refused with status 431.
        head_s: the seconds in which a client must send the head of a request, from its first byte or from the beginning
            of the connection. Then the request is refused with status 408.
        idle_s: the seconds after which a connection without a request is closed.
        send_s: the seconds after which a connection is closed if its client does not read the answer.
        max_pipelined: the largest number of requests on one connection that wait for the answer before them. The
            connection is closed after the answer to the last one.
        max_body_bytes: the size of the longest accepted request in bytes. A longer request is refused with status 413.
        max_file_bytes: the size of the largest file that may be uploaded, in bytes. A larger file is refused with
            status 413.
        body_s: the seconds in which a client must send the body, and one second more for each `body_bytes_per_s` that
            have arrived. Then the request is refused with status 408.
        body_bytes_per_s: the slowest rate at which a long body may arrive.
        max_buffered_bytes: the largest total size of the long bodies (of over 64 KB) that are in memory at the same
            time. A further long body is refused with status 503.
        max_json_depth: the deepest nesting of a request's JSON. It is less than a storage accepts, so that no request
            with a response that cannot be kept is sent to the model.
        max_json_values: the largest number of values (strings, numbers, objects, and so on) in a request's JSON. More
            are refused with status 413.
        max_input_items: the largest number of input items in a request for a response.
        requests_per_minute: the largest number of requests that a tenant may make in a minute. Further requests are
            refused with status 429. None for no limit.
        max_in_flight: the largest number of model calls that may run at the same time. Further calls are refused with
            status 503.
        queue_s: the seconds that a request waits for another request on the same conversation. Then it is refused with
            status 409.
    """

    max_connections: int | None = None
    max_head_bytes: int = 32 * 1024
    max_headers: int = 100
    head_s: float = 10.0
    idle_s: int = 75
    send_s: float = 60.0
    max_pipelined: int = 16
    max_body_bytes: int = 16 * 1024 * 1024
    max_file_bytes: int = 50 * 1024 * 1024
    body_s: float = 20.0
    body_bytes_per_s: int = 16 * 1024
    max_buffered_bytes: int = 256 * 1024 * 1024
    max_json_depth: int = 64
    max_json_values: int = 50_000
    max_input_items: int = 1000
    requests_per_minute: int | None = None
    max_in_flight: int = 256
    queue_s: float = 60.0


RecallWay: TypeAlias = Literal["auto", "user", "tenant", "off"]
"""The ways to choose the memories for a request of a tenant.

"user" takes the memories of the user whom the request names in `safety_identifier`, or else in `user`; a request that
names nobody gets none. "tenant" takes the memories of the whole tenant. "auto" takes the memories of the user whom the
request names or, if it names nobody, of the tenant's conversations in which nobody is named. "off" takes none.
"""


class RecallSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The memories of earlier conversations that are put into requests.

    Attributes:
        index: the path or the URL of the index of memories; see `RecallProvider`. If None, it is beside the storage.
        way: the way for tenants that `tenants` does not name, and for a server without keys.
        tenants: the ways of tenants, by their names.
        limit: the largest number of memories that a request gets.
        max_characters: the largest number of characters of all quotes together.
        max_quote_characters: the largest number of characters of one quote.
        timeout_s: the seconds to wait for memories. After that, the request is answered without memories.
    """

    index: str | None = None
    way: RecallWay = "auto"
    tenants: Mapping[str, RecallWay] = MappingProxyType({})
    limit: int = 10
    max_characters: int = 6_000
    max_quote_characters: int = 600
    timeout_s: float = 5.0


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide how the service answers.

    Attributes:
        model: the model for requests that do not name one.
        window: the part of a conversation that is sent to the model.
        limits: the limits on requests; see `Limits`.
        hosted_tools: what happens to the tools of a request that only OpenAI's own servers can run: "refuse" refuses
            the request, "ignore" leaves them out, and "auto" leaves them out only if the request has functions as well.
            A response names the tools that were left out in its metadata.
        recall: the memories that requests get; None for no memories.
        cors_origins: the origins of the web pages that may call the service from a browser, such as
            `https://example.org`.
        warm_bytes: the number of bytes of threads that are kept in memory, so that a request on one of them reads only
            the turns that are new. The least recently used threads go first. Whole threads, which lists of items read,
            get the same number once more.
    """

    model: str
    window: ContextWindow = DEFAULT_WINDOW
    limits: Limits = Limits()
    hosted_tools: HostedTools = "auto"
    recall: RecallSettings | None = None
    cors_origins: tuple[str, ...] = ()
    warm_bytes: int = 64_000_000


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
