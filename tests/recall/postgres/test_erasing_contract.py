"""What is erased in the storage is gone from PostgreSQL's tables too: the same cases, and queries for what is left."""

from psycopg.sql import SQL, Identifier

from recuerda.recall import FactExtractor
from recuerda.recall.postgres import PostgresRecallIndex
from recuerda.recall.postgres.texts import original_text
from recuerda.recall.provider import RecallProvider
from recuerda.sqlite import SQLiteStorage
from recuerda.testing.scripted import ScriptedChatClient
from tests.recall import test_erasing, test_versions
from tests.recall.postgres.memories import DERIVED, KEPT, Connection, counts
from tests.recall.postgres.taking_over import cases
from tests.recall.test_erasing import ben_goes_on, taught
from tests.recall.test_facts import finds
from tests.recall.test_meaning import Meanings

globals().update(cases([test_erasing, test_versions]))


async def has_word(db: Connection, schema: str, word: str) -> list[str]:
    """Return the tables of which a row has a word in any column, also as bytes, or in a compressed text."""
    found: list[str] = []
    for name in (*DERIVED, *KEPT, "state"):
        table = Identifier(schema, f"recall_{name}")
        rows = await db.execute(
            SQL("SELECT 1 FROM {} t WHERE t::text ILIKE ANY (%s)").format(table),
            ([f"%{word}%", f"%{word.encode().hex()}%"],),
        )
        if await rows.fetchone():
            found.append(name)
    rows = await db.execute(SQL("SELECT data FROM {}").format(Identifier(schema, "recall_documents")))
    if any(word in original_text(data) for (data,) in await rows.fetchall()):
        found.append("documents")
    return found


async def test_no_row_is_left_of_an_erased_user(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, index: PostgresRecallIndex, db: Connection, schema: str
) -> None:
    finder = ScriptedChatClient(default=finds({"text": "They collect amber."}))
    recall = RecallProvider(index, storage=storage, embedder=Meanings(), facts=FactExtractor(finder))
    await taught(recall, storage, "ana's", "ana")
    await recall.flush()
    assert set(await has_word(db, schema, "amber")) >= {"documents", "pending", "facts"}
    await elsewhere.erase_user("ana")
    await recall.catch_up()
    assert set((await counts(db, schema)).values()) == {0}
    assert await has_word(db, schema, "ana") == []


async def test_no_row_is_left_of_a_user_for_whom_nobody_searches(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, index: PostgresRecallIndex, db: Connection, schema: str
) -> None:
    recall = RecallProvider(index, storage=storage)
    await taught(recall, storage, "ana's", "ana")
    await elsewhere.erase_user("ana")
    await ben_goes_on(recall, storage, 8)
    assert await has_word(db, schema, "ana's") == []
    await recall.close()
