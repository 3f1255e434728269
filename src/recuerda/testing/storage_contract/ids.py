"""Tests of ids: every text is kept unchanged and apart from all others, or it is refused."""

from __future__ import annotations

import pytest

from recuerda.errors import InvalidInput
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.testing.storage_contract.base import ContractBase, a_turn, bodies

HOSTILE_IDS = (
    *("a", "A", "ä", "a\u0308", "Ä", "ß", "ss", "İ", "i"),
    *("a/b", "a\\b", "a:b", "a|b", "a%2Fb", "%00", "%", "_", "*", "?", "[a]", "{a}", "a b", "a+b", "a&b=c", "a#b", "~"),
    *(
        "../../etc/passwd",
        "..\\..\\windows",
        "/etc/passwd",
        "C:\\a",
        "C:a",
        "\\\\server\\share",
        "file:///a",
        ".",
        "..",
    ),
    *(
        "CON",
        "con",
        "NUL",
        "nul.txt",
        "COM1",
        "LPT9",
        "aux",
        "PRN.db",
        "a.",
        "a..",
        "a ",
        " a",
        "a. .",
        ".a",
        "-rf",
        "--",
    ),
    *("'", '"', "`", "'; DROP TABLE threads; --", '" OR 1=1', "${HOME}", "$(id)", "<script>", "a\nb", "a\r\nb", "a\tb"),
    *("\x01", "\x1b[31m", "\x7f", "\u0085", "\u2028", "\ufeff", "\u202e", "\u200b", "\uffff", "\U0010ffff"),
    *("🐧", "👩‍👩‍👧", "日本語", "0", "00", "1", "-1", "1.0", "1e3", "None", "null", "true", "[]", "{}"),
    *("x" * 255, "x" * 256, "x" * 511, "x" * 512, "X" * 512, "/" * 512, "é" * 256, "🐧" * 128, "." * 512),
)

REFUSED_IDS = {
    "empty": "",
    "NUL": "\x00",
    "NUL inside": "a\x00b",
    "513 bytes": "x" * 513,
    "514 bytes": "é" * 257,
    "high surrogate": "\ud800",
    "low surrogate inside": "a\udfffb",
}


class IdContract(ContractBase):
    """Tests of the ids of threads, turns and users."""

    async def test_every_hostile_thread_id_is_a_thread_of_its_own(self, storage: Storage, another: Storage) -> None:
        for i, name in enumerate(HOSTILE_IDS):
            await storage.append(name, a_turn(str(i), created_us=1_000_000), expected=0)
        for i, name in enumerate(HOSTILE_IDS):
            found = await another.read(name)
            assert [record.body for record in found.records] == [str(i).encode()], name
            assert found.info is not None
            assert found.info.id == name
        assert sorted([info.id async for info in another.threads()]) == sorted(HOSTILE_IDS)
        listed, cursor = list[str](), None
        while page := await another.list_threads(limit=1, cursor=cursor):
            listed.extend(info.id for info in page.threads)
            if (cursor := page.cursor) is None:
                break
        assert listed == sorted(HOSTILE_IDS, reverse=True)  # each page goes on after a hostile id

    async def test_every_hostile_thread_id_can_be_updated_drafted_and_deleted(self, storage: Storage) -> None:
        for i, name in enumerate(HOSTILE_IDS):
            await storage.update_thread(name, title=str(i))
            await storage.save_draft(name, DraftStep(turn_id=name, revision=0, number=1, body=str(i).encode()))
        for i, name in enumerate(HOSTILE_IDS):
            info, draft = await storage.head(name), await storage.load_draft(name)
            assert info is not None
            assert draft is not None
            assert (info.title, draft.turn_id, draft.steps[0].body) == (str(i), name, str(i).encode())
        for name in HOSTILE_IDS[::2]:
            assert await storage.delete(name)
        assert sorted([info.id async for info in storage.threads()]) == sorted(HOSTILE_IDS[1::2])

    async def test_every_hostile_turn_id_is_a_turn_of_its_own(self, storage: Storage) -> None:
        for i, name in enumerate(HOSTILE_IDS):
            assert not (await storage.append("a", a_turn(str(i), id=name), expected=i)).replayed, name
        for i, name in enumerate(HOSTILE_IDS):
            again = await storage.append("a", a_turn(b"again", id=name))
            assert (again.replayed, again.record.body, again.record.id) == (True, str(i).encode(), name)
            found = (await storage.read("a", last_turns=1, turn_id=name)).found
            assert found == again.record

    async def test_every_hostile_user_id_is_a_user_of_their_own(self, storage: Storage) -> None:
        for i, name in enumerate(HOSTILE_IDS):
            await storage.append(f"{i}", a_turn(), user_id=name)
        for i, name in enumerate(HOSTILE_IDS):
            page = await storage.list_threads(user_id=name)
            assert [(info.id, info.user_id) for info in page.threads] == [(f"{i}", name)], name

    async def test_an_id_that_cannot_be_kept_is_refused_everywhere(self, storage: Storage) -> None:
        await storage.append("a", a_turn(b"safe"))
        step = DraftStep(turn_id="t", revision=0, number=1, body=b"")
        for name in REFUSED_IDS.values():
            refused = (
                storage.append(name, a_turn()),
                storage.append("a", a_turn(id=name)),
                storage.append("new", a_turn(), user_id=name),
                storage.read(name),
                storage.read("a", turn_id=name),
                storage.head(name),
                storage.undo(name),
                storage.trim(name, keep_turns=1),
                storage.update_thread(name, title="T"),
                storage.update_thread("new", user_id=name),
                storage.list_threads(user_id=name),
                storage.delete(name),
                storage.save_draft(name, step),
                storage.save_draft("new", DraftStep(turn_id=name, revision=0, number=1, body=b"")),
                storage.load_draft(name),
                storage.drop_draft(name),
            )
            for call in refused:
                with pytest.raises(InvalidInput):
                    await call
        assert [info.id async for info in storage.threads()] == ["a"]
        assert await bodies(storage, "a") == [b"safe"]
        assert await storage.load_draft("new") is None
