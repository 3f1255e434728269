"""Idempotency keys: a key stands for one request of one tenant, in every process that serves the storage.

The ids of everything that a request with a key makes follow from the key, and the request's fingerprint is stored with
it. So a retry finds what was committed, and another request under the key is refused. A thread of each tenant, the
register, notes every key with its fingerprint before the work begins. It covers what one turn cannot show: a key that
stands for a request on another path, and an answer that was deleted since.

Two requests with one key wait for each other: in this process by a lock, and between processes by a lease of the
storage. The lease only saves a second call of the model. If it is lost, both requests append a turn of the same id, and
the storage keeps the first one.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import msgspec

from recuerda.server.faults import dropped, key_reused
from recuerda.server.http import ApiCall
from recuerda.server.names import Tenancy
from recuerda.server.requests import parse_body
from recuerda.server.threads import Threads
from recuerda.server.turns import fingerprint_of, pack_turn
from recuerda.storage.thread_info import ThreadInfo

REGISTER = "idempotency_keys"
"""The name of the thread in which the keys of a tenant are noted."""

KEPT_KEYS = 100_000
"""The number of keys that the register holds for each tenant. The oldest one makes room for a new one."""

MADE_BY = "conversation_keys"
"""The key in a thread's metadata for the tokens and fingerprints of the requests that made or updated it."""

_KEPT_UPDATES = 16
_UNCOUNTED = ("stream", "stream_options")
_BURIED = "deleted."


class RequestKey(msgspec.Struct, frozen=True):
    """The idempotency key of a request.

    Attributes:
        token: the part of ids that stands for the key. It is the same in every process, and another one for another
            tenant.
        fingerprint: a hash of the tenant, the method, the path and the body. It is the same for a whole answer and for
            a stream.
    """

    token: str
    fingerprint: str

    def check(self, fingerprint: str | None) -> None:
        """Check the fingerprint that is stored with the key's work; None when it was deleted with the work.

        Raises:
            ApiFault: the key stands for another request, or the answer has been deleted.
        """
        if fingerprint is None:
            raise dropped()
        if fingerprint != self.fingerprint:
            raise key_reused()


def key_of(call: ApiCall) -> RequestKey | None:
    """Return the idempotency key of a request; None if the client sent none."""
    if call.idempotency_key is None:
        return None
    # The values stay in their JSON text, because taking a long body apart holds up all other requests.
    given = parse_body(call.body, dict[str, msgspec.Raw])
    return key_for(call, {name: value for name, value in given.items() if name not in _UNCOUNTED})


def key_for(call: ApiCall, asked: Mapping[str, object]) -> RequestKey | None:
    """Return the idempotency key of a request that asks for this; None if the client sent no key."""
    if call.idempotency_key is None:
        return None
    seen = msgspec.json.encode([call.tenancy.tenant, call.target, asked], order="deterministic")
    fingerprint = hashlib.sha256(seen).hexdigest()[:32]
    return RequestKey(call.tenancy.token("once", call.idempotency_key), fingerprint)


def token_of(key: RequestKey | None, tenancy: Tenancy) -> str:
    """Return the token for the ids of a request: the key's token, or a random one."""
    return tenancy.token(None) if key is None else key.token


def fingerprint_in(key: RequestKey | None) -> str | None:
    """Return the fingerprint to store with the work of a request; None without a key."""
    return None if key is None else key.fingerprint


class Once:
    """The idempotency keys of all tenants.

    Args:
        threads: the threads of the service.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    @asynccontextmanager
    async def alone(self, tenancy: Tenancy, key: RequestKey | None) -> AsyncGenerator[None]:
        """Keep other requests with the key away while the block runs, also in other processes.

        Raises:
            ApiFault: another request with the key runs for too long.
        """
        if key is None:
            yield
            return
        async with self._threads.alone_everywhere(tenancy, f"once_{key.token}"):
            yield

    async def claim(self, tenancy: Tenancy, key: RequestKey | None) -> None:
        """Note that a key stands for this request, right before its work begins.

        Raises:
            ApiFault: the key stands for another request, or the answer to this request has been deleted.
        """
        if key is None:
            return
        noted, was_noted = await self._note(tenancy, key.token, key.fingerprint)
        if was_noted:
            key.check(noted)
            view = await self._threads.turn(tenancy, REGISTER, f"{_BURIED}{key.token}")
            if view.found is not None:
                raise dropped()

    async def bury(self, tenancy: Tenancy, token: str) -> None:
        """Note that the answer under a key is being deleted, so that no retry makes it again."""
        await self._note(tenancy, f"{_BURIED}{token}", "deleted")

    async def _note(self, tenancy: Tenancy, id: str, fingerprint: str) -> tuple[str | None, bool]:
        """Write an entry of the register unless it is there. Return its fingerprint, and whether it was there."""
        turn = pack_turn((), fingerprint=fingerprint)
        noted, was_there = await self._threads.note(tenancy, REGISTER, turn, turn_id=id, keep=KEPT_KEYS)
        return fingerprint_of(noted.turn), was_there


def made_by(info: ThreadInfo, token: str) -> str | None:
    """Return the fingerprint of the request with a key that made or updated a conversation; None if none did."""
    return next((fingerprint for maker, fingerprint in _makers(info) if maker == token), None)


def with_maker(info: ThreadInfo | None, key: RequestKey | None) -> dict[str, object]:
    """Return the metadata to set on a conversation that a request makes or updates.

    The request that made the conversation and the newest updates are remembered.
    """
    if key is None:
        return {}
    makers = _makers(info) if info is not None else []
    return {MADE_BY: [*makers[:1], *makers[1:][-_KEPT_UPDATES:], [key.token, key.fingerprint]]}


def _makers(info: ThreadInfo) -> list[list[str]]:
    return msgspec.convert(info.metadata.get(MADE_BY, []), list[list[str]])
