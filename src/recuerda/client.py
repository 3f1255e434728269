"""Base of chat clients: what speaks to a model, and makes agents that do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

from recuerda.agent import Agent
from recuerda.chat import ChatRequest, ChatResponse, ChatUpdate
from recuerda.context import ContextProvider
from recuerda.json_value import Json
from recuerda.storage import Storage
from recuerda.store import ChatMessageStoreProtocol
from recuerda.tools import ToolInput
from recuerda.window import ContextWindow


class ChatClient(ABC):
    """Speak to a model. Subclasses write `respond` and, where the service streams, `stream`."""

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
        )

    async def close(self) -> None:  # noqa: B027 - a client that holds no connection has nothing to free
        """Free connections. Closing twice is fine; using the client afterwards is an error."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def create_agent(
        self,
        name: str | None = None,
        instructions: str | None = None,
        *,
        chat_message_store_factory: Callable[[], ChatMessageStoreProtocol] | None = None,
        storage: Storage | str | None = None,
        context_providers: ContextProvider | Sequence[ContextProvider] | None = None,
        tools: ToolInput | Sequence[ToolInput] | None = None,
        window: ContextWindow | None = None,
        max_tool_rounds: int = 40,
        options: Mapping[str, Json] | None = None,
        lease: timedelta | None = None,
    ) -> Agent:
        """Return an agent that speaks through this client; the arguments are those of `Agent`."""
        return Agent(
            self,
            name=name,
            instructions=instructions,
            chat_message_store_factory=chat_message_store_factory,
            storage=storage,
            context_providers=context_providers,
            tools=tools,
            window=window,
            max_tool_rounds=max_tool_rounds,
            options=options,
            lease=lease,
        )
