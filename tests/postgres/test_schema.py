"""The tables: made once, safe to start together; and the databases and names that are refused."""

import asyncio
import subprocess
import sys

import psycopg
import pytest
from msgspec.structs import replace
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from recuerda.errors import ConfigurationError, StorageReadOnly, StorageUnavailable
from recuerda.postgres import PostgresStorage
from recuerda.postgres import schema as schema_module
from recuerda.postgres.schema import VERSION, ensure_tables
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from tests.postgres.conftest import Connection

TURN = NewTurn(body=b"{}", message_count=1)


async def test_the_tables_are_made_once_and_tell_their_version(
    storage: PostgresStorage, db: Connection, url: str, schema: str
) -> None:
    await storage.append("a", TURN)
    async with PostgresStorage(url, schema=schema) as again:
        assert (await again.append("a", TURN)).revision == 2
    found = await db.execute(SQL("SELECT version FROM {}").format(Identifier(schema, "schema_version")))
    assert await found.fetchall() == [(VERSION,)]


async def test_a_schema_of_a_newer_version_is_refused(url: str, schema: str, db: Connection) -> None:
    await ensure_tables(db, schema, "here")
    await db.execute(SQL("UPDATE {} SET version = 99").format(Identifier(schema, "schema_version")))
    async with PostgresStorage(url, schema=schema) as storage:
        with pytest.raises(StorageUnavailable, match=r"newer recuerda \(version 99"):
            await storage.append("a", TURN)


async def test_a_start_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, db: Connection, schema: str) -> None:
    async def broken(connection: Connection, *_: str) -> None:
        await connection.execute(SQL("SELECT 1; SELEC"), prepare=False)

    monkeypatch.setattr(schema_module, "run_script", broken)
    with pytest.raises(psycopg.errors.SyntaxError):
        await ensure_tables(db, schema, "here")
    found = await db.execute("SELECT FROM pg_namespace WHERE nspname = %s", (schema,))
    assert await found.fetchone() is None


async def test_storages_that_start_together_all_succeed(url: str, schema: str) -> None:
    storages = [PostgresStorage(url, schema=schema) for _ in range(12)]
    await asyncio.gather(*(storage.append("a", TURN) for storage in storages))
    assert len((await storages[0].read("a")).records) == 12
    await asyncio.gather(*(storage.close() for storage in storages))


async def test_schemas_are_apart(url: str, schema: str) -> None:
    names = [schema, f"{schema} Ä-1.x", f"{schema}_b"]
    for name in names:
        async with PostgresStorage(url, schema=name) as storage:
            assert (await storage.append("a", TURN, expected=0)).revision == 1
            assert len([info async for info in storage.threads()]) == 1


@pytest.mark.parametrize(
    "name", ["", "pg_catalog", "a" * 64, "é" * 32, 'a"b', "a;b", "$$", "a%b", "a{b}", "a\0b", " a"]
)
def test_a_schema_that_could_be_anything_else_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        PostgresStorage("postgresql://localhost/x", schema=name)


async def test_a_role_that_may_only_use_what_is_there_needs_no_more(url: str, schema: str, db: Connection) -> None:
    role = f"{schema}_role"
    await ensure_tables(db, schema, "here")
    await db.execute(
        SQL(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role};"
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
        ).format(role=Identifier(role), schema=Identifier(schema))
    )
    async with PostgresStorage(make_conninfo(url, user=role), schema=schema) as storage:
        assert (await storage.append("a", TURN)).revision == 1
        assert len((await storage.read("a")).records) == 1
    async with PostgresStorage(make_conninfo(url, user=role), schema=f"{schema}_other") as storage:
        with pytest.raises(StorageReadOnly, match="permission denied"):
            await storage.append("a", TURN)


async def test_a_database_of_another_encoding_is_refused(url: str, schema: str, db: Connection) -> None:
    query = SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    await db.execute(query.format(Identifier(schema)))
    async with PostgresStorage(make_conninfo(url, dbname=schema)) as storage:
        with pytest.raises(ConfigurationError, match="UTF8"):
            await storage.append("a", TURN)


def test_without_the_driver_the_import_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from recuerda.errors import MissingExtraError\n"
        "try:\n    import recuerda.postgres\n"
        "except MissingExtraError as error:\n    assert 'recuerda[postgres]' in str(error)\n"
        "else:\n    raise SystemExit('imported')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_a_threads_row_says_whether_it_has_a_draft(storage: PostgresStorage, db: Connection, schema: str) -> None:
    query = SQL("SELECT t.has_draft, EXISTS (SELECT FROM {} AS d WHERE d.thread_key = t.key) FROM {} AS t").format(
        Identifier(schema, "drafts"), Identifier(schema, "threads")
    )

    async def said_and_true() -> tuple[bool, bool]:
        row = await (await db.execute(query)).fetchone()
        assert row is not None
        return row[0], row[1]

    async def save_steps(revision: int) -> None:
        for number in (1, 2):
            step = DraftStep(turn_id="t", revision=revision, number=number, body=b"{}", created_us=1)
            await storage.save_draft("a", step)
        assert await said_and_true() == (True, True)

    await save_steps(0)
    assert await storage.drop_draft("a")
    assert await said_and_true() == (False, False)
    await save_steps(0)
    await storage.append("a", replace(TURN, id="t"))
    assert await said_and_true() == (False, False)
    await save_steps(1)
    await storage.append("a", replace(TURN, id="t"))
    assert await said_and_true() == (False, False)
    await save_steps(1)
    await storage.append_all("a", [replace(TURN, id="t")])
    assert await said_and_true() == (False, False)
    await save_steps(1)
    await storage.append_all("a", [TURN])
    assert await said_and_true() == (False, False)


async def test_the_server_reads_a_threads_information_without_a_call(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    await storage.append("a", TURN)
    query = SQL("EXPLAIN VERBOSE SELECT {}(t) FROM {} AS t").format(
        Identifier(schema, "info"), Identifier(schema, "threads")
    )
    plan = " ".join(line for (line,) in await (await db.execute(query)).fetchall())
    assert "json_build_array" in plan
    assert "info(" not in plan
