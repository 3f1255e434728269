"""What every test lives under: no name of another host is ever looked up.

pytest-socket (see `addopts` in pyproject.toml) stops connections to other hosts, but the look-up of a name comes before
the connection and would already leave the machine, or wait for a resolver that doesn't answer.
"""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import SocketBlockedError

# How long an example takes tells about the machine that day, not about the code.
settings.register_profile("recuerda", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("recuerda")

LOOPBACK = {None, "", "127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True, scope="session")
def no_name_of_another_host_is_looked_up() -> Iterator[None]:
    look_up = socket.getaddrinfo

    def guarded_look_up(host: bytes | str | None, *args: Any, **kwargs: Any) -> object:
        name = host.decode("ascii") if isinstance(host, bytes) else host
        if name not in LOOPBACK:
            raise SocketBlockedError(f"A test tried to use socket.getaddrinfo() with host {name!r}.")
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield
