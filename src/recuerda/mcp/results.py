"""The results of MCP tools, as texts and files."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

from recuerda.json_value import Json
from recuerda.messages.message import DataContent, TextContent, UriContent

if TYPE_CHECKING:
    from mcp_types import CallToolResult, ContentBlock, EmbeddedResource

Part = TextContent | DataContent | UriContent

_ANY_TYPE = "application/octet-stream"


class MCPToolError(Exception):
    """A server says that its tool failed. The text is the server's, for the model."""


def value_of(result: CallToolResult) -> Json | list[Part]:
    """Return the result for the model: texts and files, or the structured value if the server gives nothing else.

    Raises:
        MCPToolError: the tool failed.
    """
    parts = [part_of(block) for block in result.content]
    if result.is_error:
        texts = [part.text for part in parts if isinstance(part, TextContent)]
        raise MCPToolError("\n".join(texts) or "the tool failed and gave no reason")
    if not parts:
        structured: Json = result.structured_content
        return structured
    return parts[0].text if len(parts) == 1 and isinstance(parts[0], TextContent) else parts


def part_of(block: ContentBlock) -> Part:
    """Return a block of content as a part of a message."""
    import mcp_types as types

    match block:
        case types.TextContent():
            return TextContent(block.text)
        case types.ImageContent() | types.AudioContent():
            return DataContent(b64decode(block.data), block.mime_type)
        case types.ResourceLink():
            return UriContent(block.uri, block.mime_type or _ANY_TYPE)
        case types.EmbeddedResource():
            return _embedded(block)


def _embedded(block: EmbeddedResource) -> Part:
    import mcp_types as types

    resource = block.resource
    if isinstance(resource, types.TextResourceContents):
        return TextContent(resource.text)
    return DataContent(b64decode(resource.blob), resource.mime_type or _ANY_TYPE, name=resource.uri)
