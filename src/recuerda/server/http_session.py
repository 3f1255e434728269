"""The HTTP session with the model's server: its connections, its proxy and its certificates.

aiohttp makes the calls, because its costs do not grow with their number: it finds a kept connection in one step, and
its parser is written in C. The environment is read once: aiohttp itself would look for a proxy before each call.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2

from recuerda.errors import ConfigurationError

_KEEPALIVE_S = 30.0
_READ_BYTES = 64 * 1024
_HEAD_BYTES = 64 * 1024
_IN_ONE_PIECE = 256 * 1024
"""The size up to which a request is handed to the connection as a whole."""


class HttpSession:
    """The connections to one server. They belong to the event loop of the first call.

    Args:
        url: an address of the server, which says whether a proxy and certificates are needed.
        headers: the headers of each request.
        timeout_s: the seconds to wait for an answer, or for the next piece of an answer.
        connect_s: the seconds to wait for a connection.

    Raises:
        ConfigurationError: the environment names a proxy of a kind that cannot be used.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str], timeout_s: float, connect_s: float) -> None:
        self._headers = dict(headers)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=timeout_s)
        self._proxy = _proxy_for(url)
        # These are the certificates that OpenAI's clients trust.
        self._certificates = httpx2.create_ssl_context() if url.startswith("https:") else None
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        """Send a request, and return its answer when the head has arrived. The caller closes the answer.

        Args:
            method: the HTTP method.
            url: the address.
            content: the body; None for a request without a body.
            headers: the headers of this request alone; None for none.

        Raises:
            TimeoutError: the server does not answer in time.
            aiohttp.ClientError: the server cannot be reached, or it answers in another protocol.
        """
        if self._session is None:
            self._session = self._opened()
        data = io.BytesIO(content) if content is not None and len(content) > _IN_ONE_PIECE else content
        return await self._session.request(method, url, data=data, headers=headers, allow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_KEEPALIVE_S, ssl=True if self._certificates is None else self._certificates
            ),
            headers=self._headers,
            timeout=self._timeout,
            proxy=self._proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BYTES,
            max_line_size=_HEAD_BYTES,
            max_field_size=_HEAD_BYTES,
        )


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for an address; None if it names none."""
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"the environment names a proxy with the scheme {urlsplit(proxy).scheme!r} for the model's server: "
            "name an HTTP proxy, or name the model's server in NO_PROXY"
        )
    return proxy
