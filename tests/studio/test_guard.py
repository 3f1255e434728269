"""Who may open the studio, from where, and what it refuses to everybody."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from recuerda import ConfigurationError, MemoryStorage, Storage, StorageUnavailable
from recuerda.recall import SQLiteRecallIndex, ThreadSearch
from recuerda.storage import ListedThreads, ThreadFilter
from recuerda.studio import StudioSettings, create_studio
from recuerda.studio.guard import HEADERS
from recuerda.studio.settings import check_host
from tests.studio.client import ORIGIN, TOKEN, settings_of, signed_in, studio_client

VALUES = {"thread_id": "bill", "user_id": "ben", "other_id": "trip%2F1", "number": "1", "file": "0"}
"""Values for the parameters of routes: the things of a user whom a studio of ana does not show."""


def paths(app: Starlette, method: str, **values: str) -> Iterator[str]:
    """Yield the paths of all routes of a method, with values for their parameters."""
    given = VALUES | values
    for route in app.routes:
        if isinstance(route, Route) and method in (route.methods or ()):
            yield re.sub(r"\{(\w+)(:\w+)?\}", lambda found: given.get(found[1], "1"), route.path)


def test_every_route_has_a_guarded_method() -> None:
    app = create_studio(settings_of(MemoryStorage()))
    assert {type(route) for route in app.routes} == {Route, Mount}
    methods = {method for route in app.routes if isinstance(route, Route) for method in route.methods or ()}
    assert methods <= {"GET", "HEAD", "POST"}


async def test_nothing_is_answered_without_the_token(storage: Storage) -> None:
    settings = settings_of(storage, allow_changes=True)
    async with studio_client(settings, has_token=False) as client:
        for method in ("GET", "POST"):
            for path in paths(create_studio(settings), method):
                answer = await client.request(method, path)
                assert answer.status_code == 401, path
                assert answer.headers["www-authenticate"].startswith("Bearer")
        for header in (
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
            "Bearer ",
            "Bearer",
            f"Basic {TOKEN}",
            TOKEN,
            "Bearer é",
        ):
            answer = await client.get("/threads", headers={b"authorization": header.encode()})
            assert answer.status_code == 401, header
        for wrong in ("", "x", TOKEN[:-1], f"{TOKEN}x", "é"):
            answer = await client.get("/threads", params={"token": wrong})
            assert (answer.status_code, "set-cookie" in answer.headers) == (401, False), wrong
        for cookie in ("", TOKEN, "0" * 64):
            name = settings.derived("name")[:8]
            answer = await client.get("/threads", headers={"cookie": f"recuerda_studio_{name}={cookie}"})
            assert answer.status_code == 401, cookie


async def test_the_printed_link_gives_a_cookie_and_leads_to_an_address_without_the_token(storage: Storage) -> None:
    async with studio_client(settings_of(storage), has_token=False) as client:
        answer = await client.get("/threads", params={"token": TOKEN, "q": "a b"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/threads?q=a+b")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert (await client.get("/threads")).status_code == 200
        away = await client.get(f"{ORIGIN}//other.example/x", params={"token": TOKEN})
        assert away.headers["location"] == "/other.example/x"


async def test_a_request_for_another_name_is_refused(storage: Storage) -> None:
    async with studio_client(settings_of(storage, hosts=("studio.example",))) as client:
        for host, status in (
            ("127.0.0.1:8788", 200),
            ("localhost", 200),
            ("[::1]:8788", 200),
            ("[::1]", 200),
            ("STUDIO.example:443", 200),
            ("attacker.example", 421),
            ("attacker.example:8788", 421),
            ("127.0.0.1.attacker.example", 421),
            ("localhost.", 421),
            ("0.0.0.0:8788", 421),
            ("169.254.169.254", 421),
            ("", 421),
        ):
            assert (await client.get("/api/threads", headers={"host": host})).status_code == status, host
            assert (await client.get("/static/studio.css", headers={"host": host})).status_code == status, host


async def test_a_request_of_another_sites_page_is_refused(storage: Storage) -> None:
    own = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}
    async with studio_client(settings_of(storage), has_token=False) as client:
        await signed_in(client)
        for path, headers, status in (
            ("/threads", {}, 200),
            ("/threads", own, 200),
            ("/threads", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
            (
                "/threads",
                {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
                200,
            ),  # somebody follows a link
            ("/threads", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
            (
                "/threads",
                {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
                403,
            ),  # another port of this machine
            ("/api/threads", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 403),
            ("/api/threads", {"origin": "http://127.0.0.1:9999"}, 403),
            ("/api/threads", {"origin": "null"}, 403),
            ("/api/threads", {"origin": "http://attacker.example"}, 403),
        ):
            assert (await client.get(path, headers=headers)).status_code == status, (path, headers)


async def test_each_change_needs_the_token_of_a_form_of_this_session(storage: Storage) -> None:
    settings = settings_of(storage, allow_changes=True)
    before = [info async for info in storage.threads()]
    async with studio_client(settings, has_token=False) as client:
        csrf = await signed_in(client)
        for path in paths(create_studio(settings), "POST"):
            for form in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": csrf[:-1]}, {"csrf": TOKEN}):
                answer = await client.post(path, data=form)
                assert answer.status_code == 403, (path, form)
                answer = await client.post(path, json={}, headers={"x-csrf-token": form.get("csrf", "")})
                assert answer.status_code == 403, (path, form)
            for headers in (
                {"origin": "http://attacker.example"},
                {"sec-fetch-site": "cross-site"},
                {"origin": "null"},
            ):
                answer = await client.post(path, data={"csrf": csrf}, headers=headers)
                assert answer.status_code == 403, (path, headers)
    assert [info async for info in storage.threads()] == before


async def test_a_read_only_studio_refuses_every_change_of_everybody(storage: Storage) -> None:
    settings = settings_of(storage)
    before = [info async for info in storage.threads()]
    async with studio_client(settings, has_token=False) as client:
        csrf = await signed_in(client)
        for path in (*paths(create_studio(settings), "POST"), "/threads", "/no/such/page"):
            for headers in ({"x-csrf-token": csrf}, {"authorization": f"Bearer {TOKEN}"}):
                answer = await client.post(path, data={"csrf": csrf}, headers=headers)
                assert answer.status_code == 403, path
                assert "read-only" in answer.text
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ODD"):
            assert (await client.request(method, "/threads")).status_code == 403, method
    assert [info async for info in storage.threads()] == before


async def test_a_studio_of_one_user_shows_and_changes_nothing_of_another_user(storage: Storage) -> None:
    index = SQLiteRecallIndex(":memory:")
    async with ThreadSearch(storage, index) as search:
        await search.catch_up()  # the index has the messages of every user
        assert await search.search("bill", user_id="ben")
    settings = settings_of(storage, user_id="ana", allow_changes=True, recall_index=index)
    before = [info async for info in storage.threads()]
    async with index, studio_client(settings) as client:
        for thread_id in ("bill", "~.."):  # of ben, and of nobody
            for method in ("GET", "POST"):
                for path in paths(create_studio(settings), method, thread_id=thread_id):
                    if "/bill" in path or "/~.." in path or "/ben" in path:
                        answer = await client.request(method, path)
                        assert answer.status_code == 404, (method, path, answer.text[:200])
                        assert "Pay the bill" not in answer.text
        assert (await client.get("/api/threads/trip%2F1/compare/bill")).status_code == 404
        for path in paths(create_studio(settings), "GET"):
            if not path.endswith("/live"):
                for query in ({}, {"q": "bill"}, {"user": "ben", "user_id": "ben", "q": "bill", "query": "bill"}):
                    assert "Pay the bill" not in (await client.get(path, params=query)).text, path
    assert [info async for info in storage.threads()] == before


async def raw_status(app: Starlette, raw_path: bytes) -> int:
    """Return the status of a request whose path no client has tidied up."""
    statuses: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(int(str(message["status"])))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": raw_path,
        "query_string": b"",
        "root_path": "",
        "server": ("127.0.0.1", 8788),
        "headers": [(b"host", b"127.0.0.1:8788"), (b"authorization", f"Bearer {TOKEN}".encode())],
    }
    await app(scope, receive, send)  # pyright: ignore[reportArgumentType] - the messages are plain dictionaries
    return statuses[0]


async def test_odd_paths_lead_nowhere(storage: Storage) -> None:
    app = create_studio(settings_of(storage))
    for path in (
        b"/threads/..",
        b"/threads/%2e%2e",
        b"/threads/../../etc/passwd",
        b"/threads/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        b"/threads/a%00b",
        b"/threads/%ff%fe",
        b"/threads/%ED%A0%80",
        b"/threads/" + b"a" * 513,
        b"/threads/" + b"a" * 100_000,
        b"/threads/trip/1",
        b"//threads",
        b"/threads/",
        b"/static/../settings.py",
        b"/static/..%2fsettings.py",
        b"/static/%2e%2e/settings.py",
        b"/static/....//settings.py",
        b"/static//etc/passwd",
        b"/static/studio.css%00.js",
        b"/static/",
        b"/static",
        b"/threads/bill/turns/-1",
        b"/threads/bill/turns/99999999999999999999",
        b"/threads/bill/turns/1/files/..%2f..%2fetc",
        b"",
    ):
        status = await raw_status(app, path)
        # `..` is the id of a thread of this storage, so its two plain forms find it: they are ids and no folders.
        assert status == 200 if path in (b"/threads/..", b"/threads/%2e%2e") else status in (400, 404), (path, status)


async def test_every_answer_has_the_headers_that_keep_a_browser_from_harm(storage: Storage) -> None:
    class Failing(MemoryStorage):
        async def _list(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
            if wanted.user_id == "down":
                raise StorageUnavailable("the database is away; password=hunter2")
            raise LookupError("a mistake that holds a message")

    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; ")
    async with studio_client(settings_of(Failing())) as client:
        for path, status in (
            ("/threads", 500),
            ("/api/threads", 500),
            ("/threads?user=down", 503),
            ("/api/threads?user=down", 503),
            ("/no", 404),
            ("/", 303),
            ("/static/studio.css", 200),
            ("/static/no", 404),
        ):
            answer = await client.get(path)
            assert answer.status_code == status, path
            assert {name: answer.headers.get(name) for name in HEADERS if name != "cache-control"} == {
                name: value for name, value in HEADERS.items() if name != "cache-control"
            }, path
            assert "a mistake that holds" not in answer.text
            assert "hunter2" not in answer.text
            is_file = path == "/static/studio.css"
            assert ("no-store" in answer.headers["cache-control"]) is not is_file, path


async def test_the_token_is_in_no_log_and_no_repr(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = settings_of(storage)
    async with studio_client(settings, has_token=False) as client:
        await client.get("/threads", params={"token": TOKEN})
        wrong = await client.get("/threads", params={"token": f"{TOKEN}-wrong"})
    assert TOKEN not in caplog.text.replace(f"token={TOKEN}", "")  # the test's own client logs its requests
    assert TOKEN not in repr(settings)
    assert wrong.status_code == 401


def test_a_token_that_can_be_guessed_and_a_public_address_without_a_token_are_refused() -> None:
    storage = MemoryStorage()
    for token in ("", "short", "é" * 20, "a\nb" * 10):
        with pytest.raises(ConfigurationError, match="token"):
            StudioSettings(storage=storage, token=token)
    assert StudioSettings(storage=storage).token != StudioSettings(storage=storage).token
    for host in ("0.0.0.0", "::", "192.168.1.2", "studio.example"):
        with pytest.raises(ConfigurationError, match="--token"):
            check_host(host, has_token=False)
        check_host(host, has_token=True)
    for host in ("127.0.0.1", "localhost", "::1", "[::1]"):
        check_host(host, has_token=False)


def test_a_pattern_that_cannot_be_used_is_refused() -> None:
    for pattern in ("(", "a*"):
        with pytest.raises(ConfigurationError, match="--redact"):
            create_studio(settings_of(MemoryStorage(), redactions=(pattern,)))


async def test_two_studios_on_one_machine_have_cookies_of_their_own(storage: Storage) -> None:
    names = set[str]()
    for token in ("a token of one studio", "a token of another studio"):
        app = create_studio(StudioSettings(storage=storage, token=token))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ORIGIN) as client:
            answer = await client.get("/", params={"token": token})
            names.add(answer.headers["set-cookie"].partition("=")[0])
    assert len(names) == 2
