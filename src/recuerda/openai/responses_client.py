"""The chat client for OpenAI's Responses API, with the thread at the service or here.

How messages become items is `responses_input`'s business, how answers are read `responses_output`'s, and what is done
to a thread that the service keeps `responses_threads`'s. What is here: which thread a call belongs to, that a failed
call leaves nothing behind, and that a thread with half a turn in it is mended.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias, TypeVar, Unpack, cast

from openai import APIStatusError, AsyncOpenAI, NotFoundError

from recuerda.agent.chat import ChatRequest, ChatResponse, ChatUpdate
from recuerda.errors import ChatClientError, ConfigurationError, ServiceThreadNotFound
from recuerda.messages.message import ChatMessage
from recuerda.openai.environment import read_environment
from recuerda.openai.failures import remove_secret
from recuerda.openai.responses_call import ENCRYPTED_REASONING, is_conversation, response_arguments
from recuerda.openai.responses_input import answers_earlier_call, is_resumed, without_reasoning
from recuerda.openai.responses_output import StreamedResponse, whole_response
from recuerda.openai.responses_reading import as_item
from recuerda.openai.responses_threads import (
    create_thread,
    delete_thread,
    mend,
    newest_message_id,
    read_thread,
    take_back,
    when_unlocked,
)
from recuerda.openai.service import ConnectionSettings, OpenAIService

ThreadKind: TypeAlias = Literal["conversation", "response"]
"""What a new thread is at the service: a conversation, or a chain of responses."""

T = TypeVar("T")

_CLEANUP_TIMEOUT_S = 10.0

_logger = logging.getLogger("recuerda")


class OpenAIResponsesClient(OpenAIService):
    """Speak to a model through OpenAI's Responses API, on OpenAI, Azure OpenAI's v1 interface, or a compatible server.

    With `store=True` the service keeps the history, and an agent's thread holds only its id: a conversation's
    (`conv_…`), or that of the newest response of a chain (`resp_…`). With `store=False` the service keeps nothing: the
    thread's own history is sent with every call, encrypted reasoning included.

    It may be used from several event loops, as `OpenAIChatClient`, whose connection settings it shares. Options of a
    request or an agent are the API's, such as `{"reasoning": {"effort": "low"}}` or `{"max_output_tokens": 500}`.

    Args:
        model_id: the model's name; on Azure the deployment's.
        store: whether the service keeps the history.
        threads: what a new thread is at the service. Each answer is added to a conversation for good, and a turn that
            fails is taken out again. A chain never changes, so that nothing has to be taken out; the service keeps its
            responses for a limited time (OpenAI for 30 days).
        client: see `OpenAIChatClient`.
        connection: `api_key`, `base_url`, `azure_endpoint` and the other connection settings of `OpenAIChatClient`.

    Raises:
        ConfigurationError: the arguments contradict one another, or something is missing.
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
            raise ConfigurationError("Azure has the Responses API on its v1 interface: leave api_version out")
        if threads not in ("conversation", "response"):
            raise ConfigurationError(f'threads is "conversation" or "response", not {threads!r}')
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
        """Make a client of what the environment says, as `OpenAIChatClient.from_env` does.

        `OPENAI_API_VERSION` is passed over: on Azure this API is on the v1 interface.

        Raises:
            ConfigurationError: variables are missing; it names them.
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
            ChatClientError: the service refused, failed, or could not be reached.
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
            raise self._told(error, sdk, request, thread_id=thread_id) from error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        """Give the answer as it comes: text and reasoning in pieces; everything else when it is complete.

        Closing the generator closes the connection. An answer whose end doesn't come is an error, never an answer.
        """
        sdk = await self._clients.get()
        thread_id = await self._thread_for(request, sdk)
        answer = StreamedResponse()
        has_begun = False
        try:
            try:
                async with await self._create(sdk, request, thread_id, is_streamed=True) as events:
                    # `async for` would wrap the stream in one more generator, which nobody closes when this one is.
                    while (event := await anext(events, None)) is not None:
                        has_begun = True
                        if (update := answer.take(as_item(event))) is not None:
                            yield update
            except Exception:
                if not answer.is_whole:  # what fails afterwards costs nothing
                    raise
            yield answer.end(service_thread_id=self._name_after(request, thread_id, answer.response_id))
        except BaseException as error:
            await self._discard(request, thread_id, response_id=answer.response_id)
            if isinstance(error, ChatClientError) or not isinstance(error, Exception):
                raise
            raise self._told(error, sdk, request, thread_id=thread_id, has_begun=has_begun) from error

    async def retract(self, request: ChatRequest, responses: Sequence[ChatResponse]) -> None:
        """Take a turn that failed out of the service's thread; a failure of this is logged, and never raised.

        A conversation that the turn made is deleted. From another the turn's items are deleted: its input, and what
        came after it and is known to be its own. Of a chain the responses are deleted that nobody will build on.
        """
        await self._clean_up(lambda sdk: take_back(sdk, request, responses))

    async def read_thread(self, service_thread_id: str) -> list[ChatMessage]:
        """Return all messages of a conversation, or of a chain up to the response that is named.

        What the model said between two inputs is one message, as in a run; results are the texts that it was told.
        """
        return await self._about_thread(service_thread_id, read_thread)

    async def newest_message_id(self, service_thread_id: str) -> str | None:
        """Return the id that the last message of `read_thread` has, without reading the thread."""
        return await self._about_thread(service_thread_id, newest_message_id)

    async def create_thread(self, messages: Sequence[ChatMessage]) -> str:
        """Make a conversation of messages and return its id. Reasoning is left out: it is bound to its service."""
        sdk = await self._clients.get()
        try:
            return await create_thread(sdk, messages)
        except Exception as error:
            raise self._told(error, sdk) from error

    async def delete_thread(self, service_thread_id: str) -> bool:
        """Delete a conversation and its items, or all responses of a chain, also those that a fork shares."""
        return await self._about_thread(service_thread_id, delete_thread)

    async def close(self) -> None:
        """Close the connections; what is being taken back is taken back first. A given client is left open."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(task for task in self._cleanups if task.get_loop() is loop))
        await super().close()

    async def _about_thread(self, service_thread_id: str, ask: Callable[[AsyncOpenAI, str], Awaitable[T]]) -> T:
        sdk = await self._clients.get()
        try:
            return await ask(sdk, service_thread_id)
        except Exception as error:
            raise self._told(error, sdk, thread_id=service_thread_id) from error

    async def _thread_for(self, request: ChatRequest, sdk: AsyncOpenAI) -> str | None:
        """Return the thread that an answer belongs to: the request's, or a new conversation."""
        if not self._is_kept(request):
            return None
        if request.service_thread_id is not None or self._threads == "response":
            return request.service_thread_id
        # What would be refused anyway shall not leave a conversation behind.
        self._arguments(request, None)
        try:
            return (await sdk.conversations.create()).id
        except NotFoundError as error:
            raise ChatClientError(
                f"the service at {self._url} has no conversations, or is not there: check base_url, or make the client "
                'with threads="response" or store=False',
                status=404,
            ) from error
        except Exception as error:
            raise self._told(error, sdk) from error

    def _is_kept(self, request: ChatRequest) -> bool:
        return self.keeps_threads and not request.is_temporary

    def _name_after(self, request: ChatRequest, thread_id: str | None, response_id: str | None) -> str | None:
        """Return how to name the request's thread, once it is answered."""
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
            await mend(sdk, thread_id)  # the half that the service has is sent again, whole
        # The SDK's types describe each option; options come from the caller, and the service judges them.
        create = cast("Any", sdk.responses.create)
        try:
            return await when_unlocked(lambda: create(**arguments))
        except APIStatusError as error:
            if _is_about_encryption(error) and ENCRYPTED_REASONING in (arguments.get("include") or ()):
                # A model that does not reason; from now on it isn't asked for its thoughts.
                self._refuses_encrypted_reasoning = True
            elif error.code == "invalid_encrypted_content":
                # Another organization's or another model's thoughts: the thread goes on without them.
                request = without_reasoning(request)
            elif not await self._mended(sdk, request, thread_id, error):
                raise
        return await create(**self._arguments(request, thread_id, is_streamed=is_streamed))

    async def _mended(
        self, sdk: AsyncOpenAI, request: ChatRequest, thread_id: str | None, error: APIStatusError
    ) -> bool:
        """Mend a conversation that a process left with half a turn when it died; return whether that was it."""
        if thread_id is None or not is_conversation(thread_id) or not _is_about_lone_call(error):
            return False
        if answers_earlier_call(request.messages):
            return False  # the call is of the turn that is running
        return await mend(sdk, thread_id)

    async def _discard(self, request: ChatRequest, thread_id: str | None, *, response_id: str | None = None) -> None:
        """Remove what a failed call may have left: its new conversation, or an answer of which the end was lost."""
        if thread_id is None or not is_conversation(thread_id):
            return
        if request.service_thread_id is None:
            await self._clean_up(lambda sdk: delete_thread(sdk, thread_id))
        elif response_id is not None:
            await self._clean_up(lambda sdk: _take_back_lost(sdk, request, thread_id, response_id))

    async def _clean_up(self, work: Callable[[AsyncOpenAI], Awaitable[object]]) -> None:
        """Do what a cancellation must not break off, and what must not hide the failure before it."""

        async def clean_up() -> None:
            try:
                sdk = await self._clients.get()
                async with asyncio.timeout(_CLEANUP_TIMEOUT_S):
                    await work(sdk)
            except Exception as error:  # noqa: BLE001 - whatever it is, the failure before it is the one to tell
                _logger.warning("the service may keep a part of a failed turn (%s)", type(error).__name__)

        task = asyncio.create_task(clean_up())
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)
        await asyncio.shield(task)

    def _told(
        self,
        error: Exception,
        sdk: AsyncOpenAI,
        request: ChatRequest | None = None,
        *,
        thread_id: str | None = None,
        has_begun: bool = False,
    ) -> ChatClientError:
        """Return what an error of the SDK means to the caller; to be raised from it."""
        if thread_id is not None and isinstance(error, APIStatusError) and _is_unknown(error, thread_id):
            remove_secret(error, sdk.api_key)
            return ServiceThreadNotFound(thread_id, status=error.status_code)
        model_id = str(request.options.get("model") or self.model_id) if request else self.model_id
        return self._failure(error, sdk, model_id=model_id, has_begun=has_begun)


async def _take_back_lost(sdk: AsyncOpenAI, request: ChatRequest, thread_id: str, response_id: str) -> None:
    """Take back an answer that the service may have completed although nobody received its end."""
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
    """Whether the service says that it does not know the thread, and not that it lacks a model or an address."""
    if error.code == "previous_response_not_found":
        return True
    is_about_thread = thread_id in error.message or "conversation" in error.message.lower()
    return error.status_code == 404 and error.code != "model_not_found" and is_about_thread
