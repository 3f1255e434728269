"""A service with OpenAI's wire format on a storage of one's own, in front of any chat-completions server.

`recuerda serve` is this package on the command line. `create_app` gives the same as an ASGI application.
`responses.py` and `conversations.py` have the routes, `places.py` says which thread a response goes to, `threads.py`
reads and writes them, `items.py` and `turns.py` say how OpenAI's items are kept as messages, `upstream.py` speaks to
the model's server, and `http.py` lets requests in.
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
from recuerda.server.settings import Limits, ServerSettings
from recuerda.server.upstream import Upstream

del _openai, _starlette, _uvicorn

__all__ = ["Limits", "Listening", "ServerSettings", "TenantKeys", "Upstream", "create_app", "read_keys", "serve"]
