"""What a hostile page, a hostile name and a hostile address try on the studio, and what it answers."""

from __future__ import annotations

import logging
import re
from urllib.parse import quote

import httpx2
import msgspec
import pytest
from starlette.routing import Route

from recuerda import ChatMessage, ChatMessageStore, DataContent, MemoryStorage, Storage, Turn
from recuerda.studio import create_studio
from tests.studio.client import ORIGIN, TOKEN, every_page, settings_of, signed_in, studio_client
from tests.studio.seeded import SVG

LONG = "x" * 100_000
LONGEST = "x" * 60_000
"""The longest name that the tests' client puts into an address."""

HOSTS = (
    "localhost.:8788",
    "LOCALHOST.",
    "127.1",
    "127.1:8788",
    "2130706433",
    "2130706433:8788",
    "0x7f000001",
    "0177.0.0.1",
    "[::ffff:127.0.0.1]",
    "[::ffff:127.0.0.1]:8788",
    "[::]:8788",
    "::1:8788:8788",
    "127.0.0.1:8788:8788",
    "127.0.0.1:",
    "127.0.0.1:x",
    "user@127.0.0.1",
    "127.0.0.1@attacker.example",
    "127.0.0.1 attacker.example",
    "127.0.0.1,attacker.example",
    "127.0.0.1#attacker.example",
    "127.0.0.1/attacker.example",
    "127.0.0.1.nip.io",
    "localhost.attacker.example",
    LONG,
)
"""Names that a browser, a resolver or a careless comparison might take for this machine."""


async def test_no_other_spelling_of_this_machines_name_passes(storage: Storage) -> None:
    async with studio_client(settings_of(storage)) as client:
        for host in HOSTS:
            answer = await client.get("/threads", headers={"host": host})
            assert (answer.status_code, "ferry" in answer.text) == (421, False), host[:80]
        for host in ("LOCALHOST:1", "[::1]:65535"):
            assert (await client.get("/threads", headers={"host": host})).status_code == 200, host


async def test_no_header_and_no_field_makes_a_change_of_a_request_that_reads(storage: Storage) -> None:
    settings = settings_of(storage, allow_changes=True)
    before = [info async for info in storage.threads()]
    paths = every_page(settings, {"thread_id": "bill", "user_id": "ben", "other_id": "trip%2F1"})
    async with studio_client(settings, has_token=False) as client:
        csrf = await signed_in(client)
        for path in paths:
            for method in ("POST", "DELETE", "PUT"):
                names = ("x-http-method-override", "x-http-method", "x-method-override")
                headers: dict[str, str] = dict.fromkeys(names, method)
                answer = await client.get(path, params={"_method": method, "csrf": csrf}, headers=headers)
                assert answer.status_code in (200, 303, 400, 404, 409), (path, answer.text[-300:])
        for method in ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "post", "ODD"):
            answer = await client.request(method, "/threads/bill/delete", headers={"x-csrf-token": csrf})
            assert answer.status_code in (403, 404, 405), method
    assert [info async for info in storage.threads()] == before


async def test_a_form_that_looks_like_json_changes_nothing(storage: Storage) -> None:
    settings = settings_of(storage, allow_changes=True)
    before = [info async for info in storage.threads()]
    routes = [one for one in create_studio(settings).routes if isinstance(one, Route) and "POST" in (one.methods or ())]
    values = {"thread_id": "bill", "user_id": "ben", "other_id": "trip%2F1"}
    async with studio_client(settings, has_token=False) as client:
        csrf = await signed_in(client)
        # The only types that another site's form can send, with a body that is JSON, and that holds the token as well.
        body = msgspec.json.encode({"csrf": csrf, "x-csrf-token": csrf, "padding": "="})
        for route in routes:
            path = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: values.get(found[1], "1"), route.path)
            for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
                answer = await client.post(path, content=body, headers={"content-type": kind})
                assert answer.status_code in (400, 403), (path, kind, answer.text[-300:])
    assert [info async for info in storage.threads()] == before


