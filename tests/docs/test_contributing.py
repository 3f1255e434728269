"""The worked examples of CONTRIBUTING.md do what the page says: the storage keeps the contract, the command counts.

That the page's code runs and prints what it says is tested with all other pages, in `test_examples.py`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from recuerda import ChatMessage, ChatMessageStore, Storage, open_storage
from recuerda.testing.storage_contract import DraftListContract, RewriteContract, StorageContract
from tests.docs.test_examples import ROOT, blocks

PAGE = ROOT / "CONTRIBUTING.md"


@cache
def module_of(opening: str) -> ModuleType:
    """Import the page's Python block that starts with a docstring of this opening, as a module."""
    (code,) = [block.code for block in blocks(PAGE) if block.kind == "python" and block.code.startswith(opening)]
    module = ModuleType(f"contributed_{len(sys.modules)}")
    sys.modules[module.__name__] = module  # where the types of annotations are looked up
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    return module


def shelf(folder: Path) -> Storage:
    return module_of('"""Threads as JSON files').ShelfStorage(folder / "shelf")


class TestTheShelf(StorageContract, DraftListContract, RewriteContract):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        async with shelf(tmp_path) as storage:
            yield storage

    @pytest.fixture
    def another(self, storage: Storage, tmp_path: Path) -> Storage:
        return shelf(tmp_path)


async def test_the_shelfs_threads_outlive_it(tmp_path: Path) -> None:
    async with shelf(tmp_path) as storage:
        await ChatMessageStore(storage=storage, thread_id="riker").add_messages([ChatMessage("user", "Hello.")])
    async with shelf(tmp_path) as storage:
        (message,) = await ChatMessageStore(storage=storage, thread_id="riker").list_messages()
    assert message.text == "Hello."


async def test_the_command_counts(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'memory.db'}"
    async with open_storage(url) as storage:
        for thread_id in ("a", "b"):
            await ChatMessageStore(storage=storage, thread_id=thread_id).add_messages([ChatMessage("user", "Hello.")])
    app = typer.Typer()
    app.command()(module_of('"""`recuerda count`').count)
    runner = CliRunner()
    assert run(runner, app, "--storage", url) == "2 threads"
    assert run(runner, app, "--storage", url, "--json") == '{\n  "threads": 2\n}'


def run(runner: CliRunner, app: typer.Typer, *arguments: str) -> str:
    # The command starts an event loop; the thread of the test runs one already.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(runner.invoke, app, list(arguments)).result().stdout.strip()


def test_the_files_that_the_page_names_exist() -> None:
    for path in ("src/recuerda/storage/registry.py", "tests/storage/matrix.py", "pyproject.toml"):
        assert path in PAGE.read_text(encoding="utf-8"), path
        assert (ROOT / path).is_file(), path
