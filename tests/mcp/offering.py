"""An MCP server of the official SDK with tools of every kind: run as a program, it speaks over standard input."""

import os
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver import Image, MCPServer
from mcp_types import EmbeddedResource, ResourceLink, TextResourceContents, ToolAnnotations
from pydantic import Field

PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xdc\xccY\xe7\x00\x00\x00\x00IEND\xaeB`\x82"
)


def make_server() -> MCPServer:
    """Return the server."""
    server = MCPServer("offering")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def add(a: Annotated[int, Field(description="the first number")], b: int = 1) -> int:
        """Add two numbers."""
        return a + b

    @server.tool(annotations=ToolAnnotations(destructive_hint=False, idempotent_hint=True))
    def note(text: str) -> str:
        """Note a text."""
        return f"noted {text}"

    @server.tool()
    def wipe() -> str:
        """Delete everything."""
        return "wiped"

    @server.tool()
    def picture() -> Image:
        """Return a picture."""
        return Image(data=PIXEL, format="png")

    @server.tool()
    def mixed() -> list[EmbeddedResource | ResourceLink]:
        """Return a text and the address of a file."""
        return [
            EmbeddedResource(resource=TextResourceContents(uri="file:///a.txt", text="inside")),
            ResourceLink(name="b", uri="https://example.org/b.pdf", mime_type="application/pdf"),
        ]

    @server.tool(name="files.read")
    def read(path: str) -> str:
        """Read a file."""
        return Path(path).read_text(encoding="utf-8")

    @server.tool()
    def die() -> str:
        """End the server in the middle of the call."""
        os._exit(3)

    return server


if __name__ == "__main__":
    make_server().run()
