"""The functions behind `recuerda mcp`: they take plain values and run the server.

The command line and the server must not depend on each other's internals. The command line uses only these functions.
"""

from __future__ import annotations

import asyncio
import getpass
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec

from recuerda._drivers.hosts import is_loopback
from recuerda._events import fields
from recuerda.errors import ConfigurationError
from recuerda.mcp_server import tokens
from recuerda.mcp_server.budget import MAX_TOKENS
from recuerda.mcp_server.client_config import client_config
from recuerda.mcp_server.importing import ImportedMemory, read_memories
from recuerda.mcp_server.memories import Memories
from recuerda.mcp_server.scope import Scope
from recuerda.mcp_server.server import MemoryServer
from recuerda.recall.index import RecallIndex
from recuerda.recall.places import index_beside, opened_index
from recuerda.recall.scopes import DEFAULT_NAMESPACE
from recuerda.storage.contract import Storage
from recuerda.storage.registry import open_storage

_logger = logging.getLogger("recuerda.mcp")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the memory is, and whose it is.

    Attributes:
        storage: the URL of the storage.
        index: the path or the URL of the index of messages; None for the usual place.
        user: the user; None for the user of the operating system.
        namespace: the namespace of everything that is written.
        reads: further namespaces from which is read.
        agent: the name of the program that writes; None for no name.
        max_tokens: the size of the largest answer.
    """

    storage: str
    index: str | None = None
    user: str | None = None
    namespace: str = DEFAULT_NAMESPACE
    reads: tuple[str, ...] = ()
    agent: str | None = None
    max_tokens: int = MAX_TOKENS

    @property
    def scope(self) -> Scope:
        """The scope of connections without a token of their own.

        Raises:
            ConfigurationError: no user is named, and the user of the operating system has no name.
        """
        user = self.user or _system_user()
        return Scope(user_id=user, namespace=self.namespace, reads=self.reads, agent=self.agent)


def settings(**values: object) -> Settings:
    """Return settings from the command line's values.

    Raises:
        ConfigurationError: a value has the wrong type.
    """
    return msgspec.convert(values, Settings)


def config_of(client: str, chosen: Settings) -> tuple[str, str]:
    """Return the configuration of a client: the place to put it, and the text to put there.

    A client starts the server in a folder of its own. So the names of files are made absolute.

    Args:
        client: the client.
        chosen: the settings with which the client starts the server. The default values are left out.

    Raises:
        ConfigurationError: the configuration of this client is not known.
    """
    options: list[tuple[str, str | None]] = [
        ("--user", chosen.user),
        ("--namespace", None if chosen.namespace == DEFAULT_NAMESPACE else chosen.namespace),
        *(("--reads", name) for name in chosen.reads),
        ("--agent", chosen.agent),
        ("--index", None if chosen.index is None else _absolute_index(chosen.index)),
        ("--max-tokens", None if chosen.max_tokens == MAX_TOKENS else str(chosen.max_tokens)),
    ]
    arguments = [word for name, value in options if value is not None for word in (name, value)]
    # The interpreter's own path works in clients that do not know the user's PATH, such as desktop programs.
    command = [sys.executable, "-m", "recuerda", "mcp", *arguments]
    return client_config(client, command, {"RECUERDA_STORAGE": _absolute_storage(chosen.storage)})


def make_token(name: str, chosen: Settings) -> tuple[str, str]:
    """Return a new token, and the lines for the token file that make the server accept it."""
    return tokens.make_token(name, chosen.scope)


def run_import(chosen: Settings, file: Path) -> tuple[int, int, int]:
    """Store the memories of another program.

    Returns:
        The number of new memories, of memories that were there already, and of memories that the other program has
        deleted.

    Raises:
        InvalidInput: there is no such file.
        StateError: the file has another form; nothing was stored.
    """
    found = read_memories(file)
    new = asyncio.run(_import(chosen, found.memories))
    return new, len(found.memories) - new, found.deleted


async def _import(chosen: Settings, found: Sequence[ImportedMemory]) -> int:
    async with _opened(chosen) as (storage, index):
        memories = Memories(storage, index, max_tokens=chosen.max_tokens)
        try:
            return await memories.remember_all(chosen.scope, found)
        finally:
            await memories.close()


def run_stdio(chosen: Settings) -> None:
    """Serve one client on standard input and output until it leaves, or until a signal ends the process.

    Ctrl-C ends the process at once, as SIGTERM does. The wait for standard input cannot be interrupted in another way,
    and nothing is lost: everything that was acknowledged is stored.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(_stdio(chosen))


