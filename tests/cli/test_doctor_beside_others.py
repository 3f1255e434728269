"""`recuerda doctor --repair` while other programs use the threads: it repairs what it copied, or leaves the thread."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from recuerda import MemoryStorage, NewTurn, Storage, ThreadOwnershipError
from recuerda.cli.copies import Backup
from recuerda.cli.treatment import Drops, repair
from recuerda.errors import StorageFull
from recuerda.examination import examine
from recuerda.storage.drafts import DraftStep
from recuerda.threads.transfer import import_lines
from tests.between import before


def turn(id: str) -> NewTurn:
    body = f'{{"messages":[{{"role":"user","content":"of {id}"}}]}}'.encode()
    return NewTurn(body=body, message_count=1, id=id, created_us=1000)


@pytest.fixture
def copies(tmp_path: Path) -> Backup:
    return Backup(tmp_path / "copies")


@pytest.fixture
async def storage(monkeypatch: pytest.MonkeyPatch) -> MemoryStorage:
    """A storage with a thread whose counters are wrong until it is made again."""
    storage = MemoryStorage()
    await storage.append_all("t", [turn("one"), turn("two")], user_id="ana", title="made of one")
    await storage.update_thread("t", metadata={"a": 1, "b": 2})
    first = await storage.head("t")
    assert first is not None
    read = storage.read

    async def miscounted(thread_id: str, **options: Any) -> Any:
        found = await read(thread_id, **options)
        if found.info is None or found.info.incarnation != first.incarnation:
            return found
        return replace(found, info=replace(found.info, turns=found.info.turns + 1))

    monkeypatch.setattr(storage, "read", miscounted)
    return storage


async def repaired(storage: Storage, copies: Backup) -> list[str]:
    """Repair the thread, and return the next steps of the findings that are left."""
    after = await repair(storage, await examine(storage, "t"), Drops(), copies)
    return [finding.next_step for finding in after.findings]


async def ids(storage: Storage) -> list[str]:
    return [record.id for record in (await storage.read("t")).records]


async def restored(copies: Backup) -> list[str]:
    """Import the copies into a new storage, and return the ids of the turns."""
    storage = MemoryStorage()
    for path in copies.exports_of("t"):
        await import_lines(storage, path.read_text(encoding="utf-8").split("\n"))
    return await ids(storage)


async def test_a_thread_is_made_again_with_its_settings(storage: Storage, copies: Backup) -> None:
    assert await repaired(storage, copies) == []
    assert await ids(storage) == await restored(copies) == ["one", "two"]
    info = await storage.head("t")
    assert info is not None
    assert (info.user_id, info.title, info.title_turn, info.metadata) == ("ana", "made of one", 1, {"a": 1, "b": 2})


async def test_a_turn_that_comes_between_the_copy_and_the_deletion_is_copied_first(
    storage: Storage, copies: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(monkeypatch, storage, "delete", lambda: storage.append("t", turn("newer")))
    assert await repaired(storage, copies) == []
    assert await ids(storage) == await restored(copies) == ["one", "two", "newer"]


async def test_a_turn_that_comes_between_the_deletion_and_the_append_follows_the_old_ones(
    storage: Storage, copies: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begins_anew() -> None:
        await storage.append("t", turn("newer"), user_id="ana")
        await storage.update_thread("t", metadata={"b": 3, "c": 4})

    before(monkeypatch, storage, "append_all", begins_anew)
    assert await repaired(storage, copies) == []
    assert await ids(storage) == await restored(copies) == ["one", "two", "newer"]
    info = await storage.head("t")
    assert info is not None
    assert info.metadata == {"a": 1, "b": 3, "c": 4}


async def test_a_thread_that_is_begun_anew_again_and_again_loses_no_turn(
    storage: Storage, copies: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter(range(100))
    before(monkeypatch, storage, "append_all", lambda: storage.append("t", turn(f"n{next(numbers)}")), times=50)
    await repaired(storage, copies)
    newer = [f"n{number}" for number in range(next(numbers))]
    assert sorted(await ids(storage)) == sorted(["one", "two", *newer])


async def test_a_thread_that_changes_during_each_try_is_left_alone(
    storage: Storage, copies: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter(range(100))
    before(monkeypatch, storage, "delete", lambda: storage.append("t", turn(f"n{next(numbers)}")), times=50)
    (left,) = await repaired(storage, copies)
    assert left.startswith("It stays: the thread changed during each try.")
    assert len(await ids(storage)) == 2 + next(numbers)


@pytest.mark.parametrize("failure", [StorageFull("no space is left"), KeyboardInterrupt()], ids=["full", "ctrl-c"])
def test_a_repair_that_is_interrupted_after_the_deletion_says_how_the_thread_comes_back(
    storage: Storage,
    copies: Backup,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
) -> None:
    async def fails() -> None:
        raise failure

    before(monkeypatch, storage, "append_all", fails)
    with pytest.raises(type(failure)):
        asyncio.run(repaired(storage, copies))
    told = capsys.readouterr().err
    assert f"brings a thread back from its copy in {copies.folder}" in told
    assert f"brings its missing turns back: {copies.exports_of('t')[0]}" in told
    assert asyncio.run(restored(copies)) == ["one", "two"]


async def test_a_thread_that_another_user_begins_meanwhile_stays_theirs(
    storage: Storage, copies: Backup, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before(monkeypatch, storage, "append_all", lambda: storage.append("t", turn("of bo"), user_id="bo"))
    with pytest.raises(ThreadOwnershipError):
        await repaired(storage, copies)
    assert await ids(storage) == ["of bo"]
    assert str(copies.exports_of("t")[0]) in capsys.readouterr().err
    assert await restored(copies) == ["one", "two"]


async def test_a_turn_that_is_undone_before_another_one_is_replaced_stays_undone(
    copies: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = MemoryStorage()
    await storage.append_all("t", [turn("one"), turn("two")])
    await storage.rewrite("t", {1: b"?"})
    before(monkeypatch, storage, "rewrite", lambda: storage.undo("t"))
    assert await repaired(storage, copies) == []
    assert await ids(storage) == ["one"]
    assert b"could not be read" in (await storage.read("t")).records[0].body


async def test_a_body_that_was_replaced_meanwhile_stays(copies: Backup, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    await storage.append("t", turn("one"))
    await storage.rewrite("t", {1: b"?"})
    before(monkeypatch, storage, "rewrite", lambda: MemoryStorage.rewrite(storage, "t", {1: turn("mended").body}))
    assert await repaired(storage, copies) == []
    assert (await storage.read("t")).records[0].body == turn("mended").body


async def test_an_interrupted_turn_that_goes_on_meanwhile_is_not_dropped(copies: Backup) -> None:
    storage = MemoryStorage()
    await storage.append("t", turn("one"))
    step = DraftStep(turn_id="two", revision=1, number=1, body=b"?", created_us=1)
    await storage.save_draft("t", step)
    thread = await examine(storage, "t")
    await storage.save_draft("t", replace(step, number=2, id="second"))
    left = await repair(storage, thread, Drops(is_wanted=True), copies)
    assert [finding.kind for finding in left.findings] == ["unreadable_draft"]
    draft = await storage.load_draft("t")
    assert draft is not None
    assert len(draft.steps) == 2


async def test_a_thread_that_is_deleted_meanwhile_does_not_come_back(
    storage: MemoryStorage, copies: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(monkeypatch, storage, "delete", lambda: MemoryStorage.delete(storage, "t"))
    assert await repaired(storage, copies) == []
    assert await storage.head("t") is None


async def test_a_thread_that_is_begun_anew_and_deleted_meanwhile_stays_deleted(
    storage: MemoryStorage, copies: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(monkeypatch, storage, "append_all", lambda: storage.append("t", turn("newer")))
    deletions = list[str]()

    async def deletes_newer() -> None:
        deletions.append("t")
        if len(deletions) == 2:
            await MemoryStorage.delete(storage, "t")

    before(monkeypatch, storage, "delete", deletes_newer, times=2)
    assert await repaired(storage, copies) == []
    assert await storage.head("t") is None
