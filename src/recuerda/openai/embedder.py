"""Vectors from OpenAI's embeddings, or from any server with the same interface.

The settings, the connections and the error texts are the same as in the chat client.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self, Unpack

from openai import AsyncOpenAI, omit

from recuerda.errors import ChatClientError, ConfigurationError, EmbedderError
from recuerda.ids import check_limit
from recuerda.openai.connection import Reached
from recuerda.openai.environment import read_environment
from recuerda.openai.failures import FailedCall, failure_of, remove_secret, retry_after_of
from recuerda.openai.service import ConnectionSettings

_TEXTS_AT_ONCE = 256
_CHARACTERS_AT_ONCE = 200_000  # A request may have 300,000 tokens, and a character is rarely more than one token.


class OpenAIEmbedder:
    """Turns texts into vectors with a model of OpenAI, of Azure OpenAI, or of a server with OpenAI's embeddings.

    One embedder can be used from several event loops. The connections are closed by `close`, with their loop, or when
    this object is no longer used. Long lists of texts are sent in several requests. The service refuses an empty text,
    so a space is sent instead.

    Args:
        model_id: the model's name, such as `text-embedding-3-small`; on Azure, the deployment's name.
        dimensions: the length of the vectors, for models that can shorten them; None for the model's own length.
        max_characters: the largest number of characters that are sent of a text. The rest has no effect on the vector.
            In every language, the default stays within the 8,192 tokens that OpenAI's models accept.
        client: a ready client of the SDK; see `OpenAIChatClient`.
        connection: `api_key`, `base_url`, `azure_endpoint` and the other connection settings of `OpenAIChatClient`.

    Raises:
        ConfigurationError: an argument is missing, or arguments contradict one another.
    """

    def __init__(
        self,
        *,
        model_id: str,
        dimensions: int | None = None,
        max_characters: int = 8000,
        client: AsyncOpenAI | None = None,
        **connection: Unpack[ConnectionSettings],
    ) -> None:
        if not model_id:
            raise ConfigurationError("model_id must name an embedding model (on Azure a deployment)")
        reached = Reached.of(client, connection)
        self._model = model_id
        self._dimensions = None if dimensions is None else check_limit(dimensions, "dimensions")
        self._max_characters = check_limit(max_characters, "max_characters")
        self._is_closed = False
        self._clients, self._url, self._timeout_s = reached.clients, reached.url, reached.timeout_s

    @classmethod
    def from_env(
        cls, *, model_id: str, dimensions: int | None = None, environ: Mapping[str, str] | None = None
    ) -> Self:
        """Return an embedder for the service that environment variables name; see `OpenAIChatClient.from_env`.

        Args:
            model_id: the embedding model, or its deployment on Azure.
            dimensions: the length of the vectors; None for the model's own length.
            environ: the variables to read; None for the process's environment.

        Raises:
            ConfigurationError: a variable is not set. The error names each missing variable and its value.
        """
        settings = read_environment(os.environ if environ is None else environ, model_id=model_id)
        return cls(**settings, dimensions=dimensions)

    def __repr__(self) -> str:
        return f"OpenAIEmbedder(model_id={self.model_id!r}, url={self._url!r})"

    @property
    def model_id(self) -> str:
        """The model's name, followed by `/` and the dimensions if they are set.

        Vectors of different lengths cannot be compared, so they need different names.
        """
        return self._model if self._dimensions is None else f"{self._model}/{self._dimensions}"

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector for each text, in order.

        Raises:
            EmbedderError: the service refuses the request, fails or cannot be reached, or this embedder is closed.
        """
        vectors: list[list[float]] = []
        for batch in _batches([self._sent(text) for text in texts]):
            vectors += await self._ask(batch)
        return vectors

    async def close(self) -> None:
        """Close the connections of all event loops. Later calls fail. A client that was given stays open."""
        self._is_closed = True
        await self._clients.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _sent(self, text: str) -> str:
        return text[: self._max_characters].encode(errors="replace").decode() or " "

    async def _ask(self, texts: list[str]) -> list[list[float]]:
        if self._is_closed:
            raise EmbedderError("this embedder has been closed: create a new one")
        sdk = await self._client()
        try:
            answer = await sdk.embeddings.create(
                model=self._model,
                input=texts,
                dimensions=omit if self._dimensions is None else self._dimensions,
            )
            found = {item.index: list(item.embedding) for item in answer.data}
        except Exception as error:
            remove_secret(error, sdk.api_key)
            call = FailedCall(model_id=self._model, url=self._url, timeout_s=self._timeout_s)
            failure = failure_of(error, call)
            seconds = retry_after_of(error)
            raise EmbedderError(str(failure), status=failure.status, retry_after_s=seconds) from error
        if sorted(found) != list(range(len(texts))):
            raise EmbedderError(
                f"model {self._model!r} at {self._url}: {len(answer.data)} vectors came for {len(texts)} texts. "
                "Check that this is the address of a service with embeddings."
            )
        return [found[index] for index in range(len(texts))]

    async def _client(self) -> AsyncOpenAI:
        try:
            return await self._clients.get()
        except ChatClientError as error:
            raise EmbedderError("this embedder has been closed: create a new one") from error


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and (len(batch) == _TEXTS_AT_ONCE or size + len(text) > _CHARACTERS_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch
