"""The guard in front of every page: it decides whether a request may pass, and says so before anything is read.

It asks four questions, in this order. Is the request for a name of this studio? (A web page reads a local server
through a foreign name that leads there.) Was the request made by the studio's own pages, as far as the browser says?
Does it show the token? Does it change something, although the studio is read-only? Every answer leaves with headers
that keep a browser from running, loading, framing or keeping anything else. The token of a form is checked where the
form is read, in `page.py`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recuerda.studio.faults import Fault, fault_of
from recuerda.studio.refusing import fault_response
from recuerda.studio.settings import UNLOCK, StudioSettings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Other hosts are told nothing. With `no-referrer`, browsers would send the studio's own forms with `Origin: null`.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "x-robots-tag": "noindex, nofollow",
}
"""The headers of every answer. A page may set one of them itself."""

STATIC = "/static/"
CHAT = ("/chat", "/api/chat")
"""The paths of the chat pane. It writes the turns of its own runs in a studio that was started with an agent."""

MAX_BODY_BYTES = 256 * 1024 * 1024
"""The size of the longest request."""

_READING = frozenset({"GET", "HEAD"})


class Guard:
    """Let requests pass that may see the studio.

    Args:
        app: the application behind the guard.
        settings: the settings of the studio.
    """

    def __init__(self, app: ASGIApp, *, settings: StudioSettings) -> None:
        self._app = app
        self._hosts = settings.known_hosts
        self._token = settings.token
        self._session = settings.derived("session")
        self._csrf = settings.derived("form")
        # Cookies know no ports, so two studios on one machine need cookies with different names.
        self.cookie: str = f"recuerda_studio_{settings.derived('name')[:8]}"
        self._allow_changes = settings.allow_changes
        self._has_agent = settings.agent is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it pass."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        scope["path"] = _raw_path(scope)
        scope.setdefault("state", {})["csrf"] = ""
        request = Request(scope)
        answering = _Answering(send)
        try:
            await (self._checked(request) or self._app)(scope, _limited(receive), answering)
        except Exception as error:
            if answering.has_begun:
                raise
            await fault_response(request, fault_of(error))(scope, receive, answering)

    def _checked(self, request: Request) -> Response | None:
        """Return the answer to a request that does not pass, or None.

        Raises:
            Fault: the request is refused.
        """
        self._check_host(request)
        self._check_origin(request)
        if _path(request).startswith(STATIC) and request.method in _READING:
            return None
        if request.method == "GET" and UNLOCK in request.query_params:
            return self._unlocked(request)
        self._check_session(request)
        if request.method not in _READING and not self._may_change(request):
            raise Fault(403, "read_only", "fault.read-only")
        return None

    def _check_host(self, request: Request) -> None:
        name = request.headers.get("host", "").lower()
        host = name.rpartition(":")[0] if name.rpartition(":")[2].isdigit() and not name.endswith("]") else name
        if host not in self._hosts:
            raise Fault(421, "wrong_host", "fault.wrong-host")

    def _check_origin(self, request: Request) -> None:
        """Refuse what another site's page asks for. A browser says where a request comes from; a program need not."""
        site = request.headers.get("sec-fetch-site", "same-origin")
        is_visit = request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate"
        origin = request.headers.get("origin")
        # A proxy may end TLS, so the scheme is not compared.
        is_own = origin is None or origin.lower().partition("://")[2] == request.headers.get("host", "").lower()
        if is_own and (site in ("same-origin", "none") or (is_visit and not _path(request).startswith("/api/"))):
            return
        raise Fault(403, "foreign_page", "fault.foreign-page")

    def _unlocked(self, request: Request) -> Response:
        """Return the answer to the printed link: a cookie, and the way to the same page without the token."""
        pairs = parse_qsl(request.url.query, keep_blank_values=True)
        if not _is_same(dict(pairs)[UNLOCK], self._token):
            raise _locked()
        query = urlencode([(key, value) for key, value in pairs if key != UNLOCK])
        # A path that begins with two slashes would lead to another host.
        path = "/" + _path(request).lstrip("/\\")
        answer = RedirectResponse(f"{path}?{query}" if query else path, 303)
        is_secure = request.url.scheme == "https"
        answer.set_cookie(self.cookie, self._session, httponly=True, samesite="strict", secure=is_secure)
        return answer

    def _check_session(self, request: Request) -> None:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _is_same(key.strip(), self._token):
            request.state.csrf = None  # no other site can make a browser send this header
            return
        if not _is_same(_cookie(request, self.cookie), self._session):
            raise _locked()
        request.state.csrf = self._csrf

    def _may_change(self, request: Request) -> bool:
        path = _path(request)
        is_chat = any(path == start or path.startswith(f"{start}/") for start in CHAT)
        return self._allow_changes or (self._has_agent and is_chat)


def _locked() -> Fault:
    return Fault(401, "locked", "fault.locked", headers={"www-authenticate": 'Bearer realm="recuerda studio"'})


def _raw_path(scope: Scope) -> str:
    """Return the path as it was sent. Its escapes are undone behind the routes, because an id may hold a slash."""
    raw: bytes | None = scope.get("raw_path")
    return quote(scope["path"]) if raw is None else raw.partition(b"?")[0].decode("latin-1")


def _path(request: Request) -> str:
    """Return the path alone. `request.url` also has the host of the request, which may be anything."""
    path: str = request.scope["path"]
    return path


def _cookie(request: Request, name: str) -> str:
    try:
        held = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return held[name].value if name in held else ""


def _is_same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), known.encode())


class _Answering:
    """Send an answer with the headers of every answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun: bool = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def _limited(receive: Receive) -> Receive:
    """Return a channel that ends when a body is too long."""
    size = 0

    async def receiving() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise Fault(413, "too_long", "fault.too-long", size=MAX_BODY_BYTES // 1024**2)
        return message

    return receiving
