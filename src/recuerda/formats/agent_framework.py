"""The messages of Agent Framework: saved sessions, history files, and lists in Redis. The framework is not needed.

- A saved session is the JSON of `AgentSession.to_dict`, or the state that a beta saved.
- A history file of `FileHistoryProvider` has one message on each line, or is MessagePack. A folder of them is read as
  one thread for each file.
- A list of `RedisHistoryProvider` is read from a URL such as `redis://localhost:6379/0?key_prefix=chat_messages`.
"""

from __future__ import annotations

from base64 import b32decode
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import msgspec

from recuerda.errors import InvalidInput, MissingExtraError, StateError, StorageUnavailable
from recuerda.formats.documents import Document, documents, located, understood
from recuerda.formats.format import Format
from recuerda.formats.message_lists import ListFormat, messages_in
from recuerda.formats.moved import MovedThread
from recuerda.formats.source import Source
from recuerda.formats.supplement import KEY, Supplement, supplement_in
from recuerda.formats.turns import Conversation, Said, marked_thread, thread_of
from recuerda.interop.agent_framework_items import AgentFrameworkForm
from recuerda.json_value import JsonObject
from recuerda.messages.legacy import read_legacy_message, read_legacy_state

_Data = dict[str, Any]

ENCODED = "~session-"
"""The beginning of a file's name that stands for a session id which is no safe name."""

FACTS = "recuerda.facts.json"
"""The file with the facts of the threads that recuerda has written into a folder."""

_PREFIX = "chat_messages"
_STATES = ("session", "agent_thread_state", "chat_message_store_state")

LIST = ListFormat(form=AgentFrameworkForm())


async def _read(source: Source) -> AsyncIterator[MovedThread]:
    if source.url is not None:
        async for name, entries in _lists(source.url):
            yield _thread(name, _decoded(entries, name))
    elif source.is_folder:
        facts = _facts(source.folder() / FACTS)
        for path in sorted(source.folder().iterdir()):
            if path.suffix in (".jsonl", ".msgpack"):
                with located(path.name):
                    thread = _of_file(path, facts.get(path.stem))
                yield thread
    elif source.path is not None and source.path.suffix == ".msgpack":
        yield _of_file(source.path)
    else:
        for thread in _of_text(source):
            yield thread


def _facts(path: Path) -> Mapping[str, Supplement]:
    """Return the facts of the threads in a folder, by the names of their files."""
    if not path.is_file():
        return {}
    return Document(path.read_bytes(), path.name).as_type(dict[str, Supplement])


def _thread(name: str, items: Sequence[tuple[str, JsonObject]], facts: Supplement | None = None) -> MovedThread:
    """Return the thread of messages. Messages of the betas had other forms, which no later version reads."""
    for where, item in items:
        LIST.check(where, item)
    said = [
        LIST.said(where, item)
        if isinstance(item.get("role"), str) and isinstance(item.get("contents"), list)
        else Said(messages=[read_legacy_message(item, where)])
        for where, item in items
    ]
    return marked_thread(Conversation(id=name), said, facts)


def _of_text(source: Source) -> Iterator[MovedThread]:
    first = next(documents(source.text()), None)
    state = None if first is None else first.as_type(object)
    if isinstance(state, dict) and cast("_Data", state).get("type") in _STATES:
        for document in documents(source.text()):
            with understood(document.where):
                yield _of_state(document.as_type(_Data), source.name)
    elif source.path is not None and source.path.suffix == ".jsonl":
        yield _of_file(source.path)
    else:
        yield from LIST.read(source)


def _of_state(state: _Data, name: str) -> MovedThread:
    session_id = str(state.get("session_id") or state.get("service_session_id") or name or "session")
    items = _items_of_session(state)
    if items or KEY in state:
        return _thread(session_id, items, supplement_in(state) if KEY in state else None)
    # The state of a beta, or a session without messages.
    found = read_legacy_state(state)
    return thread_of(
        Conversation(id=found.id or session_id), [Said(messages=[message]) for message in found.messages or ()]
    )


