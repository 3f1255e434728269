"""Base of chat clients: what speaks to a model, and makes agents that do."""

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
    """Speak to a model. Subclasses write `respond` and, where the service streams, `stream`.

    A client whose service keeps the threads sets `keeps_threads` and writes the methods about threads as well.
    """

    keeps_threads: bool = False

    @abstractmethod
    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Return the model's whole answer.

        Raises:
            ChatClientError: the service refused, failed, or could not be reached.
        """

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        """Give the model's answer as it comes; in one piece where the service does not stream."""
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
        """Take a turn that failed out of the service's thread, so that it never keeps half a turn; best effort.

        Args:
            request: the turn's first request; its `service_thread_id` is what the thread was before the turn.
            responses: what the service answered in this turn, in order; maybe nothing.
        """

    async def read_thread(self, service_thread_id: str) -> list[ChatMessage]:
        """Return all messages of a thread that the service keeps, the oldest first, with the service's ids.

        Raises:
            ServiceThreadNotFound: the service does not know it.
            ChatClientError: the service refused, failed, or could not be reached.
            ConfigurationError: this client's service keeps no threads.
        """
        raise self._keeps_no_threads()

    async def newest_message_id(self, service_thread_id: str) -> str | None:
        """Return the id of the newest message of a thread that the service keeps; None for an empty thread.

        Raises:
            ServiceThreadNotFound: the service does not know it.
            ChatClientError: the service refused, failed, or could not be reached.
            ConfigurationError: this client's service keeps no threads.
        """
        raise self._keeps_no_threads()

    async def create_thread(self, messages: Sequence[ChatMessage]) -> str:
        """Hand messages over to the service, and return the id of its thread. On a failure nothing stays there.

        Raises:
            ChatClientError: the service refused, failed, or could not be reached.
            ConfigurationError: this client's service keeps no threads.
        """
        raise self._keeps_no_threads()

    async def delete_thread(self, service_thread_id: str) -> bool:
        """Delete a thread that the service keeps; return whether there was one.

        Raises:
            ChatClientError: the service refused, failed, or could not be reached.
            ConfigurationError: this client's service keeps no threads.
        """
        raise self._keeps_no_threads()

    def _keeps_no_threads(self) -> ConfigurationError:
        return ConfigurationError(f"{type(self).__name__} keeps no threads at its service: their history is local")

    async def close(self) -> None:  # noqa: B027 - a client that holds no connection has nothing to free
        """Free connections. Closing twice is fine; using the client afterwards is an error."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @takes_arguments_of(Agent)
    def create_agent(self, *arguments: Any, **options: Any) -> Agent:
        """Return an agent that speaks through this client.

        The arguments are those of `Agent` without `model`: `create_agent("Doctor", "Answer briefly.", storage=…)`.
        """
        return Agent(self, *arguments, **options)
