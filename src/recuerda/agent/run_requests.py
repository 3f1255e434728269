"""The requests that an agent's methods make of their arguments.

A method that answers, and the method that streams the same answer, have the same arguments. So both get their request
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, Unpack

from msgspec import structs

from recuerda.agent.branching import branch_of
from recuerda.agent.decisions import Approval
from recuerda.agent.incoming import InputChoice
from recuerda.agent.output import output_form
from recuerda.agent.request import Decisions, OnPending, RunInput, RunRequest, input_messages
from recuerda.agent.settings import AgentSettings, Durability, RunTools
from recuerda.agent.threads import AgentThreads
from recuerda.agent.usage_limits import UsageLimits
from recuerda.json_value import Json, to_json_object
from recuerda.threads.forking import TurnReference
from recuerda.threads.thread import AgentThread


class OwnOfRun(TypedDict, total=False):
    """The arguments that one run has of its own; `Agent.run` describes each of them."""

    output_type: object
    options: Mapping[str, Json] | None
    tools: RunTools | None
    instructions: str | None
    context: object
    usage_limits: UsageLimits | None
    metadata: Mapping[str, Json] | None


class RunRequests:
    """Makes the requests of one agent's runs. `Agent` describes the arguments.

    Args:
        threads: opens the agent's threads.
        settings: the agent's settings.
    """

    def __init__(self, threads: AgentThreads, settings: AgentSettings) -> None:
        self._threads = threads
        self._settings = settings

    def new_turn(
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
        **own: Unpack[OwnOfRun],
    ) -> RunRequest:
        """Return the request for an answer to new messages."""
        request = RunRequest(
            thread=self._threads.of_run(thread),
            messages=input_messages(messages),
            turn_id=turn_id,
            durability=durability or self._settings.durability,
            on_pending=on_pending,
            keep_partial=keep_partial,
            keep_failed=keep_failed,
            is_temporary=thread is None,
            choice=input,
            replaces=replaces,
        )
        return self.with_own(request, **own) if own else request

    def again(
        self,
        thread: AgentThread | str,
        *,
        turn_id: str | None = None,
        durability: Durability | None = None,
        on_pending: OnPending = "raise",
        keep_partial: bool = False,
        keep_failed: bool = False,
        **own: Unpack[OwnOfRun],
    ) -> RunRequest:
        """Return the request for another answer to the newest turn."""
        request = RunRequest(
            thread=self._threads.of_run(thread),
            turn_id=turn_id,
            durability=durability or self._settings.durability,
            on_pending=on_pending,
            keep_partial=keep_partial,
            keep_failed=keep_failed,
            is_again=True,
        )
        return self.with_own(request, **own)

    def edit(
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
        **own: Unpack[OwnOfRun],
    ) -> RunRequest:
        """Return the request for an answer in a branch, to other messages than a turn's."""
        branch, opened = branch_of(self._threads.of_run(thread), turn, branch_id=branch_id, turn_id=turn_id)
        request = self.new_turn(
            messages,
            thread=opened,
            turn_id=turn_id,
            durability=durability,
            keep_partial=keep_partial,
            keep_failed=keep_failed,
            input="all",
            **own,
        )
        return structs.replace(request, branch=branch)

    def resumption(
        self,
        thread: AgentThread | str,
        *,
        approvals: Mapping[str, Approval] | None = None,
        outcomes: Mapping[str, Json] | None = None,
        decided_by: str | None = None,
        keep_partial: bool = False,
        **own: Unpack[OwnOfRun],
    ) -> RunRequest:
        """Return the request to continue an interrupted turn."""
        request = RunRequest(
            thread=self._threads.of_run(thread),
            decisions=Decisions(outcomes=outcomes or {}, approvals=approvals or {}, decided_by=decided_by),
            durability="steps",
            keep_partial=keep_partial,
        )
        return self.with_own(request, **own)

    def with_own(self, request: RunRequest, **own: Unpack[OwnOfRun]) -> RunRequest:
        """Return a request with what one run has of its own."""
        metadata = own.get("metadata")
        settings = self._settings.for_run(
            options=own.get("options"),
            tools=own.get("tools"),
            instructions=own.get("instructions"),
            usage_limits=own.get("usage_limits"),
        )
        return structs.replace(
            request,
            form=output_form(own.get("output_type")),
            settings=settings,
            context=own.get("context"),
            metadata=None if metadata is None else to_json_object(metadata, "metadata"),
        )
