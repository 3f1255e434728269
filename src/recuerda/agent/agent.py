"""The agent: instructions, a model and a memory.

An agent keeps no conversation itself. It opens threads on its storage, or with its store factory, and each `run` adds
one turn to one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from msgspec import UNSET, UnsetType, structs

from recuerda.agent.arguments import blocks, streams
from recuerda.agent.background import run_in_background
from recuerda.agent.chat import ChatModel
from recuerda.agent.decisions import Approval
from recuerda.agent.generics import OutputType, V
from recuerda.agent.hooks import RunHooks
from recuerda.agent.inbox import list_pending, save_decisions
from recuerda.agent.incoming import InputChoice
from recuerda.agent.journal import drop_draft, durable_store, load_draft
from recuerda.agent.preview import PreviewRequest, RunPreview, preview_run
from recuerda.agent.request import Decisions, OnPending, RunInput, RunRequest, input_messages
from recuerda.agent.response import AgentResponse, PendingPage, PendingTurn
from recuerda.agent.resuming import pending_turn
from recuerda.agent.run import Run
from recuerda.agent.run_requests import RunRequests
from recuerda.agent.settings import AgentSettings, AgentTools, Durability, RunTools
from recuerda.agent.stream import AgentResponseStream
from recuerda.agent.summarizer import Summarizer
from recuerda.agent.threads import AgentThreads
from recuerda.agent.titler import Titler
from recuerda.agent.usage_limits import UsageLimits
from recuerda.ids import check_count
from recuerda.json_value import Json
from recuerda.providers.context import ContextProvider
from recuerda.storage.contract import Storage
from recuerda.threads.forking import TurnReference
from recuerda.threads.protocol import ChatMessageStoreProtocol
from recuerda.threads.thread import AgentThread
from recuerda.window.window import ContextWindow


class Agent:
    """An agent that answers in threads that last.

    Args:
        model: the client that speaks to a model. Most programs call `client.create_agent(…)` instead of this class.
        name: the agent's name. It stands on the agent's messages, to tell several agents in one thread apart.
        instructions: the system prompt.
        chat_message_store_factory: called without arguments for each new thread; returns the thread's store.
        storage: the home of the threads: a `Storage` or a URL. If neither a storage nor a factory is given,
            threads live in RAM, for as long as the agent does.
        context_providers: providers that add context before each run and receive the messages after it.
        tools: typed callables that the model may call, and providers of tools, such as `MCPTools`. The agent closes
            the providers.
        window: the limit for the part of the thread that is sent with each run; None for the whole thread.
        max_tool_rounds: the number of times that the model may call tools in a run before it has to answer.
        options: the service's own options for each model call, such as `{"temperature": 0}`.
        lease: makes runs on one thread wait for each other across processes; without it they would conflict. The value
            is the time for which a thread stays locked after its process has died, such as `timedelta(seconds=30)`.
            If None, no lease is taken. See `Storage.lease`.
        durability: "turn" saves each run in one write at its end. "steps" also saves each model answer and tool result
            as soon as it exists, so that `resume` can continue a run whose process died.
        summarizer: summarizes turns that are too old for the window. If None, they are left out without a summary.
        titler: lets a model write the titles of new threads behind the answer. If None, a title is the start of the
            first text.
        approval_expires: the time after which a call that waits for approval is refused, unless its tool has a time of
            its own. The next run on the thread tells the model so. If None, a call waits for ever.
        mirror: the home of local copies, if the client's service keeps the threads: a `Storage` or a URL. If None, no
            copies are kept.
        hooks: objects that are told before and after each call of the model and of a tool.
        usage_limits: the budget of each run: calls of the model, calls of tools, and tokens.
        warm_bytes: the number of bytes of threads that the agent keeps in memory between runs. A run on one of these
            threads reads only the turns that are new, also on a new handle. The least recently used threads go first.
            0 keeps none: then only a handle remembers the turns that it has read.

    Raises:
        ConfigurationError: both a store factory and a storage are given, or a tool cannot be described, or an argument
            has another type.
        InvalidInput: `durability`, `max_tool_rounds` or `warm_bytes` has another value.
    """

    def __init__(
        self,
        model: ChatModel,
        name: str | None = None,
        instructions: str | None = None,
        *,
        chat_message_store_factory: Callable[[], ChatMessageStoreProtocol] | None = None,
        storage: Storage | str | None = None,
        context_providers: ContextProvider | Sequence[ContextProvider] | None = None,
        tools: AgentTools | None = None,
        window: ContextWindow | None = None,
        max_tool_rounds: int = 40,
        options: Mapping[str, Json] | None = None,
        lease: timedelta | None = None,
        durability: Durability = "turn",
        summarizer: Summarizer | None = None,
        titler: Titler | None = None,
        approval_expires: timedelta | None = None,
        mirror: Storage | str | None = None,
        hooks: RunHooks | Sequence[RunHooks] | None = None,
        usage_limits: UsageLimits | None = None,
        warm_bytes: int = 32_000_000,
    ) -> None:
        self._settings = AgentSettings.of(
            model,
            name=name,
            instructions=instructions,
            context_providers=context_providers,
            tools=tools,
            window=window,
            max_tool_rounds=max_tool_rounds,
            options=options,
            lease=lease,
            durability=durability,
            summarizer=summarizer,
            titler=titler,
            approval_expires=approval_expires,
            hooks=hooks,
            usage_limits=usage_limits,
        )
        self.name = name
        self.instructions = instructions
        self._threads = AgentThreads(
            storage,
            chat_message_store_factory,
            mirror=mirror,
            by_service=self._settings.service is not None,
            warm_bytes=check_count(warm_bytes, "warm_bytes"),
        )
        self._requests = RunRequests(self._threads, self._settings)

    def __repr__(self) -> str:
        return f"Agent(name={self.name!r}, storage={self.storage.kind!r})"

    @property
    def storage(self) -> Storage:
        """The home of this agent's threads, unless they come from a store factory."""
        return self._threads.storage

    @property
    def window(self) -> ContextWindow | None:
        """The limit for the part of the thread that is sent with each run; None for the whole thread."""
        return self._settings.window

    # -- threads -------------------------------------------------------------------------------------------------------

    def get_new_thread(self, *, user_id: str | None = None, service_thread_id: str | None = None) -> AgentThread:
        """Return a new thread with an id of its own. Nothing is written before its first turn.

        Args:
            user_id: the user to whom the thread belongs; None for a thread without a user.
            service_thread_id: the id of a thread that the client's service already keeps; None for a new one.

        Raises:
            ThreadOwnershipError: `service_thread_id` is given, and the service of this agent's client keeps no threads.
        """
        return self._threads.new(user_id=user_id, service_thread_id=service_thread_id)

    def get_thread(self, thread_id: UUID | str, *, user_id: str | None = None) -> AgentThread:
        """Return the thread with an id. Nothing is read yet.

        A thread that does not exist is created with its first turn.

        With a store factory, the thread gets a store like the stores that the factory makes. If each of those stores
        keeps its messages in RAM of its own, threads that are opened by id share the agent's RAM. Otherwise they would
        be empty each time.

        Args:
            thread_id: the thread's id.
            user_id: the user to whom the thread belongs; using another user's thread raises `ThreadOwnershipError`.

        Raises:
            ConfigurationError: the agent's store factory makes stores that cannot be opened by id, or its client's
                service keeps the threads.
        """
        return self._threads.open(thread_id, user_id=user_id)

    async def deserialize_thread(self, serialized_thread: Any, *, user_id: str | None = None) -> AgentThread:
        """Return the thread that `AgentThread.serialize` described, on this agent's storage or from its store factory.

        Messages in the state are added to the storage unless it already has them, so restoring twice adds nothing
        twice.

        Args:
            serialized_thread: the state.
            user_id: the user to whom the thread belongs; using another user's thread raises `ThreadOwnershipError`.

        Raises:
            StateError: the state is of an unknown kind, version or type, or of another kind of storage.
        """
        return await self._threads.restore(serialized_thread, user_id=user_id)

    # -- runs ----------------------------------------------------------------------------------------------------------

    async def run(
        self,
        messages: RunInput,
        *,
        thread: AgentThread | str | None = None,
        turn_id: str | None = None,
        durability: Durability | None = None,
        on_pending: OnPending = "raise",
        keep_partial: bool = False,
        keep_failed: bool = False,
        input: InputChoice = "new",
        replaces: TurnReference | None = None,
        output_type: OutputType[V] = None,
        options: Mapping[str, Json] | None = None,
        tools: RunTools | None = None,
        instructions: str | None = None,
        context: object = None,
        usage_limits: UsageLimits | None = None,
        metadata: Mapping[str, Json] | None = None,
    ) -> AgentResponse[V]:
        """Answer, and add the whole exchange to the thread as one turn.

        Within a process, runs on the same thread wait for each other. A failure or cancellation before the commit
        leaves the thread unchanged.

        Args:
            messages: the input: one text or message, or several.
            thread: a thread or its id; None for a temporary thread that is forgotten.
            turn_id: your name for this turn. If a run is repeated with the same name, the first answer is returned and
                no model is called.
            durability: as in `Agent`, for this run.
            on_pending: what to do if the thread has an interrupted turn: "raise" an error, "resume" the turn first, or
                "discard" it.
            keep_partial: if the run is cancelled, commit the input and the answer so far as a turn that is marked as
                interrupted.
            keep_failed: do the same also if the run fails, with a short text about the error (`Turn.error`). The error
                is raised as well. `regenerate` tries again.
            input: the messages that count, for a client that sends the whole conversation. "new" takes the messages
                that the thread does not have, by their `message_id`; if it has them all, the answer that it has is
                returned. "last" takes the messages behind the last answer. "all" takes every message.
            replaces: the thread's newest turn, its id or its number. The new turn takes its place in one step, and the
                model does not see it. If the run fails or the process dies, the old turn is still there. None replaces
                no turn. With `keep_partial` and `keep_failed`, only a turn that was interrupted as
                well is replaced by an interrupted turn.
            output_type: the type of the answer's `value`: a dataclass, a struct, a TypedDict, a Pydantic model, or any
                other type with a JSON schema. The model is asked for JSON of this form. If its answer does not fit, it
                is asked once more with the checker's words. None for an answer in text.
            options: the service's own options for this run, in addition to the agent's. An option of the run counts.
            tools: tools for this run, in addition to the agent's.
            instructions: instructions for this run, which follow the agent's. They are not stored.
            context: any object for the tools that ask for it with a parameter of type `RunContext`. It is not stored,
                and the model does not see it.
            usage_limits: the budget of this run, in place of the agent's.
            metadata: a JSON object that is stored with the turn, such as the id of a trace. The model does not see it.

        Raises:
            ThreadConflict: another process added to the thread during the run; nothing was written.
            TurnGone: the turn to replace is not in the thread any more.
            TurnPending: the thread has an interrupted turn; no model was called.
            DraftConflict: another process began a turn on the thread during the run, so the steps of this turn cannot
                be saved.
            EncodeError: the input or the metadata has no JSON form.
            ConfigurationError: two tools have the same name, or a tool asks for a context of another type.
            InvalidInput: no message of the input is new, or it cannot be told which are (see `input`). Or the turn to
                replace is not the thread's newest turn.
            OutputError: the model's answers do not have the form of `output_type`, or it refused to answer.
            UsageLimitExceeded: the run has used up one of its limits before the model had answered.
            RunLimitError: the model still called tools after `max_tool_rounds` rounds.
            ChatClientError: the model's service failed.
            StorageError: the storage failed; its subclasses say how.
        """
        request = self._requests.new_turn(
            messages,
            thread=thread,
            turn_id=turn_id,
            durability=durability,
            on_pending=on_pending,
            keep_partial=keep_partial,
            keep_failed=keep_failed,
            input=input,
            replaces=replaces,
        )
        if (
            output_type is not None  # pyright: ignore[reportUnnecessaryComparison] - None is the default
            or options is not None
            or tools is not None
            or instructions is not None
            or context is not None
            or usage_limits is not None
            or metadata is not None
        ):
            request = self._requests.with_own(
                request,
                output_type=output_type,
                options=options,
                tools=tools,
                instructions=instructions,
                context=context,
                usage_limits=usage_limits,
                metadata=metadata,
            )
        return await self._start(request).drained()

    @streams(run)
    def run_stream(self, *given: Any, **options: Any) -> AgentResponseStream[Any]:
        """Stream the answer. Takes the arguments of `run` and raises the same errors.

        The turn is committed after the last update, before the iteration ends. Leaving the iteration early cancels the
        turn.
        """
        return self._start_stream(self._requests.new_turn(*given, **options))

    @blocks(run)
    def run_sync(self, *given: Any, **options: Any) -> AgentResponse[Any]:
        """Do the same as `run`, for a program without an event loop.

        The call blocks until the answer is complete.
        """
        return run_in_background(self.run(*given, **options))

    # -- answers again -------------------------------------------------------------------------------------------------

    async def regenerate(
        self,
        thread: AgentThread | str,
        *,
        turn_id: str | None = None,
        durability: Durability | None = None,
        on_pending: OnPending = "raise",
        keep_partial: bool = False,
        keep_failed: bool = False,
        output_type: OutputType[V] = None,
        options: Mapping[str, Json] | None = None,
        tools: RunTools | None = None,
        instructions: str | None = None,
        context: object = None,
        usage_limits: UsageLimits | None = None,
        metadata: Mapping[str, Json] | None = None,
    ) -> AgentResponse[V]:
        """Answer the input of the thread's newest turn again, and replace that turn in one step.

        The newest turn may be an interrupted one, such as a question whose run failed (see `keep_failed`). The model
        does not see the old answer. If the run fails, is cancelled, or the process dies, the old turn is still there.

        Args:
            thread: a thread or its id.
            turn_id: your name for the new turn. If the call is repeated with the same name, the first new answer is
                returned and no model is called.
            durability: as in `run`.
            on_pending: as in `run`.
            keep_partial: as in `run`. Only a turn that was interrupted as well is replaced by an interrupted turn.
            keep_failed: as in `run`, with the same limit.
            output_type: as in `run`.
            options: as in `run`.
            tools: as in `run`.
            instructions: as in `run`.
            context: as in `run`.
            usage_limits: as in `run`.
            metadata: as in `run`.

        Raises:
            InvalidInput: the thread has no turn, or its newest turn holds no message of the user.
            ConfigurationError: the thread is kept by a service, or by a store that knows no turns.
            RecuerdaError: the errors of `run`.
        """
        request = self._requests.again(
            thread,
            turn_id=turn_id,
            durability=durability,
            on_pending=on_pending,
            keep_partial=keep_partial,
            keep_failed=keep_failed,
            output_type=output_type,
            options=options,
            tools=tools,
            instructions=instructions,
            context=context,
            usage_limits=usage_limits,
            metadata=metadata,
        )
        return await self._start(request).drained()

    @streams(regenerate)
    def regenerate_stream(self, *given: Any, **options: Any) -> AgentResponseStream[Any]:
        """Stream the new answer. Takes the arguments of `regenerate` and raises the same errors."""
        return self._start_stream(self._requests.again(*given, **options))

    # -- edits ---------------------------------------------------------------------------------------------------------

    async def edit(
        self,
        thread: AgentThread | str,
        turn: TurnReference,
        messages: RunInput,
        *,
        turn_id: str | None = None,
        branch_id: str | None = None,
        durability: Durability | None = None,
        keep_partial: bool = False,
        keep_failed: bool = False,
        output_type: OutputType[V] = None,
        options: Mapping[str, Json] | None = None,
        tools: RunTools | None = None,
        instructions: str | None = None,
        context: object = None,
        usage_limits: UsageLimits | None = None,
        metadata: Mapping[str, Json] | None = None,
    ) -> AgentResponse[V]:
        """Say a turn of a thread in another way: branch off before the turn, and answer the new messages there.

        The thread itself stays unchanged. The branch is a fork (see `AgentThread.fork`); its id is the response's
        `thread_id`. If the run fails, no branch is left, unless an interrupted turn waits in it.

        Args:
            thread: a thread or its id.
            turn: the turn that the new messages replace in the branch: the turn, its id or its number.
            messages: the new input.
            turn_id: your name for the new turn. If the edit is repeated with the same name, the answer in the first
                branch is returned. No model is called, and there is no second branch.
            branch_id: the id of the branch. By default it is made from the thread's id and `turn_id`, or at random.
            durability: as in `run`.
            keep_partial: as in `run`.
            keep_failed: as in `run`; the branch then stays.
            output_type: as in `run`.
            options: as in `run`.
            tools: as in `run`.
            instructions: as in `run`.
            context: as in `run`.
            usage_limits: as in `run`.
            metadata: as in `run`.

        Raises:
            InvalidInput: the thread does not have the turn, or its turns are kept elsewhere.
            ThreadNotFound: the thread does not exist.
            ThreadConflict: there is another thread with the id of the branch.
            RecuerdaError: the errors of `run`.
        """
        request = self._requests.edit(
            thread,
            turn,
            messages,
            turn_id=turn_id,
            branch_id=branch_id,
            durability=durability,
            keep_partial=keep_partial,
            keep_failed=keep_failed,
            output_type=output_type,
            options=options,
            tools=tools,
            instructions=instructions,
            context=context,
            usage_limits=usage_limits,
            metadata=metadata,
        )
        return await self._start(request).drained()

    @streams(edit)
    def edit_stream(self, *given: Any, **options: Any) -> AgentResponseStream[Any]:
        """Stream the answer of an edit. Takes the arguments of `edit` and raises the same errors."""
        return self._start_stream(self._requests.edit(*given, **options))

    # -- previews ------------------------------------------------------------------------------------------------------

    async def preview(
        self,
        messages: RunInput | None = None,
        *,
        thread: AgentThread | str,
        turn: TurnReference | None = None,
        request: int = 1,
        window: ContextWindow | UnsetType | None = UNSET,
        options: Mapping[str, Json] | None = None,
        tools: RunTools | None = None,
        instructions: str | None = None,
    ) -> RunPreview:
        """Return what the model would get with a run, and why it would not get the rest. No model is asked.

        The preview reads the thread, asks the providers (`ContextProvider.preview`) and builds the request in the way
        of a run, and writes nothing. An interrupted turn of the thread does not count.

        Args:
            messages: the input of the run; None for a run without input and, with `turn`, for the input of that turn.
            thread: a thread or its id.
            turn: a past turn, its id or its number: the preview shows what the model got with it, as far as the storage
                still has the turns before it, with this agent's settings of today. None for a run that would start now.
            request: the number of the request of the past turn. A turn in which the model called tools has several.
            window: a window in place of the agent's, to compare the two; None for no limit.
            options: as in `run`.
            tools: as in `run`.
            instructions: as in `run`.

        Raises:
            InvalidInput: the thread does not have the turn, or the turn did not have this request.
            ConfigurationError: a service keeps the thread, or its store knows no turns and `turn` is given.
        """
        settings = self._settings.for_run(options=options, tools=tools, instructions=instructions)
        if window is not UNSET:
            settings = settings.with_window(window)
        said = () if messages is None else input_messages(messages)
        opened = self._threads.of_run(thread)
        return await preview_run(settings, PreviewRequest(thread=opened, messages=said, turn=turn, request=request))

    # -- interrupted turns ---------------------------------------------------------------------------------------------

    async def resume(
        self,
        thread: AgentThread | str,
        *,
        approvals: Mapping[str, Approval] | None = None,
        outcomes: Mapping[str, Json] | None = None,
        decided_by: str | None = None,
        keep_partial: bool = False,
        output_type: OutputType[V] = None,
        options: Mapping[str, Json] | None = None,
        tools: RunTools | None = None,
        instructions: str | None = None,
        context: object = None,
        usage_limits: UsageLimits | None = None,
    ) -> AgentResponse[V]:
        """Continue the thread's interrupted turn from its last finished step, in this or any other process.

        Saved answers of the model and saved results of tools are used again. A call that was never started is run. A
        call that was started and has no result is run again only if its tool is `retry_safe`.

        Args:
            thread: a thread or its id.
            approvals: decisions about calls that wait for approval, by call id: True runs the call, False tells the
                model that it was refused, a `Refusal` also says why, an object runs it with these arguments instead.
            outcomes: the results of calls that were started, by call id, as JSON.
            decided_by: the name of the person who decided. The thread keeps it with the calls.
            keep_partial: as in `run`.
            output_type: as in `run`. The interrupted turn does not keep it, so give it again, like the arguments below.
            options: as in `run`.
            tools: as in `run`.
            instructions: as in `run`.
            context: as in `run`.
            usage_limits: as in `run`.

        Raises:
            InvalidInput: there is no interrupted turn (it may have been resumed or dropped already), or a named call
                does not wait for this decision, or its approval comes too late.
            AlreadyDecided: another person has decided about a call.
            ToolOutcomeUnknown: a call was started, `outcomes` does not name it, and its tool is not `retry_safe`.
            ThreadConflict: the thread has changed since the turn began, so the turn can only be dropped.
            DraftConflict: another process has resumed the turn.
        """
        request = self._requests.resumption(
            thread,
            approvals=approvals,
            outcomes=outcomes,
            decided_by=decided_by,
            keep_partial=keep_partial,
            output_type=output_type,
            options=options,
            tools=tools,
            instructions=instructions,
            context=context,
            usage_limits=usage_limits,
        )
        return await self._start(request).drained()

    @streams(resume)
    def resume_stream(self, *given: Any, **options: Any) -> AgentResponseStream[Any]:
        """Continue the thread's interrupted turn and stream the answer. Takes the arguments of `resume`."""
        return self._start_stream(self._requests.resumption(*given, **options))

    async def pending_turn(self, thread: AgentThread | str) -> PendingTurn | None:
        """Return the turn that was begun on a thread and is not yet committed; None if there is no such turn."""
        opened = self._threads.of_run(thread)
        draft = await load_draft(opened)
        return None if draft is None else pending_turn(draft, opened.id)

    async def list_pending(
        self,
        *,
        user_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        unknown_outcomes: bool = False,
    ) -> PendingPage:
        """Return a page of the turns that wait for approvals in the agent's storage, the first begun in front.

        A turn whose calls are all decided is among them until a run carries the decisions out. A turn that is running,
        or that broke off, is not, unless `unknown_outcomes` is True. The storage lists the unfinished turns (see
        `Storage.list_drafts`), and each turn of the page is read, all at the same time.

        Args:
            user_id: list only turns in this user's threads; None lists the turns of all users.
            limit: the largest number of unfinished turns to look at, at least 1.
            cursor: the `PendingPage.cursor` of the previous page with the same user; None for the first page.
            unknown_outcomes: True also lists the turns in which a tool was started and has no result. The tool may
                still be running.

        Raises:
            InvalidInput: the limit is below 1, the user id cannot be used, or the cursor does not come from a
                `PendingPage`.
            ConfigurationError: the storage cannot list unfinished turns.
        """
        return await list_pending(
            self.storage, user_id=user_id, limit=limit, cursor=cursor, unknown_outcomes=unknown_outcomes
        )

    async def decide(
        self,
        thread: AgentThread | str,
        approvals: Mapping[str, Approval] | None = None,
        *,
        outcomes: Mapping[str, Json] | None = None,
        decided_by: str | None = None,
    ) -> PendingTurn:
        """Save decisions about calls that wait for approval, and call no tool and no model.

        The next `resume`, or `run(on_pending="resume")`, carries the decisions out, in this or any other process.

        Args:
            thread: a thread or its id.
            approvals: as in `resume`. New arguments are checked now if this agent has the tool.
            outcomes: as in `resume`. If the tool is still running in another process, that run fails when it saves its
                own result.
            decided_by: as in `resume`.

        Raises:
            AlreadyDecided: another person has decided about a call.
            InvalidInput: no turn waits, a named call does not wait for this decision, or its approval comes too late.
                Or the turn has calls that were started, and `outcomes` does not name all of them.
        """
        opened = self._threads.of_run(thread)
        decisions = Decisions(approvals=approvals or {}, outcomes=outcomes or {}, decided_by=decided_by)
        tools = {tool.name: tool for tool in self._settings.tools}
        return await save_decisions(opened, decisions, view=durable_store(opened).view, tools=tools)

    async def discard_turn(self, thread: AgentThread | str, *, turn_id: str | None = None) -> bool:
        """Delete the thread's interrupted turn for good. The thread itself does not change.

        Args:
            thread: a thread or its id.
            turn_id: the turn to delete, as `PendingTurn.turn_id` gives it. A turn that was begun meanwhile stays,
                because another process may be working on it. None deletes the turn that is there now.

        Returns:
            False if the thread does not have this interrupted turn, or has none.
        """
        opened = self._threads.of_run(thread)
        if turn_id is None and (draft := await load_draft(opened)) is not None:
            turn_id = draft.turn_id
        return turn_id is not None and await drop_draft(opened, turn_id)

    def _start(self, request: RunRequest) -> AgentResponseStream[Any]:
        return AgentResponseStream(Run(request.settings or self._settings, request))

    def _start_stream(self, request: RunRequest) -> AgentResponseStream[Any]:
        return self._start(structs.replace(request, is_streamed=True))

    # -- life ----------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Finish summaries and titles, and close the providers, and the storage if this agent opened it from a URL."""
        self._threads.forget()
        async with AsyncExitStack() as stack:
            if self._threads.owns_storage:
                stack.push_async_callback(self.storage.close)
            for provider in self._settings.providers:
                stack.push_async_callback(provider.close)
            if (summarizer := self._settings.summarizer) is not None:
                stack.push_async_callback(summarizer.close)
            if (titler := self._settings.titler) is not None:
                stack.push_async_callback(titler.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
