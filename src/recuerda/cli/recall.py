"""`recuerda recall`: search the memories of all conversations."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from recuerda.cli.options import JsonOption, StorageOption, public_url
from recuerda.cli.output import warn

EXAMPLES = (
    'recuerda recall "where did I park?"',
    'recuerda recall "¿cómo se llama mi dentista?" --user ana --limit 3',
    'recuerda recall oslo --json | jq -r ".memories[].thread_id"',
)


def recall(
    query: Annotated[str, typer.Argument(metavar="QUESTION", help="A question or a few words.")],
    *,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="ID", help="Search this user's threads. The default is threads without a user."),
    ] = None,
    thread: Annotated[str | None, typer.Option("--thread", metavar="ID", help="Search only this thread.")] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", metavar="NAME", help="Search this namespace; repeat it for more. The default is `default`."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, help="The largest number of memories to show.")
    ] = 10,
    index: Annotated[
        str | None,
        typer.Option(
            "--index", metavar="FILE", help="The file of the index. The default is a file beside the storage's file."
        ),
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find messages about a question.

    Each message is shown with its speaker, its time and its thread.
    The command first adds new messages to the index. It needs no model.

    With --json, the output is {"memories": [...]}.
    """
    from recuerda.cli.found_memories import print_memories, search_memories

    found = asyncio.run(
        search_memories(storage, query, user=user, thread=thread, namespaces=namespace or (), limit=limit, index=index)
    )
    if found or as_json:
        print_memories(found, query, as_json=as_json)
    else:
        where = "threads without a user" if user is None and thread is None else "these threads"
        hint = "; --user searches a user's threads" if user is None and thread is None else ""
        warn(f"no message about this was found in {where} of {public_url(storage)}{hint}")
