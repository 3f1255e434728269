"""The place of a folder of threads: it notices that the folder's name leads elsewhere.

Each operation opens files by their names, so a file that somebody removes or replaces between two operations is no
problem: a thread lives and dies with its file. But when the whole folder is gone, or another folder has its name, the
next write would begin every conversation anew in silence. So a storage refuses to write until it is opened again.
"""

from __future__ import annotations

from pathlib import Path

from recuerda._drivers.identity import Identity, change, identity
from recuerda.errors import StorageUnavailable


class Place:
    """The place of one storage's folder.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._identity: Identity | None = None
        self._problem: str | None = None

    def check(self) -> None:
        """Check, for a write, that the folder is the folder of the earlier operations.

        Raises:
            StorageUnavailable: it is not. The problem stays, even if the folder comes back.
        """
        if self._problem is None:
            self._problem = self._look()
        if self._problem is not None:
            raise StorageUnavailable(self._problem)

    def check_once(self) -> None:
        """Check for a read. A caller is told of a problem once; later reads read the folder that is in place."""
        if self._problem is None:
            self.check()

    def remember(self) -> None:
        """Remember the folder at the first write, which may have made it."""
        if self._identity is None:
            self._identity = identity(self._path)

    def _look(self) -> str | None:
        # Another thread may remember the folder at the same time, so what is known is looked up before the folder.
        known = self._identity
        now = identity(self._path)
        if known is None:
            self._identity = self._identity or now
            return None
        if now == known:
            return None
        is_gone = now is None
        next_step = "Put it back, or restore a backup. Then close" if is_gone else "Close"
        then = "." if is_gone else ", to work with the new folder."
        return (
            f"the folder {self._path} {change(is_gone=is_gone)}, so nothing more is acknowledged. "
            f"{next_step} the storage and open it again{then}"
        )
