"""The parts around a page: the navigation, the language and the token of its forms."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request

from recuerda.studio.preferences import preferences_of
from recuerda.studio.rendering import ROOMS, Frame
from recuerda.studio.settings import UNLOCK
from recuerda.studio.studio import studio_of


def frame_of(request: Request) -> Frame:
    """Return the parts around the page that answers a request."""
    studio = studio_of(request)
    path: str = request.scope["path"]
    query = _without_token(request.url.query)
    return Frame(
        preferences=preferences_of(request),
        url=path + (f"?{query}" if query else ""),
        csrf=getattr(request.state, "csrf", None) or "",
        allow_changes=studio.allow_changes,
        rooms=tuple(room for room in ROOMS if room.name != "chat" or studio.agent is not None),
        room=path.removeprefix("/").partition("/")[0],
        storage=studio.settings.storage_name,
        user=studio.user_id,
    )


def _without_token(query: str) -> str:
    """Return the query without the studio's token, which is in no link of a page: a page may be saved or shown."""
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name != UNLOCK]
    return query if len(kept) == len(pairs) else urlencode(kept)
