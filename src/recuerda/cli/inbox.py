"""`recuerda pending`: the calls that wait for a person's approval, and decisions about them.

A decision is saved in the thread's unfinished turn, so the program that has the tools need not run. Its next run on the
thread carries the decision out.
"""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, cast

import typer
from rich.text import Text

from recuerda.agent.decisions import Approval, Refusal
from recuerda.agent.inbox import list_pending, save_decisions
from recuerda.agent.request import Decisions
from recuerda.agent.response import PendingCall, PendingPage, PendingTurn
from recuerda.agent.resuming import pending_turn
from recuerda.cli.options import JsonOption, StorageOption, opened_to_read, public_url
from recuerda.cli.output import clean_line, console, counted, print_json, print_line, warn
from recuerda.cli.pending import arguments_shown, told_call, turn_json
from recuerda.errors import InvalidInput, ThreadNotFound
from recuerda.examination import is_sealed, shown_age
from recuerda.json_value import JsonObject
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread

EXAMPLES = (
    "recuerda pending",
    "recuerda pending --user ana --json",
    "recuerda pending approve trip call_1",
    "recuerda pending approve trip call_1 --arguments '{\"euros\": 90}'",
    "recuerda pending refuse trip --all --reason 'too expensive'",
)
APPROVE_EXAMPLES = EXAMPLES[2:4]
REFUSE_EXAMPLES = ("recuerda pending refuse trip call_1 call_2 --by eva", "recuerda pending refuse trip --all")

UserOption = Annotated[
    str | None, typer.Option("--user", metavar="ID", help="Look only at this user's threads, and refuse all others.")
]
ThreadArgument = Annotated[str, typer.Argument(metavar="THREAD", help="The thread's id.")]
CallsArgument = Annotated[list[str] | None, typer.Argument(metavar="CALL", help="The ids of the calls.")]
AllOption = Annotated[bool, typer.Option("--all", help="Decide about all calls of the thread that wait.")]
ByOption = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="The name of the person who decides. The default is your login name."),
]


def pending(
    context: typer.Context,
    *,
    user: UserOption = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, help="The largest number of unfinished turns to look at.")
    ] = 100,
    cursor: Annotated[
        str | None,
        typer.Option("--cursor", metavar="TEXT", help="List the next page after the page that printed this cursor."),
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the calls that wait for your approval, and approve or refuse them.

    Each call is one line: the thread, the call, the tool with its arguments, and the time for which it has waited. The
    turn that was begun first comes first. A turn that broke off is not listed; `recuerda doctor` finds it.

    With --json, the output is {"turns": [{"thread_id", "user_id", "turn_id", "revision", "steps", "age_s", "messages",
    "calls": [{"call_id", "name", "arguments", "waits_for", "asked_at", "expires_at", "decision"}]}], "cursor"}.
    """
    if context.invoked_subcommand is not None:
        _check_no_option_is_lost(context, context.invoked_subcommand)
        return
    page = asyncio.run(_page(storage, user=user, limit=limit, cursor=cursor))
    if as_json:
        print_json({"turns": [turn_json(turn) for turn in page.turns], "cursor": page.cursor})
        return
    out = console()
    for turn in page.turns:
        for call in turn.calls:
            print_line(out, _line(turn, call))
    if page.sealed:
        warn(
            f"{counted(page.sealed, 'unfinished turn')} cannot be read, because the storage is encrypted: call "
            "agent.list_pending() in the program that has the key"
        )
    if page.cursor is not None:
        warn(f"there are more: use --cursor '{page.cursor}' for the next page")
    if any(turn.waits_for_approval for turn in page.turns):
        warn("`recuerda pending approve THREAD CALL` runs a call, and `recuerda pending refuse THREAD CALL` refuses it")
    elif not page.turns and not page.sealed and page.cursor is None:
        whose = "" if user is None else f" of user {user!r}"
        warn(f"no call{whose} waits for approval in {public_url(storage)}")


def approve(
    thread_id: ThreadArgument,
    call_ids: CallsArgument = None,
    *,
    is_all: AllOption = False,
    arguments: Annotated[
        str | None,
        typer.Option("--arguments", metavar="JSON", help="Run the call with these arguments, a JSON object."),
    ] = None,
    by: ByOption = None,
    user: UserOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve calls that wait, also with other arguments.

    The decision is saved. The program that has the tool carries it out when it next resumes the thread. A call has one
    decision: if another person has decided, the command fails and names the person.

    With --json, the output is the turn, as `recuerda pending --json` prints it.
    """
    if arguments is not None and (is_all or len(call_ids or ()) != 1):
        raise typer.BadParameter("--arguments goes with one call")
    given = True if arguments is None else _object(arguments)
    turn = asyncio.run(_decide(storage, thread_id, call_ids or (), given, is_all=is_all, by=by, user=user))
    _print_decided(turn, as_json=as_json)


def refuse(
    thread_id: ThreadArgument,
    call_ids: CallsArgument = None,
    *,
    is_all: AllOption = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="The reason, which the model is told too.")
    ] = "",
    by: ByOption = None,
    user: UserOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse calls that wait. The model is told that the user did not allow them.

    The decision is saved, and carried out when the program next resumes the thread. A call has one decision.

    With --json, the output is the turn, as `recuerda pending --json` prints it.
    """
    given = Refusal(reason)
    turn = asyncio.run(_decide(storage, thread_id, call_ids or (), given, is_all=is_all, by=by, user=user))
    _print_decided(turn, as_json=as_json)


def _check_no_option_is_lost(context: typer.Context, command: str) -> None:
    """Refuse options in front of a subcommand, which would not see them."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"give the options behind `{command}`: recuerda pending {command} … --option")


