"""Fork while commands are under way, in three ways: `python -m tests.drivers.forking_during KIND ADDRESS…`.

It is to be run with warnings as errors, so that a warning at the end of a process is seen as well. A child that hangs
is ended by a signal.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from recuerda.sqlite import SQLiteStorage
from recuerda.storage.records import NewTurn
from tests.drivers.forking import use_and_close
from tests.drivers.users import USERS, User

LONGEST_S = 20
STEPS = 3
"""The number of steps that an event loop takes between the start of the commands and a fork."""


def sqlite_storage(path: str) -> User:
    """Return a storage in a file. Its connections belong to no event loop."""
    storage = SQLiteStorage(path)
    return User(lambda: storage.append("a", NewTurn(body=b"{}", message_count=1)), storage.close)


KINDS = {**USERS, "sqlite_storage": sqlite_storage}


def in_the_loop(user: User) -> None:
    """Fork in a coroutine, while other tasks of its event loop wait for the server."""

    async def main() -> None:
        await user.use()
        commands = [asyncio.create_task(_use(user)) for _ in range(3)]
        for _ in range(STEPS):
            await asyncio.sleep(0)
        for child in (close, use_and_close):
            in_child(user, child, leave=leave_at_once)
        await asyncio.gather(*commands)
        await user.close()

    asyncio.run(main())


def between_steps(user: User) -> None:
    """Fork outside of an event loop that was stopped while its tasks wait for the server."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(user.use())
    commands = [loop.create_task(_use(user)) for _ in range(3)]
    for _ in range(STEPS):
        loop.run_until_complete(asyncio.sleep(0))
    for child in (close, use_and_close):
        in_child(user, child, leave=user.leave)
    loop.run_until_complete(asyncio.gather(*commands))
    loop.run_until_complete(user.close())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def from_another_thread(user: User) -> None:
    """Fork in the main thread, while an event loop of another thread waits for the server."""
    is_over = threading.Event()
    has_begun = threading.Event()

    async def work() -> None:
        while not is_over.is_set():
            await asyncio.gather(*(user.use() for _ in range(3)))
            has_begun.set()
        await user.close()

    worker = threading.Thread(target=asyncio.run, args=(work(),))
    worker.start()
    has_begun.wait()
    for child in (close, use_and_close):
        in_child(user, child, leave=user.leave)
    is_over.set()
    worker.join()


def in_child(user: User, child: Callable[[User], None], *, leave: Callable[[int], object]) -> None:
    """Run a function in a forked child. The child must end by itself."""
    if (process := os.fork()) == 0:
        signal.alarm(LONGEST_S)
        child(user)
        leave(0)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert status == 0, f"{child.__name__}: {status}"


def close(user: User) -> None:
    """Close what was inherited, in an event loop of its own."""
    asyncio.run(_close(user))


def leave_at_once(code: int) -> None:
    """End the process as `multiprocessing` does, without the code above."""
    gc.collect()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _use(user: User) -> None:
    await user.use()


async def _close(user: User) -> None:
    await user.close()


if __name__ == "__main__":
    logging.getLogger("recuerda").setLevel(logging.ERROR)  # that Redis keeps nothing on the disk is known
    for program in (in_the_loop, between_steps, from_another_thread):
        program(KINDS[sys.argv[1]](*sys.argv[2:]))
