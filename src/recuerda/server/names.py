"""The ids that clients see, and where they lead.

An id says where its thing is, so that finding it costs one look-up however many there are:

- `conv_T` is the thread `conv_T`; a chain of responses that belongs to no conversation is a thread `chain_T`.
- `resp_T…R` is the turn `R` of one of those.
- `msg_R…`, `fc_R…`, `fco_R…`, `rs_R…` are items of the turn `R`, by their place in it.

`T` and `R` are 96 random bits; or, with an idempotency key, bits of a hash of that key, so that a retry finds what was
committed, also after a crash. A tenant's threads have its name before theirs, so no tenant can reach another's, and an
id that is not of one of these forms leads nowhere.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass

TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a tenant's name may be: it is the start of a thread's id."""

_CONVERSATION = re.compile(r"conv_[0-9a-f]{24}")
_RESPONSE = re.compile(r"resp_(?P<thread>[0-9a-f]{24})(?P<kind>[cr])(?P<turn>[0-9a-f]{24})")
_ITEM = re.compile(r"(?:msg|fc|fco|rs|item)_(?P<turn>[0-9a-f]{24})[0-9a-f]{4}")
_OTHER_ITEM = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_KINDS = {"c": "conv", "r": "chain"}
_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}


@dataclass(frozen=True, slots=True)
class Tenancy:
    """Whose request it is.

    Attributes:
        tenant: the tenant's name; None where the service has no keys.
    """

    tenant: str | None = None

    def thread_id(self, name: str) -> str:
        """Return the storage's id of the thread of this name."""
        return name if self.tenant is None else f"{self.tenant}:{name}"

    def token(self, *seed: str | None) -> str:
        """Return a new token: random, or always the same for a seed of which no part is None."""
        if None in seed:
            return secrets.token_hex(12)
        return hashlib.sha256(json.dumps([self.tenant, *seed]).encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class ResponseName:
    """Where a response is: the name of its thread, and the id of its turn."""

    thread: str
    turn: str

    @property
    def id(self) -> str:
        """The response's id."""
        kind, _, token = self.thread.partition("_")
        return f"resp_{token}{'c' if kind == 'conv' else 'r'}{self.turn}"

    @property
    def is_in_conversation(self) -> bool:
        """True when its thread is a conversation."""
        return self.thread.startswith("conv_")


def is_conversation_id(id: str) -> bool:
    """Say whether this can be a conversation's id."""
    return _CONVERSATION.fullmatch(id) is not None


def parse_response_id(id: str) -> ResponseName | None:
    """Return where a response is; None for what is no id of one."""
    found = _RESPONSE.fullmatch(id)
    return None if found is None else ResponseName(f"{_KINDS[found['kind']]}_{found['thread']}", found["turn"])


def item_id(kind: str, turn: str, index: int) -> str:
    """Return the id of the item at `index` of a turn."""
    return f"{_PREFIXES.get(kind, 'item')}_{turn}{index:04x}"


def turn_of_item(id: str) -> str | None:
    """Return the turn that an item's id names; None for an id that the client brought along."""
    found = _ITEM.fullmatch(id)
    return None if found is None else found["turn"]


def is_item_id(id: str) -> bool:
    """Say whether a client may bring this id along."""
    return _OTHER_ITEM.fullmatch(id) is not None
