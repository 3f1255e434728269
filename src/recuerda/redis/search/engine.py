"""Access to the query engine over the server's shared connections. An index is checked once.

Every command is safe to repeat, so it is sent once more if its connection breaks or leads to a demoted server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from redis import exceptions

from recuerda._events import fields
from recuerda.errors import ProviderError
from recuerda.redis import faults
from recuerda.redis.search.schema import Shape, parsed_info
from recuerda.redis.server import Server
from recuerda.redis.trips import RedisCall

RETRY_AFTER_S = 0.05
BUILDING_POLL_S = 0.05

_log = logging.getLogger("recuerda.redis")


class IndexMissing(ProviderError):
    """Raised if there is no index of this name."""


class Engine:
    """Send commands to the query engine of one server.

    Args:
        server: the server; its connections are used.
        timeout_s: seconds that the connections wait for an answer; used only in error messages.
    """

    def __init__(self, server: Server, *, timeout_s: float) -> None:
        self.server = server
        self._timeout_s = timeout_s
        self._checked: Shape | None = None
        self._is_closed = False
        server.users.add(self)

    @property
    def is_closed(self) -> bool:
        """True after `close`."""
        return self._is_closed

    async def send(self, calls: Sequence[RedisCall], action: str) -> list[Any]:
        """Send commands in one trip and return their replies. If the connection breaks, they are sent once more.

        Raises:
            IndexMissing: the index that a command names does not exist.
            ProviderError: any other failure. Its text starts with the action.
        """
        if self._is_closed:
            raise ProviderError(f"could not {action}: the provider has been closed; make a new one")
        try:
            replies = await self._send(calls)
            if any(isinstance(reply, Exception) and faults.may_repeat(reply, is_repeatable=True) for reply in replies):
                await asyncio.sleep(RETRY_AFTER_S)
                replies = await self._send(calls)
        except faults.DRIVER_ERRORS as error:
            raise self._translate(error, action) from error
        for reply in replies:
            if isinstance(reply, BaseException):
                raise (self._translate(reply, action) if isinstance(reply, faults.DRIVER_ERRORS) else reply) from reply
        return replies

    async def ensure(self, shape: Shape) -> None:
        """Make the index if it is missing. An index of this shape is checked only once.

        Raises:
            ProviderError: the index has another shape, or the server has no query engine.
        """
        if self._checked == shape:
            return
        info = await self.info(shape.name) or await self._create(shape)
        if info is not None:
            self._compare(shape, info)
            if str(info.get("indexing", "0")) not in ("0", "0.0"):
                _log.warning(
                    "the index %s is still being built: a search does not find all memories yet",
                    shape.name,
                    extra=fields("index_being_built", index=shape.name),
                )
        self._checked = shape

    def forget_check(self) -> None:
        """Check the index again before its next use."""
        self._checked = None

    async def info(self, index: str) -> dict[str, Any] | None:
        """Return the server's information about an index; None if there is no such index."""
        try:
            (reply,) = await self.send([RedisCall("FT.INFO", (), (index,))], f"look at the index {index!r}")
        except IndexMissing:
            return None
        return parsed_info(reply)

    async def drop(self, index: str) -> None:
        """Remove an index, but not its documents."""
        self._checked = None
        try:
            await self.send([RedisCall("FT.DROPINDEX", (), (index,))], f"drop the index {index!r}")
        except IndexMissing:
            return

    async def built(self, index: str) -> None:
        """Wait until the index holds all documents that existed before it."""
        while (info := await self.info(index)) is not None:
            if str(info.get("indexing", "0")) in ("0", "0.0"):
                return
            await asyncio.sleep(BUILDING_POLL_S)

    async def close(self) -> None:
        """Release the connections. The last user of the server closes them."""
        self._is_closed = True
        await self.server.leave(self)

    async def _send(self, calls: Sequence[RedisCall]) -> list[Any]:
        return await (await self.server.trips()).run_all(calls)

    async def _create(self, shape: Shape) -> dict[str, Any] | None:
        """Make the index. If another process was faster, return the information about its index, to be checked."""
        try:
            await self.send([RedisCall("FT.CREATE", (), (shape.name, *shape.create))], f"make the index {shape.name!r}")
        except ProviderError as error:
            if "already exists" not in str(error.__cause__).lower():
                raise
            return await self.info(shape.name)
        return None

    def _compare(self, shape: Shape, info: dict[str, Any]) -> None:
        differences = shape.differences(info)
        if differences:
            raise ProviderError(
                f"the index {shape.name!r} on the Redis server {self.server.name} has another shape: "
                f"{'; '.join(differences)}. Give another index_name and prefix, or rebuild the index with "
                "await provider.overwrite_index(), which keeps the memories"
            )

    def _translate(self, error: BaseException, action: str) -> ProviderError:
        start = f"could not {action}: the Redis server {self.server.name}"
        text = str(error).lower()
        match error:
            case exceptions.TimeoutError() | asyncio.TimeoutError():
                return ProviderError(f"{start} did not answer within {self._timeout_s:g} s")
            case exceptions.NoPermissionError():
                return ProviderError(f"{start} does not let this user run a command; grant FT.*, HSET, SCAN and UNLINK")
            case exceptions.ResponseError() if "unknown command" in text:
                return ProviderError(
                    f"{start} has no query engine: RedisProvider needs Redis 8 with its FT.* commands, or Redis Stack"
                )
            case exceptions.ResponseError() if "no such index" in text or "unknown index" in text:
                return IndexMissing(f"{start} has no such index; it was dropped or lost, so run the search again")
            case exceptions.ResponseError() if "already exists" in text:
                return ProviderError(f"{start} already has an index with this name")
            case exceptions.ResponseError() if "invalid language" in text:
                return ProviderError(
                    f"{start} does not support this language; give another language, such as 'english'"
                )
            case exceptions.ResponseError() if "db != 0" in text:
                return ProviderError(f"{start} has an index for database 0 only; leave the database out of the URL")
            case _:
                pass
        if isinstance(error, Exception) and faults.is_dropped(error):
            return ProviderError(
                f"{start} cannot be reached, or closed the connection; check its address and that it runs"
            )
        known = faults.translate(error, action, server=self.server.name, timeout_s=self._timeout_s)  # pyright: ignore[reportArgumentType]  # an Exception: what DRIVER_ERRORS names
        return ProviderError(str(known))
