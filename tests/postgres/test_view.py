"""The `messages` view: for people who like SQL, whatever the bodies hold."""

from typing import Any

from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from recuerda import ChatMessage, ChatMessageStore, FunctionCallContent, TextContent
from recuerda.postgres import PostgresStorage
from recuerda.storage.records import NewTurn, from_microseconds
from tests.postgres.conftest import Connection


async def select(db: Connection, schema: str, columns: str = "*") -> list[dict[str, Any]]:
    query = f'SELECT {columns} FROM "{schema}".messages ORDER BY thread_id, turn, position'
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query.encode())
        return await cursor.fetchall()


async def test_each_message_is_a_row(storage: PostgresStorage, db: Connection, schema: str) -> None:
    store = ChatMessageStore(storage=storage, thread_id="a", user_id="ana")
    await store.add_messages(
        [
            ChatMessage("user", 'Hi "there" 🐧'),
            ChatMessage(
                "assistant",
                [TextContent("one "), FunctionCallContent(call_id="c", name="f", arguments={}), TextContent("two")],
            ),
        ]
    )
    await store.add_messages([ChatMessage("user", "")])
    rows = await select(db, schema)
    assert [(row["thread_id"], row["user_id"], row["turn"], row["position"]) for row in rows] == [
        ("a", "ana", 1, 1),
        ("a", "ana", 1, 2),
        ("a", "ana", 2, 1),
    ]
    assert [(row["role"], row["text"]) for row in rows[:2]] == [("user", 'Hi "there" 🐧'), ("assistant", "one two")]
    assert rows[1]["json"]["content"][1]["name"] == "f"
    record = (await storage.read("a")).records[0]
    assert (rows[0]["turn_id"], rows[0]["created_at"], rows[0]["committed_at"]) == (
        record.id,
        record.created_at,
        record.created_at,
    )


async def test_a_message_shows_when_it_was_said_and_when_it_was_committed(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    body = b'{"messages":[{"role":"user","content":"hi"}]}'
    await storage.append("a", NewTurn(body=body, message_count=1, created_us=5_000_000))
    record = (await storage.read("a")).records[0]
    assert await select(db, schema, "created_at, committed_at") == [
        {"created_at": from_microseconds(5_000_000), "committed_at": from_microseconds(record.committed_us)}
    ]


async def test_undone_turns_and_undos_are_no_rows(storage: PostgresStorage, db: Connection, schema: str) -> None:
    store = ChatMessageStore(storage=storage, thread_id="a")
    for text in ("1", "2", "3"):
        await store.add_messages([ChatMessage("user", text)])
    await store.undo()
    await store.trim(keep_turns=1)
    assert await select(db, schema, "turn, text") == [{"turn": 2, "text": "2"}]


async def test_a_nul_becomes_a_replacement_character(storage: PostgresStorage, db: Connection, schema: str) -> None:
    texts = ["\x00", "a\x00\x00b", "\\u0000", "\\\x00", "\\\\\x00\\u0000", "\ufffd"]
    store = ChatMessageStore(storage=storage, thread_id="a")
    await store.add_messages([ChatMessage("user", text, additional_properties={"k\x00": "\x00"}) for text in texts])
    assert [message.text for message in await store.list_messages()] == texts
    assert [row["text"] for row in await select(db, schema, "text")] == [
        text.replace("\x00", "\ufffd") for text in texts
    ]


async def test_bodies_that_are_no_turns_are_no_rows(storage: PostgresStorage, db: Connection, schema: str) -> None:
    bodies = [
        b"",
        b"\x00\xff encrypted \x80",
        b"plain",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"messages":null}',
        b'{"messages":{"role":"user"}}',
        b'{"messages":"text"}',
        b'{"messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"messages":[{"role":"user","content":"cut',
        b"[" * 100_000,
        b"\xc3\x28",
    ]
    await storage.append_all("a", [NewTurn(body=body, message_count=1) for body in bodies])
    await storage.append("b", NewTurn(body=b'{"v":1,"messages":[{"role":"user","content":"hi"}]}', message_count=1))
    assert await select(db, schema, "thread_id, text") == [{"thread_id": "b", "text": "hi"}]


async def test_odd_messages_have_what_can_be_told(storage: PostgresStorage, db: Connection, schema: str) -> None:
    body = (
        b'{"messages":[1,null,"x",{},{"role":7,"content":7},{"role":"a","content":[]},{"content":[1,{"type":"text"}]}]}'
    )
    await storage.append("a", NewTurn(body=body, message_count=7))
    rows = await select(db, schema, "role, text")
    assert [(row["role"], row["text"]) for row in rows] == [
        (None, None),
        (None, None),
        (None, None),
        (None, None),
        ("7", None),
        ("a", None),
        (None, None),
    ]


async def test_one_thread_is_found_by_index(storage: PostgresStorage, db: Connection, schema: str) -> None:
    for thread in range(5):
        await storage.append_all(f"{thread}", [NewTurn(body=b"{}", message_count=1)] * 2_000)
    await db.execute(SQL("ANALYZE {}, {}").format(Identifier(schema, "threads"), Identifier(schema, "turns")))
    query = SQL("EXPLAIN SELECT * FROM {} WHERE thread_id = '3' AND turn > 1990").format(Identifier(schema, "messages"))
    found = await db.execute(query)
    plan = "\n".join(row[0] for row in await found.fetchall())
    assert "turns_pkey" in plan
    assert "Seq Scan on turns" not in plan
