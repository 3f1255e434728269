"""A service with OpenAI's wire format, on a storage of your own and in front of any chat-completions server.

`recuerda serve` runs this package from the command line. `create_app` returns the same service as an ASGI application.

`routes.py` is the table of all routes. `responses.py` and `conversations.py` have their handlers. `places.py` decides
to which thread a response goes, `threads.py` reads and writes threads, and `once.py` makes retries safe. `items.py` and
`turns.py` turn OpenAI's items into messages and back. `upstream.py` speaks to the model's server. `connections.py`
limits connections, and `http.py` admits requests.
"""

from recuerda.errors import MissingExtraError

try:
    import openai as _openai
    import starlette as _starlette
    import uvicorn as _uvicorn
except ImportError:
    raise MissingExtraError(module="recuerda.server", extra="server") from None

from recuerda.server.app import create_app
from recuerda.server.keys import TenantKeys, read_keys
from recuerda.server.running import Listening, serve
from recuerda.server.settings import Limits, RecallSettings, ServerSettings
from recuerda.server.upstream import Upstream

del _openai, _starlette, _uvicorn

__all__ = [
    "Limits",
    "Listening",
    "RecallSettings",
    "ServerSettings",
    "TenantKeys",
    "Upstream",
    "create_app",
    "read_keys",
    "serve",
]
