"""The base class of chat clients, which speak to a model and create agents that use it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Any, Self

from recuerda.agent.agent import Agent
from recuerda.agent.arguments import takes_arguments_of
from recuerda.agent.chat import ChatRequest, ChatResponse, ChatUpdate
from recuerda.errors import ConfigurationError
from recuerda.messages.message import ChatMessage


class ChatClient(ABC):
    """Base class of chat clients. A subclass implements `respond` and, if its service streams, `stream`.

    A client whose service keeps threads also sets `keeps_threads` and implements the methods about threads. A client
    whose service can answer in the form of a JSON schema sets `supports_json_schema`, and sends `ChatRequest.output`.
    For any other client, an agent asks for such an answer by a tool.

    Telemetry names the service by `provider_name`, which is a value of `gen_ai.provider.name` such as "openai", and by
    the host and port of `server_url`. Without a `provider_name`, it takes the name of the class.
    """

    keeps_threads: bool = False
    supports_json_schema: bool = False
    provider_name: str | None = None
    server_url: str | None = None

    @abstractmethod
    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Return the model's whole answer.

        Raises:
            ChatClientError: the service refused, failed, or could not be reached.
        """

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        """Yield the model's answer in pieces, as they arrive; in one piece if the service does not stream."""
        response = await self.respond(request)
        yield ChatUpdate(
            contents=response.message.contents,
            message_id=response.message.message_id,
            usage=response.usage,
            finish_reason=response.finish_reason,
            service_thread_id=response.service_thread_id,
            response_id=response.response_id,
        )

    async def retract(  # noqa: B027 - a client whose service keeps no threads has nothing to take back
        self, request: ChatRequest, responses: Sequence[ChatResponse]
    ) -> None:
        """Remove a failed turn from the service's thread, if possible, so that the thread does not keep half a turn.

        Args:
            request: the first request of the turn. Its `service_thread_id` is the thread's id before the turn.
            responses: the service's answers in this turn, in order; there may be none.
        """

    async def forget_context(  # noqa: B027 - a client whose service keeps no threads has nothing to forget
        self, request: ChatRequest, responses: Sequence[ChatResponse]
    ) -> None:
        """Remove the messages of context providers from the service's thread after a turn, if possible.

        Args:
            request: the first request of the turn. Its first `context_count` messages are to be removed.
            responses: the service's answers in this turn, in order.

        Raises:
            ChatClientError: the service refused, failed, or could not be reached. A run logs it, because its turn is
                committed.
        """

    async def read_thread(self, service_thread_id: str) -> list[ChatMessage]:
        """Return all messages of a thread that the service keeps, the oldest first, with the service's ids.

        The messages of context providers, which the service got with a turn, are left out. A client of your own calls
        `recuerda.threads.service_context.without_context` for this.

        Raises:
            ServiceThreadNotFound: the service does not know the thread.
            ChatClientError: the service refused, failed, or could not be reached.
            ConfigurationError: this client's service keeps no threads.
        """
        raise self._keeps_no_threads()

    async def newest_message_id(self, service_thread_id: str) -> str | None:
        """Return the id of the newest message of a thread that the service keeps; None for an empty thread.

        Raises:
            ServiceThreadNotFound: the service does not know the thread.
            ChatClientError: the service refused, failed, or could not be reached.
            ConfigurationError: this client's service keeps no threads.
        """
        raise self._keeps_no_threads()

    async def create_thread(self, messages: Sequence[ChatMessage]) -> str:
        """Copy messages to a new thread of the service, and return its id.

        After a failure, the service has no new thread.

        Raises:
            ChatClientError: the service refused, failed, or could not be reached.
            ConfigurationError: this client's service keeps no threads.
        """
        raise self._keeps_no_threads()

    async def delete_thread(self, service_thread_id: str) -> bool:
        """Delete a thread that the service keeps; return False if there was none.

        Raises:
            ChatClientError: the service refused, failed, or could not be reached.
            ConfigurationError: this client's service keeps no threads.
        """
        raise self._keeps_no_threads()

    def _keeps_no_threads(self) -> ConfigurationError:
        return ConfigurationError(
            f"{type(self).__name__} has no threads at its service: recuerda keeps the messages of its threads"
        )

    async def close(self) -> None:  # noqa: B027 - a client without connections has nothing to close
        """Close connections. Closing twice does no harm; using the client afterwards is an error."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @takes_arguments_of(Agent)
    def create_agent(self, *arguments: Any, **options: Any) -> Agent:
        """Return an agent that speaks through this client.

        It takes the arguments of `Agent` except `model`: `create_agent("Doctor", "Answer briefly.", storage=…)`.
        """
        return Agent(self, *arguments, **options)