async def _page(given: str | None, *, user: str | None, limit: int, cursor: str | None) -> PendingPage:
    async with opened_to_read(given, may_be_new=True) as storage:
        return await list_pending(storage, user_id=user, limit=limit, cursor=cursor)


async def _decide(
    given: str | None,
    thread_id: str,
    call_ids: Sequence[str],
    decision: Approval,
    *,
    is_all: bool,
    by: str | None,
    user: str | None,
) -> PendingTurn:
    if bool(call_ids) == is_all:
        raise typer.BadParameter("give the ids of the calls, or --all")
    async with opened_to_read(given) as storage:
        store = ChatMessageStore(storage=storage, thread_id=thread_id, user_id=user)
        draft = await store.view.load_draft(thread_id)
        if draft is None and await store.info() is None:
            raise ThreadNotFound(thread_id)
        if draft is not None and is_all and not is_sealed(draft.steps[0].body):
            calls = pending_turn(draft, thread_id).calls
            call_ids = [call.call_id for call in calls if call.waits_for == "approval"]
            if not call_ids:
                raise InvalidInput(f"no call of thread {thread_id!r} waits for approval")
        decisions = Decisions(approvals=dict.fromkeys(call_ids, decision), decided_by=by or login_name())
        thread = AgentThread(message_store=store)
        return await save_decisions(thread, decisions, view=store.view, tools={})


def login_name() -> str | None:
    """Return the name under which the user is logged in; None if it is not known, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def _object(text: str) -> JsonObject:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"--arguments is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise typer.BadParameter("--arguments takes a JSON object, such as '{\"euros\": 90}'")
    return cast("JsonObject", found)


def _line(turn: PendingTurn, call: PendingCall) -> Text:
    waited = "" if call.asked_at is None else f", for {shown_age(datetime.now(UTC) - call.asked_at)}"
    limit = "" if call.expires_at is None else f", until {call.expires_at.astimezone():%Y-%m-%d %H:%M}"
    return Text.assemble(
        (clean_line(turn.thread_id), "cyan"),
        "  ",
        (clean_line(call.call_id), "bold"),
        f"  {clean_line(call.name)}({clean_line(arguments_shown(call))})  ",
        (f"{told_call(call)}{waited}{limit}", "dim"),
    )


def _print_decided(turn: PendingTurn, *, as_json: bool) -> None:
    if as_json:
        print_json(turn_json(turn))
        return
    out = console()
    for call in turn.calls:
        print_line(out, _line(turn, call))
    left = [call for call in turn.calls if call.waits_for == "approval"]
    if left:
        warn(f"{counted(len(left), 'call')} of this turn still {'waits' if len(left) == 1 else 'wait'} for approval")
    else:
        warn(
            "the program that has the tools carries this out when it resumes the thread: agent.resume(thread), or "
            'agent.run(…, on_pending="resume")'
        )