def _items_of_session(state: _Data) -> list[tuple[str, JsonObject]]:
    """Return the messages that the providers of a session keep in its state."""
    found: list[tuple[str, JsonObject]] = []
    parts = cast("_Data", state.get("state") or {}) if state.get("type") == "session" else {}
    for name, part in parts.items():
        match part:
            case {"messages": list()}:
                messages = cast("list[Any]", part["messages"])
                found += [(f"state.{name}.messages[{at}]", message) for at, message in enumerate(messages)]
            case _:
                pass
    return found


def _of_file(path: Path, facts: Supplement | None = None) -> MovedThread:
    name = _session_of(path.stem)
    data = path.read_bytes()
    if path.suffix == ".msgpack":
        return _thread(name, list(_records(data, path.name)), facts)
    found = documents(data) if data.strip() else ()
    return _thread(name, [(one.where, one.as_type(_Data)) for one in found], facts)


def _session_of(stem: str) -> str:
    """Return the session of a file's name. A name that is no safe file name is base32, or a digest if it is long."""
    if not stem.startswith(ENCODED):
        return stem
    coded = stem.removeprefix(ENCODED).upper()
    try:
        return b32decode(coded + "=" * (-len(coded) % 8)).decode()
    except ValueError:
        return stem


def _records(data: bytes, name: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield the records of a MessagePack file: the length in four bytes, and the message."""
    at, number = 0, 1
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        record = data[at + 4 : at + 4 + size]
        try:
            if len(record) < size:
                raise ValueError("it is cut off")
            yield f"record {number}", msgspec.msgpack.decode(record, type=_Data)
        except (msgspec.DecodeError, ValueError) as error:
            raise StateError(f"{name}, record {number} cannot be read: {error}") from None
        at, number = at + 4 + size, number + 1


async def _lists(url: str) -> AsyncIterator[tuple[str, Sequence[bytes]]]:
    """Yield the session and the entries of each list in Redis."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    prefix = query.pop("key_prefix", [_PREFIX])[0]
    if parts.scheme not in ("redis", "rediss"):
        raise InvalidInput("this format is read from files, or from a URL that starts with redis://")
    try:
        from redis import asyncio, exceptions
    except ModuleNotFoundError as error:
        raise MissingExtraError(module="recuerda.formats", extra="redis") from error
    client: Any = asyncio.Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - redis-py declares no types here
        urlunsplit(parts._replace(query=urlencode(query, doseq=True)))
    )
    try:
        keys = sorted([bytes(key) async for key in client.scan_iter(match=f"{_escaped(prefix)}:*", _type="list")])
        for key in keys:
            yield key.decode()[len(prefix) + 1 :], await client.lrange(key, 0, -1)
    except exceptions.RedisError as error:
        raise StorageUnavailable("the Redis server cannot be reached; see the cause") from error
    finally:
        await client.aclose()


def _escaped(prefix: str) -> str:
    """Return a prefix for a pattern of Redis, in which it stands for itself."""
    return "".join(f"\\{one}" if one in "*?[]\\" else one for one in prefix)


def _decoded(entries: Sequence[bytes], name: str) -> list[tuple[str, JsonObject]]:
    found: list[tuple[str, JsonObject]] = []
    for number, entry in enumerate(entries):
        try:
            found.append((f"entry {number}", msgspec.json.decode(entry, type=_Data)))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateError(f"entry {number} of the list of session {name!r} cannot be read: {error}") from None
    return found


def _is_like(values: Sequence[object]) -> bool:
    first = values[0] if values else None
    if isinstance(first, dict) and cast("_Data", first).get("type") in _STATES:
        return True
    found = messages_in(values, "messages")
    return bool(found) and all("role" in item and isinstance(item.get("contents"), list) for item in found)


FORMAT = Format(name="agent-framework", read=_read, writer=LIST.writer(), is_like=_is_like)
