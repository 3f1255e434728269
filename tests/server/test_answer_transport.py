"""The head of an answer and its body are one write, if the body follows at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

from recuerda.server.answer_transport import AnswerTransport


class Writes(asyncio.Transport):
    """A transport that notes its writes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.seen.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        raise AssertionError("writelines does not pause the protocol on every Python")

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.seen.append(b"closed")


def answer_on(transport: Writes) -> AnswerTransport:
    return AnswerTransport(cast("asyncio.Transport", transport), asyncio.get_running_loop(), transport.close)


async def test_a_body_that_follows_at_once_is_written_with_the_head() -> None:
    transport = Writes()
    answer = answer_on(transport)
    for part in (b"head", b"one", b"two"):
        answer.write(part)
    answer.close()
    await asyncio.sleep(0)
    assert transport.seen == [b"headone", b"two", b"closed"]


async def test_a_long_body_is_written_after_its_head() -> None:
    transport = Writes()
    answer = answer_on(transport)
    for part in (b"head", b"x" * 65_537, b"end"):
        answer.write(part)
    await asyncio.sleep(0)
    assert transport.seen == [b"head", b"x" * 65_537, b"end"]


async def test_a_head_without_a_body_is_written_in_the_next_round_and_before_the_end() -> None:
    transport = Writes()
    answer = answer_on(transport)
    answer.write(b"head")
    assert transport.seen == []
    await asyncio.sleep(0)
    answer.write(b"late")
    assert transport.seen == [b"head", b"late"]
    other = answer_on(transport)
    other.write(b"head")
    other.close()
    await asyncio.sleep(0)
    assert transport.seen[2:] == [b"head", b"closed"]
