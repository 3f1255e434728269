"""The HTTP clients for the model's server."""

from __future__ import annotations

from contextlib import ExitStack

import httpx2

from recuerda.server.clients import CALLS_EACH, Clients


async def test_a_client_gets_some_calls_and_a_quiet_server_uses_the_first_one() -> None:
    made: list[httpx2.AsyncClient] = []

    def make() -> httpx2.AsyncClient:
        made.append(httpx2.AsyncClient())
        return made[-1]

    clients = Clients(make)
    for _ in range(2):
        with ExitStack() as calls:
            given = [calls.enter_context(clients.one()) for _ in range(CALLS_EACH + 1)]
            assert given == [made[0]] * CALLS_EACH + [made[1]]
    assert len(made) == 2
    await clients.close()
    assert all(client.is_closed for client in made)
