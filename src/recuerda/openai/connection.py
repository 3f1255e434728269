"""How the service is reached: the settings, and an SDK client per event loop.

The SDK's client holds a pool of connections, and a connection belongs to the event loop that opened it. So each loop
gets a client of its own, made at its first call.
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
"""A key, or a function that returns a fresh one before each call, such as a Microsoft Entra ID token provider."""

OPENAI_URL = "https://api.openai.com/v1"
CONNECT_TIMEOUT_S = 5.0
_NO_KEY = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The settings of a service; the arguments of `OpenAIChatClient`, which describes them.

    Raises:
        ConfigurationError: they contradict one another, or something is missing.
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
        """The address that requests go to."""
        if self.azure_endpoint is None:
            return self.base_url or OPENAI_URL
        endpoint = self.azure_endpoint.rstrip("/").removesuffix("/v1").removesuffix("/openai")
        return f"{endpoint}/openai" if self.api_version else f"{endpoint}/openai/v1/"

    def new_client(self) -> AsyncOpenAI:
        """Return a client of the SDK, with no connection yet."""
        # What is left out here, the SDK would read from the process's environment.
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
            raise ConfigurationError("give base_url or azure_endpoint: both say where the service is")
        if self.api_version is not None and self.azure_endpoint is None:
            raise ConfigurationError("api_version goes with azure_endpoint")
        for name, url in (("base_url", self.base_url), ("azure_endpoint", self.azure_endpoint)):
            if url is None:
                continue
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.netloc:
                raise ConfigurationError(f"{name} must be an http:// or https:// address")
            if "@" in parts.netloc:
                raise ConfigurationError(f"{name} must hold no credentials: use api_key or default_headers")

    def _check_key(self) -> None:
        if not self.api_key and self.base_url is None:
            raise ConfigurationError(
                "an api_key is needed: give one, or use OpenAIChatClient.from_env(). "
                "(Only a server of your own, named by base_url, may do without.)"
            )
        # The HTTP library would refuse the header with an error that shows the key.
        if isinstance(self.api_key, str) and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ConfigurationError("api_key has a character that no header can carry, such as a line break: strip it")


def public_url(url: str) -> str:
    """Return the address without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class Reached:
    """A service that can be asked: its SDK clients, its address for people, and the seconds that an answer may take."""

    clients: PerLoop[AsyncOpenAI]
    url: str
    timeout_s: float | None

    @classmethod
    def of(cls, client: AsyncOpenAI | None, settings: Mapping[str, Any]) -> Reached:
        """Use a ready client, or make some of a connection's settings, of which None is as good as nothing.

        Raises:
            ConfigurationError: both are given, or the settings contradict one another.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        if client is None:
            connection = Connection(**given)
            clients = PerLoop(connection.new_client, AsyncOpenAI.close, refusal=_closed)
            return cls(clients, public_url(connection.url), connection.timeout_s)
        if given:
            raise ConfigurationError(f"a ready client has its own settings; do not give {', '.join(given)} as well")
        return cls(PerLoop(lambda: client, leave_open), public_url(str(client.base_url)), None)


def _closed() -> ChatClientError:
    return ChatClientError("this chat client has been closed: make a new one")
