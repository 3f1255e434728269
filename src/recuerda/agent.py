"""The agent: instructions, a model and a memory, tied together.

An agent keeps no conversation itself. It opens threads on its storage, or with its store factory, and each `run` adds
one turn to one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeAlias, cast

from recuerda.background import run_in_background
from recuerda.chat import ChatModel
from recuerda.context import ContextProvider
from recuerda.errors import ConfigurationError, InvalidInput
from recuerda.ids import check_id, check_limit
from recuerda.json_value import Json
from recuerda.memory_storage import MemoryStorage
from recuerda.messages import ChatMessage
from recuerda.registry import open_storage
from recuerda.run import AgentResponse, AgentResponseUpdate, Run, RunSettings
from recuerda.storage import Storage
from recuerda.store import ChatMessageStore, ChatMessageStoreProtocol
from recuerda.thread import AgentThread
from recuerda.tools import FunctionTool, ToolInput, tools_by_name
from recuerda.window import ContextWindow

RunInput: TypeAlias = str | ChatMessage | Sequence[str | ChatMessage]
"""What a run is given: text or messages. Text is a user's message."""


class Agent:
    """Answer in threads that last.

    Args:
        model: the client that speaks to a model; most use `client.create_agent(…)`.
        name: the agent's name, for people.
        instructions: the system prompt.
        chat_message_store_factory: called without argument for each new thread; returns its store.
        storage: where threads live: a `Storage` or a URL. Neither: in RAM, for as long as the agent.
        context_providers: asked before each run, told after it.
        tools: typed callables that the model may call.
        window: what of the thread is sent with each run; None for all of it.
        max_tool_rounds: how many times in a run the model may call tools before it has to answer.
        options: the service's own options for each model call, such as `{"temperature": 0}`.
        lease: let runs on one thread in several processes queue, where they would conflict otherwise: how long the
            thread stays taken after its process has died, such as `timedelta(seconds=30)`. See `Storage.lease`.

    Raises:
        ConfigurationError: both a store factory and a storage are given, or a tool cannot be described.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        name: str | None = None,
        instructions: str | None = None,
        chat_message_store_factory: Callable[[], ChatMessageStoreProtocol] | None = None,
        storage: Storage | str | None = None,
        context_providers: ContextProvider | Sequence[ContextProvider] | None = None,
        tools: ToolInput | Sequence[ToolInput] | None = None,
        window: ContextWindow | None = None,
        max_tool_rounds: int = 40,
        options: Mapping[str, Json] | None = None,
        lease: timedelta | None = None,
    ) -> None:
        if chat_message_store_factory is not None and storage is not None:
            raise ConfigurationError("give chat_message_store_factory or storage: both say where threads live")
        self.name = name
        self.instructions = instructions
        self._factory = chat_message_store_factory
        self._owns_storage = isinstance(storage, str)
        self._storage = open_storage(storage) if isinstance(storage, str) else storage or MemoryStorage()
        self._settings = RunSettings(
            model=model,
            instructions=instructions,
            tools=_tools(tools),
            providers=_providers(context_providers),
            window=window,
            options=dict(options or {}),
            max_tool_rounds=check_limit(max_tool_rounds, "max_tool_rounds"),
            lease=lease,
        )

    def __repr__(self) -> str:
        return f"Agent(name={self.name!r}, storage={self._storage.kind!r})"

    @property
    def storage(self) -> Storage:
        """The home of this agent's threads, unless they come from a store factory."""
        return self._storage

    # -- threads -------------------------------------------------------------------------------------------------------

    def get_new_thread(self, *, user_id: str | None = None) -> AgentThread:
        """Return a new thread with an id of its own. Nothing is written before its first turn.

        Args:
            user_id: whose thread it is.
        """
        store = self._make_store()
        if user_id is not None:
            self._openable(store).user_id = check_id(user_id, "user id")
        return AgentThread(message_store=store)

    def get_thread(self, thread_id: str, *, user_id: str | None = None) -> AgentThread:
        """Return the thread of an id, which exists or will with its first turn. Nothing is read yet.

        With a store factory, its store is like those that the factory makes. Where these have a RAM of their own,
        threads that are opened by id share the agent's: otherwise they would be empty each time.

        Args:
            thread_id: the thread's id.
            user_id: whose thread it is; using another user's raises `ThreadOwnershipError`.

        Raises:
            ConfigurationError: the agent's store factory makes stores that cannot be opened by id.
        """
        return AgentThread(message_store=self._open_store(self._make_store(), thread_id, user_id=user_id))

    async def deserialize_thread(self, serialized_thread: Any, *, user_id: str | None = None) -> AgentThread:
        """Return the thread that `AgentThread.serialize` described, on this agent's storage or from its store factory.

        Messages that the state carries are added to the storage unless they are there: restoring twice adds nothing
        twice.

        Args:
            serialized_thread: the state.
            user_id: whose thread it is; using another user's raises `ThreadOwnershipError`.

        Raises:
            StateError: the state is of an unknown kind, version or type, or of another kind of storage.
        """
        store = self._make_store()
        if user_id is not None:
            self._openable(store).user_id = check_id(user_id, "user id")
        return await AgentThread.deserialize(serialized_thread, message_store=store)

    def _make_store(self) -> ChatMessageStoreProtocol:
        return ChatMessageStore(storage=self._storage) if self._factory is None else self._factory()

    def _open_store(
        self, made: ChatMessageStoreProtocol, thread_id: str, *, user_id: str | None = None
    ) -> ChatMessageStore:
        store = self._openable(made)
        # A store that has a RAM of its own would forget: threads that are opened by id live in the agent's.
        is_private = store.owns_storage and isinstance(store.storage, MemoryStorage)
        return store.for_thread(thread_id, user_id=user_id, storage=self._storage if is_private else None)

    @staticmethod
    def _openable(store: ChatMessageStoreProtocol) -> ChatMessageStore:
        if not isinstance(store, ChatMessageStore):
            raise ConfigurationError(
                f"the store factory makes {type(store).__name__}, which cannot be opened by id or for a user; "
                "restore its threads with deserialize_thread, or use storage="
            )
        return store

    # -- runs ----------------------------------------------------------------------------------------------------------

    async def run(
        self, messages: RunInput, *, thread: AgentThread | str | None = None, turn_id: str | None = None
    ) -> AgentResponse:
        """Answer, and add the whole exchange to the thread as one turn.

        Runs on one thread queue within a process. A failure or cancellation before the commit leaves the thread as it
        was.

        Args:
            messages: the input.
            thread: a thread or its id; None for a temporary one that is forgotten.
            turn_id: your name for this turn. If a run is repeated with it, the first answer is returned and no model is
                called.

        Raises:
            ThreadConflict: another process added to the thread meanwhile; nothing was written.
            EncodeError: the input, or a tool's result, has no JSON form.
            RunLimitError: the model kept calling tools.
            ChatClientError: the model's service failed.
            StorageError: see its branches.
        """
        run = self._run(messages, thread, turn_id, is_streamed=False)
        async with aclosing(run.updates()) as updates:
            async for _ in updates:
                pass
        return _response(run)

    def run_stream(
        self, messages: RunInput, *, thread: AgentThread | str | None = None, turn_id: str | None = None
    ) -> AgentResponseStream:
        """Answer piece by piece. The arguments and errors are those of `run`.

        The turn is committed after the last update, before the iteration ends; leaving it early cancels the turn.
        """
        return AgentResponseStream(self._run(messages, thread, turn_id, is_streamed=True))

    def run_sync(
        self, messages: RunInput, *, thread: AgentThread | str | None = None, turn_id: str | None = None
    ) -> AgentResponse:
        """Do what `run` does, for programs without an event loop; block while it runs on a loop in another thread."""
        return run_in_background(self.run(messages, thread=thread, turn_id=turn_id))

    def _run(
        self, messages: RunInput, thread: AgentThread | str | None, turn_id: str | None, *, is_streamed: bool
    ) -> Run:
        if isinstance(thread, str):
            thread = self.get_thread(thread)
        if thread is None:
            thread = AgentThread(message_store=ChatMessageStore())
        if not thread.is_initialized:
            store = self._make_store()
            is_own = not isinstance(store, ChatMessageStore)
            thread.message_store = store if is_own else self._open_store(store, thread.id)
        if thread.service_thread_id is not None:
            raise ConfigurationError(f"thread {thread.id!r} is kept by a service, and this agent's client keeps none")
        if turn_id is not None:
            check_id(turn_id, "turn id")
        return Run(self._settings, thread, _messages(messages), turn_id=turn_id, is_streamed=is_streamed)

    # -- life ----------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Close the providers, and the storage if this agent opened it from a URL."""
        async with AsyncExitStack() as stack:
            if self._owns_storage:
                stack.push_async_callback(self._storage.close)
            for provider in self._settings.providers:
                stack.push_async_callback(provider.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AgentResponseStream:
    """The updates of one run, to be iterated once; afterwards `response` is the whole answer.

    Use it in `async with` where the loop may be left early and the turn has to be cancelled at once.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._updates = run.updates()

    def __aiter__(self) -> Self:
        return self

    def __del__(self) -> None:
        # The loop body was left: the event loop closes the run soon, and the next one on the thread may wait for that.
        self._run.is_abandoned = True

    async def __anext__(self) -> AgentResponseUpdate:
        return await anext(self._updates)

    async def aclose(self) -> None:
        """Cancel what has not been committed."""
        await self._updates.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def response(self) -> AgentResponse:
        """The whole answer, once the stream has ended.

        Raises:
            InvalidInput: it has not.
        """
        return _response(self._run)


def _response(run: Run) -> AgentResponse:
    if run.response is None:
        raise InvalidInput("the stream has not ended yet: iterate it to its end first")
    return run.response


def _messages(given: RunInput) -> tuple[ChatMessage, ...]:
    items = [given] if isinstance(given, str | ChatMessage) else list(given)
    messages = tuple(ChatMessage("user", item) if isinstance(item, str) else item for item in items)
    if not messages:
        raise InvalidInput("a run needs at least one message")
    for message in messages:
        if not isinstance(message, ChatMessage):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
            raise InvalidInput(f"a run takes text or ChatMessage, not {type(message).__name__}")
    return messages


def _tools(given: ToolInput | Sequence[ToolInput] | None) -> tuple[FunctionTool, ...]:
    if given is None:
        return ()
    items = cast("Sequence[ToolInput]", given if isinstance(given, Sequence) else (given,))
    return tuple(tools_by_name(items).values())


def _providers(given: ContextProvider | Sequence[ContextProvider] | None) -> tuple[ContextProvider, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, ContextProvider) else tuple(given)
