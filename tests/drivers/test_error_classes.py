"""No exception of a driver escapes: each class of each driver becomes an error of ours."""

import builtins
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import aiohttp.client_exceptions
import azure.core.exceptions
import azure.cosmos.exceptions
import httpx
import openai
import psycopg
import psycopg_pool
import pytest
import redis

from recuerda.azure_ai_search.failures import SDK_ERRORS
from recuerda.azure_ai_search.failures import translate as search_failure
from recuerda.azure_ai_search.settings import SearchSettings
from recuerda.cosmos import failures
from recuerda.errors import ChatClientError, ConfigurationError, ProviderError, RecuerdaError, StorageError
from recuerda.file import FileStorage
from recuerda.mem0.failures import failure_of as mem0_failure
from recuerda.openai.failures import FailedCall, failure_of
from recuerda.postgres import PostgresStorage
from recuerda.recall.postgres import failures as recall_failures
from recuerda.recall.sqlite import SQLiteRecallIndex
from recuerda.redis import RedisProvider, RedisStorage
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn
from tests.drivers.exceptions import exceptions_of, raised

TURN = NewTurn(body=b"{}", message_count=1)
CONTROL_FLOW = {psycopg.Rollback, psycopg.Warning}
"""psycopg never raises the warning, and the application raises the other for psycopg to catch."""
NOT_OVER_HTTP = {aiohttp.client_exceptions.WSMessageTypeError}
"""Of web sockets, which neither SDK opens."""


def translated(storage: Storage, error: Exception) -> Exception:
    return storage._translate(error, "read thread 'a'")  # pyright: ignore[reportPrivateUsage]  # the function under test


def test_every_exception_of_psycopg_is_translated() -> None:
    storage = PostgresStorage("postgresql://h/d")
    for kind in (exceptions_of(psycopg, is_deep=True) | exceptions_of(psycopg_pool, is_deep=True)) - CONTROL_FLOW:
        assert issubclass(kind, storage.driver_errors), kind
        assert isinstance(translated(storage, raised(kind)), RecuerdaError), kind
        assert isinstance(recall_failures.translate(raised(kind), "h/d"), RecuerdaError), kind


def test_every_exception_of_azure_is_translated() -> None:
    batch: dict[str, object] = {
        "error_index": 0,
        "headers": {},
        "status_code": 500,
        "message": "s3cret",
        "operation_responses": [],
    }
    settings = SearchSettings(index_name="i", mode="simple", top_k=3)
    for package in (azure.core.exceptions, azure.cosmos.exceptions, aiohttp.client_exceptions):
        for kind in exceptions_of(package) - NOT_OVER_HTTP:
            error = raised(kind, {"response": SimpleNamespace(request="GET", status_code=500, reason="")}, batch)
            assert issubclass(kind, failures.DRIVER_ERRORS), kind
            assert isinstance(failures.translate(error, "could not read", "place"), RecuerdaError), kind
            assert issubclass(kind, SDK_ERRORS), kind
            assert isinstance(search_failure(error, settings, host="h", timeout_s=1), ProviderError), kind


def test_every_exception_of_sqlite_and_of_files_is_translated(tmp_path: Path) -> None:
    mine = (OSError, UnicodeError)
    os_errors: set[type[Exception]] = {kind for kind in exceptions_of(builtins) if issubclass(kind, mine)}
    storages: dict[Storage, set[type[Exception]]] = {
        SQLiteStorage(tmp_path / "a.db"): exceptions_of(sqlite3) | os_errors | {OverflowError},
        FileStorage(tmp_path / "a"): os_errors,
    }
    for storage, kinds in storages.items():
        for kind in kinds:
            assert issubclass(kind, storage.driver_errors), kind
            assert isinstance(translated(storage, raised(kind)), RecuerdaError), kind


def test_every_exception_of_model_services_is_translated() -> None:
    call = FailedCall(model_id="m", url="https://h/v1")
    request = httpx.Request("GET", "https://h/v1")
    response = httpx.Response(500, request=request)
    keywords = ({"response": response, "body": None}, {"request": request}, {"request": request, "body": None})
    for package in (openai, httpx):
        for kind in exceptions_of(package):
            error = raised(kind, *keywords)
            assert isinstance(failure_of(error, call), ChatClientError), kind
            assert isinstance(mem0_failure(error, "cannot search"), ProviderError), kind


class FailingClient:
    """A client of redis-py that raises whatever it is told to raise."""

    def __init__(self) -> None:
        self.kind: type[Exception] = Exception

    async def execute_command(self, *words: object, **options: object) -> NoReturn:
        raise raised(self.kind)

    def pipeline(self, *, transaction: bool) -> "FailingClient":
        return self

    async def execute(self, *, raise_on_error: bool) -> NoReturn:
        raise raised(self.kind)

    async def aclose(self) -> None: ...


async def test_no_exception_of_redis_leaves_a_storage_or_a_provider() -> None:
    client = FailingClient()
    storage = RedisStorage(redis_client=client)
    provider = RedisProvider(redis_client=client, user_id="u")
    for kind in exceptions_of(redis, is_deep=True) | {
        RuntimeError,
        UnicodeError,
        AttributeError,
        OSError,
        TimeoutError,
    }:
        client.kind = kind
        with pytest.raises(StorageError) as caught:
            await storage.append("a", TURN)
        assert "s3cret" not in str(caught.value)
        with pytest.raises(ProviderError) as told:
            await provider.search("dog")
        assert "s3cret" not in str(told.value)
    await storage.close()
    await provider.close()


async def test_a_path_that_cannot_be_encoded_raises_our_error(tmp_path: Path) -> None:
    for storage in (SQLiteStorage(tmp_path / "a\ud800.db"), FileStorage(tmp_path / "a\ud800")):
        with pytest.raises(StorageError):
            await storage.append("a", TURN)
        await storage.close()
    with pytest.raises(StorageError):
        await SQLiteRecallIndex(tmp_path / "a\ud800.db").stats()


def test_a_url_that_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        PostgresStorage("postgresql://h/a\ud800")
