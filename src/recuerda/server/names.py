"""The ids that clients see, and the threads and turns that they name.

An id says where its object is, so finding the object costs one look-up, however many objects there are:

- `conv_T` is the thread `conv_T`. A chain of responses that belongs to no conversation is a thread `chain_T`.
- `resp_T…R` is the turn `R` of one of these threads.
- `msg_T…R…`, `fc_T…R…`, `fco_T…R…` and `rs_T…R…` are items of the turn `R`. The id ends with the item's place in the
  turn.

`T` and `R` are 96 random bits. For a request with an idempotency key they are bits of a hash of the key, so that a
retry finds what was committed, even after a crash. The id of a tenant's thread begins with the tenant's name, so no
tenant can reach another tenant's threads. An id of any other form names nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass

TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""The form of a tenant's name, which is the start of the ids of the tenant's threads."""

_CONVERSATION = re.compile(r"conv_[0-9a-f]{24}")
_THREAD = re.compile(r"(?:conv|chain)_[0-9a-f]{24}")
_TURN = r"(?P<thread>[0-9a-f]{24})(?P<kind>[cr])(?P<turn>[0-9a-f]{24})"
_RESPONSE = re.compile(f"resp_{_TURN}")
_ITEM = re.compile(f"(?:msg|fc|fco|rs|item)_{_TURN}[0-9a-f]{{4}}")
_OTHER_ITEM = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_KINDS = {"c": "conv", "r": "chain"}
_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}


@dataclass(frozen=True, slots=True)
class Tenancy:
    """The tenant of a request, and the names that are the tenant's own.

    Attributes:
        tenant: the tenant's name; None when the service has no keys.
    """

    tenant: str | None = None

    def thread_id(self, name: str) -> str:
        """Return the id that the tenant's thread of this name has in the storage."""
        return name if self.tenant is None else f"{self.tenant}:{name}"

    def token(self, *seed: str | None) -> str:
        """Return a token for ids.

        It is random if a part of the seed is None; otherwise the same seed gives the same token.
        """
        if None in seed:
            return secrets.token_hex(12)
        return hashlib.sha256(json.dumps([self.tenant, *seed]).encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class TurnName:
    """The name of a thread of the service, and the id of one of its turns, such as a response."""

    thread: str
    turn: str

    @property
    def id(self) -> str:
        """The response's id."""
        return f"resp_{self._token}"

    def item_id(self, kind: str, index: int) -> str:
        """Return the id of the item at `index` of the turn."""
        return f"{_PREFIXES.get(kind, 'item')}_{self._token}{index:04x}"

    @property
    def _token(self) -> str:
        kind, _, token = self.thread.partition("_")
        return f"{token}{'c' if kind == 'conv' else 'r'}{self.turn}"

    @property
    def is_in_conversation(self) -> bool:
        """True when the thread is a conversation."""
        return self.thread.startswith("conv_")


def is_conversation_id(id: str) -> bool:
    """Return whether an id has the form of a conversation's id."""
    return _CONVERSATION.fullmatch(id) is not None


def is_thread_name(name: str) -> bool:
    """Return whether a name is that of a conversation or of a chain of responses."""
    return _THREAD.fullmatch(name) is not None


def parse_response_id(id: str) -> TurnName | None:
    """Return the thread and the turn that a response's id names; None for an id of another form."""
    return _turn_name(_RESPONSE.fullmatch(id))


def parse_item_id(id: str) -> TurnName | None:
    """Return the thread and the turn that an item's id names; None for an id that a client chose."""
    return _turn_name(_ITEM.fullmatch(id))


def _turn_name(found: re.Match[str] | None) -> TurnName | None:
    return None if found is None else TurnName(f"{_KINDS[found['kind']]}_{found['thread']}", found["turn"])


def is_item_id(id: str) -> bool:
    """Return whether a client may choose this id for an item."""
    return _OTHER_ITEM.fullmatch(id) is not None
