"""A reranker of a service: of Cohere, Jina or Voyage, or of a server on your own machine such as vLLM's or llama.cpp's.

They share one interface, `POST …/rerank`. OpenAI has none, but its SDK can call it: with the key, the time limits, the
retries and the error texts of the chat client.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self, Unpack

import msgspec
from openai import AsyncOpenAI

from recuerda.errors import ChatClientError, ConfigurationError, RerankerError
from recuerda.openai.connection import OPENAI_URL, Reached
from recuerda.openai.failures import FailedCall, failure_of, remove_secret
from recuerda.openai.service import ConnectionSettings


class _Scored(msgspec.Struct):
    index: int
    relevance_score: float


class _Answer(msgspec.Struct):
    """The scores of an answer. Voyage calls the list `data`; Cohere, Jina and servers for open models `results`."""

    results: list[_Scored] | None = None
    data: list[_Scored] | None = None


class ServiceReranker:
    """Compare texts with a question, with the model of a service that has `POST …/rerank`.

    One reranker can be used from several event loops. The connections are closed by `close`, with their loop, or when
    this object is no longer used.

    Args:
        model_id: the model's name, such as `rerank-v3.5` or `jina-reranker-v2-base-multilingual`.
        client: a ready client of the SDK, in place of the connection's settings.
        connection: `base_url`, the address before `/rerank`: `https://api.cohere.com/v2`, `https://api.jina.ai/v1`,
            `https://api.voyageai.com/v1` or your own server's; `api_key` and the other settings of `OpenAIChatClient`.

    Raises:
        ConfigurationError: an argument is missing, or arguments contradict one another.
    """

    def __init__(
        self, *, model_id: str, client: AsyncOpenAI | None = None, **connection: Unpack[ConnectionSettings]
    ) -> None:
        if not model_id:
            raise ConfigurationError("model_id must name a reranking model")
        if client is None and connection.get("base_url") is None:
            raise ConfigurationError(
                f"{OPENAI_URL} has no rerankers: give base_url=, such as https://api.cohere.com/v2"
            )
        reached = Reached.of(client, connection)
        self._model = model_id
        self._is_closed = False
        self._clients, self._url, self._timeout_s = reached.clients, reached.url, reached.timeout_s

    def __repr__(self) -> str:
        return f"ServiceReranker(model_id={self._model!r}, url={self._url!r})"

    @property
    def model_id(self) -> str:
        """The model's name."""
        return self._model

    async def rerank(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return one score for each text, in order.

        Raises:
            RerankerError: the service refuses the request, fails or cannot be reached, its answer cannot be read, or
                this reranker is closed.
        """
        if not texts:
            return []
        sdk = await self._client()
        body = {"model": self._model, "query": _sent(question), "documents": [_sent(text) for text in texts]}
        try:
            answer = msgspec.convert(await sdk.post("/rerank", cast_to=object, body=body), _Answer)
        except Exception as error:
            remove_secret(error, sdk.api_key)
            call = FailedCall(model_id=self._model, url=self._url, timeout_s=self._timeout_s)
            raise RerankerError(str(failure_of(error, call))) from error
        scored = answer.results or answer.data or []
        scores = {item.index: item.relevance_score for item in scored}
        if len(scored) != len(texts) or sorted(scores) != list(range(len(texts))):
            raise RerankerError(
                f"model {self._model!r} at {self._url}: {len(scored)} scores came for {len(texts)} texts. "
                "Check that this is the address of a service with rerankers."
            )
        return [scores[index] for index in range(len(texts))]

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

    async def _client(self) -> AsyncOpenAI:
        if self._is_closed:
            raise RerankerError("this reranker has been closed: create a new one")
        try:
            return await self._clients.get()
        except ChatClientError as error:
            raise RerankerError("this reranker has been closed: create a new one") from error


def _sent(text: str) -> str:
    # Some services refuse an empty text, and JSON has no lone surrogates.
    return text.encode(errors="replace").decode() or " "
