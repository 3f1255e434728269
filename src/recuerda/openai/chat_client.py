"""The chat client for OpenAI's chat completions.

The client keeps no conversation: each call sends the messages that it gets. `wire.py` writes messages in the service's
format, `answer.py` reads answers, `failures.py` explains errors, and `connection.py` holds the connections.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Self, cast

from openai import APIStatusError, AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from recuerda.agent.chat import ChatRequest, ChatResponse, ChatUpdate
from recuerda.errors import ChatClientError
from recuerda.openai.answer import StreamedAnswer, whole_answer
from recuerda.openai.call import call_arguments, is_about_stream_options
from recuerda.openai.connection import ApiKey
from recuerda.openai.environment import read_environment
from recuerda.openai.ready_body import with_ready
from recuerda.openai.service import OpenAIService
from recuerda.openai.streams import closed_whole


class OpenAIChatClient(OpenAIService):
    """A chat client for models of OpenAI, of Azure OpenAI, or of any server with OpenAI's chat completions.

    One client can be used from several event loops, including the loop of `agent.run_sync`: each loop has its own
    connections. The connections are closed by `close`, with their loop, or when this object is no longer used.

    The options of a request or an agent, such as `options={"temperature": 0}`, are sent to the service, even if the SDK
    does not know them. With `{"stream_options": None}` a stream does not ask for its token usage.

    Args:
        model_id: the name of the model; on Azure, the name of the deployment.
        api_key: the key, or an async function that returns a fresh key or token before each call. A compatible server,
            given by `base_url`, may need none.
        base_url: the address of a compatible server, such as `http://localhost:11434/v1`; None for OpenAI.
        azure_endpoint: the address of an Azure OpenAI resource, such as `https://name.openai.azure.com`.
        api_version: the version of Azure OpenAI's dated interface; None for its v1 interface.
        organization: the OpenAI organization to bill, if the key belongs to several.
        default_headers: headers to send with each request.
        timeout_s: the seconds that each attempt waits for an answer, or for the next piece of a stream.
        max_retries: the number of times that a call is retried if it fails before its answer begins.
        supports_json_schema: False for a compatible server that knows no `response_format` with a JSON schema. An
            answer of a given `output_type` is then asked for by a tool.
        client: a ready client of the SDK in place of the settings above. It is used unchanged and must belong to the
            event loop of the calls. It is never closed here.

    Raises:
        ConfigurationError: a setting is missing or invalid, or settings contradict one another.
    """

    def __init__(
        self,
        *,
        model_id: str,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        azure_endpoint: str | None = None,
        api_version: str | None = None,
        organization: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        max_retries: int | None = None,
        supports_json_schema: bool = True,
        client: AsyncOpenAI | None = None,
    ) -> None:
        super().__init__(
            model_id=model_id,
            api_key=api_key,
            base_url=base_url,
            azure_endpoint=azure_endpoint,
            api_version=api_version,
            organization=organization,
            default_headers=default_headers,
            timeout_s=timeout_s,
            max_retries=max_retries,
            client=client,
        )
        self.supports_json_schema = supports_json_schema
        self._refuses_stream_options = False

    @classmethod
    def from_env(
        cls,
        *,
        model_id: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        max_retries: int | None = None,
        supports_json_schema: bool = True,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a client with the settings from environment variables. A blank variable counts as not set.

        - OpenAI: `OPENAI_API_KEY` and `OPENAI_MODEL` (or `OPENAI_CHAT_MODEL_ID`); `OPENAI_ORG_ID` if the key has
          several organizations.
        - A compatible server: `OPENAI_BASE_URL` and `OPENAI_MODEL`; `OPENAI_API_KEY` if the server wants a key.
        - Azure OpenAI: `AZURE_OPENAI_ENDPOINT`, which decides that the service is Azure, `AZURE_OPENAI_API_KEY` and
          `AZURE_OPENAI_DEPLOYMENT`. `OPENAI_API_VERSION` chooses the dated interface instead of the v1 interface.

        Args:
            model_id: the model or the deployment; the environment then does not need to name one.
            default_headers: see the class.
            timeout_s: see the class.
            max_retries: see the class.
            supports_json_schema: see the class.
            environ: the variables to read; None for the process's environment.

        Raises:
            ConfigurationError: a variable is not set. The error names each missing variable and its value.
        """
        settings = read_environment(os.environ if environ is None else environ, model_id=model_id)
        return cls(
            **settings,
            default_headers=default_headers,
            timeout_s=timeout_s,
            max_retries=max_retries,
            supports_json_schema=supports_json_schema,
        )

    async def respond(self, request: ChatRequest) -> ChatResponse:
        arguments = call_arguments(request, model_id=self.model_id)
        sdk = await self._clients.get()
        try:
            return whole_answer(await _create(sdk, arguments))
        except ChatClientError:
            raise
        except Exception as error:
            raise self._failure(error, sdk, model_id=arguments["model"]) from error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        """Yield the answer as it arrives.

        Text and reasoning come in pieces; a refusal, calls and the usage come at the end.

        Closing the generator closes the connection. A stream that ends before the answer is complete raises an error.
        """
        arguments = call_arguments(request, model_id=self.model_id, is_streamed=True)
        sdk = await self._clients.get()
        answer = StreamedAnswer()
        has_begun = False
        try:
            async with closed_whole(await self._open(sdk, arguments)) as chunks:
                # `async for` would wrap the stream in another generator, which is not closed together with this one.
                while (chunk := await anext(chunks, None)) is not None:
                    has_begun = True
                    if (update := answer.take(chunk)) is not None:
                        yield update
        except Exception as error:
            if not answer.is_whole:  # a failure after the end of the answer loses only the token usage
                raise self._failure(error, sdk, model_id=arguments["model"], has_begun=has_begun) from error
        yield answer.end()

    async def _open(self, sdk: AsyncOpenAI, arguments: dict[str, Any]) -> AsyncStream[ChatCompletionChunk]:
        """Start a stream.

        After a server has refused `stream_options`, as older servers do, the option is no longer sent.
        """
        if self._refuses_stream_options:
            arguments.pop("stream_options", None)
        try:
            return await _create(sdk, arguments)
        except APIStatusError as error:
            is_about_it = is_about_stream_options(error.status_code, f"{error} {error.param}")
            if not is_about_it or arguments.pop("stream_options", None) is None:
                raise
        self._refuses_stream_options = True
        return await _create(sdk, arguments)


async def _create(sdk: AsyncOpenAI, arguments: Mapping[str, Any]) -> Any:
    # The SDK has a type for each option. Here the options come from the caller, and the service checks them.
    create = cast("Any", sdk.chat.completions.create)
    return await create(**with_ready(arguments, "messages", create=create, sdk=sdk))
