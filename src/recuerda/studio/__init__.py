"""A page on a storage: its threads, the part that a model saw, memories, and the turns that wait for a person.

`recuerda studio` runs this package from the command line. `create_studio` returns the same as an ASGI application.

`page.py` makes the routes of a page: a view returns a struct, a template shows it, and `/api` gives the same struct as
JSON. `guard.py` decides which requests pass, and `redaction.py` hides secrets. Each room has a folder of its own.
"""

from recuerda.errors import MissingExtraError

try:
    import jinja2 as _jinja2
    import python_multipart as _python_multipart
    import starlette as _starlette
    import uvicorn as _uvicorn
except ImportError:
    raise MissingExtraError(module="recuerda.studio", extra="studio") from None

from recuerda.studio.app import create_studio
from recuerda.studio.settings import StudioSettings

del _jinja2, _python_multipart, _starlette, _uvicorn

__all__ = ["StudioSettings", "create_studio"]
