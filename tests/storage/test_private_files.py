"""Files and folders of storages and indexes are made for their owner alone, whatever the umask allows."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from recuerda import open_storage
from recuerda._drivers.private_files import make_private_file, make_private_folder
from recuerda.file import FileStorage
from recuerda.file.names import files_of
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from tests.modes import modes_in, shared_in, umask

BODY = b'{"v":1,"messages":[{"role":"user","content":"I parked in Oslo."}]}'


def a_turn(name: str) -> NewTurn:
    return NewTurn(body=BODY, message_count=1, id=name)


async def use(storage: Storage) -> None:
    """Make every kind of file that a storage makes."""
    for number in range(3):
        await storage.append("a", a_turn(f"t{number}"), user_id="ana")
    await storage.undo("a", user_id="ana")
    await storage.update_thread("a", title="A title")
    info = await storage.head("a")
    assert info is not None
    await storage.save_draft("a", DraftStep(turn_id="d", revision=info.revision, number=1, body=b"1", created_us=1))


async def test_all_files_of_a_storage_and_its_index_are_private(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/new/folder/threads.db", f"file://{tmp_path}/other/new/threads"):
        with umask(0):
            storage = open_storage(url)
            await use(storage)
            async with storage.lease("a", timedelta(seconds=9)), RecallProvider(storage=storage, user_id="ana") as mine:
                await mine.catch_up()
                assert await mine.search("Oslo", limit=1)
                open_names = set(modes_in(tmp_path))
                assert shared_in(tmp_path) == []
            await storage.close()
        assert shared_in(tmp_path) == []
        kinds = {Path(name).suffix or Path(name).name for name in open_names}
        assert kinds >= ({".db", ".db-wal", ".db-shm"} if url.startswith("sqlite") else {".jsonl", ".draft", ".lease"})


def test_a_stricter_umask_makes_files_and_folders_stricter(tmp_path: Path) -> None:
    with umask(0o277):
        make_private_file(tmp_path / "file")
        make_private_folder(tmp_path / "folder")
    assert modes_in(tmp_path) == {"file": 0o400, "folder": 0o500}


async def test_files_and_folders_that_a_person_made_keep_their_modes(tmp_path: Path) -> None:
    database, folder = tmp_path / "threads.db", tmp_path / "threads"
    database.touch()
    database.chmod(0o664)
    folder.mkdir()
    folder.chmod(0o775)
    async with SQLiteStorage(database) as storage:
        await storage.append("a", a_turn("1"))
        assert modes_in(tmp_path)["threads.db-wal"] == 0o664  # who may use the file has to be able to use its log
    async with FileStorage(folder) as storage:
        await storage.append("a", a_turn("1"))
        files_of(folder, "a").log.chmod(0o644)
        await storage.undo("a")
    modes = modes_in(tmp_path)
    assert (modes["threads.db"], modes["threads"]) == (0o664, 0o775)
    assert files_of(folder, "a").log.stat().st_mode & 0o777 == 0o644


async def test_a_link_to_a_file_that_is_missing_makes_a_private_file(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    with umask(0):
        async with SQLiteStorage(tmp_path / "link.db") as storage:
            await storage.append("a", a_turn("1"))
    assert modes_in(tmp_path)["real.db"] == 0o600


async def test_many_storages_that_make_one_file_at_once_keep_their_locks(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    storages = [SQLiteStorage(path, synchronous="NORMAL") for _ in range(4)]
    for number, storage in enumerate(storages):
        await storage.append("a", a_turn(f"{number}"))
    for storage in storages:
        await storage.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM turns").fetchone() == (4,)
