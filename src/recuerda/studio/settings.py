"""The settings of a studio."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from recuerda._drivers.hosts import is_loopback
from recuerda.agent.agent import Agent
from recuerda.errors import ConfigurationError
from recuerda.ids import check_id
from recuerda.recall.index import RecallIndex
from recuerda.storage.contract import Storage, system_clock
from recuerda.storage.hooks import Clock

TOKEN_BYTES = 24
SHORTEST_TOKEN = 16
"""The length of the shortest token that is accepted, in characters."""

UNLOCK = "token"
"""The parameter of an address that holds the token in the printed link."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""The names of this machine in the Host header."""


def new_token() -> str:
    """Return a new random token, which opens a studio."""
    return secrets.token_urlsafe(TOKEN_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioSettings:
    """Say which storage a studio shows, and who may see and change it.

    Attributes:
        storage: the storage to show; the caller closes it.
        token: the token that opens the studio. It is kept out of reprs, logs and errors.
        hosts: further names that the Host header may have, beside the names of this machine. A request for any other
            name is refused, so that a foreign name that leads here cannot be used to read the studio.
        recall_index: the index of memories, as in `RecallProvider`. If None, the index beside the storage is used if
            there is one.
        allow_changes: True lets people change threads. Otherwise each change is refused.
        user_id: the only user whose threads are shown; None shows everything.
        agent: the agent that the chat pane runs; None for no chat pane.
        acting_as: the name of the person who decides and changes, for the audit; None for a name that is not known.
        redactions: regular expressions of secrets that are hidden, beside the known forms.
        storage_name: the storage's name on the pages, without a password.
        audit_file: the file that gets a line for each change; None for none.
        live_interval_s: the seconds between two looks at a thread that pages show live.
        clock: gives the time in microseconds since 1970.

    Raises:
        ConfigurationError: the token is too short to protect anything.
    """

    storage: Storage
    token: str = field(default_factory=new_token, repr=False)
    hosts: tuple[str, ...] = ()
    recall_index: str | Path | RecallIndex | None = None
    allow_changes: bool = False
    user_id: str | None = None
    agent: Agent | None = None
    acting_as: str | None = None
    redactions: tuple[str, ...] = ()
    storage_name: str = ""
    audit_file: Path | None = None
    live_interval_s: float = 1.0
    clock: Clock = system_clock

    def __post_init__(self) -> None:
        check_token(self.token)
        if self.user_id is not None:
            check_id(self.user_id, "user id")

    @property
    def known_hosts(self) -> frozenset[str]:
        """The names that the Host header may have, in lower case and without a port."""
        return frozenset((*LOOPBACK_NAMES, *(host.lower() for host in self.hosts)))

    def derived(self, purpose: str) -> str:
        """Return a secret for one purpose that is made from the token, and from which the token cannot be found."""
        return hmac.new(self.token.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def check_token(token: str) -> None:
    """Check that a token can protect a studio.

    Raises:
        ConfigurationError: the token is too short, or a header cannot hold it.
    """
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable():
        raise ConfigurationError(
            f"a studio's token has at least {SHORTEST_TOKEN} ASCII characters: leave --token out for a random one"
        )


def check_host(host: str, *, has_token: bool) -> None:
    """Check that a studio on an address that other machines can reach has a token that somebody chose for it.

    Raises:
        ConfigurationError: other machines can reach the host, and no token was given.
    """
    if not has_token and not is_loopback(host):
        raise ConfigurationError(
            f"other machines can reach {host}: give the studio a token with --token or RECUERDA_STUDIO_TOKEN, or use "
            "--host 127.0.0.1"
        )
