"""The place of a checkpoint in LangGraph's config, and the rule that tells a fork from a race.

`get_tuple` writes into the config that it returns whether the caller asked for the newest checkpoint or for a named
one. LangGraph carries this config through a whole run. So `put` knows whether the run continues the thread or begins
another branch on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from langchain_core.runnables import RunnableConfig

from recuerda.errors import InvalidInput, ThreadConflict
from recuerda.interop.langgraph.records import Key

SEEN = "__recuerda_seen"
"""The key of a `Seen` as text; None if a run asked for a checkpoint by its id."""

ORIGIN = "00000000-0000-6000-8000-000000000000"
"""The id of the checkpoint that stands for a thread in which only other programs have said something."""

_FIRST_STEPS = (-2, -1)
"""The steps of the first checkpoint of a thread; see `CheckpointMetadata.step`."""


class Seen(NamedTuple):
    """What a run saw that asked for the newest checkpoint.

    Attributes:
        revision: the thread's revision.
        through: the number up to which the run's state has the turns of other programs.
    """

    revision: int
    through: int

    def as_text(self) -> str:
        """Return the text that `parse` reads."""
        return f"{self.revision}:{self.through}"

    @classmethod
    def parse(cls, text: object) -> Seen | None:
        """Return what a config says; None if it says nothing."""
        revision, _, through = str(text).partition(":")
        return cls(int(revision), int(through)) if revision.isdecimal() and through.isdecimal() else None


class Place(msgspec.Struct, frozen=True):
    """What a config says.

    Attributes:
        thread_id: the thread.
        ns: the namespace; "" for the graph itself.
        checkpoint_id: the checkpoint; None for the newest one.
        user_id: the user for whom the graph runs; None for any.
        seen: what the run saw; None if it asked for a checkpoint by its id.
        is_named: True if the run asked for a checkpoint by its id.
        is_run: True if a graph's run made the config.
        is_replay: True if the graph that runs this subgraph replays an earlier checkpoint.
    """

    thread_id: str
    ns: str
    checkpoint_id: str | None
    user_id: str | None
    seen: Seen | None
    is_named: bool
    is_run: bool
    is_replay: bool

    @property
    def parent(self) -> str | None:
        """The id of the parent of a new checkpoint. The origin is not stored, so it is no parent."""
        return None if self.checkpoint_id == ORIGIN else self.checkpoint_id

    @property
    def key(self) -> Key:
        """The namespace and the checkpoint's id."""
        return self.ns, self.checkpoint_id or ""


def place_of(config: RunnableConfig, *, user_key: str | None) -> Place:
    """Return what a config says.

    Args:
        config: LangGraph's config.
        user_key: the key in `configurable` that has the user's id; None for none.

    Raises:
        InvalidInput: the config names no thread.
    """
    configurable: Mapping[str, Any] = config.get("configurable") or {}
    if (thread_id := configurable.get("thread_id")) is None:
        raise InvalidInput('the config names no thread: give {"configurable": {"thread_id": "…"}}')
    user_id = configurable.get(user_key) if user_key is not None else None
    return Place(
        thread_id=str(thread_id),
        ns=configurable.get("checkpoint_ns") or "",
        checkpoint_id=configurable.get("checkpoint_id"),
        user_id=None if user_id is None else str(user_id),
        seen=Seen.parse(configurable.get(SEEN)),
        is_named=SEEN in configurable and configurable[SEEN] is None,
        is_run=any(name.startswith("__pregel_") for name in configurable),
        is_replay=bool(configurable.get("__pregel_replay_state")),
    )


def config_of(thread_id: str, key: Key, seen: Seen | None = None) -> RunnableConfig:
    """Return the config that names a checkpoint.

    Args:
        thread_id: the thread.
        key: the checkpoint's namespace and id.
        seen: what a run sees that asks for the newest checkpoint; None if it was named.
    """
    ns, checkpoint_id = key
    return {
        "configurable": {
            "thread_id": thread_id,
            "checkpoint_ns": ns,
            "checkpoint_id": checkpoint_id,
            SEEN: None if seen is None else seen.as_text(),
        }
    }


def check_no_race(place: Place, newest: str | None, *, step: object, revision: int) -> None:
    """Check that a new checkpoint follows the checkpoint that its run read as the newest one.

    A run that named its checkpoint begins another branch, which is no conflict.

    Args:
        place: the config of the new checkpoint. Its `checkpoint_id` is the parent.
        newest: the newest checkpoint of the namespace; None if there is none.
        step: the step in the checkpoint's metadata.
        revision: the thread's revision.

    Raises:
        ThreadConflict: another run has put a checkpoint since.
    """
    if place.is_replay or place.is_named:
        is_race = False
    elif place.seen is not None:
        is_race = newest != place.parent
    elif place.is_run:
        # The run has found no checkpoint. So every checkpoint before its own ones is another run's.
        is_race = newest not in (None, place.parent)
    else:
        is_race = place.parent is None and step in _FIRST_STEPS and newest is not None
    if is_race:
        expected = 0 if place.seen is None else place.seen.revision
        raise ThreadConflict(place.thread_id, expected=expected, actual=revision)
