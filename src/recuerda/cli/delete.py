"""`recuerda delete`: delete threads for good, or everything of a user."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import msgspec
import typer

from recuerda.cli.asking import confirmed
from recuerda.cli.options import JsonOption, StorageOption, opened_to_read
from recuerda.cli.output import clean_line, counted, fail, print_json, warn
from recuerda.errors import ThreadNotFound
from recuerda.storage.erasure import Erasure, Forgotten

EXAMPLES = (
    "recuerda delete default",
    "recuerda delete old-1 old-2 --yes",
    "recuerda delete --user ana --dry-run",
    "recuerda delete --user ana --yes --json",
)


def delete(
    thread_ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="The threads' ids.")] = None,
    *,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="Delete everything of this user, instead of threads.")
    ] = None,
    is_dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --user, only count what would be deleted.")
    ] = False,
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    index: Annotated[
        str | None,
        typer.Option(
            "--index",
            metavar="FILE",
            help="The index of memories that forgets the threads too. The default is the file beside the storage's "
            "file, if there is one.",
        ),
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete threads, or a user, with everything that they hold. This cannot be undone.

    The command asks before it deletes. Without a terminal it cannot ask, so it needs --yes. If one of the threads does
    not exist, none is deleted. The index of `recuerda recall` forgets the threads too.

    With --user, the command deletes all threads of the user and prints a receipt. The exit code is 1 if the index could
    not forget the user. Then run the command again.

    With --json, the output is {"deleted": [ids]}; with --user, it is {"user_id", "threads", "turns", "messages",
    "is_dry_run", "followers": [{"name", "outcome", "items", "problem"}]}.
    """
    if bool(thread_ids) == (user is not None):
        raise typer.BadParameter("give the ids of the threads to delete, or --user")
    if is_dry_run and user is None:
        raise typer.BadParameter("--dry-run needs --user")
    names = f"everything of user {clean_line(user)}" if user else ", ".join(map(clean_line, thread_ids or ()))
    if not is_dry_run:
        _ask(names, is_sure=is_sure)
    if user is not None:
        receipt = asyncio.run(_erase(storage, user, index=index, is_dry_run=is_dry_run))
        _print_receipt(receipt, as_json=as_json)
        return
    asyncio.run(_delete(storage, thread_ids or [], index=index))
    if as_json:
        print_json({"deleted": list(thread_ids or ())})
    else:
        typer.echo(f"deleted {names}")


def _ask(names: str, *, is_sure: bool) -> None:
    if not is_sure and not sys.stdin.isatty():
        fail("there is no terminal to ask on, so nothing was deleted: add --yes if you are sure")
        raise typer.Exit(1)
    if not is_sure and not confirmed(f"Delete {names} for good?"):
        warn("nothing was deleted")
        raise typer.Exit(1)


async def _delete(storage: str | None, thread_ids: list[str], *, index: str | None) -> None:
    """Delete the threads, or none of them if one does not exist."""
    from recuerda.cli.index_place import followed

    async with opened_to_read(storage) as opened_storage, followed(opened_storage, index):
        for thread_id in thread_ids:
            if await opened_storage.head(thread_id) is None:
                raise ThreadNotFound(thread_id)
        for thread_id in thread_ids:
            await opened_storage.delete(thread_id)


async def _erase(storage: str | None, user: str, *, index: str | None, is_dry_run: bool) -> Erasure:
    from recuerda.cli.index_place import followed

    async with opened_to_read(storage) as opened_storage, followed(opened_storage, index):
        return await opened_storage.erase_user(user, dry_run=is_dry_run)


def _print_receipt(receipt: Erasure, *, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(receipt))
    else:
        done = "would delete" if receipt.is_dry_run else "deleted"
        size = ", ".join(
            counted(number, word)
            for number, word in ((receipt.threads, "thread"), (receipt.turns, "turn"), (receipt.messages, "message"))
        )
        typer.echo(f"{done} {size} of user {clean_line(receipt.user_id)}")
        for follower in receipt.followers:
            typer.echo(f"{clean_line(follower.name)}: {_told(follower)}")
    if any(follower.problem for follower in receipt.followers):
        fail("an index could not forget the user; run the command again")
        raise typer.Exit(1)


def _told(follower: Forgotten) -> str:
    if follower.problem:
        return f"{follower.outcome} ({clean_line(follower.problem)})"
    return f"removed {counted(follower.items, 'item')}" if follower.items else "nothing to remove"
