"""Migrations: each once, in order, safe to start together; and what is refused."""

import asyncio
import subprocess
import sys
from importlib.resources import files

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from recuerda.errors import ConfigurationError, DraftConflict, StorageReadOnly, StorageUnavailable
from recuerda.postgres import PostgresStorage
from recuerda.postgres import schema as schema_module
from recuerda.postgres.schema import migrate, migrations
from recuerda.storage.records import DraftStep, NewTurn
from tests.postgres.conftest import Connection

TURN = NewTurn(body=b"{}", message_count=1)


async def test_every_migration_is_applied_once_and_recorded(
    storage: PostgresStorage, db: Connection, url: str, schema: str
) -> None:
    await storage.append("a", TURN)
    async with PostgresStorage(url, schema=schema) as again:
        await again.append("a", TURN)
    query = SQL("SELECT version, name FROM {} ORDER BY version").format(Identifier(schema, "schema_migrations"))
    applied = await (await db.execute(query)).fetchall()
    assert applied == [(number, name) for number, (name, _) in enumerate(migrations(), 1)]


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [int(name[:4]) for name, _ in migrations()] == list(range(1, len(migrations()) + 1))
    assert files("recuerda.postgres").joinpath("migrations/0001_tables.sql").is_file()


@pytest.mark.parametrize("there", range(1, len(migrations())))
async def test_an_older_schema_is_brought_up_to_date(
    monkeypatch: pytest.MonkeyPatch, url: str, schema: str, db: Connection, there: int
) -> None:
    older = migrations()[:there]
    with monkeypatch.context() as patch:
        patch.setattr(schema_module, "migrations", lambda: older)
        await migrate(db, schema, "here")
    async with PostgresStorage(url, schema=schema) as storage:
        assert (await storage.append("a", TURN)).revision == 1


async def test_what_a_version_before_summaries_wrote_goes_on_beside_it(
    monkeypatch: pytest.MonkeyPatch, url: str, schema: str, db: Connection
) -> None:
    """The functions of the version before stay, so that its processes keep running while new ones start."""
    older = migrations()[:4]
    with monkeypatch.context() as patch:
        patch.setattr(schema_module, "migrations", lambda: older)
        await migrate(db, schema, "here")
    save = SQL("SELECT {}('a', %s, 't', 2, 'step', 1000)").format(Identifier(schema, "save_draft"))
    append = SQL("SELECT * FROM {}('a', NULL, false, %s, 1, %s, '', %s, %s, NULL, NULL, NULL, 1000)").format(
        Identifier(schema, "append_record")
    )
    for name in ("t1", "t2"):
        await db.execute(append, (name, 1, "turn", None))
    await db.execute(save, (1,))
    async with PostgresStorage(url, schema=schema) as storage:
        with pytest.raises(DraftConflict):
            await storage.save_draft("a", DraftStep(turn_id="other", revision=2, number=1, body=b""))
        await storage.save_draft("a", DraftStep(turn_id="t", revision=2, number=2, body=b"new", created_us=7))
        await db.execute(save, (3,))
        draft = await storage.load_draft("a")
        assert draft is not None
        assert [(step.number, step.body, step.created_us) for step in draft.steps] == [
            (1, b"step", 0),
            (2, b"new", 7),
            (3, b"step", 0),
        ]
        await storage.summarize("a", b"1", through=1)
        await storage.summarize("a", b"2", through=2)
        await db.execute(append, ("an undo", 0, "undo", 2))
        found = await storage.read("a", with_summary=True)
        assert found.summary is not None
        assert (found.summary.body, found.records) == (b"1", ())
        assert await storage.load_draft("a") is None


async def test_a_schema_of_a_newer_version_is_refused(url: str, schema: str, db: Connection) -> None:
    await migrate(db, schema, "here")
    table = Identifier(schema, "schema_migrations")
    await db.execute(SQL("INSERT INTO {} (version, name) VALUES (99, 'later')").format(table))
    async with PostgresStorage(url, schema=schema) as storage:
        with pytest.raises(StorageUnavailable, match=r"newer recuerda \(version 99"):
            await storage.append("a", TURN)


async def test_a_migration_that_fails_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, db: Connection, schema: str
) -> None:
    broken = [*migrations()[:2], ("0003_broken.sql", "SELECT 1; SELEC")]
    with monkeypatch.context() as patch:
        patch.setattr(schema_module, "migrations", lambda: broken)
        with pytest.raises(psycopg.errors.SyntaxError):
            await migrate(db, schema, "here")
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
    await migrate(db, schema, "here")
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
