"""The suite for strangers' storages: a good one passes it as it is, each kind of bad one fails it."""

import subprocess
import sys

import pytest

SUITE = '''
"""A stranger's tests, in pytest-asyncio's strict mode."""
import asyncio

import pytest_asyncio
from msgspec.structs import replace

from recuerda import MemoryStorage
from recuerda.storage import Guard
from recuerda.testing import StorageContract


class Forgetful(MemoryStorage):
    """Knows no ids: a retry writes twice."""

    async def _append(self, thread_id, record, guard):
        return await super()._append(thread_id, replace(record, is_new_id=True), guard)


class Careless(MemoryStorage):
    """Never looks at the revision that was expected."""

    async def _append(self, thread_id, record, guard):
        return await super()._append(thread_id, record, Guard(user_id=guard.user_id))


class Trusting(MemoryStorage):
    """Never looks at the user."""

    async def _append(self, thread_id, record, guard):
        return await super()._append(thread_id, record, replace(guard, user_id=None))


class Racy(MemoryStorage):
    """Looks, waits, and writes."""

    async def _append(self, thread_id, record, guard):
        info = (await super().read(thread_id, last_turns=0)).info
        await asyncio.sleep(0)
        if guard.revision is not None and guard.revision != (info.revision if info else 0):
            return await super()._append(thread_id, record, guard)
        return await super()._append(thread_id, record, Guard(user_id=guard.user_id))


class Credulous(MemoryStorage):
    """Takes a number for a version."""

    async def _read(self, thread_id, query):
        return await super()._read(thread_id, replace(query, record_id=None))


class Splitting(MemoryStorage):
    """Leaves a turn of the window out."""

    async def _read(self, thread_id, query):
        found = await super()._read(thread_id, query)
        return replace(found, records=found.records[1:]) if query.last_messages else found


class Undying(MemoryStorage):
    """Gives a thread that was made anew the life of the old one."""

    async def _read(self, thread_id, query):
        return await super()._read(thread_id, replace(query, incarnation=None))


class Folding(MemoryStorage):
    """Takes threads whose ids differ in case for one, as some file systems do."""

    async def _append(self, thread_id, record, guard):
        return await super()._append(thread_id.lower(), record, guard)

    async def _read(self, thread_id, query):
        return await super()._read(thread_id.lower(), query)


class Contract(StorageContract):
    __test__ = False
    made = None

    @pytest_asyncio.fixture
    async def storage(self):
        async with self.made() as storage:
            yield storage


def contract_of(kind):
    return type(f"Test{kind.__name__}", (Contract,), {"__test__": True, "made": kind})


TestMemoryStorage = contract_of(MemoryStorage)
TestForgetful = contract_of(Forgetful)
TestCareless = contract_of(Careless)
TestTrusting = contract_of(Trusting)
TestRacy = contract_of(Racy)
TestCredulous = contract_of(Credulous)
TestSplitting = contract_of(Splitting)
TestUndying = contract_of(Undying)
TestFolding = contract_of(Folding)
'''

CAUGHT = {
    "Forgetful": "test_an_id_that_is_there_is_replayed_and_writes_nothing",
    "Careless": "test_an_append_with_another_revision_writes_nothing",
    "Trusting": "test_an_operation_for_another_user_is_refused",
    "Credulous": "test_a_read_after_a_version_of_another_history_starts_anew",
    "Racy": "test_of_concurrent_appends_on_one_revision_exactly_one_wins",
    "Splitting": "test_a_window_is_the_newest_whole_turns",
    "Undying": "test_a_thread_deleted_and_made_anew_reads_afresh",
    "Folding": "test_every_hostile_thread_id_is_a_thread_of_its_own",
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What fails, as `TestClass::test_name`, in a project that isn't ours."""
    project = tmp_path_factory.mktemp("project")
    (project / "test_mine.py").write_text(SUITE)
    # Of a bad storage its one test, and not the model, which would spend its time on making failures of these small.
    chosen = " or ".join(["TestMemoryStorage", *(f"(Test{kind} and {test})" for kind, test in CAUGHT.items())])
    options = ["-q", "-rf", "--tb=no", "-p", "no:cacheprovider", "-k", f"not any_sequence and ({chosen})"]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run([*command, "test_mine.py"], cwd=project, capture_output=True, text=True, check=False)
    assert " passed" in done.stdout, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return {line.split(" ")[1].split("[")[0].removeprefix("test_mine.py::") for line in lines}


def test_a_good_storage_passes(failures: set[str]) -> None:
    assert not [one for one in failures if one.startswith("TestMemoryStorage")]


@pytest.mark.parametrize(("kind", "test"), CAUGHT.items())
def test_each_kind_of_bad_storage_is_caught_by_the_test_of_that_promise(
    failures: set[str], kind: str, test: str
) -> None:
    assert f"Test{kind}::{test}" in failures
