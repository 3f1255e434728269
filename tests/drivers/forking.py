"""Programs that use connections in several event loops, or fork: `python -m tests.drivers.forking WHAT KIND ADDRESS…`.

They are to be run with warnings as errors, so that a warning at the end of a process is seen as well.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import sys
import threading

from tests.drivers.users import USERS, User


def fork(user: User) -> None:
    """Fork three children, which end in different ways; then the parent goes on with the connections that it had."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(user.use())
    before = open_sockets()
    for child in (end, use_and_close, use_and_forget):
        if (process := os.fork()) == 0:
            child(user)
            user.leave(0)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        assert status == 0, f"{child.__name__}: {status}"
    loop.run_until_complete(user.use())
    assert before <= open_sockets() or not user.lasts, "the parent lost a connection"
    loop.run_until_complete(user.close())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def end(user: User) -> None:
    """Leave alone what was inherited."""


def use_and_close(user: User) -> None:
    """Use what was inherited, and close it."""
    asyncio.run(_use_and_close(user))


def use_and_forget(user: User) -> None:
    """Use what was inherited, and do not close it."""
    asyncio.run(_use(user))


def loops(user: User) -> None:
    """Use one connection in several event loops, of which two run at once; then none is open."""
    before = open_sockets()
    other = threading.Thread(target=use_and_forget, args=(user,))
    other.start()
    use_and_forget(user)
    other.join()
    assert open_sockets() == before, "a connection outlived its loop"
    use_and_close(user)
    assert open_sockets() == before, "a connection is open after close"


def open_sockets() -> set[int]:
    """Return the identities of the process's open sockets."""
    return {found.st_ino for number in range(256) if (found := _status(number)) and stat.S_ISSOCK(found.st_mode)}


def _status(number: int) -> os.stat_result | None:
    try:
        return os.fstat(number)
    except OSError:
        return None


async def _use(user: User) -> None:
    await user.use()


async def _use_and_close(user: User) -> None:
    await user.use()
    await user.close()


if __name__ == "__main__":
    logging.getLogger("recuerda").setLevel(logging.ERROR)  # that Redis keeps nothing on the disk is known
    {"fork": fork, "loops": loops}[sys.argv[1]](USERS[sys.argv[2]](*sys.argv[3:]))
