"""Files whose bytes are kept beside a turn and not in it.

A picture inside the body of a turn would be read with every window, and would be stored again with every turn that
shows it. So a turn that is stored names its larger files by the SHA-256 of their bytes, and the storage keeps the bytes
once in the thread. A file that is small stays in the body, because a second place would cost more than its bytes.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as BinasciiError
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import is_
from typing import cast

import msgspec

from recuerda.messages.extent import extent_of
from recuerda.messages.message import (
    FILES,
    AnyContent,
    AnyFile,
    ChatMessage,
    DataContent,
    FunctionResultContent,
    ResultPart,
    StoredFile,
    TextContent,
    Turn,
    UriContent,
    file_mark,
    plain_content,
    trusted_message,
)

LARGEST_INLINE = 2048
"""The size in bytes up to which a file stays in the body of its turn."""


def offloaded(messages: Sequence[ChatMessage]) -> tuple[tuple[ChatMessage, ...], dict[str, bytes]]:
    """Return messages with a `StoredFile` in the place of each larger file, and the bytes of these files by digest."""
    blobs: dict[str, bytes] = {}
    changed = tuple([_changed(message, lambda part: _stored(part, blobs)) for message in messages])
    return changed, blobs


def with_files(messages: Sequence[ChatMessage], blobs: Mapping[str, bytes]) -> tuple[ChatMessage, ...]:
    """Return stored messages with the files whose bytes are given."""
    return tuple([_changed(message, lambda part: _restored(part, blobs)) for message in messages])


def turn_with_files(turn: Turn, blobs: Mapping[str, bytes]) -> Turn:
    """Return a stored turn with the files whose bytes are given."""
    return msgspec.structs.replace(turn, messages=with_files(turn.messages, blobs)) if blobs else turn


def files_in(messages: Iterable[ChatMessage]) -> Iterator[AnyFile]:
    """Return the images and files of messages in order, also inside results."""
    for message in messages:
        if type(message.content) is not str:
            for part in message.contents:
                inner = part.parts if isinstance(part, FunctionResultContent) else (part,)
                yield from [one for one in inner if isinstance(one, FILES)]


def shown(messages: Sequence[ChatMessage], show: Callable[[StoredFile], ResultPart]) -> list[ChatMessage]:
    """Return stored messages with something else in the place of each file whose bytes are beside their turn."""

    def change(part: AnyFile) -> ResultPart:
        return show(part) if type(part) is StoredFile else part

    return [message if type(message.content) is str else _changed(message, change) for message in messages]


def restored(part: StoredFile, data: bytes) -> DataContent | UriContent:
    """Return the file that a stored file stands for."""
    rest = part.additional_properties
    if part.head is None:
        return DataContent(data, part.media_type, part.name, part.detail, additional_properties=rest)
    uri = f"{part.head},{b64encode(data).decode()}"
    return UriContent(uri, part.media_type, part.name, part.detail, additional_properties=rest)


def named(messages: Sequence[ChatMessage], origin: str | None = None) -> tuple[ChatMessage, ...]:
    """Return messages with a text in the place of each file, such as `[image photo.png, image/png, 300 kB]`.

    A message or a result of texts and files becomes one text, with a line for each. `origin` says where the files are,
    such as "from turn 3".
    """
    # One text is cheaper than several parts in every later request, and every service takes it.
    return tuple([message if type(message.content) is str else _named(message, origin) for message in messages])


def named_where_absent(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Return messages with a text in the place of each file whose bytes are not there."""
    return tuple([_changed(message, _present) for message in messages])


