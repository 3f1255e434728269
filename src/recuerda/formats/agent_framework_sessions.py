"""Saved sessions of Agent Framework, written: what `AgentSession.to_dict` gives, one session on each line.

The messages stand in the state of the framework's own history in memory, so a restored session goes on with them.
"""

from __future__ import annotations

import msgspec

from recuerda.formats.agent_framework import LIST
from recuerda.formats.facts import facts_of, turn_losses, without
from recuerda.formats.format import Departure, Family, Format, Writer, Written
from recuerda.formats.moved import added_up
from recuerda.formats.supplement import KEY, supplement_of
from recuerda.json_value import JsonObject

_SOURCE = "in_memory"
"""The name under which the framework's history in memory keeps its messages."""


def _write(family: Family) -> Written:
    (thread,) = family
    turns = LIST.entries(thread)
    items = [item for items in turns for item in items]
    session: JsonObject = {"type": "session", "session_id": thread.id, "service_session_id": None}
    session["state"] = {_SOURCE: {"messages": [*items]}}
    facts = supplement_of(thread, [len(items) for items in turns])
    losses = added_up([LIST.lost(thread), turn_losses(thread), without({"turn": turns.count([])})])
    departure = Departure(thread_id=thread.id, losses=losses, supplement=facts_of(thread))
    return Written(text=msgspec.json.encode({**session, KEY: facts}).decode() + "\n", departures=(departure,))


FORMAT = Format(name="agent-framework-sessions", writer=Writer(write=_write))