async def _stdio(chosen: Settings) -> None:
    from mcp.server.stdio import stdio_server

    from recuerda.mcp_server.lines import Lines

    scope = chosen.scope
    async with _opened(chosen) as (storage, index):
        server = MemoryServer(storage, index, scope=_always(scope), max_tokens=chosen.max_tokens)
        try:
            sdk = server.sdk_server()
            async with stdio_server() as (reading, writing):
                await sdk.run(Lines(reading), writing, sdk.create_initialization_options())
        except* BrokenPipeError:
            _logger.debug("the client has gone without closing the connection", extra=fields("mcp_client_gone"))
        finally:
            await server.close()


def run_http(
    chosen: Settings,
    *,
    host: str,
    port: int,
    token_file: Path | None,
    is_stateless: bool,
    announce: Callable[[str, int | None], None],
) -> bool:
    """Serve over HTTP until a signal stops the server. Return False if it could not listen on its address.

    Args:
        chosen: where the memory is and, without tokens, whose it is.
        host: the address to listen on.
        port: the port; 0 for a free one.
        token_file: the file with the hashes of the tokens; None to answer every program on this machine.
        is_stateless: True keeps no session between requests.
        announce: called with the endpoint's URL and the number of tokens, or None, as soon as requests are accepted.
    """
    known = None if token_file is None else tokens.Tokens(token_file)
    check_host(host, has_tokens=known is not None)
    from recuerda.mcp_server.http import http_app, serve_http

    async def serving() -> bool:
        async with _opened(chosen) as (storage, index):
            scope = known.scope if known is not None else _always(chosen.scope)
            server = MemoryServer(storage, index, scope=scope, max_tokens=chosen.max_tokens)
            try:
                app = http_app(server, tokens=known, host=host, is_stateless=is_stateless)
                count = None if known is None else len(known)
                return await serve_http(
                    app, host=host, port=port, announce=lambda url: announce(url, count), before_end=server.end_streams
                )
            finally:
                await server.close()

    return asyncio.run(serving())


@asynccontextmanager
async def _opened(chosen: Settings) -> AsyncGenerator[tuple[Storage, RecallIndex]]:
    """Open the storage and the index. The server closes the index.

    An unusable storage fails here, before a client connects.
    """
    async with open_storage(chosen.storage) as storage:
        index = _index(storage, chosen)
        await storage.list_threads(limit=1)
        yield storage, index


def _index(storage: Storage, chosen: Settings) -> RecallIndex:
    if chosen.index is not None:
        return opened_index(chosen.index)[0]
    if chosen.storage.startswith(("postgresql://", "postgres://")):
        return opened_index(chosen.storage)[0]
    try:
        return index_beside(storage)
    except ConfigurationError:
        raise ConfigurationError(
            f"a storage of kind {storage.kind!r} has no place for an index of memories beside it: name a file with "
            "--index FILE. Programs that share the memory need the same index, such as one on PostgreSQL."
        ) from None


def check_host(host: str, *, has_tokens: bool) -> None:
    """Check that a server without tokens listens only on this machine.

    Raises:
        ConfigurationError: the server has no tokens, and other machines can reach the host.
    """
    if not has_tokens and not is_loopback(host):
        raise ConfigurationError(
            f"a server without tokens may listen on this machine only, and other machines can reach {host}: give "
            "--token-file (recuerda mcp --new-token NAME makes a token), or use --host 127.0.0.1"
        )


def _absolute_storage(url: str) -> str:
    """Return the URL of a storage; the path in it is absolute."""
    path = getattr(open_storage(url), "path", None)
    if not isinstance(path, Path):
        return url
    if url.startswith("file:"):
        return path.absolute().as_uri()
    return f"{url.partition(':')[0]}:///{quote(path.absolute().as_posix(), safe='/:')}"


def _absolute_index(place: str) -> str:
    return place if "://" in place else str(Path(place).absolute())


def _always(scope: Scope) -> Callable[[], Scope]:
    return lambda: scope


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise ConfigurationError("the user of this process has no name: give --user NAME") from None
