"""The chat client for OpenAI's Responses API, with the thread at the service or here.

`responses_input` turns messages into items, `responses_output` reads answers, and `responses_threads` changes threads
that the service keeps. This module decides to which thread a call belongs, removes everything that a failed call left
there, and repairs a thread that holds half a turn.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias, TypeVar, Unpack, cast

from openai import APIStatusError, AsyncOpenAI, NotFoundError

from recuerda._events import fields
from recuerda.agent.chat import ChatRequest, ChatResponse, ChatUpdate
from recuerda.errors import ChatClientError, ConfigurationError, ServiceThreadNotFound
from recuerda.messages.message import ChatMessage
from recuerda.openai.environment import read_environment
from recuerda.openai.failures import remove_secret
from recuerda.openai.ready_body import with_ready
from recuerda.openai.responses_call import ENCRYPTED_REASONING, is_conversation, response_arguments
from recuerda.openai.responses_input import answers_earlier_call, is_resumed, without_reasoning
from recuerda.openai.responses_output import StreamedResponse, whole_response
from recuerda.openai.responses_reading import as_item
from recuerda.openai.responses_threads import (
    create_thread,
    delete_thread,
    forget_context,
    mend,
    newest_message_id,
    read_thread,
    take_back,
    when_unlocked,
)
from recuerda.openai.service import ConnectionSettings, OpenAIService
from recuerda.openai.streams import closed_whole

ThreadKind: TypeAlias = Literal["conversation", "response"]
"""The kind of a new thread at the service: a conversation, or a chain of responses."""

T = TypeVar("T")

_CLEANUP_TIMEOUT_S = 10.0

_logger = logging.getLogger("recuerda.openai")


class OpenAIResponsesClient(OpenAIService):
    """A chat client for the Responses API of OpenAI, of Azure OpenAI's v1 interface, or of a compatible server.

    With `store=True` the service keeps the history. The agent's thread then holds only an id: the id of a conversation
    (`conv_…`), or of the newest response of a chain (`resp_…`). With `store=False` the service keeps nothing, and the
    thread's own history is sent with every call, encrypted reasoning included.

    One client can be used from several event loops, like `OpenAIChatClient`. The options of a request or an agent are
    sent to the API, such as `{"reasoning": {"effort": "low"}}` or `{"max_output_tokens": 500}`.

    Args:
        model_id: the name of the model; on Azure, the name of the deployment.
        store: True if the service keeps the history.
        threads: the kind of a new thread at the service. A conversation grows with each answer, and the items of a
            failed turn are deleted from it. A chain never changes, so a failed turn leaves nothing in it. Services keep
            the responses of a chain for a limited time (OpenAI for 30 days).
        client: a ready client of the SDK; see `OpenAIChatClient`.
        connection: `api_key`, `base_url`, `azure_endpoint` and the other connection settings of `OpenAIChatClient`.

    Raises:
        ConfigurationError: a setting is missing or invalid, or settings contradict one another.
    """

    def __init__(
        self,
        *,
        model_id: str,
        store: bool = True,
        threads: ThreadKind = "conversation",
        client: AsyncOpenAI | None = None,
        **connection: Unpack[ConnectionSettings],
    ) -> None:
        if connection.get("api_version") is not None:
            raise ConfigurationError("Azure has the Responses API on its v1 interface only: leave api_version out")
        if threads not in ("conversation", "response"):
            raise ConfigurationError(f'threads must be "conversation" or "response", not {threads!r}')
        super().__init__(model_id=model_id, client=client, **connection)
        self.keeps_threads = store
        self._threads: ThreadKind = threads
        self._refuses_encrypted_reasoning = False
        self._cleanups: set[asyncio.Task[None]] = set()

    @classmethod
    def from_env(
        cls,
        *,
        model_id: str | None = None,
        store: bool = True,
        threads: ThreadKind = "conversation",
        default_headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        max_retries: int | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a client with the settings from environment variables; see `OpenAIChatClient.from_env`.

        `OPENAI_API_VERSION` is ignored, because Azure OpenAI has this API on its v1 interface only.

        Raises:
            ConfigurationError: a variable is not set. The error names each missing variable and its value.
        """
        settings: dict[str, Any] = {**read_environment(os.environ if environ is None else environ, model_id=model_id)}
        settings.pop("api_version", None)
        return cls(
            **settings,
            store=store,
            threads=threads,
            default_headers=default_headers,
            timeout_s=timeout_s,
            max_retries=max_retries,
        )

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Return the model's whole answer; see `ChatClient.respond`.

        Raises:
            ServiceThreadNotFound: the service does not know the request's thread.
            ChatClientError: the service refused the request, failed, or could not be reached.
        """
        sdk = await self._clients.get()
        thread_id = await self._thread_for(request, sdk)
        try:
            body = as_item(await self._create(sdk, request, thread_id))
            return whole_response(body, service_thread_id=self._name_after(request, thread_id, body.get("id")))
        except BaseException as error:
            await self._discard(request, thread_id)
            if isinstance(error, ChatClientError) or not isinstance(error, Exception):
                raise
            raise self._error_for(error, sdk, request, thread_id=thread_id) from error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        """Yield the answer as it arrives: text and reasoning in pieces, and other items when they are complete.

        Closing the generator closes the connection. A stream that ends before the answer is complete raises an error.
        """
        sdk = await self._clients.get()
        thread_id = await self._thread_for(request, sdk)
        answer = StreamedResponse()
        has_begun = False
        try:
            try:
                async with closed_whole(await self._create(sdk, request, thread_id, is_streamed=True)) as events:
                    # `async for` would wrap the stream in another generator, which is not closed together with this
                    # one.
                    while (event := await anext(events, None)) is not None:
                        has_begun = True
                        if (update := answer.take(as_item(event))) is not None:
                            yield update
            except Exception:
                if not answer.is_whole:  # A failure after the end of the answer loses nothing.
                    raise
            yield answer.end(service_thread_id=self._name_after(request, thread_id, answer.response_id))
        except BaseException as error:
            await self._discard(request, thread_id, response_id=answer.response_id)
            if isinstance(error, ChatClientError) or not isinstance(error, Exception):
                raise
            raise self._error_for(error, sdk, request, thread_id=thread_id, has_begun=has_begun) from error

    async def retract(self, request: ChatRequest, responses: Sequence[ChatResponse]) -> None:
        """Remove a failed turn from the service's thread. A failure to do so is logged and never raised.

        If the turn created the conversation, the conversation is deleted. Otherwise the turn's items are deleted from
        it: the input, and the items after it that are known to belong to the turn. In a chain the turn's responses are
        deleted, because nothing will continue from them.
        """
        await self._clean_up(lambda sdk: take_back(sdk, request, responses))

    async def forget_context(self, request: ChatRequest, responses: Sequence[ChatResponse]) -> None:
        """Delete a turn's context from a conversation. A chain never changes, so the context stays in it."""
        thread_id = responses[-1].service_thread_id if responses else None
        if thread_id is not None and is_conversation(thread_id):
            await self._about_thread(thread_id, lambda sdk, id: forget_context(sdk, id, request, responses))

    async def read_thread(self, service_thread_id: str) -> list[ChatMessage]:
        """Return all messages of a conversation, or of a chain up to the response with this id.

        All items of the model between two inputs are one message, as in a run. Results are the texts that the model
        got.
        """
        return await self._about_thread(service_thread_id, read_thread)

    async def newest_message_id(self, service_thread_id: str) -> str | None:
        """Return the id of the last message that `read_thread` would return, without reading the whole thread."""
        return await self._about_thread(service_thread_id, newest_message_id)

    async def create_thread(self, messages: Sequence[ChatMessage]) -> str:
        """Create a conversation from messages and return its id.

        Reasoning is left out, because only the service that made it can read it.
        """
        sdk = await self._clients.get()
        try:
            return await create_thread(sdk, messages)
        except Exception as error:
            raise self._error_for(error, sdk) from error

    async def delete_thread(self, service_thread_id: str) -> bool:
        """Delete a conversation and its items, or all responses of a chain, including responses that a fork shares.

        Return False if the service does not know the thread.
        """
        return await self._about_thread(service_thread_id, delete_thread)

    async def close(self) -> None:
        """Close the connections, after the removal of failed turns has ended. A client that was given stays open."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(task for task in self._cleanups if task.get_loop() is loop))
        await super().close()

    async def _about_thread(self, service_thread_id: str, ask: Callable[[AsyncOpenAI, str], Awaitable[T]]) -> T:
        sdk = await self._clients.get()
        try:
            return await ask(sdk, service_thread_id)
        except Exception as error:
            raise self._error_for(error, sdk, thread_id=service_thread_id) from error

    async def _thread_for(self, request: ChatRequest, sdk: AsyncOpenAI) -> str | None:
        """Return the thread that an answer belongs to: the request's, or a new conversation."""
        if not self._is_kept(request):
            return None
        if request.service_thread_id is not None or self._threads == "response":
            return request.service_thread_id
        # An invalid request must fail before the conversation is created, or the conversation would be left over.
        self._arguments(request, None)
        try:
            return (await sdk.conversations.create()).id
        except NotFoundError as error:
            raise ChatClientError(
                f"the service at {self._url} has no conversations, or the address is wrong: check base_url, or create "
                'the client with threads="response" or store=False',
                status=404,
            ) from error
        except Exception as error:
            raise self._error_for(error, sdk) from error

    def _is_kept(self, request: ChatRequest) -> bool:
        return self.keeps_threads and not request.is_temporary

    def _name_after(self, request: ChatRequest, thread_id: str | None, response_id: str | None) -> str | None:
        """Return the id of the request's thread after the answer: the conversation's id, or the new response's id."""
        if not self._is_kept(request):
            return None
        return thread_id if thread_id is not None and is_conversation(thread_id) else response_id

    def _arguments(self, request: ChatRequest, thread_id: str | None, *, is_streamed: bool = False) -> dict[str, Any]:
        arguments = response_arguments(
            request,
            model_id=self.model_id,
            store=self._is_kept(request),
            service_thread_id=thread_id,
            is_streamed=is_streamed,
        )
        return _without_encrypted_reasoning(arguments) if self._refuses_encrypted_reasoning else arguments

    async def _create(
        self, sdk: AsyncOpenAI, request: ChatRequest, thread_id: str | None, *, is_streamed: bool = False
    ) -> Any:
        arguments = self._arguments(request, thread_id, is_streamed=is_streamed)
        if thread_id is not None and is_conversation(thread_id) and is_resumed(request.messages):
            await mend(sdk, thread_id)  # The request holds the whole turn, so the half at the service is deleted.
        # The SDK has a type for each option. Here the options come from the caller, and the service checks them.
        create = cast("Any", sdk.responses.create)
        try:
            return await when_unlocked(lambda: create(**with_ready(arguments, "input", create=create, sdk=sdk)))
        except APIStatusError as error:
            if _is_about_encryption(error) and ENCRYPTED_REASONING in (arguments.get("include") or ()):
                # The model does not reason, so later requests do not ask for encrypted reasoning.
                self._refuses_encrypted_reasoning = True
            elif error.code == "invalid_encrypted_content":
                # The reasoning comes from another organization or another model, so the thread continues without it.
                request = without_reasoning(request)
            elif not await self._mended(sdk, request, thread_id, error):
                raise
        arguments = self._arguments(request, thread_id, is_streamed=is_streamed)
        return await create(**with_ready(arguments, "input", create=create, sdk=sdk))

    async def _mended(
        self, sdk: AsyncOpenAI, request: ChatRequest, thread_id: str | None, error: APIStatusError
    ) -> bool:
        """Repair a conversation that a dead process left with half a turn. Return whether a turn was removed."""
        if thread_id is None or not is_conversation(thread_id) or not _is_about_lone_call(error):
            return False
        if answers_earlier_call(request.messages):
            return False  # The call belongs to the running turn.
        return await mend(sdk, thread_id)

    async def _discard(self, request: ChatRequest, thread_id: str | None, *, response_id: str | None = None) -> None:
        """Remove everything that a failed call may have left: a new conversation, or an answer whose end was lost."""
        if thread_id is None or not is_conversation(thread_id):
            return
        if request.service_thread_id is None:
            await self._clean_up(lambda sdk: delete_thread(sdk, thread_id))
        elif response_id is not None:
            await self._clean_up(lambda sdk: _take_back_lost(sdk, request, thread_id, response_id))

    async def _clean_up(self, work: Callable[[AsyncOpenAI], Awaitable[object]]) -> None:
        """Run a clean-up. A cancellation does not stop it, and its own failure does not replace the first failure."""

        async def clean_up() -> None:
            try:
                sdk = await self._clients.get()
                async with asyncio.timeout(_CLEANUP_TIMEOUT_S):
                    await work(sdk)
            except Exception as error:  # noqa: BLE001 - the caller gets the first failure, whatever fails here
                _logger.warning(
                    "the service may still hold part of a failed turn (%s)",
                    type(error).__name__,
                    extra=fields("service_not_tidied", error=type(error).__name__),
                )

        task = asyncio.create_task(clean_up())
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)
        await asyncio.shield(task)

    def _error_for(
        self,
        error: Exception,
        sdk: AsyncOpenAI,
        request: ChatRequest | None = None,
        *,
        thread_id: str | None = None,
        has_begun: bool = False,
    ) -> ChatClientError:
        """Return the error to raise for an error of the SDK. The caller chains it to the SDK's error."""
        if thread_id is not None and isinstance(error, APIStatusError) and _is_unknown(error, thread_id):
            remove_secret(error, sdk.api_key)
            return ServiceThreadNotFound(thread_id, status=error.status_code)
        model_id = str(request.options.get("model") or self.model_id) if request else self.model_id
        return self._failure(error, sdk, model_id=model_id, has_begun=has_begun)