def without_bytes(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Return messages without the bytes of their larger files, for a check of everything else."""
    if not has_files(messages):
        return tuple(messages)
    return tuple([_changed(message, _emptied) for message in messages])


def digests_in(messages: Sequence[ChatMessage]) -> set[str]:
    """Return the digests of the files that are kept beside a stored turn with these messages."""
    parts = [part for message in messages for part in message.contents]
    inner = [one for part in parts if isinstance(part, FunctionResultContent) for one in part.parts]
    return {part.digest for part in (*parts, *inner) if isinstance(part, StoredFile)}


def has_files(messages: Sequence[ChatMessage]) -> bool:
    """Return whether messages hold images or files, also inside results."""
    # Every run asks this for every new turn, so it is one loop with few calls.
    for message in messages:
        if type(message.content) is str or _MAY_HOLD_FILES.isdisjoint(map(type, message.contents)):
            continue
        if any(map(_holds_files, message.contents)):
            return True
    return False


_FILE_TYPES = frozenset(FILES)
_MAY_HOLD_FILES = _FILE_TYPES | {FunctionResultContent}


def _holds_files(part: AnyContent) -> bool:
    return type(part) in _FILE_TYPES or (type(part) is FunctionResultContent and bool(part.parts))


def _changed(message: ChatMessage, change: Callable[[AnyFile], ResultPart]) -> ChatMessage:
    """Return a message with its files changed; the same object if no file changes."""
    content = message.content
    if isinstance(content, str):
        return message
    # A cold read of a thread with pictures comes here for each turn, so a file takes one call and a text none.
    parts = tuple(
        [
            change(cast("AnyFile", part))
            if type(part) in _FILE_TYPES
            else _changed_result(part, change)
            if type(part) is FunctionResultContent and part.parts
            else part
            for part in content
        ]
    )
    if all(map(is_, parts, content)):
        return message
    return trusted_message(
        message.role, plain_content(parts), message.author_name, message.message_id, message.additional_properties
    )


def _named(message: ChatMessage, origin: str | None) -> ChatMessage:
    """Return a message with the names of its files; the same object if it has no file."""
    # The first window of a handle names the files of all its older turns, so the usual message takes one short loop.
    lines: list[str] = []
    has_file = False
    for part in message.contents:
        if type(part) in _FILE_TYPES:
            lines.append(file_mark(cast("AnyFile", part), origin))
            has_file = True
        elif type(part) is TextContent and not part.additional_properties:
            lines.append(part.text)
        else:
            return _changed(message, lambda part: TextContent(file_mark(part, origin)))
    if not has_file:
        return message
    text = "\n".join(filter(None, lines))
    return trusted_message(message.role, text, message.author_name, message.message_id, message.additional_properties)


def _changed_result(part: FunctionResultContent, change: Callable[[AnyFile], ResultPart]) -> FunctionResultContent:
    parts = tuple([change(one) if isinstance(one, FILES) else one for one in part.parts])
    if all(map(is_, parts, part.parts)):
        return part
    if not any(isinstance(one, FILES) for one in parts):
        texts = "\n".join(one.text for one in parts if isinstance(one, TextContent))
        return msgspec.structs.replace(part, result=texts, parts=())
    return msgspec.structs.replace(part, parts=parts)


def _stored(part: AnyFile, blobs: dict[str, bytes]) -> AnyFile:
    head = None
    if isinstance(part, DataContent):
        data = bytes(part.data)
    elif isinstance(part, UriContent) and (found := _decoded(part.uri)) is not None:
        head, data = found
    else:
        return part
    if len(data) <= LARGEST_INLINE:
        return part
    from hashlib import sha256  # loads OpenSSL, which a program without files does not need

    digest = sha256(data).hexdigest()
    blobs[digest] = data
    return StoredFile(
        digest,
        len(data),
        part.media_type,
        part.name,
        part.detail,
        head,
        extent_of(data, part.media_type),
        additional_properties=part.additional_properties,
    )


def _emptied(part: AnyFile) -> AnyFile:
    is_large = isinstance(part, DataContent) and type(part.data) is bytes and len(part.data) > LARGEST_INLINE
    return msgspec.structs.replace(part, data=b"") if is_large else part


def _present(part: AnyFile) -> ResultPart:
    return TextContent(file_mark(part)) if isinstance(part, StoredFile) else part


def _restored(part: AnyFile, blobs: Mapping[str, bytes]) -> AnyFile:
    if not isinstance(part, StoredFile) or (data := blobs.get(part.digest)) is None:
        return part
    return restored(part, data)


def _decoded(uri: str) -> tuple[str, bytes] | None:
    """Return the head and the bytes of a `data:` URL that the bytes give again exactly; None for any other URI."""
    if len(uri) <= LARGEST_INLINE or (data := bytes_of_url(uri)) is None:
        return None
    head, _, text = uri.partition(",")
    return (head, data) if b64encode(data).decode() == text else None


def bytes_of_url(uri: str) -> bytes | None:
    """Return the bytes of a `data:` URL with base64; None for any other URI."""
    head, _, text = uri.partition(",") if uri.startswith("data:") else ("", "", "")
    if not head.endswith(";base64"):
        return None
    try:
        return b64decode(text, validate=True)
    except (BinasciiError, ValueError):
        return None
