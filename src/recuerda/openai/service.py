"""The base of the clients for OpenAI's interfaces: settings, the SDK's client, and error texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, Unpack

from openai import AsyncOpenAI

from recuerda.agent.client import ChatClient
from recuerda.errors import ChatClientError, ConfigurationError
from recuerda.openai.connection import ApiKey, Reached
from recuerda.openai.failures import FailedCall, failure_of, remove_secret

AZURE_HOST = ".openai.azure.com"


class ConnectionSettings(TypedDict, total=False):
    """The settings of a connection; `OpenAIChatClient` describes each setting.

    A setting of None counts as not given.
    """

    api_key: ApiKey | None
    base_url: str | None
    azure_endpoint: str | None
    api_version: str | None
    organization: str | None
    default_headers: Mapping[str, str] | None
    timeout_s: float | None
    max_retries: int | None


class OpenAIService(ChatClient):
    """A chat client with a model's name and a connection. A subclass makes the calls."""

    supports_json_schema: bool = True

    def __init__(
        self, *, model_id: str, client: AsyncOpenAI | None = None, **connection: Unpack[ConnectionSettings]
    ) -> None:
        if not model_id:
            raise ConfigurationError("model_id is empty: give the name of a model (on Azure, of a deployment)")
        reached = Reached.of(client, connection)
        self.model_id = model_id
        self._clients, self._url, self._timeout_s = reached.clients, reached.url, reached.timeout_s
        self.server_url: str | None = self._url
        self.provider_name: str | None = "azure.ai.openai" if AZURE_HOST in self._url else "openai"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model_id={self.model_id!r}, url={self._url!r})"

    async def close(self) -> None:
        """Close the connections of all event loops. Later calls fail. A client that was given stays open."""
        await self._clients.close()

    def _failure(
        self, error: Exception, sdk: AsyncOpenAI, *, model_id: str | None = None, has_begun: bool = False
    ) -> ChatClientError:
        """Return the error to raise, chained to the SDK's error."""
        remove_secret(error, sdk.api_key)
        call = FailedCall(
            model_id=model_id or self.model_id, url=self._url, timeout_s=self._timeout_s, has_begun=has_begun
        )
        return failure_of(error, call)
