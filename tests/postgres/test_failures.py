"""What goes wrong, in the words of `recuerda.errors`, and never with a password."""

import logging
import pickle
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from recuerda import ChatMessageStore, open_storage
from recuerda._drivers.postgres import failures
from recuerda._drivers.postgres.address import PostgresAddress, split_schema
from recuerda.errors import (
    ConfigurationError,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)
from recuerda.postgres import PostgresStorage
from recuerda.storage.records import NewTurn
from tests.postgres.conftest import Connection

SECRET = "s3cr%ct"
TURN = NewTurn(body=b"{}", message_count=1)


def chain(error: BaseException | None) -> str:
    text = ""
    while error is not None:
        text += f"{error!r} {error}\n"
        error = error.__cause__ or error.__context__
    return text


async def test_a_server_that_is_not_there_is_unavailable_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with PostgresStorage("postgresql://ana:s3cr%25ct@127.0.0.1:1/talk") as storage:
        with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:1/talk") as failure:
            await storage.append("a", TURN)
        state = await ChatMessageStore(storage=storage, thread_id="a").serialize()
        assert SECRET not in chain(failure.value) + repr(storage) + str(state) + caplog.text
        assert repr(storage) == "PostgresStorage('127.0.0.1:1/talk', schema='recuerda')"


async def test_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    async with PostgresStorage(make_conninfo(url, dbname="nowhere")) as storage:
        with pytest.raises(StorageUnavailable, match="nowhere"):
            await storage.read("a")


@pytest.mark.parametrize("url", ["postgresql://ana:s3cr%zzct@h/d", f"password={SECRET} x", f"host=h s3cr={SECRET}"])
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as failure:
        PostgresStorage(url)
    assert "s3cr" not in chain(failure.value)


def test_a_password_is_in_no_text_of_the_server() -> None:
    server = PostgresAddress.parse("postgresql://ana:s3cr%25ct@h:5/d", application_name="x", timeout_s=3)
    assert SECRET in server.conninfo
    assert SECRET not in f"{server} {server!r}"


def test_a_url_names_the_storage_and_its_schema() -> None:
    storage = open_storage("postgresql://ana:pw@h:5433/d?schema=tenant%201&sslmode=require")
    assert isinstance(storage, PostgresStorage)
    assert (storage.place, storage.schema, storage.kind) == ("h:5433/d", "tenant 1", "postgresql")
    assert isinstance(open_storage("postgres://h/d"), PostgresStorage)
    assert split_schema("postgresql:///d?host=/a%20b&schema=x") == ("postgresql:///d?host=/a%20b", "x")
    assert split_schema("postgresql://h/d") == ("postgresql://h/d", "recuerda")


@pytest.mark.parametrize("options", [{"max_connections": 0}, {"timeout_s": 0}, {"timeout_s": float("nan")}])
def test_limits_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises((ConfigurationError, ValueError)):
        PostgresStorage("postgresql://h/d", **options)


async def test_a_read_only_database_can_be_read(url: str, schema: str) -> None:
    async with PostgresStorage(url, schema=schema) as writable:
        await writable.append("a", TURN)
    read_only = make_conninfo(url, options="-c default_transaction_read_only=on")
    async with PostgresStorage(read_only, schema=schema) as storage:
        assert len((await storage.read("a")).records) == 1
        with pytest.raises(StorageReadOnly, match="read-only"):
            await storage.append("a", TURN)


async def test_a_schema_that_was_dropped_meanwhile_is_unavailable(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    await storage.append("a", TURN)
    await db.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())
    with pytest.raises(StorageUnavailable, match="no longer has the tables"):
        await storage.read("a")


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (psycopg.errors.DiskFull("x"), StorageFull),
        (psycopg.errors.LockNotAvailable("x"), StorageBusy),
        (psycopg.errors.TooManyConnections("x"), StorageBusy),
        (psycopg.errors.QueryCanceled("x"), StorageBusy),
        (psycopg.errors.SerializationFailure("x"), StorageBusy),
        (psycopg.OperationalError("FATAL: sorry, too many clients already"), StorageBusy),
        (psycopg.errors.InsufficientPrivilege("x"), StorageReadOnly),
        (psycopg.errors.ReadOnlySqlTransaction("x"), StorageReadOnly),
        (psycopg.errors.InvalidPassword("x"), StorageUnavailable),
        (psycopg.errors.AdminShutdown("x"), StorageUnavailable),
        (psycopg.errors.UndefinedFunction("x"), StorageUnavailable),
        (psycopg.OperationalError("server closed the connection unexpectedly"), StorageUnavailable),
        (psycopg.errors.InternalError_("x"), StorageError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_servers_error_says_what_to_do(error: psycopg.Error, wanted: type[StorageError]) -> None:
    translated = failures.translate(error, "could not append: h:5432/d")
    assert type(translated) is wanted
    assert str(translated).startswith("could not append: h:5432/d ") or wanted is StorageError


def test_a_storage_does_not_travel_with_its_password() -> None:
    with pytest.raises((TypeError, AttributeError)):
        pickle.dumps(PostgresStorage(f"postgresql://ana:{SECRET.replace('%', '%25')}@h/d"))
