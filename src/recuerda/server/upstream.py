"""The chat-completions server behind this one.

It is reached through OpenAI's SDK, for its connections and time limits. Bodies go out and come back as they are, and a
call that fails is the client's to try again. What that server says is passed on where it is about the request; what is
about this server's own account with it becomes 502, and its key is in neither.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, cast
from urllib.parse import urlsplit

from openai import APIConnectionError, APIStatusError, APITimeoutError

from recuerda.json_value import JsonObject
from recuerda.openai.connection import Connection, public_url
from recuerda.server.faults import ApiFault

_logger = logging.getLogger("recuerda.server")
_OPENAI_HOSTS = ("openai.com", "openai.azure.com")
_DRAIN_S = 0.2
_PASSED_ON = (400, 404, 409, 413, 415, 422, 429)


class UpstreamAnswer:
    """An answer that has begun with success."""

    def __init__(self, response: Any) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status_code

    @property
    def content_type(self) -> str:
        """What the body is."""
        return self._response.headers.get("content-type", "application/json")

    async def read(self) -> bytes:
        """Return the body."""
        with _Reading():
            return await self._response.read()

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Give the body as it comes."""
        with _Reading():
            async for piece in self._response.iter_bytes():
                yield piece

    async def events(self) -> AsyncGenerator[bytes]:
        """Give the data of each server-sent event, up to the end mark."""
        async with aclosing(self.pieces()) as pieces:
            async with aclosing(_lines(pieces)) as lines:
                async for line in lines:
                    if not line.startswith(b"data:"):
                        continue
                    if (data := line[5:].strip()) == b"[DONE]":
                        break
                    yield data
            with suppress(TimeoutError, ApiFault):
                # A connection whose answer was read to its end can be used again.
                async with asyncio.timeout(_DRAIN_S):
                    async for _ in pieces:
                        pass


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    # Only line feeds end a line here. The HTTP library's own lines also end at U+2028, which JSON may hold.
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest


class _Reading:
    """Turns what breaks an answer in the middle into a fault."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, ApiFault):
            _logger.warning("the model's server broke an answer off: %s", type(error).__name__)
            raise ApiFault(502, "The model's server broke its answer off.", code="upstream_broken") from error


class Upstream:
    """A chat-completions server.

    Args:
        base_url: where it is, such as `http://localhost:8000/v1`.
        api_key: the key that it wants, if it does.
        timeout_s: how many seconds to wait for an answer, or for the next piece of one.
    """

    def __init__(self, base_url: str, *, api_key: str | None = None, timeout_s: float = 600.0) -> None:
        settings = Connection(base_url=base_url, api_key=api_key, timeout_s=timeout_s, max_retries=0)
        self._sdk = settings.new_client()
        self._key = api_key
        self.url = public_url(settings.url)
        host = urlsplit(base_url).hostname or ""
        self.is_openai = any(host == name or host.endswith(f".{name}") for name in _OPENAI_HOSTS)
        self._refuses_stream_options = False

    @asynccontextmanager
    async def chat(self, body: Mapping[str, Any]) -> AsyncGenerator[UpstreamAnswer]:
        """Call the model; leaving the block ends the call, also in the middle.

        Raises:
            ApiFault: there is no answer, or it is a refusal.
        """
        sent = dict(body)
        if self._refuses_stream_options:
            sent.pop("stream_options", None)
        try:
            answer = await self._open(sent)
        except ApiFault as fault:
            # Older servers do not know the option, and what it asks for is only the usage.
            is_about_it = fault.status in (400, 422) and "stream_options" in f"{fault.message} {fault.param}"
            if not is_about_it or sent.pop("stream_options", None) is None:
                raise
            self._refuses_stream_options = True
            answer = await self._open(sent)
        try:
            yield UpstreamAnswer(answer)
        finally:
            await answer.close()

    async def models(self) -> bytes:
        """Return the list of models, as the server gives it."""
        with self._refusals():
            answer = await self._sdk.models.with_raw_response.list()
            return answer.http_response.content

    async def close(self) -> None:
        """Close the connections."""
        await self._sdk.close()

    async def _open(self, body: JsonObject) -> Any:
        with self._refusals():
            # What the SDK checks or converts would be work for nothing: the body is right, or is refused over there.
            create = self._sdk.chat.completions.with_streaming_response.create
            try:
                return await create(model="", messages=[], extra_body=body).__aenter__()
            except APITimeoutError:
                raise
            except APIConnectionError:
                # Most often a connection that was kept and that the other side had closed: a new one will do.
                return await create(model="", messages=[], extra_body=body).__aenter__()

    def _refusals(self) -> _Refusals:
        return _Refusals(self._key)


class _Refusals:
    """Turns the SDK's errors into faults."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case APIStatusError():
                raise self._refusal(error) from None
            case APITimeoutError():
                raise ApiFault(504, "The model's server did not answer in time.", code="upstream_timeout") from None
            case APIConnectionError():
                raise ApiFault(502, "The model's server cannot be reached.", code="upstream_unreachable") from None
            case _:
                return

    def _refusal(self, error: APIStatusError) -> ApiFault:
        status = error.status_code
        if status not in _PASSED_ON:
            _logger.error("the model's server answers with status %d", status)
            if status in (401, 403):
                message = "The model's server does not accept this server's key."
                return ApiFault(502, message, code="upstream_unauthorized")
            return ApiFault(502, f"The model's server failed with status {status}.", code="upstream_error")
        message = error.message
        body: object = error.body
        if isinstance(body, dict):
            message = str(cast("JsonObject", body).get("message") or message)
        if self._key and self._key in message:
            message = "The model's server refused the request."
        wait = error.response.headers.get("retry-after", "")
        return ApiFault(
            status,
            message,
            kind=error.type or None,
            code=error.code,
            param=error.param,
            retry_after_s=float(wait) if wait.isdecimal() else (1 if status == 429 else None),
        )


def unreadable() -> ApiFault:
    """Return the fault of an answer that is no chat completion."""
    return ApiFault(
        502, "The model's server answered with something else than a chat completion.", code="upstream_error"
    )