async def test_fields_that_name_a_prototype_are_fields_without_a_meaning(storage: Storage) -> None:
    async with studio_client(settings_of(storage, allow_changes=True)) as client:
        for body in (
            b'{"__proto__": {"allow_changes": true, "confirmed": true}}',
            b'{"constructor": {"prototype": {"csrf": null}}}',
            b'{"__class__": "Studio", "__dict__": {"user_id": null}}',
            b"[" * 100_000,
            b"[]",
            b"null",
            b'{"title": 1e999}',
            b"\xff\xfe{}",
        ):
            answer = await client.post("/api/threads/bill/settings", content=body)
            assert answer.status_code < 500, (body[:60], answer.text)
    await storage.update_thread("bill", metadata={"__proto__": "polluted", "constructor": "polluted"})
    async with studio_client(settings_of(storage)) as client:
        shown = (await client.get("/api/threads/bill")).text
        assert "polluted" in shown
        assert "polluted" in (await client.get("/threads/bill")).text


async def test_a_stream_is_not_opened_for_another_sites_page(storage: Storage) -> None:
    settings = settings_of(storage)
    live = [one.path for one in create_studio(settings).routes if isinstance(one, Route) and one.path.endswith("/live")]
    assert live
    async with studio_client(settings, has_token=False) as client:
        await signed_in(client)
        for path in live:
            at = re.sub(r"\{(\w+)(:\w+)?\}", "bill", path)
            for headers in (
                {"origin": "null"},
                {"origin": "http://attacker.example"},
                {"origin": "http://127.0.0.1:9999"},
                {"origin": f"{ORIGIN}.attacker.example"},
                {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
                {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
                {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
            ):
                answer = await client.get(at, headers={"accept": "text/event-stream", **headers})
                assert answer.status_code == 403, (at, headers)
                assert "access-control-allow-origin" not in answer.headers


async def test_the_cookie_is_for_this_host_alone_and_no_script_reads_it(storage: Storage) -> None:
    app = create_studio(settings_of(storage))
    for origin, is_secure in ((ORIGIN, False), ("https://localhost", True)):
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=origin) as client:
            answer = await client.get("/", params={"token": TOKEN})
        attributes = {one.strip().lower() for one in answer.headers["set-cookie"].split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= attributes
        assert ("secure" in attributes) is is_secure
        assert not [one for one in attributes if one.startswith("domain")]


async def test_the_token_of_an_address_goes_nowhere(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="recuerda")
    async with studio_client(settings_of(storage), has_token=False) as client:
        for path in ("/", "/threads/bill", "/static/studio.css", "/no/such/page", "/%5cattacker.example"):
            for method in ("GET", "HEAD", "POST"):
                answer = await client.request(method, path, params={"token": TOKEN})
                assert TOKEN not in answer.text, (method, path)
                assert not [name for name, value in answer.headers.items() if TOKEN in value], (method, path)
                assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer")
                away = answer.headers.get("location", "/")
                assert away.startswith("/"), away
                assert not away.startswith(("//", "/\\")), away
                client.cookies.clear()
        wrong = await client.get("/", params={"token": "a-guess-of-somebody"})
    assert wrong.status_code == 401
    assert "a-guess-of-somebody" not in wrong.text
    assert TOKEN not in "".join(one.getMessage() for one in caplog.records if one.name.startswith("recuerda"))


async def test_very_long_names_are_refused_or_found_nowhere(storage: Storage) -> None:
    settings = settings_of(storage, recall_index=":memory:", allow_changes=True)
    pages = every_page(settings, {"thread_id": LONGEST, "other_id": "trip%2F1", "user_id": LONGEST})
    async with studio_client(settings) as client:
        for path in pages:
            if LONGEST in path:
                answer = await client.get(path)
                assert answer.status_code in (400, 404), (path[:60], answer.status_code)
                # The switches of the language and of the theme are five links to the same address.
                assert len(answer.content) < 6 * len(path), (path[:60], len(answer.content))
        for field in ("user", "q", "tag", "metadata", "since", "state", "cursor"):
            answer = await client.get("/threads", params={field: LONGEST})
            assert answer.status_code in (200, 400), field
            assert (await client.get("/api/threads", params={field: LONGEST})).status_code in (200, 400), field


async def test_a_path_that_was_encoded_twice_is_no_way_to_a_file(storage: Storage) -> None:
    async with studio_client(settings_of(storage)) as client:
        for path in (
            "/threads/%252e%252e%252fbill",
            "/threads/..%5cbill",
            "/threads/bill%00",
            "/threads/bill%2500",
            "/threads/..%2fbill",
            "/static/%252e%252e%252fsettings.py",
            "/static/..%5csettings.py",
            "/static/studio.css%00",
            "/static/%5c%5cattacker.example%5cshare",
            "/static/C:%5cwindows%5cwin.ini",
        ):
            answer = await client.get(path)
            assert answer.status_code in (400, 404), (path, answer.status_code)
            assert "Pay the bill" not in answer.text


async def test_a_name_that_turns_the_text_around_is_shown_as_what_it_is() -> None:
    name = "ana\u202egnp.exe\x1b[31m\u2066\x07"
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id=name, user_id=name)
    page = DataContent(b"<html><script>1</script>", "text/html", f"{name}.html")
    await store.append(Turn(messages=(ChatMessage("user", ["Look.", page, DataContent(SVG, "image/svg+xml", name)]),)))
    await storage.update_thread(name, title=name, tags=[name])
    at = quote(name, safe="")
    async with studio_client(settings_of(storage)) as client:
        for path in ("/threads", f"/threads/{at}", f"/threads/{at}/branches"):
            text = (await client.get(path)).text
            assert not set(text) & set("\u202e\x1b\u2066\x07"), path
            assert "[U+202E]" in text, path
            assert "\u241b" in text, path
        for file in (0, 1):
            answer = await client.get(f"/threads/{at}/turns/1/files/{file}")
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["content-disposition"].startswith("attachment;")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "sandbox" in answer.headers["content-security-policy"]
            assert not set(answer.headers["content-disposition"]) & set("\u202e\x1b\u2066\x07")


async def test_a_message_of_five_megabytes_makes_no_page_of_five_megabytes() -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="big")
    await store.append(Turn(messages=(ChatMessage("user", "\u202e<b>&\x1b" * 1_000_000),)))
    async with studio_client(settings_of(storage)) as client:
        for path in ("/threads", "/threads/big", "/threads/big/turns/1", "/threads/big/seen", "/threads/big/branches"):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert len(answer.content) < 3_000_000, (path, len(answer.content))


async def test_only_addresses_of_the_web_become_links() -> None:
    addresses = (
        "[a](javascript:alert%281%29)",
        "[b](JaVaScRiPt:alert(1))",
        "[c](java\tscript:alert(1))",
        "[d](data:text/html;base64,PHNjcmlwdD4=)",
        "![e](data:image/svg+xml,<svg/onload=alert(1)>)",
        "[f](vbscript:msgbox)",
        "[g](file:///etc/passwd)",
        "<javascript:alert(1)>",
        "[h]: javascript:alert(1)",
        "[i](//attacker.example)",
    )
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="links")
    await store.append(Turn(messages=(ChatMessage("user", "\n".join((*addresses, "https://good.example/a"))),)))
    async with studio_client(settings_of(storage)) as client:
        text = (await client.get("/threads/links")).text
    targets = re.findall(r"(?:href|src|action|formaction)=\"([^\"]*)\"", text)
    assert "https://good.example/a" in targets
    assert [one for one in targets if not re.match(r"/(?!/)|#|\?|https://good\.example/", one) and one] == []
