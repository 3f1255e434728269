"""An MCP server that gives any assistant a memory that lasts, on a file or a database of your own.

`recuerda mcp` runs this package from the command line. `MemoryServer` is the same server for programs: `sdk_server`
returns the official SDK's server, which runs on any of the SDK's transports.

`protocol.py` takes the requests. `tools.py` has the tools, with their descriptions and arguments; `resources.py` and
`prompts.py` have the rest of what a client sees. `memories.py`, `threads.py` and `forgetting.py` do the work.
`scope.py` says whose memories a connection may see.
"""

import importlib.util

from recuerda.errors import MissingExtraError

# This only looks for the SDK and does not import it. The import takes seconds, and only a program that serves needs it.
if importlib.util.find_spec("mcp") is None or importlib.util.find_spec("mcp_types") is None:
    raise MissingExtraError(module="recuerda.mcp_server", extra="mcp")

from recuerda.mcp_server.scope import Scope
from recuerda.mcp_server.server import MemoryServer

__all__ = ["MemoryServer", "Scope"]
