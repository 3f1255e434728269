"""The function behind `recuerda studio`: it takes plain values and runs the studio until a signal stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from recuerda.agent.agent import Agent
from recuerda.errors import ConfigurationError
from recuerda.storage.contract import Storage
from recuerda.studio.agents import load_agent
from recuerda.studio.app import create_studio
from recuerda.studio.redaction import Redaction
from recuerda.studio.settings import LOOPBACK_NAMES, StudioSettings, check_host, check_token, new_token

STOP_S = 2
"""The seconds that running requests get to finish when the studio stops."""


def run_studio(
    *,
    open_storage: Callable[[], Storage] | None,
    storage_name: str,
    agent: str | None,
    host: str,
    port: int,
    token: str | None,
    allow_hosts: Sequence[str],
    allow_changes: bool,
    user: str | None,
    acting_as: str | None,
    recall_index: str | None,
    redactions: Sequence[str],
    audit_file: Path | None,
    announce: Callable[[str, str], None],
) -> bool:
    """Run the studio until a signal stops it. Return False if it could not listen on its address.

    Args:
        open_storage: returns the storage to show, which is closed at the end; None for the storage of the agent.
        storage_name: the storage's name for people, without a password.
        agent: the import path of an agent for the chat pane, such as `app:agent`; None for none.
        token: the token that opens the studio; None for a random one.
        announce: called with the studio's URL, and with the link that opens it, as soon as it answers.

    Raises:
        ConfigurationError: an option is missing or invalid.
    """
    check_host(host, has_token=token is not None)
    # The settings check these too, but they need the storage, and a wrong option is told before a missing storage.
    if token is not None:
        check_token(token)
    Redaction(redactions)
    loaded = None if agent is None else load_agent(agent, folder=Path.cwd())
    settings = StudioSettings(
        storage=_storage(open_storage, loaded),
        agent=loaded,
        token=token or new_token(),
        hosts=(*allow_hosts, *(() if host in (*LOOPBACK_NAMES, "0.0.0.0", "::") else (host,))),  # noqa: S104 - compared, not bound
        recall_index=recall_index,
        allow_changes=allow_changes,
        user_id=user,
        acting_as=acting_as,
        redactions=tuple(redactions),
        storage_name=storage_name or agent or "",
        audit_file=audit_file,
    )
    return asyncio.run(_serve(settings, host, port, announce))


def _storage(given: Callable[[], Storage] | None, agent: Agent | None) -> Storage:
    """Return the storage to show. An agent keeps its threads in its own storage.

    Raises:
        ConfigurationError: there is none, or another one than the agent's is given.
    """
    if agent is None:
        if given is None:
            raise ConfigurationError("no storage is named: give its URL, or the import path of an agent")
        return given()
    if given is not None:
        raise ConfigurationError("an agent keeps its threads in its own storage: leave out --storage")
    return agent.storage


async def _serve(settings: StudioSettings, host: str, port: int, announce: Callable[[str, str], None]) -> bool:
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(settings.storage)
        if settings.agent is not None:
            await stack.enter_async_context(settings.agent)
        await storage.list_threads(limit=1)  # an unusable storage fails here, and not on the first page
        config = uvicorn.Config(
            create_studio(settings),
            host=host,
            port=port,
            access_log=False,  # the first link has the token
            log_config=None,
            log_level="error",
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=STOP_S,
        )
        server = _Server(config, lambda url: announce(url, f"{url}/?token={settings.token}"))
        try:
            await server.serve()
        except SystemExit:  # uvicorn raises it when it cannot listen
            return False
        return server.started


class _Server(uvicorn.Server):
    """A uvicorn server that reports its address and, after a signal has stopped it, does not raise the signal again."""

    def __init__(self, config: uvicorn.Config, when_ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self._address()
            shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
            self._when_ready(f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}")

    def _address(self) -> tuple[str, int]:
        return self.servers[0].sockets[0].getsockname()[:2]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
