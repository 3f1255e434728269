"""A stand-in for Azure AI Search, for which there is no emulator: the REST paths that azure-search-documents calls.

It checks requests as the service documents it: versions of the API, keys and tokens, names of parameters and fields,
the lengths of vectors, semantic configurations, filters. What it refuses it refuses in the service's error format, but
in words of its own where the service's are not documented. It ranks by counted words, by cosine and by reciprocal rank;
the real service's scores, its analyzers and its semantic model are others.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import tempfile
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers.azure_search_ranking import Refused, search
from tests.servers.redis_server import free_port

ADMIN_KEY = "admin-key-8c1f"
QUERY_KEY = "query-key-77ab"
TOKEN = "a.token.of.entra"
API_VERSIONS = {"2025-09-01", "2026-04-01"}
START_S = 10.0

Json = dict[str, Any]
Answer = Callable[[Request], Awaitable[Response]]


@dataclass
class Index:
    """An index: its definition, and its documents by key."""

    definition: Json
    documents: dict[str, Json] = field(default_factory=dict[str, Json])

    @property
    def key_field(self) -> str:
        return next(one["name"] for one in self.definition["fields"] if one.get("key"))


@dataclass(frozen=True)
class Recorded:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Json


class AzureSearchServer:
    """Serve on a free port of 127.0.0.1, with TLS, in a thread of its own.

    Attributes:
        indexes: by name.
        requests: every request, in order.
        faults: what the next searches get instead of an answer.
        certificate: the file to trust.
    """

    def __init__(self) -> None:
        self.indexes: dict[str, Index] = {}
        self.requests: list[Recorded] = []
        self.faults: deque[Answer] = deque()
        self._folder = tempfile.TemporaryDirectory(prefix="recuerda-azure-search-")
        self.certificate = Path(self._folder.name) / "certificate.pem"
        self._port = free_port()
        key = Path(self._folder.name) / "key.pem"
        _write_certificate(self.certificate, key)
        routes = [
            Route("/indexes('{index}')", self._guarded(self._put_index, admin=True), methods=["PUT"]),
            Route("/indexes('{index}')", self._guarded(self._get_index, admin=True), methods=["GET"]),
            Route("/indexes('{index}')/docs/search.index", self._guarded(self._write, admin=True), methods=["POST"]),
            Route("/indexes('{index}')/docs/search.post.search", self._guarded(self._search), methods=["POST"]),
            Route("/indexes('{index}')/docs('{key}')", self._guarded(self._get_document), methods=["GET"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            host="127.0.0.1",
            port=self._port,
            log_config=None,
            lifespan="off",
            ws="none",
            ssl_certfile=self.certificate,
            ssl_keyfile=key,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="azure-search", daemon=True)

    @property
    def endpoint(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def searches(self) -> list[Json]:
        """The bodies of the searches so far."""
        return [request.body for request in self.requests if request.path.endswith("search.post.search")]

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the stand-in for Azure AI Search did not start")
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()
        self._folder.cleanup()

    def _guarded(
        self, answer: Callable[[Request, Json], Response], *, admin: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            body: Json = await request.json() if await request.body() else {}
            self.requests.append(Recorded(request.method, request.url.path, dict(request.headers), body))
            try:
                _check_access(request, admin=admin)
                if self.faults and request.url.path.endswith("search.post.search"):
                    return await self.faults.popleft()(request)
                return answer(request, body)
            except Refused as refused:
                return refusal(refused.status, refused.message, code=refused.code)

        return guarded

    def _index(self, request: Request) -> Index:
        name = request.path_params["index"]
        if name not in self.indexes:
            raise Refused(f"No index with the name '{name}' was found in the service 'local'.", status=404)
        return self.indexes[name]

    def _put_index(self, request: Request, body: Json) -> Response:
        name = request.path_params["index"]
        keys = [one for one in body.get("fields", ()) if one.get("key")]
        if body.get("name") != name or len(keys) != 1:
            raise Refused("The request is invalid. Details: index : one field is the key, and the names agree.")
        is_new = name not in self.indexes
        self.indexes[name] = Index(body, {} if is_new else self.indexes[name].documents)
        return JSONResponse(body, status_code=201 if is_new else 200)

    def _get_index(self, request: Request, body: Json) -> Response:
        return JSONResponse(self._index(request).definition)

    def _get_document(self, request: Request, body: Json) -> Response:
        document = self._index(request).documents.get(request.path_params["key"])
        if document is None:
            return Response(status_code=404)
        return JSONResponse(document)

    def _write(self, request: Request, body: Json) -> Response:
        index = self._index(request)
        known = {one["name"] for one in index.definition["fields"]}
        done: list[Json] = []
        for action in body["value"]:
            document = {name: value for name, value in action.items() if name != "@search.action"}
            if unknown := document.keys() - known:
                raise Refused(f"The property '{min(unknown)}' does not exist on type 'search.documentFields'.")
            key = document[index.key_field]
            index.documents[key] = document
            done.append({"key": key, "status": True, "errorMessage": None, "statusCode": 201})
        return JSONResponse({"value": done})

    def _search(self, request: Request, body: Json) -> Response:
        index = self._index(request)
        return JSONResponse({"value": search(index.definition, list(index.documents.values()), body)})


def refusal(status: int, message: str, *, code: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """Return a refusal in the service's format."""
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status, headers=headers)


def _check_access(request: Request, *, admin: bool) -> None:
    version = request.query_params.get("api-version")
    if version not in API_VERSIONS:
        raise Refused(f"Invalid or missing api-version query string parameter: {version}")
    key, bearer = request.headers.get("api-key"), request.headers.get("authorization")
    if key is None and bearer is None:
        raise Refused("Authentication is needed.", status=401)
    if bearer is not None and bearer != f"Bearer {TOKEN}":
        raise Refused("The token is not valid.", status=401)
    if bearer is None and (key not in (ADMIN_KEY, QUERY_KEY) or (admin and key == QUERY_KEY)):
        raise Refused("Access denied.", status=403, code="Forbidden")
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,126}[a-z0-9])?", request.path_params["index"]):
        raise Refused("Invalid index name: lower case letters, digits and dashes.")


def _write_certificate(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
