"""The functions behind `recuerda serve`: they take plain values and run the server.

The command line and the server must not depend on each other's internals. The command line uses only these functions.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast, get_args

from recuerda._drivers.bearer_keys import new_key
from recuerda.errors import ConfigurationError
from recuerda.server.connections import allow_more_descriptors
from recuerda.server.keys import KEYS_VARIABLE, TenantKeys, file_line, read_keys, read_recall_ways
from recuerda.server.offline import upstream_url
from recuerda.server.running import Listening, serve
from recuerda.server.settings import DEFAULT_WINDOW, Limits, RecallSettings, RecallWay, ServerSettings, check_host
from recuerda.server.tools import HostedTools
from recuerda.server.upstream import Upstream
from recuerda.storage.registry import open_storage
from recuerda.window.window import ContextWindow

try:
    from uvloop import new_event_loop
except ImportError:  # uvloop does not run on Windows
    from asyncio import new_event_loop

SWITCH_S = 0.0002
"""The seconds after which a thread that works beside the event loop lets the loop go on. uvloop asks for its turn at
each event, so with Python's 5 ms a hundred events would take half a second."""

UPSTREAM_KEY_VARIABLE = "RECUERDA_UPSTREAM_KEY"


def make_key(tenant: str) -> tuple[str, str]:
    """Return a new key for a tenant, and the line for the key file that makes the server accept it.

    Raises:
        ConfigurationError: the tenant's name is not allowed.
    """
    key = new_key()
    return key, file_line(tenant, key)


def run_server(
    *,
    storage: str,
    upstream: str,
    model: str,
    host: str,
    port: int,
    key_file: Path | None,
    window_messages: int | None,
    window_tokens: int | None,
    requests_per_minute: int | None,
    max_body_bytes: int,
    max_file_bytes: int,
    max_in_flight: int,
    max_connections: int | None,
    timeout_s: float,
    drain_s: float,
    stop_s: float,
    hosted_tools: str,
    cors_origins: Sequence[str],
    recall: bool,
    recall_index: str | None,
    announce: Callable[[str, str, str], None],
) -> bool:
    """Serve until a signal stops the server. Return False if the server could not listen on its address.

    Args:
        hosted_tools: what happens to tools that only OpenAI's own servers can run: "auto", "ignore" or "refuse".
        cors_origins: the origins of the web pages that may call the service from a browser.
        recall: True to put memories of earlier conversations into requests.
        recall_index: the path or the URL of the index of memories; None for an index beside the storage.
        announce: called as soon as the server accepts requests, with its URL, the URL of the model's server, and a line
            about the keys.

    Raises:
        ConfigurationError: an option is missing or invalid, or options contradict one another.
    """
    keys = read_keys(key_file, os.environ.get(KEYS_VARIABLE)) if key_file or os.environ.get(KEYS_VARIABLE) else None
    if keys is not None and not len(keys):
        raise ConfigurationError(
            f"neither {KEYS_VARIABLE} nor the key file has a key: `recuerda serve --new-key NAME` makes one"
        )
    check_host(host, has_keys=keys is not None)
    window = DEFAULT_WINDOW
    if window_messages is not None or window_tokens is not None:
        window = ContextWindow(max_messages=window_messages, max_tokens=window_tokens)
    settings = ServerSettings(
        model=model,
        window=window,
        hosted_tools=_hosted_tools(hosted_tools),
        recall=_recall(storage, recall_index, key_file) if recall or recall_index else None,
        cors_origins=tuple(cors_origins),
        limits=Limits(
            max_body_bytes=max_body_bytes,
            max_file_bytes=max_file_bytes,
            requests_per_minute=requests_per_minute,
            max_in_flight=max_in_flight,
            max_connections=max_connections,
        ),
    )
    allow_more_descriptors()
    sys.setswitchinterval(SWITCH_S)
    listening = Listening(host=host, port=port, drain_s=drain_s, stop_s=stop_s)

    def ready(url: str, behind: Upstream) -> None:
        # Everything that is loaded so far lives as long as the process. Without this call, each run of the garbage
        # collector would visit it again and delay the running requests.
        gc.collect()
        gc.freeze()
        announce(url, behind.url, _about(keys))

    async def run() -> bool:
        async with upstream_url(upstream) as url:
            behind = Upstream(url, api_key=os.environ.get(UPSTREAM_KEY_VARIABLE) or None, timeout_s=timeout_s)
            try:
                async with open_storage(storage) as opened:
                    await opened.list_threads(limit=1)  # This makes an unusable storage fail before clients connect.
                    return await serve(
                        opened,
                        behind,
                        settings,
                        keys=keys,
                        listening=listening,
                        when_ready=lambda url: ready(url, behind),
                    )
            finally:
                await behind.close()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run())


def _recall(storage: str, index: str | None, key_file: Path | None) -> RecallSettings:
    ways = read_recall_ways(key_file)
    for tenant, way in ways.items():
        if way not in get_args(RecallWay):
            raise ConfigurationError(
                f"tenant {tenant!r} below [recall] in {key_file} has the way {way!r}: give 'auto', 'user', 'tenant' or "
                "'off'"
            )
    is_postgres = storage.startswith(("postgresql://", "postgres://"))
    tenants = cast("dict[str, RecallWay]", ways)
    return RecallSettings(index=index or (storage if is_postgres else None), tenants=tenants)


def _hosted_tools(value: str) -> HostedTools:
    if value not in get_args(HostedTools):
        raise ConfigurationError(f"--hosted-tools is 'auto', 'ignore' or 'refuse', and not {value!r}")
    return cast("HostedTools", value)


def _about(keys: TenantKeys | None) -> str:
    if keys is None:
        return "none: only programs on this machine are answered"
    return f"{len(keys)} of {keys.tenants} tenant{'' if keys.tenants == 1 else 's'}, each with conversations of its own"
