"""Where the sessions and the state of an application lie: the ids of their threads.

A session is named by an application, a user and an id, and each of them may hold any character. So two of these
characters are escaped, and the parts are joined with a slash. A name that is too long for an id is a digest instead.
No other name has the character `#` in this place, because `#` is escaped as well.
"""

from __future__ import annotations

from hashlib import sha256

from recuerda.ids import MAX_ID_BYTES

_SESSION = "adk"
_STATE = "adk-state"
_MEMORY = "adk-memory"

_ESCAPES = {"%": "%25", "/": "%2F", "#": "%23", "\x00": "%00"}

_MAX_NAMESPACE_BYTES = 100


def session_thread(app_name: str, user_id: str, session_id: str) -> str:
    """Return the id of the thread that keeps a session. Blanks around the session's id do not count."""
    return _joined(_SESSION, app_name, user_id, session_id.strip())


def session_of(thread_id: str) -> tuple[str, str, str] | None:
    """Return the application, the user and the id of the session that a thread keeps; None for any other thread."""
    parts = thread_id.split("/")
    if len(parts) != 4 or parts[0] != _SESSION:
        return None
    app_name, user_id, session_id = map(_unescaped, parts[1:])
    is_whole = session_thread(app_name, user_id, session_id) == thread_id
    return (app_name, user_id, session_id) if is_whole else None


def app_thread(app_name: str) -> str:
    """Return the id of the thread whose metadata keep the state of an application."""
    return _joined(_STATE, app_name)


def user_thread(app_name: str, user_id: str) -> str:
    """Return the id of the thread whose metadata keep the state of a user in an application."""
    return _joined(_STATE, app_name, user_id)


def memory_thread(app_name: str, user_id: str, session_id: str) -> str:
    """Return the id of the thread with the events that were added to memory without being in a session's thread."""
    return _joined(_MEMORY, app_name, user_id, session_id)


def namespace_of(app_name: str) -> str:
    """Return the namespace in which recall keeps the memories of an application."""
    name = _joined(_SESSION, app_name)
    return name if len(name.encode()) <= _MAX_NAMESPACE_BYTES else _digest(_SESSION, name)


def _joined(*parts: str) -> str:
    name = "/".join([parts[0], *map(_escaped, parts[1:])])
    return name if len(name.encode()) <= MAX_ID_BYTES else _digest(parts[0], name)


def _digest(kind: str, name: str) -> str:
    return f"{kind}/#{sha256(name.encode()).hexdigest()}"


def _escaped(part: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in part)


def _unescaped(part: str) -> str:
    for character, escaped in reversed(_ESCAPES.items()):
        part = part.replace(escaped, character)
    return part
