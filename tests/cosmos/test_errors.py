"""An error says what happened, where, and the next step. It never contains a key."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import AsyncHttpResponse, HttpRequest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient

from recuerda import ChatMessageStore, open_storage
from recuerda.cosmos import CosmosStorage
from recuerda.errors import (
    ConfigurationError,
    EncodeError,
    InvalidInput,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)
from tests.cosmos.threads import a_turn
from tests.cosmos.wire import Answer, wired
from tests.servers.cosmos_server import KEY, CosmosServer, cosmos_account, cosmos_url

SECRET = "c2VjcmV0IGtleSE/PgAAAAAAAAAAAA=="

STATUSES: list[tuple[int, dict[str, str], type[Exception], str]] = [
    (401, {}, StorageUnavailable, "check the credential"),
    (403, {}, StorageReadOnly, "Data Contributor"),
    (403, {"x-ms-substatus": "1014"}, StorageFull, "20 GB"),
    (404, {"x-ms-substatus": "1003"}, StorageUnavailable, "the database or the container does not exist"),
    (408, {}, StorageBusy, "try again"),
    (413, {}, EncodeError, "2 MB"),
    (449, {}, StorageBusy, "try again"),
    (400, {}, StorageError, "400"),
]


@pytest.mark.parametrize(("status", "headers", "kind", "hint"), STATUSES, ids=[str(one[0]) for one in STATUSES])
async def test_a_refusal_becomes_an_error_with_the_next_step(
    status: int, headers: dict[str, str], kind: type[Exception], hint: str, tmp_path: Path
) -> None:
    async with wired(tmp_path) as (storage, wire):

        async def refuse(request: HttpRequest) -> AsyncHttpResponse | None:
            return Answer(request, status, headers)

        wire.before = refuse
        with pytest.raises(kind, match=hint) as error:
            await storage.append("a", a_turn("t1"))
        assert type(error.value) is kind
        assert KEY not in "".join(traceback.format_exception(error.value))
        wire.clear()
        assert (await storage.append("a", a_turn("t1"), expected=0)).created


async def test_a_server_that_is_gone_is_named_without_the_key() -> None:
    server = CosmosServer()
    storage = CosmosStorage(endpoint=server.endpoint, credential=SECRET, connection_verify=False, database="d")
    async with storage:
        await storage.append("a", a_turn())
        server.stop()
        with pytest.raises(StorageUnavailable, match="cannot be reached") as error:
            await storage.append("a", a_turn())
        assert f"{server.endpoint}/d/recuerda" in str(error.value)
        assert SECRET not in "".join(traceback.format_exception(error.value))


async def test_the_key_is_in_no_text_and_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COSMOS_KEY", raising=False)
    url = f"cosmos://:{quote(SECRET, safe='')}@account.documents.azure.com/db/threads?ttl=86400"
    storage = open_storage(url)
    assert isinstance(storage, CosmosStorage)
    assert repr(storage) == "CosmosStorage(https://account.documents.azure.com:443/db/threads)"
    store = ChatMessageStore(storage=storage, thread_id="a")
    told = f"{storage!r}{store!r}{json.dumps(await store.serialize())}"
    await storage.close()
    with pytest.raises(StorageUnavailable) as closed:
        await storage.append("a", a_turn())
    assert SECRET not in told + str(closed.value)
    assert quote(SECRET, safe="") not in told + str(closed.value)


@pytest.mark.parametrize(
    "url",
    [
        "cosmos:",
        "cosmos://",
        "cosmos:///db/threads",
        "cosmos://:KEY@account/a/b/c",
        "cosmos://KEY@account/a/b",
        "cosmos://user:KEY@account/a/b",
        "cosmos://:KEY@account/a/b?key=KEY",
        "cosmos://:KEY@account/a/b?verify=false",
        "cosmos://:KEY@127.0.0.1/a/b?verify=perhaps",
        "cosmos://:KEY@account/a/b?ttl=soon",
        "cosmos://:KEY@account/a/b?ttl=²",
        "cosmos://:KEY@account:port/a/b",
        "https://:KEY@account/a/b",
    ],
)
def test_a_url_that_means_nothing_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        CosmosStorage.from_url(url)
    assert "KEY" not in "".join(traceback.format_exception(error.value)).partition("ConfigurationError")[2]


def test_the_key_can_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COSMOS_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="COSMOS_KEY"):
        CosmosStorage.from_url("cosmos://account.documents.azure.com")
    monkeypatch.setenv("COSMOS_KEY", SECRET)
    storage = CosmosStorage.from_url("cosmos://account.documents.azure.com")
    assert repr(storage) == "CosmosStorage(https://account.documents.azure.com:443/recuerda/recuerda)"


def test_contradictory_arguments_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSMOS_KEY", SECRET)
    with pytest.raises(ConfigurationError, match="give one or the other"):
        CosmosStorage("cosmos://account", endpoint="https://account")
    with pytest.raises(ConfigurationError, match="needs either an endpoint"):
        CosmosStorage()
    with pytest.raises(InvalidInput, match="at least a minute"):
        CosmosStorage("cosmos://account", ttl=timedelta(seconds=1))


class Token:
    """A credential as azure-identity has them."""

    def __init__(self, token: str | None) -> None:
        self.token = token
        self.is_closed = False

    async def get_token(self, *scopes: str, **options: object) -> AccessToken:
        assert scopes
        if self.token is None:
            raise ClientAuthenticationError("no token for you")
        return AccessToken(self.token, 2**31)

    async def close(self) -> None:
        self.is_closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()


async def test_a_token_credential_is_used_and_stays_the_callers_to_close(tmp_path: Path) -> None:
    server = CosmosServer()
    credential = Token("a token")
    async with CosmosStorage(endpoint=server.endpoint, credential=credential, connection_verify=False) as storage:
        assert (await storage.append("a", a_turn())).created
    assert not credential.is_closed
    refused = CosmosStorage(endpoint=server.endpoint, credential=Token(None), connection_verify=False)
    async with refused:
        with pytest.raises(StorageUnavailable, match="check the credential"):
            await refused.append("a", a_turn())
    server.stop()


def account_client() -> CosmosClient:
    account = cosmos_account().partition("@")[2].partition("?")[0]
    return CosmosClient(f"https://{account}", KEY, connection_verify=False)


async def test_a_container_is_made_with_an_index_for_what_is_asked_and_not_for_bodies(tmp_path: Path) -> None:
    async with CosmosStorage(cosmos_url(tmp_path)) as storage, account_client() as client:
        await storage.append("a", a_turn())
        name = cosmos_url(tmp_path).partition("recuerda-tests/")[2].partition("?")[0]
        properties = await client.get_database_client("recuerda-tests").get_container_client(name).read()
    assert properties["partitionKey"]["paths"] == ["/partition"]
    assert properties["defaultTtl"] == -1
    included = [one["path"] for one in properties["indexingPolicy"]["includedPaths"]]
    assert included == [
        "/number/?",
        "/record_id/?",
        "/kind/?",
        "/incarnation/?",
        "/sort/?",
        "/users/[]/?",
        "/digests/[]/?",
    ]
    assert [one["path"] for one in properties["indexingPolicy"]["excludedPaths"]] == ["/*"]


async def test_a_container_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with account_client() as client:
        database = await client.create_database_if_not_exists("others")
        await database.create_container("orders", PartitionKey(path="/customer"))
        await database.create_container("eternal", PartitionKey(path="/partition"))
        for name, ttl, hint in (("orders", None, "another container"), ("eternal", timedelta(days=1), "time to live")):
            async with CosmosStorage(client=client, database="others", container=name, ttl=ttl) as storage:
                with pytest.raises(ConfigurationError, match=hint):
                    await storage.append("a", a_turn())
        found = database.get_container_client("orders").query_items(
            "SELECT * FROM c WHERE c.customer != 'nobody'", partition_key="x"
        )
        assert [item async for item in found] == []


async def test_a_given_client_is_used_and_stays_open(tmp_path: Path) -> None:
    async with account_client() as client:
        for _ in range(2):
            async with CosmosStorage(client=client, database="given", container="threads") as storage:
                await storage.append("a", a_turn())
        assert (await client.get_database_client("given").read())["id"] == "given"


def test_without_its_extra_the_module_says_what_to_install() -> None:
    for module in ("azure.cosmos", "aiohttp"):
        code = f"import sys; sys.modules[{module!r}] = None\nimport recuerda.cosmos"
        done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
        assert 'MissingExtraError: recuerda.cosmos needs an optional dependency: pip install "recuerda[cosmos]"' in (
            done.stderr
        )


async def test_a_runtime_error_counts_as_the_drivers_only_if_the_driver_raised_it() -> None:
    async with account_client() as client:
        is_broken = False

        def clock() -> int:
            if is_broken:
                raise RuntimeError("the clock has stopped")
            return 1_800_000_000_000_000

        async with CosmosStorage(client=client, database="errors", clock=clock, ttl=timedelta(days=1)) as storage:
            await storage.append("a", a_turn())
            is_broken = True
            with pytest.raises(RuntimeError, match="the clock has stopped"):
                await storage.list_threads()
            is_broken = False
            await client.close()
            for _ in range(2):
                with pytest.raises(StorageUnavailable, match="make a new storage"):
                    await storage.append("a", a_turn())
