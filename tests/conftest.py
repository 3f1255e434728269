"""Rules for every test: no name of another host is looked up, and tests of chance have a short and a long form.

pytest-socket (see `addopts` in pyproject.toml) stops connections to other hosts, but the look-up of a name comes before
the connection and would already leave the machine, or wait for a resolver that doesn't answer.
"""

import gc
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings
from pytest_socket import SocketBlockedError

# The time of an example depends on how busy the machine is, so there is no deadline.
settings.register_profile("short", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=25)
settings.register_profile("long", settings.get_profile("short"), max_examples=1_000)

# The tests start hundreds of processes. Where Python is told to keep no bytecode, each of them would compile the whole
# package anew, and each test process every test.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

LOOPBACK = {None, "", "127.0.0.1", "::1", "localhost"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests that are marked `chaos` in their long form")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("long" if config.getoption("--long") else "short")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that draw their data, so that `-m chaos` chooses them too."""
    for item in items:
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            item.add_marker(pytest.mark.chaos)


def pytest_collection_finish() -> None:
    """Leave out of every later collection the objects that stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def a_leak_fails_its_own_module() -> Iterator[None]:
    """Find here what a module's tests have left open, and not in some later test that is not at fault."""
    yield
    gc.collect()
    gc.freeze()  # the objects that are left belong to the session, and no later collection looks at them


@pytest.fixture
def is_long(request: pytest.FixtureRequest) -> bool:
    """Tell whether the long form was asked for: `make chaos-tests`."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(autouse=True, scope="session")
def clients_trust_one_authority() -> Iterator[None]:
    """Spare each client the 40 ms that it takes to read the machine's authorities: no test needs any of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(Path(__file__).with_name("data") / "authority.pem"))
        yield


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
