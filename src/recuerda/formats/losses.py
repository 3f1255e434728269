"""The names of the parts that a format could not say, in the counts that imports and exports report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
    UsageContent,
)

MISSING_FILE = "/file"
"""The end of the type of an unknown part that stands for a file whose content the source does not have."""

ERROR_MARK = "error mark"
"""The fact that a result is an error."""

SIGNATURE = "reasoning signature"
"""The data of a reasoning part that only its service can read."""

MARKS = (ERROR_MARK, SIGNATURE)
"""The facts that parts may have beside their content."""

_NAMES: dict[type[AnyContent], str] = {
    TextContent: "text",
    TextReasoningContent: "reasoning part",
    FunctionCallContent: "tool call",
    FunctionResultContent: "tool result",
    RefusalContent: "refusal",
    UsageContent: "usage count",
}


def name_of(part: AnyContent) -> str:
    """Return the name of a part's kind, such as "image"."""
    if isinstance(part, DataContent | UriContent):
        kind = part.media_type.partition("/")[0]
        return kind if kind in ("image", "video") else "audio file" if kind == "audio" else "file"
    if isinstance(part, UnknownContent) and str(part.data.get("type")).endswith(MISSING_FILE):
        return "file"
    if isinstance(part, HostedFileContent):
        return "file"
    return _NAMES.get(type(part), "unknown part")


def counted(parts: Iterable[AnyContent]) -> dict[str, int]:
    """Return the number of parts of each kind."""
    found: dict[str, int] = {}
    for part in parts:
        name = name_of(part)
        found[name] = found.get(name, 0) + 1
    return found


def files_in_results(parts: Iterable[AnyContent]) -> list[AnyContent]:
    """Return the files in the results of tools. Most formats have only a text for a result, which names the files."""
    results = (part for part in parts if isinstance(part, FunctionResultContent))
    return [part for result in results for part in result.parts if not isinstance(part, TextContent)]


def has_mark(part: AnyContent, mark: str) -> bool:
    """Return whether a part has a fact of its own that a format may not have; see `MARKS`."""
    match part:
        case FunctionResultContent():
            return mark == ERROR_MARK and part.is_error
        case TextReasoningContent():
            return mark == SIGNATURE and part.protected_data is not None
        case _:
            return False


def parts_that(messages: Iterable[ChatMessage], is_lost: Callable[[AnyContent, ChatMessage], bool]) -> dict[str, int]:
    """Return the number of parts for which a condition holds, by kind."""
    return counted(part for message in messages for part in message.contents if is_lost(part, message))


def described(losses: Mapping[str, int]) -> str:
    """Return losses as text, such as "2 images, 1 reasoning part"."""
    return ", ".join(f"{number:,} {kind}{'' if number == 1 else 's'}" for kind, number in losses.items())
