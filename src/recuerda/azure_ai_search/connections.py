"""The clients of an index: one client of the SDK for each event loop."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from functools import partial
from typing import Any, Protocol

from recuerda._drivers.per_loop import PerLoop
from recuerda.errors import ProviderError


class IndexClient(Protocol):
    """The part of the SDK's `SearchClient` that is used."""

    async def search(self, **arguments: Any) -> AsyncIterable[dict[str, Any]]:
        """Return the results of a search; the request is sent when they are iterated over."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def clients_of(make_client: Callable[[], IndexClient], *, name: str) -> PerLoop[IndexClient]:
    """Return the clients of an index, one for each event loop; using them after `close` is a `ProviderError`.

    Args:
        make_client: creates a client; called in the loop that will use it.
        name: the name of the service, for error messages.
    """
    return PerLoop(make_client, _close, refusal=partial(_closed, name))


async def _close(client: IndexClient) -> None:
    await client.close()


def _closed(name: str) -> ProviderError:
    return ProviderError(f"the provider of {name} has been closed; create a new one")
