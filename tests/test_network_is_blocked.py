"""The rest of the suite relies on this: a test reaches this machine and nothing else."""

import asyncio
import socket
from pathlib import Path

import pytest
from pytest_socket import SocketBlockedError, SocketConnectBlockedError

# Addresses that RFC 5737 and RFC 3849 keep for documentation: nobody answers there, should the block ever fail.
ELSEWHERE_V4 = "192.0.2.1"
ELSEWHERE_V6 = "2001:db8::1"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_asyncio_cannot_connect_to_another_host() -> None:
    with pytest.raises((SocketConnectBlockedError, SocketBlockedError), match=ELSEWHERE_V4):
        await asyncio.open_connection(ELSEWHERE_V4, 80)


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, (ELSEWHERE_V4, 80)), (socket.AF_INET6, (ELSEWHERE_V6, 80, 0, 0))],
)
def test_a_plain_socket_cannot_connect_to_another_host(family: int, address: tuple[object, ...]) -> None:
    with socket.socket(family) as plain, pytest.raises(SocketConnectBlockedError, match=str(address[0])):
        plain.connect(address)


async def test_the_name_of_another_host_is_not_looked_up() -> None:
    with pytest.raises(SocketBlockedError, match=r"recuerda\.invalid"):
        await asyncio.get_running_loop().getaddrinfo("recuerda.invalid", 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_server_on_this_machine_is_reached(host: str) -> None:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"hola\n")
        assert await reader.readline() == b"hola\n"
        writer.close()
        await writer.wait_closed()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
async def test_a_unix_socket_is_reached(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = Path(tmp_path_factory.mktemp("s")) / "s"
    async with await asyncio.start_unix_server(echo, path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"hola\n")
        assert await reader.readline() == b"hola\n"
        writer.close()
        await writer.wait_closed()
