"""The names of the keys. Ids in them are percent-encoded, so every id is safe and no two ids give the same key.

    PREFIX:{THREAD}          hash: `head`, `title`, `metadata`, `edit` (the id of the last change of the settings or of
                             a body), each record under its number, `i:` + id -> number (also of a dropped turn),
                             `r:` + number of a removed record -> its id,
                             `b:` + digest (32 bytes) -> a blob, `u:` + digest -> the number of turns that name it,
                             `s:` + number of a summary -> number of the one before it
    PREFIX:{THREAD}:draft    hash: number -> step of the running turn
    PREFIX:{THREAD}:lease    string: the holder of the lease
    PREFIX/threads           sorted set of all threads; `scripts/listings.py` describes its entries
    PREFIX/user:USER         sorted set of a user's threads
    PREFIX/ids               sorted set of the ids of all threads, in the order in which they were created
    PREFIX/ids:USER          the same for the threads of a user

The braces are part of the key: a Redis Cluster places a key by the text between them, so a thread's keys are on one
node. All turns of a thread are one key: they expire, are evicted or are deleted together or not at all. A prefix has no
braces and an encoded id has no slashes, so two prefixes never share a key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from recuerda.errors import ConfigurationError, InvalidInput
from recuerda.ids import check_id


def check_prefix(prefix: object) -> str:
    """Return `prefix` if keys can start with it.

    Raises:
        ConfigurationError: the prefix is not a valid id, or has braces, which would put all keys on one node of a
            cluster.
    """
    try:
        checked = check_id(prefix, "key prefix")
    except InvalidInput as error:
        raise ConfigurationError(str(error)) from None
    if "{" in checked or "}" in checked:
        raise ConfigurationError(
            f"the key prefix {checked!r} has braces; leave them out: a cluster places threads by their ids"
        )
    return checked


@dataclass(frozen=True, slots=True)
class ThreadKeys:
    """The keys under one prefix."""

    prefix: str

    def thread(self, thread_id: str) -> str:
        """Return the key of a thread."""
        return f"{self.prefix}:{{{quote(thread_id, safe='')}}}"

    def both(self, thread_id: str) -> tuple[str, str]:
        """Return the keys of a thread and of its draft."""
        thread = self.thread(thread_id)
        return thread, f"{thread}:draft"

    def draft(self, thread_id: str) -> str:
        """Return the key of a thread's draft."""
        return f"{self.thread(thread_id)}:draft"

    @property
    def drafts(self) -> str:
        """The pattern that matches the keys of all drafts."""
        return self._every("draft")

    def lease(self, thread_id: str) -> str:
        """Return the key of a thread's lease."""
        return f"{self.thread(thread_id)}:lease"

    @property
    def leases(self) -> str:
        """The pattern that matches the keys of all leases."""
        return self._every("lease")

    def thread_of(self, key: str) -> str:
        """Return the id of the thread whose draft or lease has this key."""
        return unquote(key[len(self.prefix) + len(":{") : key.rindex("}:")])

    def _every(self, kind: str) -> str:
        """Return the pattern that matches the keys of one kind of all threads."""
        prefix = re.sub(r"([\\*?\[\]^-])", r"\\\1", self.prefix)
        return f"{prefix}:{{*}}:{kind}"

    @property
    def threads(self) -> str:
        """The key of the listing of all threads."""
        return f"{self.prefix}/threads"

    def user(self, user_id: str) -> str:
        """Return the key of the listing of a user's threads."""
        return f"{self.prefix}/user:{quote(user_id, safe='')}"

    def index(self, user_id: str | None) -> str:
        """Return the key of the index of a user's threads, or of all threads if `user_id` is None."""
        return f"{self.prefix}/ids" + ("" if user_id is None else f":{quote(user_id, safe='')}")

    def listing(self, user_id: str | None) -> str:
        """Return the key of a user's listing, or of the listing of all threads if `user_id` is None."""
        return self.threads if user_id is None else self.user(user_id)