async def _take_back_lost(sdk: AsyncOpenAI, request: ChatRequest, thread_id: str, response_id: str) -> None:
    """Remove an answer that the service may have completed although its end was never received."""
    try:
        body = as_item(await sdk.responses.retrieve(response_id))
    except APIStatusError as error:
        if error.status_code != 404:
            raise
        return
    if body.get("status") in ("completed", "incomplete"):
        await take_back(sdk, request, [whole_response(body, service_thread_id=thread_id)])


def _without_encrypted_reasoning(arguments: dict[str, Any]) -> dict[str, Any]:
    include = [name for name in arguments.get("include") or () if name != ENCRYPTED_REASONING]
    rest = {name: value for name, value in arguments.items() if name != "include"}
    return {**rest, "include": include} if include else rest


def _is_about_encryption(error: APIStatusError) -> bool:
    return error.status_code == 400 and "encrypted content is not supported" in error.message.lower()


def _is_about_lone_call(error: APIStatusError) -> bool:
    return error.status_code == 400 and "no tool output found" in error.message.lower()


def _is_unknown(error: APIStatusError, thread_id: str) -> bool:
    """Return whether the service does not know the thread. It also answers 404 for an unknown model or address."""
    if error.code == "previous_response_not_found":
        return True
    is_about_thread = thread_id in error.message or "conversation" in error.message.lower()
    return error.status_code == 404 and error.code != "model_not_found" and is_about_thread
