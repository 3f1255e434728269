"""Tools of servers that speak the Model Context Protocol (https://modelcontextprotocol.io), by its official SDK.

`tools.py` has the tools for an agent, `connection.py` the connection to a server, and `results.py` turns a server's
results into texts and files.
"""

import importlib.util

from recuerda.errors import MissingExtraError

# This only looks for the SDK and does not import it. The import takes a second.
if importlib.util.find_spec("mcp") is None or importlib.util.find_spec("mcp_types") is None:
    raise MissingExtraError(module="recuerda.mcp", extra="mcp")

from recuerda.mcp.tools import Approval, MCPServer, MCPTools

__all__ = ["Approval", "MCPServer", "MCPTools"]
