"""The end of a saver and of a store, with an event loop and without one, in LangGraph's words."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from recuerda.agent.background import run_in_background
from recuerda.interop.own_storage import OpenedStorage


class ClosedBothWays(OpenedStorage):
    """A storage that is closed by `aclose` and by `close`, or at the end of an `async with` or a `with`."""

    async def aclose(self) -> None:
        """Close the storage if it was opened by its URL."""
        await self._close_storage()

    def close(self) -> None:
        """Close the storage if it was opened by its URL."""
        run_in_background(self.aclose())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
