"""LangGraph's own suite for checkpointers: all base capabilities, and all extended ones."""

from collections.abc import AsyncGenerator

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import ALL_CAPABILITIES

from recuerda import MemoryStorage, Storage
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.interop.langgraph import RecuerdaSaver


async def failures(storage: Storage) -> dict[str, list[str]]:
    """Run the suite, and return what failed of each capability."""

    async def make() -> AsyncGenerator[BaseCheckpointSaver[int]]:
        yield RecuerdaSaver(storage)

    report = await validate(checkpointer_test(name="recuerda")(make))
    assert {name for name, result in report.results.items() if result.detected} == {
        one.value for one in ALL_CAPABILITIES
    }
    assert all(result.tests_passed + result.tests_failed > 0 for result in report.results.values())
    return {name: result.failures for name, result in report.results.items() if not result.passed}


async def test_the_saver_conforms_on_every_storage(storage: Storage) -> None:
    assert await failures(storage) == {}


async def test_the_saver_conforms_on_an_encrypted_storage() -> None:
    async with EncryptedStorage(MemoryStorage(), KeyRing({"k": b"k" * 32}, current="k")) as storage:
        assert await failures(storage) == {}
