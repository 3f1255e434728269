"""The connection to a service: its settings, and a client of the SDK for each event loop.

The SDK's client holds a pool of connections, and a connection belongs to the event loop that opened it. So each loop
gets its own client, which is created at its first call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from openai import AsyncAzureOpenAI, AsyncOpenAI, Timeout

from recuerda._drivers.per_loop import PerLoop, leave_open
from recuerda.errors import ChatClientError, ConfigurationError

ApiKey: TypeAlias = str | Callable[[], Awaitable[str]]
"""A key, or a function that returns a fresh key before each call, such as a Microsoft Entra ID token provider."""

OPENAI_URL = "https://api.openai.com/v1"
CONNECT_TIMEOUT_S = 5.0
_NO_KEY = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The settings of a connection, which are the arguments of `OpenAIChatClient`.

    Raises:
        ConfigurationError: a setting is missing or invalid, or settings contradict one another.
    """

    api_key: ApiKey | None = field(default=None, repr=False)
    base_url: str | None = None
    azure_endpoint: str | None = None
    api_version: str | None = None
    organization: str | None = None
    default_headers: Mapping[str, str] | None = field(default=None, repr=False)
    timeout_s: float = 600.0
    max_retries: int = 2

    def __post_init__(self) -> None:
        self._check_address()
        self._check_key()
        if self.timeout_s <= 0:
            raise ConfigurationError("timeout_s must be over 0 seconds")
        if self.max_retries < 0:
            raise ConfigurationError("max_retries must be 0 or more")

    @property
    def url(self) -> str:
        """The address to which requests are sent."""
        if self.azure_endpoint is None:
            return self.base_url or OPENAI_URL
        endpoint = self.azure_endpoint.rstrip("/").removesuffix("/v1").removesuffix("/openai")
        return f"{endpoint}/openai" if self.api_version else f"{endpoint}/openai/v1/"

    def new_client(self) -> AsyncOpenAI:
        """Return a new client of the SDK. It has no connection yet."""
        # If a setting were left out here, the SDK would read it from the process's environment.
        key = self.api_key or _NO_KEY
        timeout = Timeout(self.timeout_s, connect=min(self.timeout_s, CONNECT_TIMEOUT_S))
        if self.azure_endpoint is not None and self.api_version:
            return AsyncAzureOpenAI(
                azure_endpoint=self.url.removesuffix("/openai"),
                api_version=self.api_version,
                api_key=key,
                organization=self.organization,
                timeout=timeout,
                max_retries=self.max_retries,
                default_headers=self.default_headers,
            )
        return AsyncOpenAI(
            base_url=self.url,
            api_key=key,
            organization=self.organization,
            timeout=timeout,
            max_retries=self.max_retries,
            default_headers=self.default_headers,
        )

    def _check_address(self) -> None:
        if self.base_url is not None and self.azure_endpoint is not None:
            raise ConfigurationError("base_url and azure_endpoint both name the service: give only one of them")
        if self.api_version is not None and self.azure_endpoint is None:
            raise ConfigurationError("api_version is for Azure OpenAI only: give azure_endpoint too, or leave it out")
        for name, url in (("base_url", self.base_url), ("azure_endpoint", self.azure_endpoint)):
            if url is None:
                continue
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.netloc:
                raise ConfigurationError(f"{name} must be an http:// or https:// address, such as https://host/v1")
            if "@" in parts.netloc:
                raise ConfigurationError(f"{name} contains credentials: use api_key or default_headers instead")

    def _check_key(self) -> None:
        if not self.api_key and self.base_url is None:
            raise ConfigurationError(
                "an api_key is needed: give one, or use from_env() to read it from the environment. "
                "(Only a compatible server, given by base_url, may need none.)"
            )
        # The HTTP library's own error about the header would show the key.
        if isinstance(self.api_key, str) and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ConfigurationError("api_key has a character that an HTTP header cannot contain, such as a line break")


def public_url(url: str) -> str:
    """Return the address without its user, password and query, which may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class Reached:
    """A service that can be called: its SDK clients, its address without secrets, and its timeout in seconds."""

    clients: PerLoop[AsyncOpenAI]
    url: str
    timeout_s: float | None

    @classmethod
    def of(cls, client: AsyncOpenAI | None, settings: Mapping[str, Any]) -> Reached:
        """Return a service, from a ready SDK client or from settings. A setting of None counts as not given.

        Raises:
            ConfigurationError: both a client and settings are given, a setting is missing or invalid, or settings
                contradict one another.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        if client is None:
            connection = Connection(**given)
            clients = PerLoop(connection.new_client, AsyncOpenAI.close, refusal=_closed)
            return cls(clients, public_url(connection.url), connection.timeout_s)
        if given:
            raise ConfigurationError(f"a ready client has settings of its own: leave out {', '.join(given)}")
        return cls(PerLoop(lambda: client, leave_open), public_url(str(client.base_url)), None)


def _closed() -> ChatClientError:
    return ChatClientError("this chat client has been closed: create a new one")
